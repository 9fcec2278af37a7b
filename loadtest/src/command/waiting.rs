//! `loadtest waiting`: what an execution that only waits costs in memory, and how punctual timers are meanwhile.

use crate::action::Action;
use crate::child_server::ChildServer;
use crate::cli::Finding;
use crate::client;
use crate::clock;
use crate::command::run::drive_with_progress;
use crate::command::server_command::ServerCommand;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{Arrivals, LoadPlan, MAX_SECONDS};
use crate::machine::{self, Machine};
use crate::process::ProcessId;
use crate::report::{self, duration_text};
use crate::request;
use crate::socket_owner;
use crate::tally::Tally;
use crate::terminal::{self, Progress};
use crate::workload::BuiltIn;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// The field of W5's input that says how long to wait.
const WAIT_FIELD: &str = "paymentTermSeconds";
/// Connections over which executions are started.
const CONNECTIONS: usize = 64;
/// Requests in flight on each of them.
const PIPELINE: usize = 16;
/// Most executions.
const MAX_COUNT: u64 = 100_000_000;
/// Executions that wait and end before anything is measured.
const WARM_UP: u64 = 10_000;
/// Longest wait; Express ends every execution after 5 minutes.
const MAX_WAIT_S: u64 = 290;
/// Most executions of one timer check; each has a connection of its own.
const MAX_TIMER_CHECKS: usize = 1000;
/// How long an execution of the timer check waits.
const TIMER_CHECK_S: u64 = 1;
/// How long the last executions are given to end before memory is read for the last time.
const GRACE: Duration = Duration::from_secs(2);
/// How often memory is read while executions wait.
const READ_EVERY: Duration = Duration::from_millis(500);

/// Start very many executions that wait, and report the server's memory for each and how late timers fire.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest waiting --count 1000000
  loadtest waiting --count 100000 --wait-seconds 20 --endpoint http://127.0.0.1:8083
  loadtest waiting --count 1000000 --max-bytes 400 --max-left 10 --max-late-ms 50

Memory is VmRSS of the server's process. The timer check starts synchronous executions of one second's wait, once on the
idle server and once with all the others waiting, and tells how much later than one second the replies come.")]
pub(crate) struct WaitingArguments {
    /// A server that is running on this machine, instead of one that is started for the measurement.
    #[arg(long, value_name = "URL", conflicts_with = "server_command")]
    endpoint: Option<String>,
    #[command(flatten)]
    server: ServerCommand,
    /// Executions to start.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    count: u64,
    /// How long each waits; it should be longer than starting them all takes.
    #[arg(long, default_value_t = 60, value_name = "S")]
    wait_seconds: u64,
    /// Synchronous executions of each timer check; 0 leaves the checks out.
    #[arg(long, default_value_t = 200, value_name = "N")]
    timer_checks: usize,
    /// Exit with 1 when an execution takes more bytes than this beyond its payload.
    #[arg(long, value_name = "N")]
    max_bytes: Option<f64>,
    /// Exit with 1 when more than this share of the memory that the executions took is left once they have ended.
    #[arg(long, value_name = "PERCENT")]
    max_left: Option<f64>,
    /// Exit with 1 when 99 % of the timers of a check are not within this many milliseconds.
    #[arg(long, value_name = "N")]
    max_late_ms: Option<f64>,
    /// No progress on stderr.
    #[arg(long, short)]
    quiet: bool,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The server, its state machine, and the arguments that are needed everywhere.
struct Waiting<'a> {
    arguments: &'a WaitingArguments,
    endpoint: Endpoint,
    process: ProcessId,
    state_machine_arn: String,
    /// W5's input, to be given a time to wait.
    input: Value,
}

/// How late the replies of one timer check were.
struct Lateness {
    checks: u64,
    /// The earliest reply; below zero when a timer fired too soon.
    least_us: f64,
    p50_us: f64,
    p99_us: f64,
    most_us: f64,
    troubles: u64,
}

