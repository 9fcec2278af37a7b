//! One thread and several in turns, so that whatever else the machine does meets both: how much more several do.

use crate::cli::Finding;
use crate::command::in_turns::{Contender, MAX_TURNS, here, turn_us};
use crate::command::load_options::within;
use crate::failure::{Context, Failure};
use crate::machine::Machine;
use crate::report::{self, median};
use crate::terminal;
use crate::workload::Workload;
use expressway::Runtime;
use serde_json::json;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

/// Executions of one thread in one turn: some tens of milliseconds.
const IN_A_ROW: u32 = 20_000;

/// Times of one thread, in microseconds for each execution.
#[derive(Default)]
struct Times {
    /// Those turns in which it was the only one.
    alone: Vec<f64>,
    /// Every turn in which all of them ran.
    together: Vec<f64>,
}

/// A workload on one thread and on several.
///
/// # Errors
/// When the definition is not valid, or an execution does not succeed at once.
pub(crate) fn run(
    runtime: &Runtime,
    workload: &Workload,
    threads: usize,
    turns: usize,
    min_speedup: Option<f64>,
    json: Option<&Path>,
) -> Result<Finding, Failure> {
    within("--turns", turns, MAX_TURNS)?;
    if threads < 2 {
        return Err(Failure::new("--speedup compares --threads, two at least, with one"));
    }
    let contender = Contender::publish(runtime, workload)?;
    let barrier = Barrier::new(threads);
    let work = |number: usize| {
        let mut text = Vec::new();
        let mut times = Times::default();
        let mut failed = None;
        let mut turn = |times: &mut Vec<f64>| match turn_us(&contender, IN_A_ROW, &mut text, |contender, input| {
            here(runtime, contender, input)
        }) {
            Ok(us) => times.push(us),
            // The others wait for this thread at the end of the turn.
            Err(failure) => failed = Some(failure),
        };
        // The first turn meets cold caches and an allocator without memory.
        turn(&mut Vec::new());
        for number_of_turn in 0..turns {
            barrier.wait();
            if number_of_turn % threads == number {
                turn(&mut times.alone);
            }
            barrier.wait();
            turn(&mut times.together);
        }
        failed.map_or(Ok(times), Err)
    };
    let all = thread::scope(|scope| {
        let mut started = Vec::new();
        for number in 0..threads {
            let builder = thread::Builder::new().name(format!("caller-{number}"));
            started.push(builder.spawn_scoped(scope, move || work(number)));
        }
        let mut all = Vec::new();
        for handle in started {
            let handle = handle.context(|| "starting a thread".to_owned())?;
            all.push(handle.join().map_err(|_| Failure::new("a thread has panicked"))??);
        }
        Ok::<_, Failure>(all)
    })?;
    let speedups: Vec<f64> = (0..turns)
        .map(|turn| {
            let together: f64 = all.iter().map(|times| 1.0 / times.together[turn]).sum();
            together * all[turn % threads].alone[turn / threads]
        })
        .collect();
    let speedup = median(&speedups).ok_or_else(|| Failure::new("there were no turns"))?;
    let alone: Vec<f64> = all.iter().flat_map(|times| times.alone.iter().copied()).collect();
    let us = median(&alone).unwrap_or_default();
    let machine = Machine::read();
    if json != Some("-".as_ref()) {
        terminal::print(&format!(
            "{}\n{}: {us:.3} µs on one thread; {threads} threads do {speedup:.2} times as many executions (median of {turns} turns)",
            machine.line(),
            workload.name
        ));
    }
    if let Some(path) = json {
        let figures = json!({
            "workload": workload.name, "threads": threads, "us": us, "speedup": speedup, "turns": turns,
            "executions_in_a_turn": IN_A_ROW,
        });
        report::write_json(path, &machine, figures)?;
    }
    Ok(if min_speedup.is_some_and(|least| speedup < least) { Finding::Wanting } else { Finding::Well })
}
