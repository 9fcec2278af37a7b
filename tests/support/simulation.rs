//! A world for one execution: virtual time, scripted tasks, no threads, no sleeps.
//!
//! It performs what the pure step function asks for, as a shard does, only that time moves when there is nothing else to do.

use std::collections::{BTreeMap, VecDeque};

use expressway::{
    Value,
    clock::{Clock, SimClock},
    engine::{Effect, Execution, Input, Progress, Signal, step},
    model::{
        execution::{ExecutionName, ExecutionStart, ExecutionStatus, MachineIdentity, Outcome},
        history_event::HistoryEvent,
        quota::{MAX_EXPRESS_EXECUTION_SECONDS, STEP_BUDGET},
    },
    observe::BoundedRecorder,
    program::Program,
    task::{TaskError, TaskResult},
};

/// More steps than any case here needs: a case that never ends fails instead.
const MAX_STEPS: usize = 2_000_000;
/// Room for the events of a case.
const MAX_EVENTS: usize = 100_000;

/// A call of a task, as the scripted world sees it.
#[derive(Clone, Debug)]
pub struct Call {
    pub resource: String,
    pub input: Value,
    pub credentials: Option<Value>,
    /// Milliseconds since the execution began.
    pub at_ms: u64,
}

/// What a call comes to, and after how long; `None` is a task that never answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub result: Option<TaskResult>,
    pub after_ms: u64,
}

/// Answers calls.
pub trait Tasks {
    fn answer(&mut self, call: &Call) -> Answer;
}

impl<F: FnMut(&Call) -> Answer> Tasks for F {
    fn answer(&mut self, call: &Call) -> Answer {
        self(call)
    }
}

/// How the world behaves.
pub struct World<T> {
    pub tasks: T,
    /// Instructions for the next step.
    pub budget: Box<dyn FnMut() -> u32>,
    /// How far time moves when an execution has used up a budget: what lets an endless loop meet its time-out.
    pub yield_ms: u64,
    /// Feeds the execution's random numbers.
    pub seed: u64,
    pub synchronous: bool,
    pub execution_name: &'static str,
    /// Draws whether to hand in something that nobody waits for, once for each step.
    pub mischief: Option<fastrand::Rng>,
    /// Whether an execution is parked wherever it waits and can be, and comes back for its next step.
    pub parks: bool,
}

impl<T: Tasks> World<T> {
    pub fn new(tasks: T) -> Self {
        Self {
            tasks,
            budget: Box::new(|| STEP_BUDGET),
            yield_ms: 10,
            seed: 1,
            synchronous: false,
            execution_name: "execution",
            mischief: None,
            parks: false,
        }
    }
}

/// An execution that has ended.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Outcome,
    pub events: Vec<HistoryEvent>,
    pub calls: Vec<Call>,
    /// How long it took in virtual time.
    pub milliseconds: u64,
    /// How often it was parked.
    pub parked: usize,
}

/// The names that every simulated execution has.
pub fn start(input: Value, synchronous: bool, name: &str) -> ExecutionStart {
    let machine = MachineIdentity {
        arn: "arn:aws:states:us-east-1:123456789012:stateMachine:machine".into(),
        name: "machine".into(),
        role_arn: "arn:aws:iam::123456789012:role/role".into(),
        execution_arn_prefix: "arn:aws:states:us-east-1:123456789012:express:machine:".into(),
    };
    ExecutionStart {
        machine: machine.into(),
        name: ExecutionName { name: Some(name.into()), id: 7 },
        input,
        synchronous,
        depth: 0,
        test_case: None,
        start_time_ms: None,
    }
}

/// Runs an execution to its end.
pub fn run<T: Tasks>(program: &Program, input: Value, world: World<T>) -> Ended {
    let mut parked = 0;
    let ended = run_counting(program, input, world, &mut parked);
    Ended { parked, ..ended }
}

/// Runs an execution to its end, and counts how often it is parked.
fn run_counting<T: Tasks>(program: &Program, input: Value, mut world: World<T>, parked: &mut usize) -> Ended {
    let clock = SimClock::default();
    let mut recorder = BoundedRecorder::new(MAX_EVENTS);
    let name = world.execution_name;
    let mut execution = Execution::new(program, start(input, world.synchronous, name), world.seed, clock.epoch_ms());
    let mut agenda = Agenda::default();
    let mut old_signals: Vec<Signal> = Vec::new();
    let mut calls = Vec::new();
    let limit_ms = program.timeout_ms.unwrap_or(u64::MAX).min(MAX_EXPRESS_EXECUTION_SECONDS * 1000);
    let mut inputs = VecDeque::from([Input::Continue]);
    for _ in 0..MAX_STEPS {
        let Some(input) = inputs.pop_front() else {
            // Nothing to do now: on to the next thing that happens, or to the end of the execution's time.
            match agenda.next(limit_ms) {
                Some((at_ms, signal, input)) => {
                    clock.advance_ms(at_ms - now_ms(&clock));
                    old_signals.push(signal);
                    inputs.push_back(input);
                    continue;
                }
                None => {
                    clock.advance_ms(limit_ms - now_ms(&clock));
                    return ended(timed_out(&execution, &clock), &recorder, calls, &clock);
                }
            }
        };
        let mut effects = Vec::new();
        let budget = (world.budget)();
        match step(program, &mut execution, input, clock.epoch_ms(), &mut effects, budget, &mut recorder) {
            Progress::Ended(outcome) => return ended(*outcome, &recorder, calls, &clock),
            Progress::Yielded => {
                clock.advance_ms(world.yield_ms);
                if now_ms(&clock) >= limit_ms {
                    return ended(timed_out(&execution, &clock), &recorder, calls, &clock);
                }
                if inputs.is_empty() {
                    inputs.push_back(Input::Continue);
                }
            }
            Progress::Waiting if world.parks => {
                if let Some(waits) = execution.park() {
                    execution = waits.unpark();
                    *parked += 1;
                }
            }
            Progress::Waiting => {}
        }
        for effect in effects {
            perform(effect, program, &clock, &mut world.tasks, &mut agenda, &mut calls, &mut old_signals);
        }
        if let Some(random) = &mut world.mischief {
            let pending = agenda.signals();
            let more = mischief(random, &old_signals, &pending);
            let goes_on = inputs.pop_back();
            inputs.extend(more);
            inputs.extend(goes_on);
        }
    }
    panic!("the execution made {MAX_STEPS} steps and has not ended");
}

