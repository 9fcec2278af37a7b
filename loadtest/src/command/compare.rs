//! `loadtest compare`: the server against bare hyper, in turn, pair by pair.
//!
//! Both run at the same time but only one is loaded, A B A B, so that a machine whose speed drifts disturbs a ratio little;
//! the median of the ratios is the figure.

use crate::cli::Finding;
use crate::command::load_options::{LoadOptions, within};
use crate::command::run::{WorkloadOptions, drive_with_progress};
use crate::command::server_command::ServerCommand;
use crate::command::sides::{BaselineOptions, Side, Sides};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::report::{self, LoadReport, duration_text, median};
use crate::terminal;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Most pairs.
const MAX_PAIRS: usize = 100;

/// Compare a server with bare hyper under the same load, and print the ratios of rate and CPU per request.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest compare --workload w1
  loadtest compare --workload w1 --pairs 9 --min-rate-ratio 0.75 --max-cpu-ratio 1.4
  loadtest compare --workload w2 --action StartSyncExecution --json compare.json
  loadtest compare --workload w1 --server-command 'target/release/expressway serve --listen 127.0.0.1:PORT --shards 2'

The rate ratio is server / hyper (1 is as fast as hyper), the CPU ratio likewise (1 is as cheap). The baseline answers a
body of the size that the server answered to one request beforehand.")]
pub(crate) struct CompareArguments {
    #[command(flatten)]
    server: ServerCommand,
    #[command(flatten)]
    what: WorkloadOptions,
    /// How many times each is measured.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pairs: usize,
    #[command(flatten)]
    baseline: BaselineOptions,
    #[command(flatten)]
    load: LoadOptions,
    /// Exit with 1 when the median rate ratio is below this.
    #[arg(long, value_name = "RATIO")]
    min_rate_ratio: Option<f64>,
    /// Exit with 1 when the median CPU ratio is above this.
    #[arg(long, value_name = "RATIO")]
    max_cpu_ratio: Option<f64>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A baseline's run and the server's after it.
struct Pair {
    baseline: LoadReport,
    server: LoadReport,
}

impl Pair {
    fn rate_ratio(&self) -> f64 {
        self.server.requests_per_second / self.baseline.requests_per_second
    }

    fn cpu_ratio(&self) -> Option<f64> {
        Some(self.server.server_cpu_total_us()? / self.baseline.server_cpu_total_us()?)
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When a server cannot be started, refuses the workload, or the options are wrong.
pub(crate) fn run(arguments: &CompareArguments) -> Result<Finding, Failure> {
    within("--pairs", arguments.pairs, MAX_PAIRS)?;
    let workload = arguments.what.choose()?;
    let Sides { server, baseline, reply_bytes } =
        Sides::start(&arguments.server, &arguments.baseline, &workload, arguments.what.action, &arguments.load)?;
    let machine = Machine::read();
    let is_json_only = arguments.json.as_deref() == Some("-".as_ref());
    let print = |text: &str| if is_json_only { terminal::remark(text) } else { terminal::print(text) };
    let title = report::describe(&workload.name, &server.plan);
    print(&format!("{}\nrun       {title}, reply body {reply_bytes} bytes", machine.line()));
    print("pair    hyper req/s  server req/s  ratio    hyper CPU  server CPU  ratio    hyper p99  server p99");
    let mut pairs = Vec::new();
    for number in 1..=arguments.pairs {
        let pair = Pair { baseline: measure(&baseline, arguments)?, server: measure(&server, arguments)? };
        print(&pair_line(number, &pair));
        pairs.push(pair);
    }
    let rates: Vec<f64> = pairs.iter().map(Pair::rate_ratio).collect();
    let cpus: Vec<f64> = pairs.iter().filter_map(Pair::cpu_ratio).collect();
    let (rate, cpu) = (median(&rates), median(&cpus));
    let text = |ratio: Option<f64>| ratio.map_or_else(|| "unknown".to_owned(), |ratio| format!("{ratio:.3}"));
    print(&format!("median of ratios: rate {}, CPU per request {}", text(rate), text(cpu)));
    if let Some(path) = &arguments.json {
        let pairs: Vec<Value> = pairs.iter().map(pair_json).collect();
        let whole = json!({
            "run": title,
            "reply_body_bytes": reply_bytes,
            "pairs": pairs,
            "median_rate_ratio": rate,
            "median_cpu_ratio": cpu,
        });
        report::write_json(path, &machine, whole)?;
    }
    let is_fast = arguments.min_rate_ratio.is_none_or(|least| rate.is_some_and(|rate| rate >= least));
    let is_cheap = arguments.max_cpu_ratio.is_none_or(|most| cpu.is_some_and(|cpu| cpu <= most));
    let is_clean = pairs.iter().all(|pair| pair.baseline.is_clean() && pair.server.is_clean());
    // A refused request costs less than a served one, so a run with refusals compares two different things.
    let is_whole = pairs.iter().all(|pair| pair.server.throttled == 0);
    if !is_clean || !is_whole {
        terminal::remark("the comparison is void: not every request succeeded");
    }
    Ok(if is_fast && is_cheap && is_clean && is_whole { Finding::Well } else { Finding::Wanting })
}

/// Loads one side once.
fn measure(side: &Side, arguments: &CompareArguments) -> Result<LoadReport, Failure> {
    let result = drive_with_progress(&side.plan, Some(side.process), side.name, arguments.load.quiet)?;
    Ok(LoadReport::new(report::describe(side.name, &side.plan), &result))
}

/// One line of the text report.
fn pair_line(number: usize, pair: &Pair) -> String {
    let cpu = |report: &LoadReport| {
        report.server_cpu_total_us().map_or_else(|| "unknown".to_owned(), |cpu_us| format!("{cpu_us:.2} µs"))
    };
    let p99 = |report: &LoadReport| report.latency_us("p99").map_or_else(String::new, duration_text);
    let cpu_ratio = pair.cpu_ratio().map_or_else(|| "unknown".to_owned(), |ratio| format!("{ratio:.3}"));
    let mut line = format!(
        "{number:>4}  {:>13.0} {:>13.0}  {:.3}  {:>11} {:>11}  {cpu_ratio}  {:>11} {:>11}",
        pair.baseline.requests_per_second,
        pair.server.requests_per_second,
        pair.rate_ratio(),
        cpu(&pair.baseline),
        cpu(&pair.server),
        p99(&pair.baseline),
        p99(&pair.server),
    );
    report::add_troubles(&mut line, [&pair.baseline, &pair.server]);
    line
}

/// One pair of the JSON report.
fn pair_json(pair: &Pair) -> Value {
    json!({
        "hyper": pair.baseline.to_json(),
        "server": pair.server.to_json(),
        "rate_ratio": pair.rate_ratio(),
        "cpu_ratio": pair.cpu_ratio(),
    })
}
