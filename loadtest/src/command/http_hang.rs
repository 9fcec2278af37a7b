//! `loadtest http-hang`: what calls that hang do to those that do not.
//!
//! Executions call an HTTP API by a schedule fixed beforehand, first undisturbed, then with others among them whose calls are
//! never answered and end by `TimeoutSeconds`. Latency counts from the scheduled time to the execution's end.

use crate::child_server::ChildServer;
use crate::cli::Finding;
use crate::clock::{RunClock, duration_ns};
use crate::command::http_task::{BODY, MAX_ROUNDS, TICK, drained, engine, input, own_server, publish};
use crate::command::load_options::{seconds, within};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::report;
use crate::schedule::Schedule;
use crate::terminal;
use clap::Args;
use expressway::Runtime;
use expressway::model::execution::ExecutionStatus;
use expressway::registry::StateMachineRecord;
use expressway::runtime::{Shard, Started};
use hdrhistogram::Histogram;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// Seconds after which a call that hangs is given up.
const TIMEOUT_S: u64 = 1;
/// Longest latency that is told apart, in microseconds.
const MAX_LATENCY_US: u64 = 60_000_000;
/// How long the last executions may take.
const MAX_REST: Duration = Duration::from_secs(10);

/// Compare the latency of executions that call an HTTP task with and without others whose calls hang.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest http-hang
  loadtest http-hang --rate 5000 --hang-percent 10 --limit 2")]
pub(crate) struct HttpHangArguments {
    /// Executions a second, those that hang included.
    #[arg(long, default_value_t = 5_000, value_name = "N")]
    rate: u64,
    /// How many of a hundred hang.
    #[arg(long, default_value_t = 10, value_name = "N")]
    hang_percent: u64,
    /// Measured time of each turn in seconds.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    duration: f64,
    /// Turns of each of the two.
    #[arg(long, default_value_t = 3, value_name = "N")]
    rounds: usize,
    /// Highest ratio of the 99th percentiles that is well.
    #[arg(long, value_name = "X")]
    limit: Option<f64>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One turn.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    p50_us: u64,
    p99_us: u64,
    ended: u64,
    timed_out: u64,
    failed: u64,
}

/// What both kinds of execution run.
#[derive(Clone)]
struct Machines {
    prompt: Arc<StateMachineRecord>,
    hanging: Arc<StateMachineRecord>,
}

/// Runs the subcommand.
///
/// # Errors
/// When options are wrong, or the server does not start.
pub(crate) fn run(arguments: &HttpHangArguments) -> Result<Finding, Failure> {
    within("--rounds", arguments.rounds, MAX_ROUNDS)?;
    let duration = seconds("--duration", arguments.duration)?;
    if !(1..=1_000_000).contains(&arguments.rate) || !(1..=99).contains(&arguments.hang_percent) {
        return Err(Failure::new("--rate is from 1 to 1000000, --hang-percent from 1 to 99"));
    }
    let server: ChildServer = own_server()?;
    let runtime = engine(2)?;
    let machines = Machines {
        prompt: publish(&runtime, "prompt", &format!("{}/orders", server.url), None)?,
        hanging: publish(&runtime, "hanging", &format!("{}/hang", server.url), Some(TIMEOUT_S))?,
    };
    let (rate, percent) = (arguments.rate, arguments.hang_percent);
    let undisturbed = |duration| turn(&runtime, &machines, rate * (100 - percent) / 100, 0, duration);
    let disturbed = |duration| turn(&runtime, &machines, rate, percent, duration);
    // Turns that are not counted: connections are made.
    let _ = (undisturbed(Duration::from_secs(1))?, disturbed(Duration::from_secs(2))?);
    let mut turns = Vec::new();
    for _ in 0..arguments.rounds {
        turns.push((undisturbed(duration)?, disturbed(duration)?));
    }
    let mut ratios: Vec<f64> =
        turns.iter().map(|(alone, among)| among.p99_us as f64 / alone.p99_us.max(1) as f64).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let failed: u64 = turns.iter().map(|(alone, among)| alone.failed + among.failed).sum();
    let machine = Machine::read();
    if arguments.json.as_deref() != Some("-".as_ref()) {
        let mut text = format!("{}\nHTTP tasks at {rate} a second, {percent} % hang, latency in µs\n", machine.line());
        for (alone, among) in &turns {
            text.push_str(&format!(
                "  undisturbed p50 {:5} p99 {:6}  among hanging ones p50 {:5} p99 {:6}  ({} ended, {} timed out)\n",
                alone.p50_us, alone.p99_us, among.p50_us, among.p99_us, among.ended, among.timed_out
            ));
        }
        text.push_str(&format!("median ratio of p99: {ratio:.2}  failed {failed}"));
        terminal::print(&text);
    }
    if let Some(path) = &arguments.json {
        report::write_json(path, &machine, json!({"p99_ratio": ratio, "failed": failed}))?;
    }
    let well = failed == 0 && arguments.limit.is_none_or(|limit| ratio <= limit);
    Ok(if well { Finding::Well } else { Finding::Wanting })
}

