//! The executions of a shard: by key, and in the order in which their five minutes end.
//!
//! Ground rules: what waits is parked here and comes back as it was when somebody asks for it; nobody else knows that form.

use std::num::NonZeroU32;

use super::{
    blocks::Blocks,
    parked::Parked,
    running::{ExecutionKey, Running},
};

/// In place of a neighbour: there is none.
const NONE: u32 = u32::MAX;
/// Memory that is kept for packing, in bytes.
const MAX_KEPT_BYTES: usize = 65_536;

/// Executions that have not ended.
pub(super) struct Executions {
    places: Blocks<Place>,
    generation: NonZeroU32,
    oldest: u32,
    newest: u32,
    /// Memory in which executions are packed.
    bytes: Vec<u8>,
}

struct Place {
    generation: NonZeroU32,
    /// Neighbours in the queue of deadlines.
    older: u32,
    newer: u32,
    /// When the five minutes are over, on the monotonic clock.
    deadline_ms: u64,
    held: Held,
}

enum Held {
    Running(Box<Running>),
    Parked(Parked),
}

impl Executions {
    pub(super) fn new() -> Self {
        Self { places: Blocks::new(), generation: NonZeroU32::MIN, oldest: NONE, newest: NONE, bytes: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    /// Takes an execution in and gives it its key. It is the last in the queue of deadlines: one that ends its five minutes
    /// before others there needs a timer of its own.
    pub(super) fn insert(&mut self, running: Box<Running>) -> ExecutionKey {
        self.generation = self.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let (generation, deadline_ms) = (self.generation, running.deadline_ms);
        let (older, held) = (self.newest, Held::Running(running));
        let place = self.places.insert(Place { generation, older, newer: NONE, deadline_ms, held });
        match self.places.get_mut(older) {
            Some(older) => older.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
        let key = ExecutionKey { place, generation: generation.get() };
        if let Some(running) = self.get_mut(key) {
            running.key = key;
        }
        key
    }

    /// The execution of a key, if it has not ended.
    pub(super) fn get_mut(&mut self, key: ExecutionKey) -> Option<&mut Running> {
        let place = self.places.get_mut(key.place).filter(|place| place.generation.get() == key.generation)?;
        if let Held::Parked(parked) = &mut place.held {
            place.held = Held::Running(Box::new(parked.unpark(key, place.deadline_ms)));
        }
        match &mut place.held {
            Held::Running(running) => Some(running),
            Held::Parked(_) => None,
        }
    }

    /// Takes an execution out.
    pub(super) fn remove(&mut self, key: ExecutionKey) -> Option<Box<Running>> {
        self.get_mut(key)?;
        let Place { older, newer, held, .. } = self.places.remove(key.place)?;
        match self.places.get_mut(older) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.places.get_mut(newer) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match held {
            Held::Running(running) => Some(running),
            Held::Parked(_) => None,
        }
    }

    /// When the first five minutes end.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.places.get(self.oldest).map(|place| place.deadline_ms)
    }

    /// Those whose five minutes are over.
    pub(super) fn overdue(&self, now_ms: u64) -> Vec<ExecutionKey> {
        let mut over = Vec::new();
        let mut at = self.oldest;
        while let Some(place) = self.places.get(at).filter(|place| place.deadline_ms <= now_ms) {
            over.push(ExecutionKey { place: at, generation: place.generation.get() });
            at = place.newer;
        }
        over
    }

    /// Parks an execution, if it is of the kind that is parked.
    pub(super) fn park(&mut self, key: ExecutionKey) {
        let place = self.places.get_mut(key.place).filter(|place| place.generation.get() == key.generation);
        let Some(place) = place else { return };
        if let Held::Running(running) = &mut place.held
            && let Some(parked) = Parked::park(running, &mut self.bytes)
        {
            place.held = Held::Parked(parked);
        }
        if self.bytes.capacity() > MAX_KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_fits_a_cache_line() {
        assert_eq!(Blocks::<Place>::BYTES_EACH, 64);
    }
}
