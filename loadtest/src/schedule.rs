//! The arrival schedule of an open loop, fixed before the first request is sent.
//!
//! Requests arrive evenly spaced at the chosen rate, whatever the server does; latency counts from the scheduled time, so
//! a request that had to wait for a stalled server shows that wait (no coordinated omission).

/// Nanoseconds of a second.
const SECOND_NS: u128 = 1_000_000_000;

/// One thread's share of the arrivals: every `threads`-th, beginning with the `thread`-th.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    rate_per_second: u64,
    threads: u64,
    thread: u64,
}

impl Schedule {
    /// The share of `thread` (from 0) of `threads`, together `rate_per_second` arrivals; both counts are at least 1.
    pub(crate) fn new(rate_per_second: u64, thread: usize, threads: usize) -> Self {
        Self { rate_per_second: rate_per_second.max(1), threads: threads.max(1) as u64, thread: thread as u64 }
    }

    /// When this thread's arrival `index` is due, in nanoseconds since the run's beginning.
    ///
    /// Computed from the index and not by adding intervals, so no rounding error adds up.
    pub(crate) fn due_ns(self, index: u64) -> u64 {
        let overall = u128::from(index) * u128::from(self.threads) + u128::from(self.thread);
        u64::try_from(overall * SECOND_NS / u128::from(self.rate_per_second)).unwrap_or(u64::MAX)
    }

    /// How many of this thread's arrivals are due strictly before `time_ns`.
    pub(crate) fn due_before(self, time_ns: u64) -> u64 {
        // The overall index k is due before t when floor(k * 1e9 / rate) < t, that is k < ceil(t * rate / 1e9).
        let overall = (u128::from(time_ns) * u128::from(self.rate_per_second)).div_ceil(SECOND_NS);
        let own = overall.saturating_sub(u128::from(self.thread)).div_ceil(u128::from(self.threads));
        u64::try_from(own).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_evenly_spaced_and_do_not_drift() {
        let schedule = Schedule::new(3, 0, 1);
        assert_eq!([0, 1, 2, 3].map(|index| schedule.due_ns(index)), [0, 333_333_333, 666_666_666, 1_000_000_000]);
        assert_eq!(schedule.due_ns(3 * 86_400), 86_400_000_000_000);
    }

    #[test]
    fn threads_together_make_the_rate() {
        let shares: Vec<Schedule> = (0..3).map(|thread| Schedule::new(1000, thread, 3)).collect();
        let mut due: Vec<u64> = shares.iter().flat_map(|share| (0..100).map(|index| share.due_ns(index))).collect();
        due.sort_unstable();
        let whole = Schedule::new(1000, 0, 1);
        assert_eq!(due, (0..300).map(|index| whole.due_ns(index)).collect::<Vec<_>>());
    }

    #[test]
    fn counts_what_is_due() {
        for rate in [1, 3, 7, 1000, 33_333] {
            for thread in 0..2 {
                let schedule = Schedule::new(rate, thread, 2);
                for time_ns in [0, 1, 2, 999_999_999, 1_000_000_000, 1_000_000_001, 5_000_000_000] {
                    let count = schedule.due_before(time_ns);
                    assert!(schedule.due_ns(count) >= time_ns, "{schedule:?} {time_ns} {count}");
                    assert!(count == 0 || schedule.due_ns(count - 1) < time_ns, "{schedule:?} {time_ns} {count}");
                }
            }
        }
    }
}
