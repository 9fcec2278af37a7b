//! Token buckets per API action and per state machine: a call that finds its bucket empty is refused at once.
//!
//! # Ground rules
//! A bucket is one atomic number (governor's cell-rate algorithm); shards share it and nobody waits for anybody. Time is
//! the [`Clock`]'s, so that tests can move it.

mod table;

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use governor::{
    Quota, RateLimiter,
    clock::Clock as GovernorClock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};

pub use self::table::{BucketSize, InvalidBucket, ThrottleTable};
use crate::{clock::Clock, model::action::Action};

/// The project's clock, as governor asks for it.
#[derive(Clone)]
struct ThrottleClock(Arc<dyn Clock>);

impl GovernorClock for ThrottleClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.monotonic_us() * 1000)
    }
}

/// One token bucket.
pub struct Bucket(RateLimiter<NotKeyed, InMemoryState, ThrottleClock, NoOpMiddleware<Nanos>>);

impl Bucket {
    /// A full bucket; none for a size that [`BucketSize::new`] refuses.
    fn new(size: BucketSize, clock: &Arc<dyn Clock>) -> Option<Self> {
        let quota = Quota::with_period(size.period()?)?.allow_burst(NonZeroU32::new(size.bucket)?);
        Some(Self(RateLimiter::direct_with_clock(quota, ThrottleClock(Arc::clone(clock)))))
    }

    /// Takes a token; false when there is none.
    #[inline]
    fn take(&self) -> bool {
        self.0.check().is_ok()
    }
}

/// Says for each call whether it may go on, and counts those that may not.
pub struct Throttle {
    table: ThrottleTable,
    clock: Arc<dyn Clock>,
    buckets: Vec<Option<Bucket>>,
    throttled: Vec<AtomicU64>,
}

impl Throttle {
    /// Full buckets of the sizes that `table` gives.
    #[must_use]
    pub fn new(table: ThrottleTable, clock: Arc<dyn Clock>) -> Self {
        let bucket = |action: &Action| table.get(*action).and_then(|size| Bucket::new(size, &clock));
        let buckets = Action::ALL.iter().map(bucket).collect();
        let throttled = Action::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self { table, clock, buckets, throttled }
    }

    /// Whether a call of `action` may go on.
    #[inline]
    #[must_use]
    pub fn admits(&self, action: Action) -> bool {
        match &self.buckets[action.index()] {
            Some(bucket) => bucket.take() || self.refuse(action),
            None => true,
        }
    }

    /// Whether a start of one state machine may go on. `bucket` is the place where the machine keeps its bucket.
    #[inline]
    #[must_use]
    pub fn admits_start(&self, action: Action, bucket: &std::sync::OnceLock<Bucket>) -> bool {
        let Some(size) = self.table.state_machine else { return true };
        if let Some(bucket) = bucket.get() {
            return bucket.take() || self.refuse(action);
        }
        match Bucket::new(size, &self.clock) {
            Some(full) => bucket.get_or_init(|| full).take() || self.refuse(action),
            None => true,
        }
    }

    /// How many calls of `action` were refused so far.
    #[must_use]
    pub fn throttled(&self, action: Action) -> u64 {
        self.throttled[action.index()].load(Ordering::Relaxed)
    }

    /// Counts a call that was refused for another reason that the API calls throttling.
    #[cold]
    pub fn count(&self, action: Action) {
        self.throttled[action.index()].fetch_add(1, Ordering::Relaxed);
    }

    fn refuse(&self, action: Action) -> bool {
        self.count(action);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::clock::SimClock;

    fn throttle(change: impl FnOnce(&mut ThrottleTable)) -> (Throttle, SimClock) {
        let clock = SimClock::default();
        let mut table = ThrottleTable::off();
        change(&mut table);
        (Throttle::new(table, Arc::new(clock.clone())), clock)
    }

    #[test]
    fn a_bucket_empties_and_refills() {
        let (throttle, clock) = throttle(|table| table.set(Action::StartExecution, BucketSize::new(2, 10.0).unwrap()));
        let admits = || throttle.admits(Action::StartExecution);
        assert_eq!([admits(), admits(), admits()], [true, true, false]);
        clock.advance_ms(100);
        assert_eq!([admits(), admits()], [true, false]);
        assert_eq!(throttle.throttled(Action::StartExecution), 2);
        assert!(throttle.admits(Action::StartSyncExecution), "other actions have their own bucket, or none");
    }

    #[test]
    fn machines_have_buckets_of_their_own() {
        let (throttle, clock) = throttle(|table| table.state_machine = BucketSize::new(1, 1.0).ok());
        let (first, second) = (OnceLock::new(), OnceLock::new());
        let admits = |bucket| throttle.admits_start(Action::StartSyncExecution, bucket);
        assert_eq!([admits(&first), admits(&first), admits(&second)], [true, false, true]);
        clock.advance_ms(1000);
        assert!(admits(&first));
        assert_eq!(throttle.throttled(Action::StartSyncExecution), 1);
    }
}
