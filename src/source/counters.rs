//! Counters of a pipe: added to by its lanes, read by whoever reports.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one pipe, shared by its lanes. Relaxed everywhere: they are read at leisure.
#[derive(Debug, Default)]
pub struct PipeCounters {
    pub(super) received: AtomicU64,
    pub(super) redelivered: AtomicU64,
    pub(super) filtered: AtomicU64,
    pub(super) started: AtomicU64,
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) handed_back: AtomicU64,
    pub(super) dead_lettered: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) lag: AtomicU64,
    /// Age of the oldest delivery of each lane.
    pub(super) oldest_ms: Box<[AtomicU64]>,
}

/// What the counters of a pipe stood at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountersSnapshot {
    /// Deliveries.
    pub received: u64,
    /// Deliveries that were not the first of their message.
    pub redelivered: u64,
    /// Deliveries that the filter skipped.
    pub filtered: u64,
    /// Executions started.
    pub started: u64,
    /// Executions that succeeded.
    pub succeeded: u64,
    /// Executions that did not.
    pub failed: u64,
    /// Results that their destination accepted.
    pub published: u64,
    /// Deliveries that are done.
    pub acknowledged: u64,
    /// Deliveries that were handed back, to be delivered again.
    pub handed_back: u64,
    /// Deliveries that the destination for dead letters accepted.
    pub dead_lettered: u64,
    /// Deliveries that nothing has become of yet.
    pub in_flight: u64,
    /// Messages that the source had left at the last delivery.
    pub lag: u64,
    /// Age of the oldest delivery that nothing has become of, in milliseconds.
    pub oldest_ms: u64,
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl PipeCounters {
    /// Counters of a pipe with so many lanes.
    #[must_use]
    pub fn new(lanes: usize) -> Self {
        Self { oldest_ms: (0..lanes).map(|_| AtomicU64::new(0)).collect(), ..Self::default() }
    }

    /// What they stand at.
    #[must_use]
    pub fn snapshot(&self) -> CountersSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CountersSnapshot {
            received: read(&self.received),
            redelivered: read(&self.redelivered),
            filtered: read(&self.filtered),
            started: read(&self.started),
            succeeded: read(&self.succeeded),
            failed: read(&self.failed),
            published: read(&self.published),
            acknowledged: read(&self.acknowledged),
            handed_back: read(&self.handed_back),
            dead_lettered: read(&self.dead_lettered),
            in_flight: read(&self.in_flight),
            lag: read(&self.lag),
            oldest_ms: self.oldest_ms.iter().map(read).max().unwrap_or(0),
        }
    }
}
