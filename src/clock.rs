//! Time, as a parameter: the system's, or a simulated one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970, and milliseconds that never run backwards.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z, as the context object and the API give times.
    fn epoch_ms(&self) -> u64;
    /// Microseconds since some fixed moment; never less than before. Timers and deadlines count these.
    fn monotonic_us(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: Instant,
}

#[allow(clippy::disallowed_methods, reason = "the one place where time comes from")]
impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where time comes from")]
impl Clock for SystemClock {
    fn epoch_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }

    fn monotonic_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

/// A clock that stands still until it is told to move: for simulation and tests.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    microseconds: Arc<AtomicU64>,
}

impl SimClock {
    /// Moves time on.
    pub fn advance_ms(&self, milliseconds: u64) {
        self.advance_us(milliseconds * 1000);
    }

    /// Moves time on by less than a millisecond, or more.
    pub fn advance_us(&self, microseconds: u64) {
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn epoch_ms(&self) -> u64 {
        // 2026-01-01T00:00:00Z, so that simulated times look like times.
        1_767_225_600_000 + self.monotonic_us() / 1000
    }

    fn monotonic_us(&self) -> u64 {
        self.microseconds.load(Ordering::Relaxed)
    }
}
