//! What a call of a function costs: W4 against W1, in turns, so that whatever else the machine does meets both.

use super::{Figures, on_shards, start_of};
use crate::command::in_turns::{Contender, TURNS, compare, here};
use crate::failure::{Context, Failure};
use crate::workload::BuiltIn;
use expressway::runtime::{RuntimeBuilder, Shard, Started};
use expressway::{Runtime, Value};
use std::sync::Arc;

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
    let publish = |built_in: BuiltIn| Contender::publish(&runtime, &built_in.workload());
    let (w1, w4) = (publish(BuiltIn::W1)?, publish(BuiltIn::W4)?);
    let here = |contender: &Contender, input| here(&runtime, contender, input);
    let (w1_us, w4_us) = compare(&w1, &w4, TURNS, here)?;
    let on_shard = on_shards(&runtime, move |shard, sender| {
        let (w1, w4) = (w1.clone(), w4.clone());
        Box::pin(async move {
            let result = compare(&w1, &w4, TURNS, |contender, input| on_shard(&shard, contender, input));
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
