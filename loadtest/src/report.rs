//! The report of one run, as text for people and as JSON for programs. Units are part of every name.

use crate::failure::{Context, Failure};
use crate::load::{Arrivals, LoadPlan, LoadResult};
use crate::machine::Machine;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Latencies that are reported, with their names.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Appends a line for each report that had troubles.
pub(crate) fn add_troubles(line: &mut String, reports: [&LoadReport; 2]) {
    for report in reports {
        let troubles = report.troubles();
        if !troubles.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(line, "\n      trouble: {}: {troubles}", report.title);
        }
    }
}

/// What a run has shown, in the units it is reported in.
#[derive(Clone, Debug)]
pub(crate) struct LoadReport {
    /// What was run, in words.
    pub(crate) title: String,
    /// Length of the measured window in seconds.
    pub(crate) window_s: f64,
    /// Replies of any kind in the window, a second.
    pub(crate) requests_per_second: f64,
    /// Name and microseconds of each quantile, and the maximum.
    pub(crate) latencies_us: Vec<(&'static str, f64)>,
    /// Successes of the window.
    pub(crate) succeeded: u64,
    /// Refusals for load.
    pub(crate) throttled: u64,
    /// Errors by code.
    pub(crate) errors: Vec<(String, u64)>,
    /// Due but never sent (open loop).
    pub(crate) not_sent: u64,
    /// Sent and never answered.
    pub(crate) unanswered: u64,
    /// The server's user and system time per reply, in microseconds; `None` when it could not be read.
    pub(crate) server_cpu_us: Option<(f64, f64)>,
    /// The same of this process.
    pub(crate) client_cpu_us: Option<(f64, f64)>,
}

impl LoadReport {
    /// Makes a report of what a run has counted.
    pub(crate) fn new(title: String, result: &LoadResult) -> Self {
        let tally = &result.tally;
        let window_s = result.window.as_secs_f64();
        let answered = tally.answered_in_window as f64;
        let per_reply = |time: Duration| if answered > 0.0 { time.as_secs_f64() * 1e6 / answered } else { 0.0 };
        let latency = &tally.latency_ns;
        let mut latencies_us: Vec<(&'static str, f64)> =
            QUANTILES.iter().map(|&(name, at)| (name, latency.value_at_quantile(at) as f64 / 1e3)).collect();
        latencies_us.push(("max", latency.max() as f64 / 1e3));
        Self {
            title,
            window_s,
            requests_per_second: if window_s > 0.0 { answered / window_s } else { 0.0 },
            latencies_us,
            succeeded: tally.succeeded,
            throttled: tally.throttled,
            errors: tally.errors.iter().map(|(code, &number)| (code.clone(), number)).collect(),
            not_sent: tally.not_sent,
            unanswered: tally.unanswered,
            server_cpu_us: result.server_cpu.map(|cpu| (per_reply(cpu.user), per_reply(cpu.system))),
            client_cpu_us: result.client_cpu.map(|cpu| (per_reply(cpu.user), per_reply(cpu.system))),
        }
    }

    /// The server's CPU per reply, user and system, in microseconds.
    pub(crate) fn server_cpu_total_us(&self) -> Option<f64> {
        self.server_cpu_us.map(|(user, system)| user + system)
    }

    /// A latency by its name, such as `p99`, in microseconds.
    pub(crate) fn latency_us(&self, name: &str) -> Option<f64> {
        self.latencies_us.iter().find(|(found, _)| *found == name).map(|(_, latency_us)| *latency_us)
    }

    /// Whether every request of the window succeeded or was refused for load.
    pub(crate) fn is_clean(&self) -> bool {
        self.errors.is_empty() && self.unanswered == 0 && self.succeeded + self.throttled > 0
    }

    /// Everything that went wrong, in a few words; empty when nothing did.
    pub(crate) fn troubles(&self) -> String {
        let mut troubles: Vec<String> = self.errors.iter().map(|(code, number)| format!("{number} {code}")).collect();
        for (number, name) in
            [(self.throttled, "throttled"), (self.unanswered, "unanswered"), (self.not_sent, "not sent")]
        {
            if number > 0 {
                troubles.push(format!("{number} {name}"));
            }
        }
        troubles.join(", ")
    }

    /// The text report, without the machine's line.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("run       {}\n", self.title);
        let mut line = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<9} {value}");
        };
        line("rate", format!("{:.0} requests/s over {:.2} s", self.requests_per_second, self.window_s));
        let latencies: Vec<String> = self
            .latencies_us
            .iter()
            .map(|(name, latency_us)| format!("{name} {}", duration_text(*latency_us)))
            .collect();
        line("latency", latencies.join("  "));
        let troubles = self.troubles();
        let errors: u64 = self.errors.iter().map(|(_, number)| number).sum();
        let counts = format!("200: {}  throttled: {}  errors: {errors}", self.succeeded, self.throttled);
        line("replies", counts);
        if !troubles.is_empty() {
            line("trouble", troubles);
        }
        line("server", cpu_text(self.server_cpu_us));
        line("client", cpu_text(self.client_cpu_us));
        text.truncate(text.trim_end().len());
        text
    }

    /// The JSON report, without the machine.
    pub(crate) fn to_json(&self) -> Value {
        let cpu = |cpu_us: Option<(f64, f64)>| {
            cpu_us.map(|(user, system)| json!({ "user": user, "system": system, "total": user + system }))
        };
        let latencies: Map<String, Value> =
            self.latencies_us.iter().map(|&(name, latency_us)| (name.to_owned(), json!(latency_us))).collect();
        let errors: Map<String, Value> =
            self.errors.iter().map(|(code, number)| (code.clone(), json!(number))).collect();
        json!({
            "run": self.title,
            "window_s": self.window_s,
            "requests_per_second": self.requests_per_second,
            "latency_us": latencies,
            "succeeded": self.succeeded,
            "throttled": self.throttled,
            "errors": errors,
            "not_sent": self.not_sent,
            "unanswered": self.unanswered,
            "server_cpu_us_per_request": cpu(self.server_cpu_us),
            "client_cpu_us_per_request": cpu(self.client_cpu_us),
        })
    }
}

