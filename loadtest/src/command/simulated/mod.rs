//! `loadtest simulated`: what calls cost that never leave the process: functions of it, and mocked services.

mod functions;
mod hanging;
mod waiting;

use crate::cli::Finding;
use crate::command::load_options::{seconds, within};
use crate::failure::{Context, Failure};
use crate::machine::Machine;
use crate::report;
use crate::terminal;
use clap::{Args, ValueEnum};
use expressway::clock::SystemClock;
use expressway::mock::MockConfiguration;
use expressway::model::execution::{ExecutionName, ExecutionStart};
use expressway::registry::StateMachineRecord;
use expressway::runtime::{LocalFuture, Shard};
use expressway::{Runtime, Value};
use serde_json::{Map, Value as Json, json};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Most executions that wait at once.
const MAX_COUNT: usize = 10_000_000;
/// Longest simulated call; Express ends every execution after 5 minutes.
const MAX_LATENCY_MS: usize = 290_000;
/// Longer than any measurement takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// Measure calls that are answered in this process: functions, very many mocked calls at once, and a callee of which some
/// calls hang.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest simulated
  loadtest simulated --only functions --max-over-us 1.5
  loadtest simulated --only waiting --count 200000 --latency-ms 1000 --max-bytes 1536 --max-late-ms 5
  loadtest simulated --only hanging --rate 5000 --seconds 5 --max-ratio 2

functions: the time of an execution with one call of a function over that of one with a Pass state, in turns on one thread.
waiting: memory (VmRSS of this process) for each execution that waits for a mocked call, its input and output included, and
how far the calls were off the latencies that were drawn for them.
hanging: the 99th percentile of the executions whose call does not hang, against that of a callee that never hangs.")]
pub(crate) struct SimulatedArguments {
    /// Measure only this.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Executions that wait at once.
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    count: usize,
    /// Median latency of the mocked calls that are waited for; they are log-normal, with a tenth more at the 99th percentile.
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    latency_ms: usize,
    /// Executions a second that call the callee that hangs.
    #[arg(long, default_value_t = 5000, value_name = "N")]
    rate: usize,
    /// How long each of four runs with that callee takes.
    #[arg(long, default_value_t = 3.0, value_name = "S")]
    seconds: f64,
    /// Percentage of its calls that hang.
    #[arg(long, default_value_t = 10, value_name = "N")]
    hanging_percent: usize,
    /// Exit with 1 when a call of a function takes longer than this.
    #[arg(long, value_name = "N")]
    max_over_us: Option<f64>,
    /// Exit with 1 when a waiting execution takes more memory than this.
    #[arg(long, value_name = "N")]
    max_bytes: Option<f64>,
    /// Exit with 1 when the median of the differences from the drawn latencies is above this.
    #[arg(long, value_name = "N")]
    max_late_ms: Option<f64>,
    /// Exit with 1 when the 99th percentile beside hanging calls is above this many times the undisturbed one.
    #[arg(long, value_name = "N")]
    max_ratio: Option<f64>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Functions,
    Waiting,
    Hanging,
}

