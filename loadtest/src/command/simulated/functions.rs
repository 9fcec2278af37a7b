//! What a call of a function costs: W4 against W1, in turns, so that whatever else the machine does meets both.

use super::{Figures, on_shards, start_of};
use crate::clock::RunClock;
use crate::failure::{Context, Failure};
use crate::report::median;
use crate::workload::{BuiltIn, Workload};
use expressway::registry::StateMachineRecord;
use expressway::runtime::{RuntimeBuilder, Shard, Started};
use expressway::{Runtime, Value};
use std::sync::Arc;

/// Executions of one workload before it is the other's turn.
const IN_A_ROW: u32 = 1000;
/// Turns of each workload.
const TURNS: usize = 60;

/// One workload and its machine.
#[derive(Clone)]
struct Contender {
    machine: Arc<StateMachineRecord>,
    input: String,
}

pub(super) fn measure() -> Result<Figures, Failure> {
    let function = measure_with(|builder| builder.task_fn("echo", Ok))?;
    let handler = measure_with(|builder| builder.task("echo", async |input: Value| Ok(input)))?;
    Ok(Figures {
        title: "functions: JSON text in, JSON text out, one thread",
        figures: vec![
            ("w1_us", function.w1_us),
            ("w4_function_us", function.w4_us),
            ("w4_function_over_us", function.w4_us - function.w1_us),
            ("w4_async_us", handler.w4_us),
            ("w4_async_over_us", handler.w4_us - handler.w1_us),
            ("on_shard_w1_us", handler.shard_w1_us),
            ("on_shard_w4_async_us", handler.shard_w4_us),
            ("on_shard_w4_async_over_us", handler.shard_w4_us - handler.shard_w1_us),
        ],
        limited: 4,
    })
}

/// Microseconds of one execution.
struct Times {
    w1_us: f64,
    w4_us: f64,
    shard_w1_us: f64,
    shard_w4_us: f64,
}

/// Both workloads on this thread, and on a shard's, with a handler of Task states.
fn measure_with(handler: impl Fn(RuntimeBuilder) -> RuntimeBuilder) -> Result<Times, Failure> {
    let runtime = handler(Runtime::builder().shards(1)).build().context(|| "starting the runtime".to_owned())?;
    let publish = |built_in: BuiltIn| {
        let Workload { name, definition, input } = built_in.workload();
        let published = runtime.publish(&name, &definition);
        published.map(|machine| Contender { machine, input }).map_err(|error| Failure::new(error.to_string()))
    };
    let (w1, w4) = (publish(BuiltIn::W1)?, publish(BuiltIn::W4)?);
    let here = |contender: &Contender, input| {
        runtime.start_sync(&contender.machine, input).ok().and_then(|completion| completion.try_ended().ok())
    };
    let (w1_us, w4_us) = compare(&w1, &w4, here)?;
    let on_shard = on_shards(&runtime, move |shard, sender| {
        let (w1, w4) = (w1.clone(), w4.clone());
        Box::pin(async move {
            let result = compare(&w1, &w4, |contender, input| on_shard(&shard, contender, input));
            // The receiver waits longer than this takes.
            let _ = sender.send(result);
        })
    })?;
    let (shard_w1_us, shard_w4_us) = on_shard.into_iter().next().unwrap_or_else(|| Err(Failure::new("no shard")))?;
    Ok(Times { w1_us, w4_us, shard_w1_us, shard_w4_us })
}

fn on_shard(shard: &Shard, contender: &Contender, input: Value) -> Option<expressway::model::execution::Outcome> {
    let program = contender.machine.program.as_ref()?;
    match shard.start_sync(Arc::clone(program), start_of(shard, &contender.machine, input, None)).ok()? {
        Started::Ended(outcome) => Some(outcome),
        Started::Running(_) => None,
    }
}

/// Microseconds of one execution of each: medians of turns.
fn compare(
    w1: &Contender,
    w4: &Contender,
    run: impl Fn(&Contender, Value) -> Option<expressway::model::execution::Outcome>,
) -> Result<(f64, f64), Failure> {
    let mut text = Vec::new();
    let mut turn = |contender: &Contender| {
        let clock = RunClock::start();
        for _ in 0..IN_A_ROW {
            let input = Value::parse(&contender.input).context(|| "the input".to_owned())?;
            let outcome = run(contender, input).ok_or_else(|| Failure::new("an execution did not end at once"))?;
            let output = outcome.output.ok_or_else(|| Failure::new("an execution failed"))?;
            text.clear();
            output.write_json(&mut text);
        }
        Ok::<_, Failure>(clock.elapsed_ns() as f64 / 1e3 / f64::from(IN_A_ROW))
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        first.push(turn(w1)?);
        second.push(turn(w4)?);
    }
    median(&first).zip(median(&second)).ok_or_else(|| Failure::new("there were no turns"))
}
