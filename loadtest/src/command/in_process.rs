//! `loadtest in-process`: the same workloads through the library, without HTTP: JSON text in, JSON text out.

use crate::cli::Finding;
use crate::clock::{RunClock, duration_ns, pause};
use crate::command::in_turns::{self, Limits};
use crate::command::load_options::{Mode, seconds, within};
use crate::command::run::WorkloadOptions;
use crate::command::speedup;
use crate::failure::{Context, Failure};
use crate::load::{LoadResult, MAX_PIPELINE, MAX_THREADS};
use crate::machine::{self, Machine};
use crate::process::{CpuTime, ProcessId};
use crate::reply::Verdict;
use crate::report::{self, LoadReport};
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::terminal;
use crate::workload::BuiltIn;
use clap::Args;
use expressway::registry::StateMachineRecord;
use expressway::runtime::{Completion, StartError};
use expressway::{Runtime, Value};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::task::LocalSet;

/// Executions that a thread starts before it looks after those that wait.
const STARTS_IN_A_ROW: u32 = 64;

/// Drive one workload through the library in this process: JSON text in, JSON text out. Task states are answered by a
/// function of this process that gives back its input.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest in-process --workload w2 --threads 1
  loadtest in-process --workload w2-jsonata --beside w2 --max-us 4 --max-ratio 1.5
  loadtest in-process --workload w1-chain --beside w1 --max-state-ns 60
  loadtest in-process --workload w2 --threads 2 --speedup --min-speedup 1.9
  loadtest in-process --workload w5 --in-flight 1000 --duration 10
  loadtest in-process --definition order.asl.json --input order.json --mode open --rate 50000")]
