//! `loadtest isolation`: what short executions wait when others will not end.
//!
//! W1 runs in an open loop at a part of the peak, alone and then beside one execution that loops for as long as the turn takes,
//! and one Map of 10,000 items, 40 at a time, after the other. Turns alternate, pair by pair; the median of the ratios of the
//! 99th percentiles is the figure.

use crate::action::Action;
use crate::cli::Finding;
use crate::client;
use crate::command::latency::{OpenLoopOptions, at_rate, latency, measure, part_of_peak};
use crate::command::load_options::seconds;
use crate::command::server_command::ServerCommand;
use crate::command::sides::{Side, start_server};
use crate::endpoint::Endpoint;
use crate::failure::{Context, Failure};
use crate::machine::Machine;
use crate::reply::{self, Verdict};
use crate::report::{self, LoadReport, duration_text, median};
use crate::request;
use crate::terminal;
use crate::workload::{BuiltIn, Workload};
use clap::Args;
use expressway::engine::idle_thread::give_way;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Items of the Map.
const ITEMS: u64 = 10_000;
/// How many of them run at once.
const CONCURRENCY: u64 = 40;
/// How long what disturbs may take to end once it should have.
const REST: Duration = Duration::from_secs(30);

/// Measure the latency of W1 beside an endless loop and a large Map, against W1 alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest isolation
  loadtest isolation --load 0.3 --pairs 5 --max-p99-ratio 3
  loadtest isolation --only loop
  loadtest isolation --only busy

