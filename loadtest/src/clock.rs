//! The one place where this crate reads the time: a load generator measures the real world, never a simulated one.

use std::time::{Duration, Instant};

/// The monotonic time now.
#[expect(clippy::disallowed_methods, reason = "measuring real time is what this crate is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds since an agreed beginning, which all threads of one run share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunClock {
    beginning: Instant,
}

impl RunClock {
    /// A clock that reads 0 now.
    pub(crate) fn start() -> Self {
        Self { beginning: now() }
    }

    /// Nanoseconds since the beginning; a run is bounded to hours, far below the 584 years of a `u64`.
    pub(crate) fn elapsed_ns(self) -> u64 {
        duration_ns(self.beginning.elapsed())
    }
}

/// A duration in whole nanoseconds, saturating.
pub(crate) fn duration_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Lets time pass, for measurements that are of the passing of time.
#[expect(clippy::disallowed_methods, reason = "a waiting execution is measured by waiting")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