pub(crate) struct InProcessArguments {
    #[command(flatten)]
    what: WorkloadOptions,
    /// Threads that start executions [default: cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Shards of the runtime, where executions go on that wait [default: cores].
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// Executions that each thread of a closed loop has in flight.
    #[arg(long, default_value_t = 1, value_name = "N")]
    in_flight: usize,
    #[arg(long, value_enum, default_value_t = Mode::Closed)]
    mode: Mode,
    /// Executions a second of an open loop, over all threads.
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    /// Answer Task states by an async handler, which is called on a shard, instead of a function.
    #[arg(long)]
    async_handler: bool,
    /// Measured time in seconds.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    duration: f64,
    /// Time before the measured one, in seconds.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    warm_up: f64,
    /// Run this workload in turns with the other on one thread, and give the ratio of their times.
    #[arg(long, value_enum, conflicts_with_all = ["threads", "in_flight", "mode", "rate", "duration", "warm_up"])]
    beside: Option<BuiltIn>,
    /// Run on one thread and on all --threads in turns, and give how many times as much all of them do.
    #[arg(long, conflicts_with_all = ["beside", "in_flight", "mode", "rate", "duration", "warm_up"])]
    speedup: bool,
    /// Turns of each of them, of 1000 executions; of 20000 with --speedup.
    #[arg(long, default_value_t = in_turns::TURNS, value_name = "N")]
    turns: usize,
    /// Exit with 1 when all threads do less than this many times as much as one.
    #[arg(long, value_name = "N", requires = "speedup")]
    min_speedup: Option<f64>,
    /// Exit with 1 when an execution of the workload takes longer than this beside the other.
    #[arg(long, value_name = "N", requires = "beside")]
    max_us: Option<f64>,
    /// Exit with 1 when it takes more than this many times as long as one of the other.
    #[arg(long, value_name = "N", requires = "beside")]
    max_ratio: Option<f64>,
    /// Exit with 1 when each state that it has more than the other takes longer than this.
    #[arg(long, value_name = "N", requires = "beside")]
    max_state_ns: Option<f64>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What one thread is to do.
struct Plan {
    runtime: Runtime,
    machine: Arc<StateMachineRecord>,
    input: String,
    in_flight: usize,
    schedule: Option<Schedule>,
    begin_ns: u64,
    end_ns: u64,
}

/// Runs the subcommand.
///
/// # Errors
/// When options are wrong, or the definition is not valid.
pub(crate) fn run(arguments: &InProcessArguments) -> Result<Finding, Failure> {
    let threads = arguments.threads.unwrap_or_else(machine::cores);
    within("--threads", threads, MAX_THREADS)?;
    within("--in-flight", arguments.in_flight, MAX_PIPELINE * 1024)?;
    let (warm_up, duration) = (seconds("--warm-up", arguments.warm_up)?, seconds("--duration", arguments.duration)?);
    let rate = match (arguments.mode, arguments.rate) {
        (Mode::Closed, None) => None,
        (Mode::Open, Some(rate @ 1..=100_000_000)) => Some(rate),
        _ => return Err(Failure::new("--mode open and --rate, from 1 to 100000000 a second, go together")),
    };
    let workload = arguments.what.choose()?;
    let builder = Runtime::builder().shards(arguments.shards.unwrap_or_else(machine::cores));
    let builder = match arguments.async_handler {
        false => builder.task_fn("echo", Ok),
        true => builder.task("echo", async |input: Value| Ok(input)),
    };
    let runtime = builder.build().context(|| "starting the runtime".to_owned())?;
    if let Some(beside) = arguments.beside {
        let InProcessArguments { max_us, max_ratio, max_state_ns, .. } = *arguments;
        let limits = Limits { max_us, max_ratio, max_state_ns };
        let both = [&workload, &beside.workload()];
        return in_turns::run(&runtime, both, arguments.turns, &limits, arguments.json.as_deref());
    }
    if arguments.speedup {
        let InProcessArguments { turns, min_speedup, .. } = *arguments;
        return speedup::run(&runtime, &workload, threads, turns, min_speedup, arguments.json.as_deref());
    }
    let published = runtime.publish(&workload.name, &workload.definition);
    let machine = published.map_err(|error| Failure::new(error.to_string()))?;
    let clock = RunClock::start();
    let begin_ns = duration_ns(warm_up);
    let end_ns = begin_ns + duration_ns(duration);
    let mut handles = Vec::new();
    for number in 0..threads {
        let plan = Plan {
            runtime: runtime.clone(),
            machine: Arc::clone(&machine),
            input: workload.input.clone(),
            in_flight: arguments.in_flight,
            schedule: rate.map(|rate| Schedule::new(rate, number, threads)),
            begin_ns,
            end_ns,
        };
        let thread = thread::Builder::new().name(format!("caller-{number}"));
        handles.push(thread.spawn(move || drive(plan, clock)).context(|| "starting a thread".to_owned())?);
    }
    pause(warm_up);
    let before = ProcessId::own().cpu_time().ok();
    pause(duration);
    let after = ProcessId::own().cpu_time().ok();
    let mut tally = Tally::new();
    for handle in handles {
        tally.merge(&handle.join().map_err(|_| Failure::new("a thread has panicked"))??);
    }
    let used = before.zip(after).map(|(before, after): (CpuTime, CpuTime)| after - before);
    let result = LoadResult { tally, window: duration, server_cpu: None, client_cpu: used };
    let loop_kind = if rate.is_some() { "open" } else { "closed" };
    let title = format!(
        "{} in process, {loop_kind} loop, {threads} thread(s), {} in flight each",
        workload.name, arguments.in_flight
    );
    let report = LoadReport::new(title, &result);
    let machine = Machine::read();
    if arguments.json.as_deref() != Some("-".as_ref()) {
        terminal::print(&format!("{}\n{}", machine.line(), report.to_text()));
    }
    if let Some(path) = &arguments.json {
        report::write_json(path, &machine, report.to_json())?;
    }
    Ok(if report.is_clean() { Finding::Well } else { Finding::Wanting })
}

fn drive(plan: Plan, clock: RunClock) -> Result<Tally, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.context(|| "starting a caller's event loop".to_owned())?;
    LocalSet::new().block_on(&runtime, async {
        let caller = Rc::new(Caller {
            plan,
            clock,
            state: RefCell::new(State { tally: Tally::new(), waiting: 0, output: Vec::new() }),
        });
        caller.clone().call().await;
        while caller.state.borrow().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let caller = Rc::try_unwrap(caller).map_err(|_| Failure::new("an execution is still waited for"))?;
        Ok(caller.state.into_inner().tally)
    })
}