/// One turn on all shards.
fn turn(
    runtime: &Runtime,
    machines: &Machines,
    rate: u64,
    hang_percent: u64,
    duration: Duration,
) -> Result<Turn, Failure> {
    let (sender, receiver) = mpsc::channel();
    let (machines, shards) = (machines.clone(), runtime.shards());
    runtime.spawn_on_shards(move |shard| {
        let (machines, sender) = (machines.clone(), sender.clone());
        Box::pin(async move {
            let schedule = Schedule::new(rate, shard.index(), shards);
            let _ = sender.send(drive(&shard, &machines, schedule, hang_percent, duration).await);
        })
    });
    let mut latencies = Histogram::<u64>::new_with_max(MAX_LATENCY_US, 3).expect("the bounds are those of a histogram");
    let mut sum = Turn::default();
    for _ in 0..shards {
        let limit = duration + MAX_REST + MAX_REST;
        let (own, part) = receiver.recv_timeout(limit).map_err(|_| Failure::new("a shard did not end its turn"))?;
        latencies.add(own).map_err(|error| Failure::new(error.to_string()))?;
        sum.ended += part.ended;
        sum.timed_out += part.timed_out;
        sum.failed += part.failed;
    }
    sum.p50_us = latencies.value_at_quantile(0.5);
    sum.p99_us = latencies.value_at_quantile(0.99);
    Ok(sum)
}

/// One shard's part of a turn: its latencies, and how its executions ended.
async fn drive(
    shard: &Shard,
    machines: &Machines,
    schedule: Schedule,
    hang_percent: u64,
    duration: Duration,
) -> (Histogram<u64>, Turn) {
    let latencies = Histogram::<u64>::new_with_max(MAX_LATENCY_US, 3).expect("the bounds are those of a histogram");
    let latencies = Rc::new(RefCell::new(latencies));
    let ends = Rc::new(Cell::new(Turn::default()));
    let under_way = Rc::new(Cell::new(0_u64));
    let (clock, end_ns) = (RunClock::start(), duration_ns(duration));
    let mut begun = 0;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let now_ns = clock.elapsed_ns().min(end_ns);
        while begun < schedule.due_before(now_ns) {
            let due_ns = schedule.due_ns(begun);
            let hangs = begun * hang_percent % 100 < hang_percent;
            begun += 1;
            let record = if hangs { &machines.hanging } else { &machines.prompt };
            let program = record.program.as_ref().expect("machines that were published have a program");
            let mut turn = ends.get();
            match shard.start_sync(Arc::clone(program), input(shard, record, BODY)) {
                Ok(Started::Running(completion)) => {
                    under_way.set(under_way.get() + 1);
                    let (latencies, ends, under_way) = (Rc::clone(&latencies), Rc::clone(&ends), Rc::clone(&under_way));
                    tokio::task::spawn_local(async move {
                        let status = completion.await.ok().map(|outcome| outcome.status);
                        let mut turn = ends.get();
                        match (hangs, status) {
                            (false, Some(ExecutionStatus::Succeeded)) => {
                                turn.ended += 1;
                                let latency_us = clock.elapsed_ns().saturating_sub(due_ns) / 1000;
                                latencies.borrow_mut().saturating_record(latency_us);
                            }
                            (true, Some(ExecutionStatus::Failed)) => turn.timed_out += 1,
                            _ => turn.failed += 1,
                        }
                        ends.set(turn);
                        under_way.set(under_way.get() - 1);
                    });
                    continue;
                }
                // An execution that calls something cannot have ended yet, nor be refused.
                Ok(Started::Ended(_)) | Err(_) => turn.failed += 1,
            }
            ends.set(turn);
        }
        if now_ns == end_ns {
            break;
        }
        ticks.tick().await;
    }
    drained(|| under_way.get() == 0).await;
    let mut turn = ends.get();
    turn.failed += under_way.get();
    (latencies.replace(Histogram::new(1).expect("one digit is enough for nothing")), turn)
}