/// Runs the subcommand.
///
/// # Errors
/// When the server cannot be started or found, or the options are wrong.
pub(crate) fn run(arguments: &WaitingArguments) -> Result<Finding, Failure> {
    check_bounds(arguments)?;
    // The server ends when this goes out of scope, whatever happens.
    let (_child, endpoint, process) = find_server(arguments)?;
    let workload = BuiltIn::W5.workload();
    let state_machine_arn = client::create_state_machine(&endpoint, &workload)?;
    let input = serde_json::from_str(&workload.input).expect("a test reads every built-in input as JSON");
    let waiting = Waiting { arguments, endpoint, process, state_machine_arn, input };

    let idle_lateness = waiting.check_timers("timers, idle")?;
    waiting.warm_up()?;
    let before = waiting.resident_bytes()?;
    let (tally, started_in) = waiting.start_all()?;
    let since_last_start = clock::now();
    let loaded_lateness = waiting.check_timers("timers, loaded")?;
    let during = waiting.resident_bytes()?;
    let (peak, cpu_s) = waiting.wait_for_the_end(since_last_start)?;
    let after = waiting.resident_bytes()?;

    let payload_bytes = waiting.input_text(arguments.wait_seconds).len() as f64;
    let started = tally.succeeded;
    let per_execution = if started > 0 { during.saturating_sub(before) as f64 / started as f64 } else { 0.0 };
    let beyond = per_execution - payload_bytes;
    let left_percent = left_percent(before, during, after);
    let machine = Machine::read();
    let mebibytes = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let mut lines = vec![
        machine.line(),
        format!(
            "started   {started} executions in {:.1} s, {} throttled, {} errors",
            started_in.as_secs_f64(),
            tally.throttled,
            tally.error_count() + tally.unanswered
        ),
        format!(
            "memory    before {:.1} MiB, waiting {:.1} MiB, peak {:.1} MiB, after {:.1} MiB: {left_percent:.1} % of it left",
            mebibytes(before),
            mebibytes(during),
            mebibytes(peak),
            mebibytes(after)
        ),
        format!("each      {per_execution:.0} bytes, {beyond:.0} beyond its payload of {payload_bytes:.0} bytes"),
        format!("ending    {cpu_s:.2} s CPU of the server until all had ended"),
    ];
    lines.extend(idle_lateness.as_ref().map(|lateness| lateness.line("idle")));
    lines.extend(loaded_lateness.as_ref().map(|lateness| lateness.line("loaded")));
    let had_all_at_once = started_in < Duration::from_secs(arguments.wait_seconds);
    if !had_all_at_once {
        lines.push(
            "trouble   the first executions had ended before the last began: give a longer --wait-seconds".into(),
        );
    }
    if arguments.json.as_deref() != Some("-".as_ref()) {
        terminal::print(&lines.join("\n"));
    }
    if let Some(path) = &arguments.json {
        let whole = json!({
            "started": started,
            "started_in_s": started_in.as_secs_f64(),
            "throttled": tally.throttled,
            "errors": tally.errors,
            "unanswered": tally.unanswered,
            "wait_s": arguments.wait_seconds,
            "all_waited_at_once": had_all_at_once,
            "resident_bytes": { "before": before, "waiting": during, "peak": peak, "after": after },
            "payload_bytes": payload_bytes,
            "left_percent": left_percent,
            "bytes_per_execution": per_execution,
            "bytes_per_execution_beyond_payload": beyond,
            "cpu_s_until_ended": cpu_s,
            "timers_idle": idle_lateness.as_ref().map(Lateness::to_json),
            "timers_loaded": loaded_lateness.as_ref().map(Lateness::to_json),
        });
        report::write_json(path, &machine, whole)?;
    }
    let is_small = arguments.max_bytes.is_none_or(|most| beyond <= most)
        && arguments.max_left.is_none_or(|most| left_percent <= most);
    let is_whole = started == arguments.count && had_all_at_once;
    let are_punctual = [idle_lateness, loaded_lateness].iter().flatten().all(|lateness| {
        let is_punctual = arguments.max_late_ms.is_none_or(|most| lateness.p99_us <= most * 1e3);
        is_punctual && lateness.troubles == 0 && lateness.least_us >= 0.0
    });
    Ok(if is_small && is_whole && are_punctual { Finding::Well } else { Finding::Wanting })
}

/// How much of what memory had grown by is still there, in percent.
fn left_percent(before: u64, during: u64, after: u64) -> f64 {
    let grown = during.saturating_sub(before).max(1);
    after.saturating_sub(before) as f64 * 100.0 / grown as f64
}

/// Checks what clap cannot.
fn check_bounds(arguments: &WaitingArguments) -> Result<(), Failure> {
    if !(1..=MAX_COUNT).contains(&arguments.count) {
        return Err(Failure::new(format!("--count is from 1 to {MAX_COUNT}")));
    }
    if !(1..=MAX_WAIT_S).contains(&arguments.wait_seconds) {
        return Err(Failure::new(format!("--wait-seconds is from 1 to {MAX_WAIT_S}")));
    }
    if arguments.timer_checks > MAX_TIMER_CHECKS {
        return Err(Failure::new(format!("--timer-checks is at most {MAX_TIMER_CHECKS}")));
    }
    Ok(())
}

/// The server to measure: the one at the endpoint, or one of our own.
fn find_server(arguments: &WaitingArguments) -> Result<(Option<ChildServer>, Endpoint, ProcessId), Failure> {
    if let Some(url) = &arguments.endpoint {
        let endpoint = Endpoint::parse(url, false)?;
        let process = socket_owner::find(endpoint.address)?;
        return Ok((None, endpoint, process));
    }
    // Room for all of them, and for the timer checks beside them.
    let max_in_flight = arguments.count + MAX_TIMER_CHECKS as u64;
    let child = arguments.server.start(&["--max-in-flight".to_owned(), max_in_flight.to_string()])?;
    let endpoint = Endpoint::parse(&child.url, false)?;
    let process = child.process();
    Ok((Some(child), endpoint, process))
}

