//! A callee of which some calls hang, against one that never does: what that is to the calls that do not hang.

use super::{Figures, on_shards, start_of, with_test_cases};
use crate::clock::{RunClock, duration_ns};
use crate::failure::Failure;
use crate::machine;
use crate::report::median;
use expressway::Value;
use expressway::runtime::Started;
use hdrhistogram::Histogram;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Latency of the calls that do not hang.
const LATENCY_MS: u64 = 10;
/// Longest latency that is told apart from others, in nanoseconds.
const MOST_NS: u64 = 60_000_000_000;
/// Turns of each callee.
const TURNS: usize = 2;

pub(super) fn measure(rate: usize, length: Duration, hanging_percent: usize) -> Result<Figures, Failure> {
    let well = json!({"Return": "charged", "LatencyMilliseconds": LATENCY_MS, "Weight": 100 - hanging_percent});
    let test_cases = json!({
        "Well": {"Call": {"*": {"Return": "charged", "LatencyMilliseconds": LATENCY_MS}}},
        "Hanging": {"Call": {"*": {"OneOf": [well, {"Hang": true, "Weight": hanging_percent}]}}}});
    let (mut undisturbed, mut disturbed, mut hung) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TURNS {
        undisturbed.push(turn(rate, length, &test_cases, "Well")?.0);
        let (p99_ms, waiting) = turn(rate, length, &test_cases, "Hanging")?;
        disturbed.push(p99_ms);
        hung += waiting;
    }
    let medians = median(&undisturbed).zip(median(&disturbed));
    let (undisturbed, disturbed) = medians.ok_or_else(|| Failure::new("there were no turns"))?;
    Ok(Figures {
        title: "hanging: calls of 10 ms beside calls that hang",
        figures: vec![
            ("undisturbed_p99_ms", undisturbed),
            ("disturbed_p99_ms", disturbed),
            ("ratio", disturbed / undisturbed),
            ("calls_that_hung", hung as f64),
        ],
        limited: 2,
    })
}

/// The 99th percentile in milliseconds of the executions that ended, from when they were due, and how many hang at the end.
fn turn(
    rate: usize,
    length: Duration,
    test_cases: &serde_json::Value,
    test_case: &str,
) -> Result<(f64, usize), Failure> {
    let shards = machine::cores();
    let (runtime, machine) = with_test_cases(shards, test_cases)?;
    let test_case: Arc<str> = test_case.into();
    let gap_ns = 1_000_000_000 * shards as u64 / rate as u64;
    let length_ns = duration_ns(length);
    let found = on_shards(&runtime, move |shard, sender| {
        let (machine, test_case) = (Arc::clone(&machine), Arc::clone(&test_case));
        Box::pin(async move {
            let latencies = Rc::new(RefCell::new(histogram()));
            let clock = RunClock::start();
            let mut due_ns = 0;
            while due_ns < length_ns {
                if clock.elapsed_ns() < due_ns {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                let Some(program) = machine.program.as_ref() else { break };
                let start = start_of(&shard, &machine, Value::from("order"), Some(&test_case));
                if let Ok(Started::Running(completion)) = shard.start_sync(Arc::clone(program), start) {
                    let latencies = Rc::clone(&latencies);
                    tokio::task::spawn_local(async move {
                        if completion.await.is_ok_and(|outcome| outcome.output.is_some()) {
                            let taken_ns = clock.elapsed_ns().saturating_sub(due_ns);
                            latencies.borrow_mut().saturating_record(taken_ns);
                        }
                    });
                }
                due_ns += gap_ns;
            }
            tokio::time::sleep(Duration::from_millis(20 * LATENCY_MS)).await;
            // The receiver waits longer than this takes.
            let _ = sender.send(latencies.borrow().clone());
        })
    })?;
    let mut all = histogram();
    for latencies in &found {
        all.add(latencies).map_err(|error| Failure::new(error.to_string()))?;
    }
    if all.is_empty() {
        return Err(Failure::new("no execution ended"));
    }
    Ok((all.value_at_quantile(0.99) as f64 / 1e6, runtime.executions_in_flight()))
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MOST_NS, 3).expect("the bounds and three digits are allowed")
}
