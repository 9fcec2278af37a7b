//! Recording of history events, as a type parameter of the engine: what nobody listens to is not even made.

use std::sync::{Arc, Mutex, PoisonError};

use crate::model::history_event::HistoryEvent;

/// Takes the events of one execution.
pub trait Recorder {
    /// Whether events are to be made at all.
    const ENABLED: bool;

    /// Takes an event.
    fn record(&mut self, event: HistoryEvent);
}

/// Takes nothing, at no cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecorder;

impl Recorder for NoRecorder {
    const ENABLED: bool = false;

    fn record(&mut self, _: HistoryEvent) {}
}

/// Keeps the first events up to a bound and counts the others. Clones share what is kept, so that whoever starts an
/// execution can read the events when it has ended.
#[derive(Clone, Debug)]
pub struct BoundedRecorder {
    kept: Arc<Mutex<Kept>>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Kept {
    events: Vec<HistoryEvent>,
    left_out: u64,
}

impl BoundedRecorder {
    /// Keeps up to `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { kept: Arc::default(), capacity }
    }

    /// Takes the events kept so far, in order, and how many more there were.
    #[must_use]
    pub fn take(&self) -> (Vec<HistoryEvent>, u64) {
        let Kept { events, left_out } = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        (events, left_out)
    }
}

impl Recorder for BoundedRecorder {
    const ENABLED: bool = true;

    fn record(&mut self, event: HistoryEvent) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.events.len() < self.capacity {
            kept.events.push(event);
        } else {
            kept.left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn events_past_the_bound_are_counted() {
        let mut recorder = BoundedRecorder::new(2);
        for id in 1..=5 {
            recorder.record(HistoryEvent {
                id,
                previous_event_id: id - 1,
                timestamp_ms: 0,
                kind: "PassStateEntered",
                details: Value::NULL,
            });
        }
        let (events, left_out) = recorder.take();
        assert_eq!((events.len(), left_out), (2, 3));
    }
}
