//! Executions that wait for long, on a shard: what they end with is what they would have ended with anyway.
//!
//! Each case runs twice, with its times as they are, so that it is parked, and with times so short that it is not. The clock is
//! simulated. `tests/spec.rs` and `tests/oracle.rs` park executions without a shard, at every wait of every case.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use expressway::{
    Runtime, Value,
    clock::SimClock,
    model::execution::{ExecutionName, ExecutionStart, Outcome},
    runtime::Started,
    task::TaskError,
};

#[path = "support/poke.rs"]
mod poke;
use poke::poke;

/// Longer than anything here takes; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// What makes times too short for parking.
const SHORT: f64 = 0.01;
/// More seconds than any of the executions takes.
const SECONDS: u64 = 310;

/// Waits, then fails twice with delays between, and shows all that it can see at its end.
const SEES_ALL: &str = r#"{"StartAt": "Set", "States": {
    "Set": {"Type": "Pass", "Assign": {"mine.$": "$.mine", "constant": {"of": ["the", "program", 1.50]}}, "Next": "Wait"},
    "Wait": {"Type": "Wait", "Seconds": 20, "Assign": {"again.$": "$.mine"}, "Next": "Build"},
    "Build": {"Type": "Pass", "Parameters": {"built": {"from.$": "$.mine", "id.$": "$$.Execution.Id"}}, "ResultPath": "$.more",
        "Next": "Draw"},
    "Draw": {"Type": "Pass", "Parameters": {"drawn.$": "States.MathRandom(1, 1000000)"}, "ResultPath": "$.draw",
        "Next": "Task"},
    "Task": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:fails",
        "Retry": [{"ErrorEquals": ["Refused"], "IntervalSeconds": 5, "MaxAttempts": 2, "JitterStrategy": "FULL",
            "MaxDelaySeconds": 6}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Again"}], "Next": "Again"},
    "Again": {"Type": "Wait", "Seconds": 100, "Next": "Show"},
    "Show": {"Type": "Pass", "Parameters": {"data.$": "$", "name.$": "$$.Execution.Name", "input.$": "$$.Execution.Input",
        "start.$": "$$.Execution.StartTime", "state.$": "$$.State.Name", "mine.$": "$mine", "again.$": "$again",
        "constant.$": "$constant", "random.$": "States.MathRandom(1, 1000000)"}, "End": true}}}"#;
const LIMITED: &str =
    r#"{"StartAt": "W", "TimeoutSeconds": 30, "States": {"W": {"Type": "Wait", "Seconds": 60, "End": true}}}"#;
const ENDLESS: &str = r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 900, "End": true}}}"#;

const INPUTS: [&str; 7] = [
    r#"{"mine": {"numbers": [1.50, -0, 1e400, 18446744073709551616, 0.1E5], "z": 1, "a": 2}}"#,
    r#"{ "mine" : [ "\u0041\n\"", "\ud800", "é\/", { "twice": 1, "twice": 2 } ], "mine": {"x": "\u0000"} }"#,
    r#"{"mine": "a string that is longer than what fits in place"}"#,
    r#"{"mine": null, "other": [[[[]]], {}]}"#,
    r#"{"mine": true}"#,
    r#"{"mine": -7}"#,
    r#"{"nothing": "of it"}"#,
];

fn shown(outcome: &Outcome) -> String {
    let Outcome { status, output, error, cause, .. } = outcome;
    format!("{status} {} {error:?} {cause:?}", output.as_ref().map(Value::to_json).unwrap_or_default())
}

/// Starts one execution of each machine with each input, from the shard that runs them. They come with what they ended with,
/// and how long that took.
fn start_all(runtime: &Runtime) -> Receiver<(usize, String, u64)> {
    let machines = [("all", SEES_ALL), ("limited", LIMITED), ("endless", ENDLESS)]
        .map(|(name, text)| runtime.publish(name, text).unwrap());
    let (sender, receiver) = mpsc::channel();
    assert!(runtime.spawn_on_shards(move |shard| {
        let (machines, sender) = (machines.clone(), sender.clone());
        Box::pin(async move {
            for place in 0..machines.len() * INPUTS.len() {
                let (machine, input) = (&machines[place % machines.len()], INPUTS[place / machines.len()]);
                let name = (place % 2 == 0).then(|| format!("an execution with a name, {place}").as_str().into());
                let start = ExecutionStart {
                    machine: Arc::clone(&machine.identity),
                    name: ExecutionName { name, id: place as u128 },
                    input: Value::parse(input).unwrap(),
                    synchronous: place % 3 == 0,
                    depth: 0,
                    test_case: None,
                    start_time_ms: (place % 5 == 0).then_some(1_700_000_000_000),
                };
                let sender = sender.clone();
                match shard.start_sync(machine.program.clone().unwrap(), start).unwrap() {
                    Started::Ended(outcome) => sender.send((place, shown(&outcome), 0)).unwrap(),
                    Started::Running(completion) => drop(tokio::task::spawn_local(async move {
                        let ended = completion.await.unwrap();
                        let length_ms = ended.stop_time_ms.saturating_sub(ended.start_time_ms);
                        sender.send((place, shown(&ended), length_ms)).unwrap();
                    })),
                }
            }
        })
    }));
    receiver
}

/// Runs all with their times multiplied. What they ended with, by place.
fn run(wait_time_scale: f64) -> Vec<(usize, String, u64)> {
    let clock = SimClock::default();
    let runtime = Runtime::builder()
        .shards(1)
        .seed(1)
        .clock(Arc::new(clock.clone()))
        .wait_time_scale(wait_time_scale)
        .task("fails", async |_| Err(TaskError::new("Refused", "as the test wants")))
        .build()
        .unwrap();
    let ended = start_all(&runtime);
    for _ in 0..SECONDS * 4 {
        poke(&runtime);
        clock.advance_ms(250);
    }
    let count = 3 * INPUTS.len();
    let mut ended: Vec<_> = (0..count).map(|_| ended.recv_timeout(PATIENCE).unwrap()).collect();
    ended.sort();
    assert_eq!(runtime.executions_in_flight(), 0);
    ended
}

#[test]
fn what_waits_for_long_comes_back_as_it_was() {
    let (parked, unparked) = (run(1.0), run(SHORT));
    for ((place, parked, length_ms), (_, unparked, short_ms)) in parked.iter().zip(&unparked) {
        match place % 3 {
            0 => assert_eq!(parked, unparked, "{place}"),
            // What is limited is so by times that are not multiplied.
            _ => assert!(parked.starts_with("TIMED_OUT"), "{place} {parked}"),
        }
        let expected_ms = match (place % 3, place % 5, place / 3) {
            // It fails at once, for want of `$.mine`.
            (_, 0, _) | (0, _, 6) => continue,
            (0, ..) => 120_000..=140_000,
            (1, ..) => 30_000..=30_500,
            _ => 300_000..=300_500,
        };
        assert!(expected_ms.contains(length_ms), "{place} {length_ms} {parked}");
        assert!(short_ms <= length_ms, "{place}");
    }
}
