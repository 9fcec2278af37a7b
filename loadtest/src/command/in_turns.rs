//! Two workloads in turns on one thread, so that whatever else the machine does meets both: what a ratio is taken from.

use crate::cli::Finding;
use crate::clock::RunClock;
use crate::command::load_options::within;
use crate::failure::{Context, Failure};
use crate::machine::Machine;
use crate::report::{self, median};
use crate::terminal;
use crate::workload::Workload;
use expressway::model::execution::Outcome;
use expressway::registry::StateMachineRecord;
use expressway::{Runtime, Value as Input};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Executions of one workload before it is the other's turn.
const IN_A_ROW: u32 = 1000;
/// Turns of each workload, when nothing else is said.
pub(crate) const TURNS: usize = 60;
/// Most turns of each.
pub(crate) const MAX_TURNS: usize = 100_000;

/// One workload and its machine.
#[derive(Clone)]
pub(crate) struct Contender {
    /// The machine, published.
    pub(crate) machine: Arc<StateMachineRecord>,
    /// The input's text.
    input: String,
}

impl Contender {
    /// Publishes a workload.
    ///
    /// # Errors
    /// When its definition is not valid.
    pub(crate) fn publish(runtime: &Runtime, workload: &Workload) -> Result<Self, Failure> {
        let published = runtime.publish(&workload.name, &workload.definition);
        let machine = published.map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self { machine, input: workload.input.clone() })
    }
}

/// Runs an execution on this thread; `None` when it does not end at once.
pub(crate) fn here(runtime: &Runtime, contender: &Contender, input: Input) -> Option<Outcome> {
    runtime.start_sync(&contender.machine, input).ok().and_then(|completion| completion.try_ended().ok())
}

/// Microseconds of one execution, JSON text in to JSON text out: the mean of so many in a row.
///
/// # Errors
/// When an execution does not succeed at once.
pub(crate) fn turn_us(
    contender: &Contender,
    in_a_row: u32,
    text: &mut Vec<u8>,
    run: impl Fn(&Contender, Input) -> Option<Outcome>,
) -> Result<f64, Failure> {
    let clock = RunClock::start();
    for _ in 0..in_a_row {
        let input = Input::parse(&contender.input).context(|| "the input".to_owned())?;
        let outcome = run(contender, input).ok_or_else(|| Failure::new("an execution did not end at once"))?;
        let output = outcome.output.ok_or_else(|| Failure::new("an execution failed"))?;
        text.clear();
        output.write_json(text);
    }
    Ok(clock.elapsed_ns() as f64 / 1e3 / f64::from(in_a_row))
}

/// Microseconds of one execution of each, JSON text in to JSON text out: medians of turns.
///
/// # Errors
/// When an execution does not succeed at once.
pub(crate) fn compare(
    first: &Contender,
    second: &Contender,
    turns: usize,
    run: impl Fn(&Contender, Input) -> Option<Outcome>,
) -> Result<(f64, f64), Failure> {
    let mut text = Vec::new();
    let mut turn = |contender: &Contender| turn_us(contender, IN_A_ROW, &mut text, &run);
    let (mut first_us, mut second_us) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        first_us.push(turn(first)?);
        second_us.push(turn(second)?);
    }
    median(&first_us).zip(median(&second_us)).ok_or_else(|| Failure::new("there were no turns"))
}

/// Limits of `loadtest in-process --beside`.
pub(crate) struct Limits {
    /// Most microseconds of the workload.
    pub(crate) max_us: Option<f64>,
    /// Most of it to one of the other.
    pub(crate) max_ratio: Option<f64>,
    /// Most nanoseconds of each state that the workload has more than the other.
    pub(crate) max_state_ns: Option<f64>,
}

/// How many states a workload's definition has at the top.
fn states(workload: &Workload) -> usize {
    let definition: Result<Value, _> = serde_json::from_str(&workload.definition);
    definition.ok().and_then(|definition| definition["States"].as_object().map(serde_json::Map::len)).unwrap_or(0)
}

/// A workload beside another, and the ratio of their times.
///
/// # Errors
/// When a definition is not valid, or an execution does not succeed at once.
pub(crate) fn run(
    runtime: &Runtime,
    [workload, beside]: [&Workload; 2],
    turns: usize,
    limits: &Limits,
    json: Option<&Path>,
) -> Result<Finding, Failure> {
    within("--turns", turns, MAX_TURNS)?;
    let contenders = [Contender::publish(runtime, workload)?, Contender::publish(runtime, beside)?];
    let run = |contender: &Contender, input| here(runtime, contender, input);
    // The first turns meet cold caches and an allocator without memory.
    compare(&contenders[0], &contenders[1], turns.div_ceil(10), run)?;
    let (us, beside_us) = compare(&contenders[0], &contenders[1], turns, run)?;
    let ratio = us / beside_us;
    let more_states = states(workload).saturating_sub(states(beside));
    let state_ns = (more_states > 0).then(|| (us - beside_us) * 1e3 / more_states as f64);
    let machine = Machine::read();
    if json != Some("-".as_ref()) {
        let title = format!("JSON text in, JSON text out, one thread, medians of {turns} turns of {IN_A_ROW}");
        let line = |name: &str, us: f64| format!("  {name:<28} {us:>9.3} µs");
        let (first, second) = (line(&workload.name, us), line(&beside.name, beside_us));
        terminal::print(&format!("{}\n{title}\n{first}\n{second}\n  {:<28} {ratio:>9.3}", machine.line(), "ratio"));
        if let Some(state_ns) = state_ns.filter(|_| limits.max_state_ns.is_some()) {
            terminal::print(&format!("  {:<28} {state_ns:>9.1} ns", format!("each of {more_states} states more")));
        }
    }
    if let Some(path) = json {
        let figures = json!({
            "workload": workload.name, "us": us, "beside": beside.name, "beside_us": beside_us, "ratio": ratio,
            "states_more": more_states, "ns_per_state_more": state_ns, "turns": turns, "executions_in_a_turn": IN_A_ROW,
        });
        report::write_json(path, &machine, figures)?;
    }
    let is_over = |figure: f64, limit: Option<f64>| limit.is_some_and(|limit| figure > limit);
    // Without more states there is nothing that could keep to that limit.
    let is_slow_state = is_over(state_ns.unwrap_or(f64::INFINITY), limits.max_state_ns);
    let is_wanting = is_over(us, limits.max_us) || is_over(ratio, limits.max_ratio) || is_slow_state;
    Ok(if is_wanting { Finding::Wanting } else { Finding::Well })
}