struct Caller {
    plan: Plan,
    clock: RunClock,
    state: RefCell<State>,
}

struct State {
    tally: Tally,
    waiting: usize,
    output: Vec<u8>,
}

impl Caller {
    async fn call(self: Rc<Self>) {
        let (mut next, mut in_a_row) = (0, 0);
        loop {
            let now_ns = self.clock.elapsed_ns();
            if now_ns >= self.plan.end_ns {
                return;
            }
            let begun_ns = match self.plan.schedule {
                None => now_ns,
                Some(schedule) => schedule.due_ns(next),
            };
            let is_full = self.plan.schedule.is_none() && self.state.borrow().waiting >= self.plan.in_flight;
            if is_full || begun_ns > now_ns {
                in_a_row = 0;
                if begun_ns > now_ns + duration_ns(Duration::from_millis(2)) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                } else {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            next += 1;
            self.start(begun_ns);
            in_a_row += 1;
            if in_a_row >= STARTS_IN_A_ROW {
                in_a_row = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    fn start(self: &Rc<Self>, begun_ns: u64) {
        let started = Value::parse(&self.plan.input)
            .map_err(|_| "InvalidExecutionInput")
            .and_then(|input| self.plan.runtime.start_sync(&self.plan.machine, input).map_err(refusal));
        match started.map(Completion::try_ended) {
            Ok(Ok(outcome)) => self.ended(&outcome, begun_ns),
            Ok(Err(completion)) => {
                self.state.borrow_mut().waiting += 1;
                let caller = Rc::clone(self);
                tokio::task::spawn_local(async move {
                    match completion.await {
                        Ok(outcome) => caller.ended(&outcome, begun_ns),
                        Err(_) => caller.count(Verdict::Failed("Lost".into()), begun_ns),
                    }
                    caller.state.borrow_mut().waiting -= 1;
                });
            }
            Err("ThrottlingException") => self.count(Verdict::Throttled, begun_ns),
            Err(code) => self.count(Verdict::Failed(code.into()), begun_ns),
        }
    }

    fn ended(&self, outcome: &expressway::model::execution::Outcome, begun_ns: u64) {
        let verdict = match &outcome.output {
            Some(output) => {
                let text = &mut self.state.borrow_mut().output;
                text.clear();
                output.write_json(text);
                Verdict::Succeeded
            }
            None => {
                Verdict::Failed(outcome.error.as_ref().map_or(outcome.status.as_str(), |error| error.as_str()).into())
            }
        };
        self.count(verdict, begun_ns);
    }

    fn count(&self, verdict: Verdict, begun_ns: u64) {
        let now_ns = self.clock.elapsed_ns();
        let tally = &mut self.state.borrow_mut().tally;
        tally.last_answer_ns = now_ns;
        if (self.plan.begin_ns..self.plan.end_ns).contains(&now_ns) {
            tally.answered_in_window += 1;
        }
        if begun_ns >= self.plan.begin_ns {
            tally.count(verdict, now_ns.saturating_sub(begun_ns));
        }
    }
}

fn refusal(error: StartError) -> &'static str {
    match error {
        StartError::TooManyExecutions { .. } => "ThrottlingException",
        StartError::NotExpress => "StateMachineTypeNotSupported",
        StartError::ShuttingDown => "ServiceUnavailable",
    }
}
