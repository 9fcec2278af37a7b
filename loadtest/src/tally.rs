//! What a run counts: latencies, successes, refusals and errors by code.

use crate::reply::Verdict;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Longest latency told apart, 10 minutes; anything longer is recorded as this.
const MAX_LATENCY_NS: u64 = 600_000_000_000;
/// Significant decimal digits of a recorded latency.
const LATENCY_DIGITS: u8 = 3;
/// Different error codes counted apart; the rest go under [`OTHER_CODES`].
const MAX_CODES: usize = 64;
/// Where codes are counted once there are too many different ones.
const OTHER_CODES: &str = "other codes";

/// Counts of one thread, or of all after [`Tally::merge`].
///
/// Latencies, successes and errors are of the requests that *began* in the measured window; `answered_in_window` counts
/// replies that *came* in it, which is what the rate and the CPU per request are made from.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Latencies of successful requests, in nanoseconds.
    pub(crate) latency_ns: Histogram<u64>,
    /// Replies that are 200 and right.
    pub(crate) succeeded: u64,
    /// Replies that refuse for load.
    pub(crate) throttled: u64,
    /// Everything else that went wrong, by error code.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Replies of any kind that came within the measured window.
    pub(crate) answered_in_window: u64,
    /// Arrivals of the open loop that were due in the window and that no connection was free to send.
    pub(crate) not_sent: u64,
    /// Requests of the window that were still without a reply when the run gave up on them.
    pub(crate) unanswered: u64,
    /// When the last reply came, in nanoseconds since the beginning.
    pub(crate) last_answer_ns: u64,
}

impl Tally {
    /// Nothing counted.
    pub(crate) fn new() -> Self {
        Self {
            latency_ns: Histogram::new_with_bounds(1, MAX_LATENCY_NS, LATENCY_DIGITS)
                .expect("the bounds and the digits are constants that the histogram accepts"),
            succeeded: 0,
            throttled: 0,
            errors: BTreeMap::new(),
            answered_in_window: 0,
            not_sent: 0,
            unanswered: 0,
            last_answer_ns: 0,
        }
    }

    /// Counts one reply.
    pub(crate) fn count(&mut self, verdict: Verdict, latency_ns: u64) {
        match verdict {
            Verdict::Succeeded => {
                self.succeeded += 1;
                self.latency_ns.saturating_record(latency_ns);
            }
            Verdict::Throttled => self.throttled += 1,
            Verdict::Failed(code) => self.count_errors(&code, 1),
        }
    }

    /// Counts `number` errors under `code`.
    pub(crate) fn count_errors(&mut self, code: &str, number: u64) {
        if number == 0 {
            return;
        }
        if let Some(count) = self.errors.get_mut(code) {
            *count += number;
        } else if self.errors.len() < MAX_CODES {
            self.errors.insert(code.to_owned(), number);
        } else {
            *self.errors.entry(OTHER_CODES.to_owned()).or_default() += number;
        }
    }

    /// All errors, whatever their code.
    pub(crate) fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Adds another thread's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.latency_ns.add(&other.latency_ns).expect("all tallies are made with the same bounds");
        self.succeeded += other.succeeded;
        self.throttled += other.throttled;
        for (code, &number) in &other.errors {
            self.count_errors(code, number);
        }
        self.answered_in_window += other.answered_in_window;
        self.not_sent += other.not_sent;
        self.unanswered += other.unanswered;
        self.last_answer_ns = self.last_answer_ns.max(other.last_answer_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut tally = Tally::new();
        for latency_us in 1..=10_000_u64 {
            tally.count(Verdict::Succeeded, latency_us * 1000);
        }
        for (quantile, expected_ns) in [(0.5, 5_000_000.0), (0.99, 9_900_000.0), (0.999, 9_990_000.0)] {
            let value = tally.latency_ns.value_at_quantile(quantile) as f64;
            assert!((value / expected_ns - 1.0).abs() < 0.001, "{quantile}: {value}");
        }
    }

    #[test]
    fn a_latency_past_the_bound_is_kept_as_the_bound() {
        let mut tally = Tally::new();
        tally.count(Verdict::Succeeded, u64::MAX);
        assert!(tally.latency_ns.max() >= MAX_LATENCY_NS);
        assert_eq!(tally.latency_ns.len(), 1);
    }

    #[test]
    fn merging_adds_everything() {
        let (mut one, mut two) = (Tally::new(), Tally::new());
        one.count(Verdict::Succeeded, 10);
        two.count(Verdict::Succeeded, 20);
        two.count(Verdict::Throttled, 1);
        two.count(Verdict::Failed("A".into()), 1);
        one.count_errors("A", 2);
        two.not_sent = 4;
        two.last_answer_ns = 9;
        one.merge(&two);
        assert_eq!((one.succeeded, one.throttled, one.error_count()), (2, 1, 3));
        assert_eq!((one.latency_ns.len(), one.not_sent, one.last_answer_ns), (2, 4, 9));
    }

    #[test]
    fn codes_are_bounded() {
        let mut tally = Tally::new();
        for code in 0..1000 {
            tally.count_errors(&code.to_string(), 1);
        }
        assert_eq!(tally.errors.len(), MAX_CODES + 1);
        assert_eq!(tally.error_count(), 1000);
    }
}
