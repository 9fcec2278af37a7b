//! `LatencyMilliseconds`: how long a mocked call takes.

use super::{
    draw::Draw,
    entry::{Entry, Problem},
};

/// A distribution of times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Latency {
    /// A number: always that.
    Fixed(f64),
    /// `{"Min": …, "Max": …}`: anything between, equally likely.
    Uniform { min: f64, max: f64 },
    /// `{"P50": …, "P99": …}`: log-normal, as latencies of services tend to be.
    LogNormal { mu: f64, sigma: f64 },
    /// `{"Samples": […]}`: one of those, such as latencies that were measured.
    Samples(Box<[f64]>),
}

/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

impl Latency {
    pub(super) fn parse(entry: &Entry<'_>) -> Result<Self, Problem> {
        if entry.value.as_number().is_some() {
            return entry.number(0.0).map(Self::Fixed);
        }
        let shapes = "a latency is a number, {\"Min\", \"Max\"}, {\"P50\", \"P99\"} or {\"Samples\": [\u{2026}]}, in milliseconds";
        entry
            .allow_only(&["Min", "Max", "P50", "P99", "Samples"])
            .map_err(|problem| Problem { message: format!("{}: {shapes}", problem.message), ..problem })?;
        let field = |key| entry.get(key);
        match (field("Min"), field("Max"), field("P50"), field("P99"), field("Samples")) {
            (Some(min), Some(max), None, None, None) => {
                let min = min.number(0.0)?;
                Ok(Self::Uniform { min, max: max.number(min)? })
            }
            (None, None, Some(p50), Some(p99), None) => {
                let median = p50.number(f64::MIN_POSITIVE)?;
                let p99 = p99.number(median)?;
                Ok(Self::LogNormal { mu: median.ln(), sigma: (p99 / median).ln() / NORMAL_P99 })
            }
            (None, None, None, None, Some(samples)) => {
                let samples: Result<Vec<_>, _> = samples.items()?.iter().map(|sample| sample.number(0.0)).collect();
                Ok(Self::Samples(samples?.into()))
            }
            _ => Err(entry.problem(shapes)),
        }
    }

    /// The time of one call, in whole milliseconds.
    pub(super) fn draw_ms(&self, draw: &mut Draw) -> u64 {
        let milliseconds = match self {
            Self::Fixed(time) => *time,
            Self::Uniform { min, max } => min + (max - min) * draw.unit(),
            Self::LogNormal { mu, sigma } => (mu + sigma * draw.normal()).exp(),
            Self::Samples(samples) => samples[(draw.next() % samples.len() as u64) as usize],
        };
        milliseconds.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::draw::{Purpose, tests::call},
        *,
    };
    use crate::Value;

    fn parse(text: &str) -> Result<Latency, Problem> {
        Latency::parse(&Entry::root(Value::parse(text).unwrap().as_ref()))
    }

    /// The given percentiles of many draws.
    fn percentiles(text: &str, percents: [usize; 3]) -> [u64; 3] {
        let latency = parse(text).unwrap();
        let mut drawn: Vec<_> =
            (0..20_000).map(|id| latency.draw_ms(&mut Draw::new(3, &call(id, 0), Purpose::Latency))).collect();
        drawn.sort_unstable();
        percents.map(|percent| drawn[(drawn.len() - 1) * percent / 100])
    }

    #[track_caller]
    fn about(drawn: u64, expected: u64) {
        let off = drawn.abs_diff(expected);
        assert!(off * 20 <= expected, "{drawn} is not about {expected}");
    }

    #[test]
    fn times_are_spread_as_described() {
        assert_eq!(percentiles("120", [0, 50, 100]), [120, 120, 120]);
        let [least, median, most] = percentiles(r#"{"Min": 200, "Max": 400}"#, [0, 50, 100]);
        assert!((200..=201).contains(&least) && (399..=400).contains(&most));
        about(median, 300);
        let [_, median, p99] = percentiles(r#"{"P50": 400, "P99": 4000}"#, [0, 50, 99]);
        about(median, 400);
        about(p99, 4000);
        assert_eq!(percentiles(r#"{"Samples": [5, 70, 900]}"#, [0, 50, 100]), [5, 70, 900]);
        assert_eq!(percentiles(r#"{"P50": 10, "P99": 10}"#, [0, 50, 100]), [10, 10, 10]);
    }

    #[test]
    fn what_is_no_latency_is_refused() {
        for (text, pointer) in [
            ("-1", ""),
            ("\"10\"", ""),
            ("{}", ""),
            (r#"{"Min": 1}"#, ""),
            (r#"{"Min": 5, "Max": 4}"#, "/Max"),
            (r#"{"P50": 0, "P99": 4}"#, "/P50"),
            (r#"{"P50": 5, "P99": 4}"#, "/P99"),
            (r#"{"Min": 1, "Max": 2, "P50": 1}"#, ""),
            (r#"{"Samples": []}"#, "/Samples"),
            (r#"{"Samples": [1, null]}"#, "/Samples/1"),
            (r#"{"Mean": 1}"#, "/Mean"),
        ] {
            assert_eq!(parse(text).unwrap_err().pointer, pointer, "{text}");
        }
    }
}
