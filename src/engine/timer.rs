//! A hashed hierarchical timer wheel with O(1) insertion and cancellation, in milliseconds.
//!
//! Level 0 has a slot for each of the next 64 milliseconds, level 1 one for each of the next 64 times 64, and so on. A
//! timer moves down a level when its slot is reached, so it is touched at most [`LEVELS`] times.

const LEVELS: usize = 4;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// The farthest a timer can be, in milliseconds; later ones fire then. Executions end long before (five minutes).
const HORIZON_MS: u64 = 1 << (SLOT_BITS * LEVELS as u32);
/// Room for this many timers is kept when none is left.
const KEPT_NODES: usize = 4096;
const NONE: u32 = u32::MAX;

/// Names a timer that has not fired yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimerId(u32);

struct Node<T> {
    deadline_ms: u64,
    previous: u32,
    next: u32,
    slot: u32,
    /// `None` when the node is free.
    payload: Option<T>,
}

/// Timers, each with a payload.
pub(super) struct TimerWheel<T> {
    now_ms: u64,
    heads: [[u32; SLOTS]; LEVELS],
    /// One bit for each slot that holds timers.
    occupied: [u64; LEVELS],
    nodes: Vec<Node<T>>,
    free: u32,
    length: usize,
}

impl<T> TimerWheel<T> {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { now_ms, heads: [[NONE; SLOTS]; LEVELS], occupied: [0; LEVELS], nodes: Vec::new(), free: NONE, length: 0 }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Sets a timer. One whose time has come fires with the next [`TimerWheel::advance`].
    pub(super) fn insert(&mut self, deadline_ms: u64, payload: T) -> TimerId {
        let deadline_ms = deadline_ms.clamp(self.now_ms + 1, self.now_ms + HORIZON_MS - 1);
        let node = Node { deadline_ms, previous: NONE, next: NONE, slot: 0, payload: Some(payload) };
        let id = if self.free == NONE {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).expect("there are fewer timers than waiting executions can be")
        } else {
            let id = self.free;
            self.free = self.nodes[id as usize].next;
            self.nodes[id as usize] = node;
            id
        };
        self.length += 1;
        self.link(id);
        TimerId(id)
    }

    /// Takes a timer back. It must not have fired.
    pub(super) fn cancel(&mut self, timer: TimerId) -> Option<T> {
        let node = self.nodes.get(timer.0 as usize)?;
        node.payload.as_ref()?;
        self.unlink(timer.0);
        Some(self.release(timer.0))
    }

    fn release(&mut self, id: u32) -> T {
        self.length -= 1;
        let node = &mut self.nodes[id as usize];
        node.next = self.free;
        self.free = id;
        let payload = node.payload.take().expect("a linked node has a payload");
        if self.length == 0 && self.nodes.capacity() > KEPT_NODES {
            // Give the memory of a burst of timers back.
            self.nodes = Vec::new();
            self.free = NONE;
        }
        payload
    }

    /// Which level and slot a deadline belongs to: the highest group of bits in which it differs from now.
    fn place(&self, deadline_ms: u64) -> (usize, usize) {
        let differs = (deadline_ms ^ self.now_ms) | (SLOTS as u64 - 1);
        let level = ((63 - differs.leading_zeros()) / SLOT_BITS) as usize;
        let level = level.min(LEVELS - 1);
        (level, (deadline_ms >> (SLOT_BITS * level as u32)) as usize & (SLOTS - 1))
    }

    fn link(&mut self, id: u32) {
        let (level, slot) = self.place(self.nodes[id as usize].deadline_ms);
        let head = self.heads[level][slot];
        let node = &mut self.nodes[id as usize];
        (node.previous, node.next, node.slot) = (NONE, head, (level * SLOTS + slot) as u32);
        if head != NONE {
            self.nodes[head as usize].previous = id;
        }
        self.heads[level][slot] = id;
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, id: u32) {
        let Node { previous, next, slot, .. } = self.nodes[id as usize];
        let (level, slot) = (slot as usize / SLOTS, slot as usize % SLOTS);
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if previous == NONE {
            self.heads[level][slot] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << slot);
            }
        } else {
            self.nodes[previous as usize].next = next;
        }
    }

    /// The time at which something is to be done: a timer fires or moves down a level.
    pub(super) fn next_ms(&self) -> Option<u64> {
        (0..LEVELS).filter_map(|level| self.next_of(level)).min()
    }

    /// When the first occupied slot of a level begins.
    fn next_of(&self, level: usize) -> Option<u64> {
        let occupied = self.occupied[level];
        if occupied == 0 {
            return None;
        }
        let shift = SLOT_BITS * level as u32;
        let current = (self.now_ms >> shift) & (SLOTS as u64 - 1);
        let ahead = u64::from(occupied.rotate_right(current as u32).trailing_zeros());
        let slot_start = ((self.now_ms >> shift) + ahead) << shift;
        // The current slot of a higher level holds only what is a whole turn ahead.
        Some(if slot_start <= self.now_ms { slot_start + ((SLOTS as u64) << shift) } else { slot_start })
    }

    /// Moves time on and hands over the payloads of all timers whose time has come.
    pub(super) fn advance(&mut self, now_ms: u64, mut fire: impl FnMut(T)) {
        while let Some(next) = self.next_ms().filter(|next| *next <= now_ms) {
            self.now_ms = next;
            for level in (0..LEVELS).rev() {
                let shift = SLOT_BITS * level as u32;
                if next & ((1 << shift) - 1) != 0 {
                    continue;
                }
                let slot = (next >> shift) as usize & (SLOTS - 1);
                let mut id = std::mem::replace(&mut self.heads[level][slot], NONE);
                self.occupied[level] &= !(1 << slot);
                while id != NONE {
                    let Node { deadline_ms, next: following, .. } = self.nodes[id as usize];
                    if deadline_ms <= next {
                        fire(self.release(id));
                    } else {
                        self.link(id);
                    }
                    id = following;
                }
            }
        }
        self.now_ms = self.now_ms.max(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_their_millisecond() {
        let seed = 0x1234_5678;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut wheel = TimerWheel::new(1_000_003);
        let mut expected: Vec<u64> = Vec::new();
        let mut now = 1_000_003;
        for _ in 0..200 {
            for _ in 0..50 {
                let deadline = now + 1 + random.u64(0..400_000) / (1 << random.u32(0..18));
                wheel.insert(deadline, deadline);
                expected.push(deadline);
            }
            now += random.u64(1..20_000);
            let mut fired = Vec::new();
            wheel.advance(now, |deadline| fired.push(deadline));
            assert!(fired.is_sorted(), "seed {seed}");
            let mut due: Vec<_> = expected.extract_if(.., |deadline| *deadline <= now).collect();
            due.sort_unstable();
            assert_eq!(fired, due, "seed {seed}");
            assert_eq!(wheel.len(), expected.len());
            assert!(wheel.next_ms().is_none_or(|next| expected.iter().all(|deadline| next <= *deadline)));
        }
    }

    #[test]
    fn cancelled_timers_do_not_fire() {
        let mut wheel = TimerWheel::new(0);
        let timers: Vec<_> = (0..1000).map(|time| wheel.insert(time * 37, time)).collect();
        for timer in timers.iter().skip(1).step_by(2) {
            assert!(wheel.cancel(*timer).is_some());
        }
        let mut fired = Vec::new();
        wheel.advance(1_000_000, |payload| fired.push(payload));
        assert_eq!(fired, (0..1000).step_by(2).collect::<Vec<_>>());
        assert_eq!(wheel.next_ms(), None);
    }
}
