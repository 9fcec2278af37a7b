//! Very many executions that wait for mocked calls: memory for each, and how far they are off the latencies drawn.

use super::{Figures, on_shards, start_of, with_test_cases};
use crate::clock::{RunClock, pause};
use crate::failure::Failure;
use crate::machine;
use crate::process::ProcessId;
use expressway::Value;
use expressway::runtime::Started;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Executions that a shard starts before it looks after what has ended.
const STARTS_IN_A_ROW: usize = 256;
/// How often memory is read while executions wait.
const READ_EVERY: Duration = Duration::from_millis(20);

/// What a shard found.
struct Found {
    /// Milliseconds off.
    off_ms: Vec<i64>,
    wrong: usize,
}

pub(super) fn measure(count: usize, latency_ms: usize) -> Result<Figures, Failure> {
    let shards = machine::cores();
    let test_cases = json!({"Waiting": {"Call": {
        "LatencyMilliseconds": {"P50": latency_ms, "P99": latency_ms as f64 * 1.1},
        "*": {"ReturnTemplate": {"order.$": "$.order", "ms.$": "$$.Mock.LatencyMilliseconds"}}}}});
    let (runtime, machine) = with_test_cases(shards, &test_cases)?;
    let before_bytes = ProcessId::own().resident_bytes()?;
    let clock = RunClock::start();
    let (handle, watched) = (runtime.clone(), std::sync::mpsc::channel());
    let watcher = std::thread::spawn(move || watch(&handle, count, clock, &watched.1));
    let found = on_shards(&runtime, move |shard, sender| {
        let machine = Arc::clone(&machine);
        Box::pin(async move {
            let mut completions = Vec::with_capacity(count / shards);
            let mut found = Found { off_ms: Vec::new(), wrong: 0 };
            let test_case: Arc<str> = "Waiting".into();
            for number in 0..count / shards {
                let input = Value::object([("order", Value::from(number))]);
                let Some(program) = machine.program.as_ref() else { break };
                match shard.start_sync(Arc::clone(program), start_of(&shard, &machine, input, Some(&test_case))) {
                    Ok(Started::Running(completion)) => completions.push(completion),
                    _ => found.wrong += 1,
                }
                if number % STARTS_IN_A_ROW == 0 {
                    tokio::task::yield_now().await;
                }
            }
            for completion in completions {
                let outcome = completion.await.ok();
                let drawn_ms = outcome.as_ref().and_then(|outcome| {
                    outcome.output.as_ref()?.get("ms")?.as_number().map(|number| number.as_f64() as u64)
                });
                match (outcome, drawn_ms) {
                    (Some(outcome), Some(drawn_ms)) => {
                        let took_ms = outcome.stop_time_ms - outcome.start_time_ms;
                        found.off_ms.push(took_ms as i64 - drawn_ms as i64);
                    }
                    _ => found.wrong += 1,
                }
            }
            // The receiver waits longer than this takes.
            let _ = sender.send(found);
        })
    })?;
    drop(watched.0);
    let (all_waited_ms, most_waiting, most_bytes) =
        watcher.join().map_err(|_| Failure::new("the watcher failed"))??;
    let mut off_ms: Vec<i64> = found.iter().flat_map(|found| &found.off_ms).copied().collect();
    off_ms.sort_unstable();
    let wrong: usize = found.iter().map(|found| found.wrong).sum();
    if wrong > 0 {
        return Err(Failure::new(format!("{wrong} executions did not wait and succeed")));
    }
    let off = |percent| off_ms.get(off_ms.len().saturating_sub(1) * percent / 100).map_or(0.0, |off| *off as f64);
    let bytes = most_bytes.saturating_sub(before_bytes) as f64 / most_waiting.max(1) as f64;
    Ok(Figures {
        title: "waiting: executions that wait for a mocked call",
        figures: vec![
            ("executions_at_once", most_waiting as f64),
            ("all_started_after_ms", all_waited_ms),
            ("bytes_each", bytes),
            ("min_off_ms", off(0)),
            ("p50_off_ms", off(50)),
            ("p99_off_ms", off(99)),
            ("max_off_ms", off(100)),
        ],
        limited: 2,
    })
}

/// Reads memory until the measurement is over: when all were started, and memory when most executions waited.
fn watch(
    runtime: &expressway::Runtime,
    count: usize,
    clock: RunClock,
    is_over: &std::sync::mpsc::Receiver<()>,
) -> Result<(f64, usize, u64), Failure> {
    let (mut all_waited_ms, mut most_waiting, mut bytes) = (0.0, 0, 0);
    while is_over.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
        let waiting = runtime.executions_in_flight();
        if waiting > most_waiting {
            (most_waiting, bytes) = (waiting, ProcessId::own().resident_bytes()?);
            all_waited_ms = clock.elapsed_ns() as f64 / 1e6;
        }
        if most_waiting >= count {
            break;
        }
        pause(READ_EVERY);
    }
    Ok((all_waited_ms, most_waiting, bytes))
}