impl Waiting<'_> {
    fn resident_bytes(&self) -> Result<u64, Failure> {
        self.process.resident_bytes()
    }

    /// W5's input with this time to wait.
    fn input_text(&self, wait_s: u64) -> String {
        let mut input = self.input.clone();
        input[WAIT_FIELD] = Value::from(wait_s);
        input.to_string()
    }

    /// A plan of `count` starts, as fast as they go.
    fn plan(&self, action: Action, wait_s: u64, count: u64, connections: usize, pipeline: usize) -> LoadPlan {
        let input = self.input_text(wait_s);
        LoadPlan {
            address: self.endpoint.address,
            request: request::start(&self.endpoint.authority, action, &self.state_machine_arn, &input),
            action,
            connections,
            pipeline,
            threads: machine::cores().min(connections),
            arrivals: Arrivals::Closed,
            warm_up: Duration::ZERO,
            duration: Duration::from_secs_f64(MAX_SECONDS),
            max_requests: count,
            request_timeout: Duration::from_secs(30),
        }
    }

    /// Has some executions wait and end, so that the code and the buffers of that are in memory before as they are after.
    fn warm_up(&self) -> Result<(), Failure> {
        let count = self.arguments.count.min(WARM_UP);
        let plan = self.plan(Action::StartExecution, TIMER_CHECK_S, count, CONNECTIONS, PIPELINE);
        drive_with_progress(&plan, None, "warming up", self.arguments.quiet)?;
        clock::pause(Duration::from_secs(TIMER_CHECK_S) + GRACE);
        Ok(())
    }

    /// Starts all executions; returns the counts and how long it took.
    fn start_all(&self) -> Result<(Tally, Duration), Failure> {
        let arguments = self.arguments;
        let plan = self.plan(Action::StartExecution, arguments.wait_seconds, arguments.count, CONNECTIONS, PIPELINE);
        let result = drive_with_progress(&plan, None, "starting", arguments.quiet)?;
        Ok((result.tally, result.window))
    }

    /// Starts synchronous executions of one second's wait, each on a connection of its own.
    fn check_timers(&self, title: &str) -> Result<Option<Lateness>, Failure> {
        let checks = self.arguments.timer_checks;
        if checks == 0 {
            return Ok(None);
        }
        let plan = self.plan(Action::StartSyncExecution, TIMER_CHECK_S, checks as u64, checks, 1);
        let tally = drive_with_progress(&plan, None, title, self.arguments.quiet)?.tally;
        let late_us = |latency_ns: u64| latency_ns as f64 / 1e3 - TIMER_CHECK_S as f64 * 1e6;
        let latency = &tally.latency_ns;
        Ok(Some(Lateness {
            checks: tally.succeeded,
            least_us: late_us(latency.min()),
            p50_us: late_us(latency.value_at_quantile(0.5)),
            p99_us: late_us(latency.value_at_quantile(0.99)),
            most_us: late_us(latency.max()),
            troubles: tally.throttled + tally.error_count() + tally.unanswered,
        }))
    }

    /// Waits until the last execution must have ended; returns the most memory seen and the server's CPU seconds.
    fn wait_for_the_end(&self, since_last_start: std::time::Instant) -> Result<(u64, f64), Failure> {
        let length = Duration::from_secs(self.arguments.wait_seconds) + GRACE;
        let mut progress = Progress::start("waiting", length, self.arguments.quiet);
        let cpu_before = self.process.cpu_time()?;
        let mut peak = 0;
        while since_last_start.elapsed() < length {
            let resident = self.resident_bytes()?;
            peak = peak.max(resident);
            progress.show(since_last_start.elapsed(), &format!("{:.1} MiB resident", resident as f64 / 1_048_576.0));
            clock::pause(READ_EVERY);
        }
        let cpu = self.process.cpu_time()? - cpu_before;
        Ok((peak, cpu.total().as_secs_f64()))
    }
}

impl Lateness {
    fn line(&self, when: &str) -> String {
        let early = if self.least_us < 0.0 { "  a timer fired too soon" } else { "" };
        let troubles = if self.troubles > 0 { format!("  {} failed", self.troubles) } else { String::new() };
        format!(
            "timers    {when}: {} of {TIMER_CHECK_S} s, late by p50 {}  p99 {}  max {}{early}{troubles}",
            self.checks,
            duration_text(self.p50_us),
            duration_text(self.p99_us),
            duration_text(self.most_us)
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "checks": self.checks,
            "late_us": { "min": self.least_us, "p50": self.p50_us, "p99": self.p99_us, "max": self.most_us },
            "failed": self.troubles,
        })
    }
}
