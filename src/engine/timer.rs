//! A hashed hierarchical timer wheel with O(1) insertion and cancellation, in milliseconds.
//!
//! Level 0 has a slot for each of the next 64 milliseconds, level 1 one for each of the next 64 times 64, and so on. A
//! timer moves down a level when its slot is reached, so it is touched at most [`LEVELS`] times.

use super::blocks::Blocks;

const LEVELS: usize = 4;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// The farthest a timer can be, in milliseconds; later ones fire then. Executions end long before (five minutes).
const HORIZON_MS: u64 = 1 << (SLOT_BITS * LEVELS as u32);
const NONE: u32 = u32::MAX;

/// Names a timer that has not fired yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimerId(pub(super) u32);

struct Node<T> {
    /// The lower half of the time; the wheel's own time is never so far from it that this would not be enough.
    deadline_ms: u32,
    previous: u32,
    next: u32,
    /// Level and slot.
    slot: u8,
    payload: T,
}

/// Timers, each with a payload.
pub(super) struct TimerWheel<T> {
    now_ms: u64,
    heads: [[u32; SLOTS]; LEVELS],
    /// One bit for each slot that holds timers.
    occupied: [u64; LEVELS],
    nodes: Blocks<Node<T>>,
}

impl<T> TimerWheel<T> {
    /// What each timer takes.
    #[cfg(test)]
    pub(super) const BYTES_EACH: usize = Blocks::<Node<T>>::BYTES_EACH;

    pub(super) fn new(now_ms: u64) -> Self {
        Self { now_ms, heads: [[NONE; SLOTS]; LEVELS], occupied: [0; LEVELS], nodes: Blocks::new() }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Sets a timer. One whose time has come fires with the next [`TimerWheel::advance`].
    pub(super) fn insert(&mut self, deadline_ms: u64, payload: T) -> TimerId {
        let deadline_ms = deadline_ms.clamp(self.now_ms + 1, self.now_ms + HORIZON_MS - 1);
        let (level, slot) = self.place(deadline_ms);
        let node = Node { deadline_ms: deadline_ms as u32, previous: NONE, next: NONE, slot: 0, payload };
        let id = self.nodes.insert(node);
        self.link(id, level, slot);
        TimerId(id)
    }

    /// Takes a timer back. It must not have fired.
    pub(super) fn cancel(&mut self, timer: TimerId) -> Option<T> {
        let node = self.nodes.remove(timer.0)?;
        self.unlink(&node);
        Some(node.payload)
    }

    /// The whole of a time that has not passed, and is less than [`HORIZON_MS`] away.
    fn whole_ms(&self, deadline_ms: u32) -> u64 {
        self.now_ms + u64::from(deadline_ms.wrapping_sub(self.now_ms as u32))
    }

    /// Which level and slot a deadline belongs to: the highest group of bits in which it differs from now.
    fn place(&self, deadline_ms: u64) -> (usize, usize) {
        let differs = (deadline_ms ^ self.now_ms) | (SLOTS as u64 - 1);
        let level = ((63 - differs.leading_zeros()) / SLOT_BITS) as usize;
        let level = level.min(LEVELS - 1);
        (level, (deadline_ms >> (SLOT_BITS * level as u32)) as usize & (SLOTS - 1))
    }

    fn link(&mut self, id: u32, level: usize, slot: usize) {
        let head = std::mem::replace(&mut self.heads[level][slot], id);
        if let Some(node) = self.nodes.get_mut(id) {
            (node.previous, node.next, node.slot) = (NONE, head, (level * SLOTS + slot) as u8);
        }
        if let Some(head) = self.nodes.get_mut(head) {
            head.previous = id;
        }
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, node: &Node<T>) {
        let (level, slot) = (usize::from(node.slot) / SLOTS, usize::from(node.slot) % SLOTS);
        if let Some(next) = self.nodes.get_mut(node.next) {
            next.previous = node.previous;
        }
        match self.nodes.get_mut(node.previous) {
            Some(previous) => previous.next = node.next,
            None => {
                self.heads[level][slot] = node.next;
                if node.next == NONE {
                    self.occupied[level] &= !(1 << slot);
                }
            }
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
                while let Some(Node { deadline_ms, next: following, .. }) = self.nodes.get(id) {
                    let (deadline_ms, following) = (self.whole_ms(*deadline_ms), *following);
                    if deadline_ms <= next {
                        self.nodes.remove(id).into_iter().for_each(|node| fire(node.payload));
                    } else {
                        let (level, slot) = self.place(deadline_ms);
                        self.link(id, level, slot);
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
