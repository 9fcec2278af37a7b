//! Counters of a pipe: added to by its lanes, read by whoever reports.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one pipe. Relaxed everywhere: they are read at leisure.
#[derive(Debug, Default)]
pub struct PipeCounters {
    lanes: Box<[LaneCounters]>,
    /// As the lane that heard of it last was told.
    pub(super) lag: AtomicU64,
}

/// Counters of one lane, on cache lines of their own: lanes are threads, and each event is counted several times.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct LaneCounters {
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
    /// Age of its oldest delivery.
    pub(super) oldest_ms: AtomicU64,
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

/// Adds to a counter of a lane. Only the lane's thread does, so that no other's count is overwritten.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

/// The same with a count that goes down.
pub(super) fn subtract(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_sub(count), Ordering::Relaxed);
}

impl PipeCounters {
    /// Counters of a pipe with so many lanes; at least one.
    #[must_use]
    pub fn new(lanes: usize) -> Self {
        Self { lanes: (0..lanes.max(1)).map(|_| LaneCounters::default()).collect(), lag: AtomicU64::new(0) }
    }

    /// Those of a lane.
    pub(super) fn lane(&self, index: usize) -> &LaneCounters {
        &self.lanes[index % self.lanes.len()]
    }

    /// What they stand at.
    #[must_use]
    pub fn snapshot(&self) -> CountersSnapshot {
        let read = |counter: fn(&LaneCounters) -> &AtomicU64| -> u64 {
            self.lanes.iter().map(|lane| counter(lane).load(Ordering::Relaxed)).sum()
        };
        CountersSnapshot {
            received: read(|lane| &lane.received),
            redelivered: read(|lane| &lane.redelivered),
            filtered: read(|lane| &lane.filtered),
            started: read(|lane| &lane.started),
            succeeded: read(|lane| &lane.succeeded),
            failed: read(|lane| &lane.failed),
            published: read(|lane| &lane.published),
            acknowledged: read(|lane| &lane.acknowledged),
            handed_back: read(|lane| &lane.handed_back),
            dead_lettered: read(|lane| &lane.dead_lettered),
            in_flight: read(|lane| &lane.in_flight),
            lag: self.lag.load(Ordering::Relaxed),
            oldest_ms: self.lanes.iter().map(|lane| lane.oldest_ms.load(Ordering::Relaxed)).max().unwrap_or(0),
        }
    }
}
