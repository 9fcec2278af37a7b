//! Waits that double.

use std::time::Duration;

/// How long to wait after the first failure, the second, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer than this.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after the given number of failures, from 1: it doubles each time.
    #[must_use]
    pub fn after(self, failures: u64) -> Duration {
        /// Doubled this often, everything is the longest.
        const MOST_DOUBLINGS: u64 = 30;
        let doublings = failures.saturating_sub(1).min(MOST_DOUBLINGS) as u32;
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
        let waits: Vec<_> = (0..7).map(|failures| backoff.after(failures).as_millis()).collect();
        assert_eq!(waits, [100, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.after(u64::MAX), backoff.longest);
    }
}