The loop ends by the TimeoutSeconds of its machine, so that the next turn is undisturbed again. When the client shares the
server's cores, `--only busy` shows what the system itself makes of two threads that compute without end.")]
pub(crate) struct IsolationArguments {
    #[command(flatten)]
    server: ServerCommand,
    /// The rate of W1, as a part of the peak.
    #[arg(long, default_value_t = 0.3, value_name = "PART")]
    load: f64,
    #[command(flatten)]
    open_loop: OpenLoopOptions,
    /// Only one of those that disturb [default: loop and map].
    #[arg(long, value_enum)]
    only: Option<Disturber>,
    /// Exit with 1 when the median ratio of the 99th percentiles is above this.
    #[arg(long, value_name = "RATIO")]
    max_p99_ratio: Option<f64>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Disturber {
    /// One execution in an endless loop.
    Loop,
    /// Maps of many items, one after the other.
    Map,
    /// No executions, but two threads of this program that compute without end: the yardstick.
    Busy,
}

/// Threads that compute without end, as many as the loop and the Map keep busy at once.
const BUSY_THREADS: usize = 2;

/// Requests that start what disturbs.
struct Disturbance {
    endpoint: Endpoint,
    /// The loop, which is answered when its time is over.
    endless: Option<Vec<u8>>,
    map: Option<Vec<u8>>,
    busy_threads: usize,
    /// How long the loop runs.
    length: Duration,
}

/// A turn alone and the disturbed one after it.
struct Pair {
    alone: LoadReport,
    disturbed: LoadReport,
    /// Maps that ended meanwhile.
    maps: u64,
}

impl Pair {
    fn ratio(&self) -> f64 {
        latency(&self.disturbed, "p99") / latency(&self.alone, "p99")
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When the server cannot be started, refuses a workload, or the options are wrong.
pub(crate) fn run(arguments: &IsolationArguments) -> Result<Finding, Failure> {
    let load = arguments.open_loop.load()?;
    let workload = BuiltIn::W1.workload();
    let (server, ..) = start_server(&arguments.server, &workload, Action::StartSyncExecution, &load)?;
    let length = seconds("--duration", load.duration)? + seconds("--warm-up", load.warm_up)? + Duration::from_secs(1);
    let disturbance = Disturbance::prepare(&server, arguments.only, length)?;
    let rate = part_of_peak(&server, arguments.load, load.quiet)?;
    let machine = Machine::read();
    let is_json_only = arguments.json.as_deref() == Some("-".as_ref());
    let print = |text: &str| if is_json_only { terminal::remark(text) } else { terminal::print(text) };
    let title = report::describe(&workload.name, &at_rate(&server, rate));
    print(&format!("{}\nrun       {title}, {} of the peak", machine.line(), arguments.load));
    print("pair   alone p50  beside p50   alone p99  beside p99  ratio  alone p99.9 beside p99.9  maps");
    let mut pairs = Vec::new();
    for number in 1..=arguments.open_loop.pairs {
        let alone = measure(&server, &at_rate(&server, rate), load.quiet)?;
        let (disturbed, maps) = disturbance.beside(|| measure(&server, &at_rate(&server, rate), load.quiet))?;
        let pair = Pair { alone, disturbed, maps };
        print(&pair_line(number, &pair));
        pairs.push(pair);
    }
    let ratio = median(&pairs.iter().map(Pair::ratio).collect::<Vec<f64>>()).unwrap_or(f64::NAN);
    print(&format!("median of ratios of the 99th percentiles: {ratio:.2}"));
    if let Some(path) = &arguments.json {
        let pairs: Vec<Value> = pairs.iter().map(pair_json).collect();
        let whole = json!({ "run": title, "part_of_peak": arguments.load, "pairs": pairs, "median_p99_ratio": ratio });
        report::write_json(path, &machine, whole)?;
    }
    let is_clean = pairs.iter().all(|pair| pair.alone.is_clean() && pair.disturbed.is_clean());
    let is_isolated = arguments.max_p99_ratio.is_none_or(|most| ratio <= most);
    Ok(if is_clean && is_isolated { Finding::Well } else { Finding::Wanting })
}

impl Disturbance {
    /// Creates the machines, and tries the Map.
    fn prepare(server: &Side, only: Option<Disturber>, length: Duration) -> Result<Self, Failure> {
        let endpoint = server.endpoint.clone();
        let is_wanted = |disturber| only.map_or(disturber != Disturber::Busy, |only| only == disturber);
        let start = |workload: &Workload| -> Result<Vec<u8>, Failure> {
            let arn = client::create_state_machine(&endpoint, workload)?;
            Ok(request::start(&endpoint.authority, Action::StartSyncExecution, &arn, &workload.input))
        };
        let endless = is_wanted(Disturber::Loop).then(|| start(&endless_loop(length))).transpose()?;
        let map = is_wanted(Disturber::Map).then(|| start(&large_map())).transpose()?;
        if let Some(map) = &map {
            run_map(&endpoint, map, true)?;
        }
        let busy_threads = if is_wanted(Disturber::Busy) { BUSY_THREADS } else { 0 };
        Ok(Self { endpoint, endless, map, busy_threads, length })
    }

    /// Does something while others disturb it, and waits until they have ended. Tells how many Maps did meanwhile.
    fn beside<T>(&self, what: impl FnOnce() -> Result<T, Failure>) -> Result<(T, u64), Failure> {
        let (stop, maps) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..self.busy_threads {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let endless = self
                .endless
                .as_ref()
                .map(|request| scope.spawn(|| client::send_within(&self.endpoint, request, self.length + REST)));
            let mapping = self.map.as_ref().map(|request| {
                scope.spawn(|| -> Result<(), Failure> {
                    // Reading the results is no part of what is measured, and must not disturb the client that measures.
                    give_way().context(|| "making a thread an idle one".to_owned())?;
                    while !stop.load(Ordering::Relaxed) {
                        run_map(&self.endpoint, request, false)?;
                        maps.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            });
            let done = what();
            stop.store(true, Ordering::Relaxed);
            let panicked = |_| Failure::new("a thread that disturbs has panicked");
            if let Some(endless) = endless {
                let reply = endless.join().map_err(panicked)??;
                if reply.json()["status"] != "TIMED_OUT" {
                    let text = String::from_utf8_lossy(&reply.body).chars().take(400).collect::<String>();
                    return Err(Failure::new(format!("the loop has not run to the end of its time: {text}")));
                }
            }
            if let Some(mapping) = mapping {
                mapping.join().map_err(panicked)?.context(|| "a Map beside the load".to_owned())?;
            }
            Ok((done?, maps.load(Ordering::Relaxed)))
        })
    }
}

/// One Map, from its start to its end. Beside a load only its status is looked at, as that costs the load's client little.
fn run_map(endpoint: &Endpoint, request: &[u8], whole: bool) -> Result<(), Failure> {
    let reply = client::send_within(endpoint, request, REST)?;
    match reply::judge(Action::StartSyncExecution, reply.status, &reply.body, whole) {
        Verdict::Succeeded => Ok(()),
        Verdict::Throttled => Err(Failure::new("the Map was refused")),
        Verdict::Failed(code) => Err(Failure::new(format!("the Map failed: {code}"))),
    }
}

/// A machine that loops until its time is over.
fn endless_loop(length: Duration) -> Workload {
    let definition = json!({
        "StartAt": "Again",
        "TimeoutSeconds": length.as_secs_f64().ceil() as u64,
        "States": {
            "Again": { "Type": "Pass", "Next": "Is it over" },
            "Is it over": {
                "Type": "Choice",
                "Choices": [{ "Variable": "$.over", "BooleanEquals": true, "Next": "Over" }],
                "Default": "Again",
            },
            "Over": { "Type": "Succeed" },
        },
    });
    Workload {
        name: "loadtest-endless-loop".to_owned(),
        definition: definition.to_string(),
        input: r#"{"over":false}"#.to_owned(),
    }
}

/// A machine that maps many items.
fn large_map() -> Workload {
    let definition = json!({
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "MaxConcurrency": CONCURRENCY,
                "ItemProcessor": {
                    "StartAt": "One",
                    "States": { "One": { "Type": "Pass", "Parameters": { "item.$": "$" }, "End": true } },
                },
                "End": true,
            },
        },
    });
    let items: Vec<u64> = (0..ITEMS).collect();
    Workload {
        name: "loadtest-large-map".to_owned(),
        definition: definition.to_string(),
        input: json!(items).to_string(),
    }
}

/// One line of the text report.
fn pair_line(number: usize, pair: &Pair) -> String {
    let text = |report: &LoadReport, name: &str| duration_text(latency(report, name));
    let mut line = format!(
        "{number:>4}  {:>10}  {:>10}  {:>10}  {:>10}  {:>5.2}  {:>11} {:>12}  {:>4}",
        text(&pair.alone, "p50"),
        text(&pair.disturbed, "p50"),
        text(&pair.alone, "p99"),
        text(&pair.disturbed, "p99"),
        pair.ratio(),
        text(&pair.alone, "p99.9"),
        text(&pair.disturbed, "p99.9"),
        pair.maps,
    );
    report::add_troubles(&mut line, [&pair.alone, &pair.disturbed]);
    line
}

/// One pair of the JSON report.
fn pair_json(pair: &Pair) -> Value {
    json!({
        "alone": pair.alone.to_json(),
        "disturbed": pair.disturbed.to_json(),
        "p99_ratio": pair.ratio(),
        "maps": pair.maps,
    })
}
