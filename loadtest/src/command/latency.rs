//! `loadtest latency`: what a client waits for an execution from its start to its end, at a part of the most that the server can
//! do, beside what it waits for bare hyper at the same rate.
//!
//! Requests go out by a schedule fixed beforehand and latency counts from the scheduled time, so a stall is seen by every
//! request that it held up. Both are measured in turn, pair by pair, and the medians of the pairs are the figures.

use crate::action::Action;
use crate::cli::Finding;
use crate::command::load_options::{LoadOptions, Mode, within};
use crate::command::run::drive_with_progress;
use crate::command::server_command::ServerCommand;
use crate::command::sides::{BaselineOptions, Side, Sides};
use crate::failure::Failure;
use crate::load::{Arrivals, LoadPlan, MAX_REQUESTS};
use crate::machine::Machine;
use crate::report::{self, LoadReport, duration_text, median};
use crate::terminal;
use crate::workload::BuiltIn;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Most pairs.
const MAX_PAIRS: usize = 100;
/// One request in this many may be due when the turn ends, and find no connection.
const LATE_PART: u64 = 1000;
/// How long the most that the server can do is looked for.
const PEAK: Duration = Duration::from_secs(2);

/// Measure the latency of synchronous executions in an open loop at a part of the peak rate, beside bare hyper's.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest latency
  loadtest latency --workload w2 --load 0.5 --pairs 5 --max-p99-ratio 3 --max-p999-over-ms 5

The peak is measured first, in a closed loop. The rate is the same for both; the p99 ratio is server / hyper, the p99.9 is
compared by the difference, as a stall of the machine makes most of it.")]
pub(crate) struct LatencyArguments {
    #[command(flatten)]
    server: ServerCommand,
    #[command(flatten)]
    baseline: BaselineOptions,
    /// What the executions are.
    #[arg(long, value_enum, default_value_t = BuiltIn::W1)]
    workload: BuiltIn,
    /// The rate, as a part of the peak.
    #[arg(long, default_value_t = 0.5, value_name = "PART")]
    load: f64,
    #[command(flatten)]
    open_loop: OpenLoopOptions,
    /// Exit with 1 when the median ratio of the 99th percentiles is above this.
    #[arg(long, value_name = "RATIO")]
    max_p99_ratio: Option<f64>,
    /// Exit with 1 when the median difference of the 99.9th percentiles is above this, in milliseconds.
    #[arg(long, value_name = "MS")]
    max_p999_over_ms: Option<f64>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// How an open loop is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct OpenLoopOptions {
    /// How many times each is measured.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) pairs: usize,
    /// Connections, shared among the client's threads.
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub(crate) connections: usize,
    /// Measured time of each turn in seconds.
    #[arg(long, default_value_t = 3.0, value_name = "S")]
    pub(crate) duration: f64,
    /// Time before the measured one, in seconds.
    #[arg(long, default_value_t = 0.5, value_name = "S")]
    pub(crate) warm_up: f64,
    /// Client threads [default: cores].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// No progress on stderr.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl OpenLoopOptions {
    /// The options of a load that is still closed: its rate is known when the peak is.
    ///
    /// # Errors
    /// When there are no pairs, or too many.
    pub(crate) fn load(&self) -> Result<LoadOptions, Failure> {
        within("--pairs", self.pairs, MAX_PAIRS)?;
        Ok(LoadOptions {
            connections: self.connections,
            pipeline: 1,
            mode: Mode::Closed,
            rate: None,
            duration: self.duration,
            warm_up: self.warm_up,
            threads: self.threads,
            max_requests: MAX_REQUESTS,
            request_timeout: 30.0,
            quiet: self.quiet,
        })
    }
}

/// A part of the most requests a second that a side answers.
///
/// # Errors
/// When the part is none, or the load cannot be made.
pub(crate) fn part_of_peak(side: &Side, part: f64, quiet: bool) -> Result<u64, Failure> {
    if !(part > 0.0 && part <= 1.0) {
        return Err(Failure::new("--load is above 0 and at most 1"));
    }
    let plan = LoadPlan { duration: PEAK, ..side.plan.clone() };
    let report = measure(side, &plan, quiet)?;
    Ok(((report.requests_per_second * part) as u64).max(1))
}

/// The load of a side in an open loop.
pub(crate) fn at_rate(side: &Side, rate_per_second: u64) -> LoadPlan {
    LoadPlan { arrivals: Arrivals::Open { rate_per_second }, ..side.plan.clone() }
}