/// Figures with their names and units, and the limit of one of them.
struct Figures {
    title: &'static str,
    figures: Vec<(&'static str, f64)>,
    /// The place of the figure that may have a limit.
    limited: usize,
}

/// Runs the subcommand.
///
/// # Errors
/// When options are wrong, or the runtime does not start.
pub(crate) fn run(arguments: &SimulatedArguments) -> Result<Finding, Failure> {
    within("--count", arguments.count, MAX_COUNT)?;
    within("--latency-ms", arguments.latency_ms, MAX_LATENCY_MS)?;
    within("--rate", arguments.rate, 1_000_000)?;
    within("--hanging-percent", arguments.hanging_percent, 99)?;
    let length = seconds("--seconds", arguments.seconds)?;
    let is_wanted = |part| arguments.only.is_none_or(|only| only == part);
    let mut all = Vec::new();
    if is_wanted(Part::Functions) {
        all.push((functions::measure()?, arguments.max_over_us));
    }
    if is_wanted(Part::Waiting) {
        all.push((waiting::measure(arguments.count, arguments.latency_ms)?, arguments.max_bytes));
    }
    if is_wanted(Part::Hanging) {
        all.push((hanging::measure(arguments.rate, length, arguments.hanging_percent)?, arguments.max_ratio));
    }
    let machine = Machine::read();
    if arguments.json.as_deref() != Some("-".as_ref()) {
        let text: Vec<_> = all.iter().map(|(figures, _)| figures.to_text()).collect();
        terminal::print(&format!("{}\n{}", machine.line(), text.join("\n")));
    }
    if let Some(path) = &arguments.json {
        let entries = all.iter().map(|(figures, _)| (figures.title.to_owned(), figures.to_json()));
        report::write_json(path, &machine, Json::Object(entries.collect()))?;
    }
    let is_late = |figures: &Figures| match (arguments.max_late_ms, figures.get("p50_off_ms")) {
        (Some(most), Some(off)) => off > most,
        _ => false,
    };
    let is_over = |(figures, limit): &(Figures, Option<f64>)| {
        limit.is_some_and(|limit| figures.figures[figures.limited].1 > limit) || is_late(figures)
    };
    Ok(if all.iter().any(is_over) { Finding::Wanting } else { Finding::Well })
}

impl Figures {
    fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(other, _)| *other == name).map(|(_, figure)| *figure)
    }

    fn to_text(&self) -> String {
        let lines: Vec<_> = self.figures.iter().map(|(name, figure)| format!("  {name:<28} {figure:>12.3}")).collect();
        format!("{}\n{}", self.title, lines.join("\n"))
    }

    fn to_json(&self) -> Json {
        Json::Object(
            self.figures.iter().map(|(name, figure)| ((*name).to_owned(), json!(figure))).collect::<Map<_, _>>(),
        )
    }
}

/// One Task state, called `Call`.
const ONE_TASK: &str = r#"{"StartAt": "Call", "States": {"Call": {"Type": "Task",
    "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge", "TimeoutSeconds": 250, "End": true}}}"#;

/// A runtime whose machine `one` has the given test cases, as JSON, and that machine.
fn with_test_cases(shards: usize, test_cases: &Json) -> Result<(Runtime, Arc<StateMachineRecord>), Failure> {
    let file = json!({"Seed": 1, "StateMachines": {"one": {"TestCases": test_cases}}}).to_string();
    let mocked = MockConfiguration::parse("(built in)", file.into_bytes(), Arc::new(SystemClock::new()))
        .context(|| "the mock configuration".to_owned())?;
    let runtime = Runtime::builder()
        .shards(shards)
        .max_in_flight(MAX_COUNT)
        .seed(1)
        .mocked_integrations(Arc::new(mocked))
        .build()
        .context(|| "starting the runtime".to_owned())?;
    let machine = runtime.publish("one", ONE_TASK).map_err(|error| Failure::new(error.to_string()))?;
    Ok((runtime, machine))
}

/// A start of a machine.
fn start_of(shard: &Shard, machine: &StateMachineRecord, input: Value, test_case: Option<&Arc<str>>) -> ExecutionStart {
    ExecutionStart {
        machine: Arc::clone(&machine.identity),
        name: ExecutionName { name: None, id: shard.random() },
        input,
        synchronous: true,
        depth: 0,
        test_case: test_case.cloned(),
        start_time_ms: None,
    }
}

/// Runs a service on every shard, and gives what each of them sends.
fn on_shards<T: Send + 'static>(
    runtime: &Runtime,
    service: impl Fn(Shard, mpsc::Sender<T>) -> LocalFuture + Send + Sync + 'static,
) -> Result<Vec<T>, Failure> {
    let (sender, receiver) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let is_spawned = runtime.spawn_on_shards(move |shard| {
        let sender = sender.lock().map(|sender| sender.clone());
        match sender {
            Ok(sender) => service(shard, sender),
            Err(_) => Box::pin(async {}),
        }
    });
    if !is_spawned {
        return Err(Failure::new("a shard took no service"));
    }
    (0..runtime.shards())
        .map(|_| receiver.recv_timeout(PATIENCE).context(|| "waiting for a shard".to_owned()))
        .collect()
}