/// What a plan does, in words.
pub(crate) fn describe(what: &str, plan: &LoadPlan) -> String {
    let mode = match plan.arrivals {
        Arrivals::Closed => "closed loop".to_owned(),
        Arrivals::Open { rate_per_second } => format!("open loop at {rate_per_second}/s"),
    };
    format!(
        "{what} {}, {mode}, {} connections, pipeline {}, {} client thread(s)",
        plan.action, plan.connections, plan.pipeline, plan.threads
    )
}

/// Puts the machine first and writes the report to a file, or to stdout for `-`.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_json(path: &Path, machine: &Machine, mut report: Value) -> Result<(), Failure> {
    let mut whole = Map::new();
    whole.insert("machine".to_owned(), machine.to_json());
    if let Value::Object(fields) = &mut report {
        whole.append(fields);
    }
    let text = format!("{:#}\n", Value::Object(whole));
    if path == Path::new("-") {
        crate::terminal::print(text.trim_end());
        return Ok(());
    }
    std::fs::write(path, text).context(|| format!("writing {}", path.display()))
}

/// The middle value, or the mean of the two middle ones; `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted.get(middle).copied()
    } else {
        Some((sorted.get(middle)? + sorted[middle - 1]) / 2.0)
    }
}

/// A latency in the unit that suits it.
pub(crate) fn duration_text(microseconds: f64) -> String {
    if microseconds.abs() < 1e3 {
        format!("{microseconds:.0} µs")
    } else if microseconds.abs() < 1e6 {
        format!("{:.2} ms", microseconds / 1e3)
    } else {
        format!("{:.3} s", microseconds / 1e6)
    }
}

/// CPU per request in words.
fn cpu_text(cpu_us: Option<(f64, f64)>) -> String {
    match cpu_us {
        Some((user, system)) => {
            format!("{:.2} µs CPU per request ({user:.2} user, {system:.2} system)", user + system)
        }
        None => "CPU not known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::CpuTime;
    use crate::reply::Verdict;
    use crate::tally::Tally;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_report_says_what_was_counted() {
        let mut tally = Tally::new();
        for _ in 0..100 {
            tally.count(Verdict::Succeeded, 250_000);
        }
        tally.count(Verdict::Throttled, 1);
        tally.count(Verdict::Failed("StateMachineDoesNotExist".into()), 1);
        tally.answered_in_window = 102;
        let cpu = CpuTime { user: Duration::from_micros(1020), system: Duration::from_micros(2040) };
        let window = Duration::from_millis(500);
        let result = LoadResult { tally, window, server_cpu: Some(cpu), client_cpu: None };
        let report = LoadReport::new("w1".into(), &result);
        assert!((report.requests_per_second - 204.0).abs() < 1e-6);
        assert!((report.server_cpu_total_us().unwrap() - 30.0).abs() < 1e-6);
        assert!(!report.is_clean());
        let text = report.to_text();
        assert!(text.contains("200: 100  throttled: 1  errors: 1"), "{text}");
        assert!(text.contains("1 StateMachineDoesNotExist"), "{text}");
        assert!(text.contains("p99 250 µs"), "{text}");
        let json = report.to_json();
        assert_eq!(json["errors"]["StateMachineDoesNotExist"], 1);
        assert_eq!(json["client_cpu_us_per_request"], Value::Null);
    }
}