fn now_ms(clock: &SimClock) -> u64 {
    clock.monotonic_us() / 1000
}

fn perform<T: Tasks>(
    effect: Effect,
    program: &Program,
    clock: &SimClock,
    tasks: &mut T,
    agenda: &mut Agenda,
    calls: &mut Vec<Call>,
    old_signals: &mut Vec<Signal>,
) {
    let now_ms = now_ms(clock);
    match effect {
        Effect::Wake { signal, after_ms } => {
            agenda.push(now_ms.saturating_add(after_ms), signal, Input::Woken(signal));
        }
        Effect::Cancel(signal) => {
            agenda.cancel(signal);
            old_signals.push(signal);
        }
        Effect::Invoke { signal, task, input, credentials, timeout_ms, test_case: _ } => {
            let resource = program.tasks[task.index()].resource.to_string();
            let call = Call { resource, input, credentials, at_ms: now_ms };
            let answer = tasks.answer(&call);
            calls.push(call);
            if let Some(result) = answer.result {
                agenda.push(now_ms + answer.after_ms, signal, Input::TaskEnded(signal, result));
            }
            if let Some(timeout_ms) = timeout_ms {
                agenda.push(now_ms.saturating_add(timeout_ms), signal, Input::TaskTimedOut(signal));
            }
        }
    }
}

/// Up to two inputs that nobody waits for: signals of the past, and signals of now in the wrong form.
fn mischief(random: &mut fastrand::Rng, old: &[Signal], pending: &[(Signal, bool)]) -> Vec<Input> {
    let mut inputs = Vec::new();
    if !old.is_empty() && random.u8(..) < 64 {
        let signal = old[random.usize(..old.len())];
        inputs.push(match random.u8(..3) {
            0 => Input::Woken(signal),
            1 => Input::TaskTimedOut(signal),
            _ => Input::TaskEnded(signal, Ok(Value::from("late"))),
        });
    }
    if !pending.is_empty() && random.u8(..) < 64 {
        let (signal, is_timer) = pending[random.usize(..pending.len())];
        inputs.push(match is_timer {
            true => Input::TaskEnded(signal, Err(TaskError::new("Nobody", "asked"))),
            false => Input::Woken(signal),
        });
    }
    inputs
}

fn timed_out(execution: &Execution, clock: &SimClock) -> Outcome {
    Outcome {
        status: ExecutionStatus::TimedOut,
        output: None,
        error: None,
        cause: None,
        start_time_ms: execution.start_time_ms(),
        stop_time_ms: clock.epoch_ms(),
    }
}

fn ended(outcome: Outcome, recorder: &BoundedRecorder, calls: Vec<Call>, clock: &SimClock) -> Ended {
    let (events, left_out) = recorder.take();
    assert!(left_out == 0 || outcome.status == ExecutionStatus::TimedOut, "{left_out} events were not kept");
    Ended { milliseconds: now_ms(clock), outcome, events, calls, parked: 0 }
}

/// What is to happen, by time and, at the same time, in the order in which it was asked for.
#[derive(Default)]
struct Agenda {
    entries: BTreeMap<(u64, u64), (Signal, Input)>,
    last: u64,
}

impl Agenda {
    fn push(&mut self, at_ms: u64, signal: Signal, input: Input) {
        self.last += 1;
        self.entries.insert((at_ms, self.last), (signal, input));
    }

    /// The next entry, when it comes before the end of time. What else there is for the same signal goes with it, as
    /// a shard drops a call whose time is over.
    fn next(&mut self, limit_ms: u64) -> Option<(u64, Signal, Input)> {
        let ((at_ms, _), (signal, input)) = self.entries.pop_first().filter(|((at_ms, _), _)| *at_ms < limit_ms)?;
        self.cancel(signal);
        Some((at_ms, signal, input))
    }

    fn cancel(&mut self, signal: Signal) {
        self.entries.retain(|_, (other, _)| *other != signal);
    }

    /// What is waited for, and whether it is a timer.
    fn signals(&self) -> Vec<(Signal, bool)> {
        self.entries.values().map(|(signal, input)| (*signal, matches!(input, Input::Woken(_)))).collect()
    }
}
