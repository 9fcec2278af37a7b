//! `loadtest soak`: a steady load for as long as one likes, and whether memory or latency drift meanwhile.

use crate::action::Action;
use crate::cli::Finding;
use crate::command::latency::{OpenLoopOptions, at_rate, latency, measure, part_of_peak};
use crate::command::load_options::within;
use crate::command::server_command::ServerCommand;
use crate::command::sides::start_server;
use crate::failure::Failure;
use crate::load::LoadPlan;
use crate::machine::Machine;
use crate::report::{self, LoadReport, duration_text, median};
use crate::terminal;
use crate::workload::BuiltIn;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Most slices.
const MAX_SLICES: usize = 1000;
/// Bytes in a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// Load the server steadily, in slices, and compare the last ones with the first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest soak --length 600
  loadtest soak --length 3600 --load 0.5 --max-rss-growth 2 --max-drift 1.25

The peak is measured first, in a closed loop. Drift is the median p99 of the last third of the slices to that of the first
third; growth of memory is VmRSS at the end to that after the first third, so that what is allocated once is not growth.")]
pub(crate) struct SoakArguments {
    #[command(flatten)]
    server: ServerCommand,
    /// What the executions are.
    #[arg(long, value_enum, default_value_t = BuiltIn::W2)]
    workload: BuiltIn,
    /// The action that starts them.
    #[arg(long, value_enum, default_value_t = Action::StartSyncExecution)]
    action: Action,
    /// The rate, as a part of the peak.
    #[arg(long, default_value_t = 0.5, value_name = "PART")]
    load: f64,
    /// How long in all, in seconds.
    #[arg(long, default_value_t = 600.0, value_name = "S")]
    length: f64,
    /// Slices that the length is cut into; each has a line.
    #[arg(long, default_value_t = 12, value_name = "N")]
    slices: usize,
    /// Connections, shared among the client's threads.
    #[arg(long, default_value_t = 64, value_name = "N")]
    connections: usize,
    /// Exit with 1 when memory has grown by more than this, in percent.
    #[arg(long, value_name = "PERCENT")]
    max_rss_growth: Option<f64>,
    /// Exit with 1 when the p99 has grown to more than this many times what it was.
    #[arg(long, value_name = "RATIO")]
    max_drift: Option<f64>,
    /// No progress on stderr.
    #[arg(long, short)]
    quiet: bool,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A slice and the server's memory at its end.
struct Slice {
    report: LoadReport,
    resident_bytes: u64,
}

/// Runs the subcommand.
///
/// # Errors
/// When the server cannot be started, refuses the workload, or the options are wrong.
pub(crate) fn run(arguments: &SoakArguments) -> Result<Finding, Failure> {
    within("--slices", arguments.slices, MAX_SLICES)?;
    let slice_s = arguments.length / arguments.slices as f64;
    let load = OpenLoopOptions {
        pairs: 1,
        connections: arguments.connections,
        duration: slice_s,
        warm_up: 0.0,
        threads: None,
        quiet: arguments.quiet,
    }
    .load()?;
    let workload = arguments.workload.workload();
    let (side, _, _) = start_server(&arguments.server, &workload, arguments.action, &load)?;
    let rate = part_of_peak(&side, arguments.load, arguments.quiet)?;
    let plan = LoadPlan { duration: Duration::from_secs_f64(slice_s), ..at_rate(&side, rate) };
    let machine = Machine::read();
    let is_json_only = arguments.json.as_deref() == Some("-".as_ref());
    let print = |text: &str| if is_json_only { terminal::remark(text) } else { terminal::print(text) };
    let title = report::describe(&workload.name, &plan);
    print(&format!("{}\nrun       {title}, {} of the peak", machine.line(), arguments.load));
    print("slice       rate        p50        p99      p99.9   memory");
    let mut slices: Vec<Slice> = Vec::new();
    for number in 1..=arguments.slices {
        let report = measure(&side, &plan, arguments.quiet)?;
        let slice = Slice { report, resident_bytes: side.process.resident_bytes()? };
        print(&slice.line(number));
        slices.push(slice);
    }
    let third = slices.len().div_ceil(3);
    let p99 = |slices: &[Slice]| {
        let all: Vec<f64> = slices.iter().map(|slice| latency(&slice.report, "p99")).collect();
        median(&all).unwrap_or(f64::NAN)
    };
    let drift = p99(&slices[slices.len() - third..]) / p99(&slices[..third]);
    let (early, late) = (slices[third - 1].resident_bytes as f64, slices[slices.len() - 1].resident_bytes as f64);
    let growth_percent = (late / early - 1.0) * 100.0;
    print(&format!("p99 drifted to {drift:.2} of what it was; memory grew by {growth_percent:.2} %"));
    if let Some(path) = &arguments.json {
        let slices: Vec<Value> = slices.iter().map(Slice::to_json).collect();
        let whole = json!({
            "run": title,
            "part_of_peak": arguments.load,
            "slices": slices,
            "p99_drift": drift,
            "memory_growth_percent": growth_percent,
        });
        report::write_json(path, &machine, whole)?;
    }
    let is_clean = slices.iter().all(|slice| slice.report.is_clean());
    let is_flat = arguments.max_rss_growth.is_none_or(|most| growth_percent <= most)
        && arguments.max_drift.is_none_or(|most| drift <= most);
    Ok(if is_clean && is_flat { Finding::Well } else { Finding::Wanting })
}

impl Slice {
    fn line(&self, number: usize) -> String {
        let text = |name: &str| duration_text(latency(&self.report, name));
        let mut line = format!(
            "{number:>5}  {:>7.0}/s {:>10} {:>10} {:>10} {:>5.1} MiB",
            self.report.requests_per_second,
            text("p50"),
            text("p99"),
            text("p99.9"),
            self.resident_bytes as f64 / MIB,
        );
        let troubles = self.report.troubles();
        if !troubles.is_empty() {
            line = format!("{line}  trouble: {troubles}");
        }
        line
    }

    fn to_json(&self) -> Value {
        let mut report = self.report.to_json();
        report["resident_bytes"] = json!(self.resident_bytes);
        report
    }
}
