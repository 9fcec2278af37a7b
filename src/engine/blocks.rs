//! Things in numbered places, in blocks of memory that come and go with them.
//!
//! A vector that grows copies all that it holds, tens of milliseconds for a million things, and never gives memory back while
//! one of them is left. A block is given back as soon as it is empty, but for a few.

/// Places in a block.
const BLOCK: usize = 512;
/// Empty blocks whose memory is kept for what comes next.
const KEPT_BLOCKS: usize = 8;
/// No further free place.
const NONE: u16 = u16::MAX;

/// Things by the number of their place. Numbers are used again.
pub(super) struct Blocks<T> {
    blocks: Vec<Block<T>>,
    /// Blocks that have memory and room; the last is filled first.
    open: Vec<u32>,
    /// Blocks without memory.
    gone: Vec<u32>,
    /// Blocks that have memory and hold nothing.
    empty: usize,
    length: usize,
}

struct Block<T> {
    /// Has no length while the block has no memory.
    places: Box<[Place<T>]>,
    /// The first free place.
    free: u16,
    taken: u16,
}

enum Place<T> {
    /// With the next free place.
    Free(u16),
    Taken(T),
}

impl<T> Block<T> {
    fn new() -> Self {
        let last = BLOCK as u16 - 1;
        let places = (0..=last).map(|place| Place::Free(if place == last { NONE } else { place + 1 }));
        Self { places: places.collect(), free: 0, taken: 0 }
    }
}

impl<T> Blocks<T> {
    /// What each place takes, free or not.
    #[cfg(test)]
    pub(super) const BYTES_EACH: usize = size_of::<Place<T>>();

    pub(super) fn new() -> Self {
        Self { blocks: Vec::new(), open: Vec::new(), gone: Vec::new(), empty: 0, length: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn get(&self, place: u32) -> Option<&T> {
        match self.blocks.get(place as usize / BLOCK)?.places.get(place as usize % BLOCK)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        match self.blocks.get_mut(place as usize / BLOCK)?.places.get_mut(place as usize % BLOCK)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// Puts a thing into a free place, and says which.
    pub(super) fn insert(&mut self, thing: T) -> u32 {
        let at = match self.open.last() {
            Some(at) => *at,
            None => self.open_block(),
        };
        let block = &mut self.blocks[at as usize];
        let place = block.free;
        let Place::Free(next) = std::mem::replace(&mut block.places[usize::from(place)], Place::Taken(thing)) else {
            unreachable!("the list of free places holds free places only");
        };
        if block.taken == 0 {
            self.empty -= 1;
        }
        (block.free, block.taken) = (next, block.taken + 1);
        if next == NONE {
            self.open.pop();
        }
        self.length += 1;
        at * BLOCK as u32 + u32::from(place)
    }

    #[cold]
    fn open_block(&mut self) -> u32 {
        let at = match self.gone.pop() {
            Some(at) => {
                self.blocks[at as usize] = Block::new();
                at
            }
            None => {
                self.blocks.push(Block::new());
                u32::try_from(self.blocks.len() - 1).expect("there are fewer blocks than bytes of memory")
            }
        };
        self.open.push(at);
        self.empty += 1;
        at
    }

    /// Takes a thing out of its place.
    pub(super) fn remove(&mut self, place: u32) -> Option<T> {
        let at = place / BLOCK as u32;
        let block = self.blocks.get_mut(at as usize)?;
        let (place, free) = ((place as usize % BLOCK) as u16, block.free);
        let held = block.places.get_mut(usize::from(place))?;
        if let Place::Free(_) = held {
            return None;
        }
        let Place::Taken(thing) = std::mem::replace(held, Place::Free(free)) else { return None };
        block.free = place;
        block.taken -= 1;
        self.length -= 1;
        if free == NONE {
            self.open.push(at);
        }
        if block.taken == 0 {
            self.emptied(at);
        }
        Some(thing)
    }

    /// Gives the memory of a block back, unless few blocks are empty. It is looked for in the list of open blocks, once for all
    /// the things that it held.
    fn emptied(&mut self, at: u32) {
        if self.empty < KEPT_BLOCKS {
            self.empty += 1;
            return;
        }
        self.blocks[at as usize].places = Box::new([]);
        self.open.retain(|open| *open != at);
        self.gone.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_hold_what_was_put_there() {
        let seed = 0x9876;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut blocks = Blocks::new();
        let mut held: Vec<(u32, u64)> = Vec::new();
        for phase in 0..12 {
            // Fills up, then runs nearly empty.
            for step in 0..20_000_u64 {
                let grows = random.u8(..100) < if phase % 2 == 0 { 80 } else { 15 };
                if grows || held.is_empty() {
                    let place = blocks.insert(step);
                    assert!(held.iter().rev().take(50).all(|(other, _)| *other != place), "seed {seed}");
                    held.push((place, step));
                } else {
                    let (place, thing) = held.swap_remove(random.usize(..held.len()));
                    assert_eq!(blocks.get(place), Some(&thing), "seed {seed}");
                    assert_eq!(blocks.remove(place), Some(thing), "seed {seed}");
                    assert_eq!(blocks.remove(place), None, "seed {seed}");
                    assert_eq!(blocks.get(place), None, "seed {seed}");
                }
                assert_eq!(blocks.len(), held.len());
            }
            for (place, thing) in &held {
                assert_eq!(blocks.get_mut(*place), Some(&mut thing.clone()), "seed {seed}");
            }
        }
        for (place, _) in held.drain(..) {
            blocks.remove(place);
        }
        let with_memory = blocks.blocks.iter().filter(|block| !block.places.is_empty()).count();
        assert_eq!((blocks.len(), with_memory), (0, KEPT_BLOCKS));
        assert_eq!(blocks.empty, KEPT_BLOCKS);
    }

    #[test]
    fn numbers_are_used_again() {
        let mut blocks = Blocks::new();
        for _ in 0..3 {
            let places: Vec<_> = (0..40 * BLOCK as u32).map(|thing| blocks.insert(thing)).collect();
            assert!(places.iter().all(|place| (*place as usize) < 40 * BLOCK));
            for place in places {
                assert!(blocks.remove(place).is_some());
            }
        }
        assert!(blocks.get(u32::MAX).is_none() && blocks.remove(u32::MAX).is_none());
    }
}