/// Loads one side once.
///
/// # Errors
/// When the load cannot be made.
pub(crate) fn measure(side: &Side, plan: &LoadPlan, quiet: bool) -> Result<LoadReport, Failure> {
    let result = drive_with_progress(plan, Some(side.process), side.name, quiet)?;
    Ok(LoadReport::new(report::describe(side.name, plan), &result))
}

/// Runs the subcommand.
///
/// # Errors
/// When a server cannot be started, refuses the workload, or the options are wrong.
pub(crate) fn run(arguments: &LatencyArguments) -> Result<Finding, Failure> {
    let load = arguments.open_loop.load()?;
    let workload = arguments.workload.workload();
    let action = Action::StartSyncExecution;
    let sides = Sides::start(&arguments.server, &arguments.baseline, &workload, action, &load)?;
    let rate = part_of_peak(&sides.server, arguments.load, load.quiet)?;
    let machine = Machine::read();
    let is_json_only = arguments.json.as_deref() == Some("-".as_ref());
    let print = |text: &str| if is_json_only { terminal::remark(text) } else { terminal::print(text) };
    let title = report::describe(&workload.name, &at_rate(&sides.server, rate));
    print(&format!("{}\nrun       {title}, {} of the peak", machine.line(), arguments.load));
    print("pair   hyper p50  server p50   hyper p99  server p99  ratio   hyper p99.9 server p99.9  over");
    let mut pairs = Vec::new();
    for number in 1..=arguments.open_loop.pairs {
        let baseline = measure(&sides.baseline, &at_rate(&sides.baseline, rate), load.quiet)?;
        let server = measure(&sides.server, &at_rate(&sides.server, rate), load.quiet)?;
        let pair = Pair { baseline, server };
        print(&pair.line(number));
        pairs.push(pair);
    }
    let of_all = |pick: fn(&Pair) -> f64| median(&pairs.iter().map(pick).collect::<Vec<f64>>()).unwrap_or(f64::NAN);
    let (ratio, over_ms) = (of_all(Pair::p99_ratio), of_all(Pair::p999_over_us) / 1e3);
    print(&format!("medians: p99 ratio {ratio:.2}, p99.9 over hyper's by {over_ms:.2} ms"));
    if let Some(path) = &arguments.json {
        let pairs: Vec<Value> = pairs
            .iter()
            .map(|pair| json!({ "hyper": pair.baseline.to_json(), "server": pair.server.to_json() }))
            .collect();
        let whole = json!({
            "run": title,
            "part_of_peak": arguments.load,
            "pairs": pairs,
            "median_p99_ratio": ratio,
            "median_p999_over_ms": over_ms,
        });
        report::write_json(path, &machine, whole)?;
    }
    let is_clean = pairs.iter().all(|pair| pair.baseline.is_clean() && pair.server.is_clean() && !pair.is_late());
    if !is_clean {
        terminal::remark("the comparison is void: not every request was sent and succeeded");
    }
    let is_quick = arguments.max_p99_ratio.is_none_or(|most| ratio <= most)
        && arguments.max_p999_over_ms.is_none_or(|most| over_ms <= most);
    Ok(if is_clean && is_quick { Finding::Well } else { Finding::Wanting })
}

/// A baseline's run and the server's after it.
struct Pair {
    baseline: LoadReport,
    server: LoadReport,
}

impl Pair {
    fn p99_ratio(&self) -> f64 {
        latency(&self.server, "p99") / latency(&self.baseline, "p99")
    }

    fn p999_over_us(&self) -> f64 {
        latency(&self.server, "p99.9") - latency(&self.baseline, "p99.9")
    }

    /// Whether more requests of the schedule were never sent than the last moments of a turn explain.
    fn is_late(&self) -> bool {
        [&self.baseline, &self.server].iter().any(|report| report.not_sent * LATE_PART > report.succeeded)
    }

    fn line(&self, number: usize) -> String {
        let text = |report: &LoadReport, name: &str| duration_text(latency(report, name));
        let mut line = format!(
            "{number:>4}  {:>10}  {:>10}  {:>10}  {:>10}  {:.2}  {:>12} {:>12}  {}",
            text(&self.baseline, "p50"),
            text(&self.server, "p50"),
            text(&self.baseline, "p99"),
            text(&self.server, "p99"),
            self.p99_ratio(),
            text(&self.baseline, "p99.9"),
            text(&self.server, "p99.9"),
            duration_text(self.p999_over_us()),
        );
        report::add_troubles(&mut line, [&self.baseline, &self.server]);
        line
    }
}

/// A latency in microseconds; none is no number, which is within no limit.
pub(crate) fn latency(report: &LoadReport, name: &str) -> f64 {
    report.latency_us(name).unwrap_or(f64::NAN)
}
