//! The real thing: shards on threads, handlers that misbehave, starts from everywhere. What was accepted ends exactly once.
//!
//! Time is simulated where a test is about time: the clock is moved, and the shards are poked to look at it.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

use std::{
    future::{Future, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use expressway::{
    Runtime, Value,
    clock::SimClock,
    model::execution::{ExecutionName, ExecutionStart, ExecutionStatus, Outcome},
    registry::StateMachineRecord,
    runtime::{Completion, RuntimeBuilder, StartError, Started},
    task::TaskError,
};
use tokio::sync::{Notify, oneshot};

#[path = "support/poke.rs"]
mod poke;
use poke::poke;

/// Longer than anything here takes; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn await_<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it does not hang") })
}

fn outcome(completion: Completion) -> Outcome {
    await_(completion).expect("the execution is not lost")
}

/// A machine of one Task state.
fn task(runtime: &Runtime, name: &str, more: &str) -> Arc<StateMachineRecord> {
    let resource = format!("arn:aws:lambda:us-east-1:123456789012:function:{name}");
    let text = format!(
        r#"{{"StartAt": "T", "States": {{"T": {{"Type": "Task", "Resource": "{resource}"{more}, "End": true}}}}}}"#
    );
    runtime.publish(name, &text).unwrap()
}

const LOOP: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Choice", "Choices":
    [{"Variable": "$.stop", "IsPresent": true, "Next": "C"}], "Default": "A"}, "C": {"Type": "Succeed"}}}"#;
const PASS: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
const WAIT: &str = r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "SecondsPath": "$", "End": true}}}"#;

fn builder() -> RuntimeBuilder {
    Runtime::builder().seed(1)
}

/// Moves the clock and has the shards look at it.
fn advance(runtime: &Runtime, clock: &SimClock, milliseconds: u64) {
    poke(runtime);
    clock.advance_ms(milliseconds);
    poke(runtime);
}

#[test]
fn a_handler_that_panics_fails_its_task_only() {
    let runtime = builder()
        .shards(1)
        .task("panics", async |input: Value| if input.is_null() { Ok(input) } else { panic!("as the test wants") })
        .build()
        .unwrap();
    let machine = task(&runtime, "panics", "");
    for _ in 0..3 {
        let failed = outcome(runtime.start(&machine, Value::from(1)).unwrap());
        assert_eq!(failed.status, ExecutionStatus::Failed);
        assert_eq!(failed.error.unwrap().as_str(), "States.TaskFailed");
        let cause = "The handler of the resource 'arn:aws:lambda:us-east-1:123456789012:function:panics' panicked.";
        assert_eq!(failed.cause.unwrap().as_str(), cause);
    }
    let fine = outcome(runtime.start_sync(&machine, Value::NULL).unwrap());
    assert_eq!(fine.status, ExecutionStatus::Succeeded);
}

#[test]
fn a_handler_that_panics_later_fails_its_task_only() {
    let runtime = builder()
        .shards(1)
        .task("panics", async |_| {
            tokio::task::yield_now().await;
            panic!("as the test wants")
        })
        .build()
        .unwrap();
    let machine = task(&runtime, "panics", r#", "Retry": [{"ErrorEquals": ["No"]}]"#);
    let failed = outcome(runtime.start(&machine, Value::from(1)).unwrap());
    assert_eq!(failed.error.unwrap().as_str(), "States.TaskFailed");
    let machine = runtime.publish("pass", PASS).unwrap();
    assert_eq!(outcome(runtime.start(&machine, Value::from(1)).unwrap()).status, ExecutionStatus::Succeeded);
}

/// Tells when a call is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_handler_that_never_answers_is_ended_by_timeout_seconds() {
    let clock = SimClock::default();
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let runtime = builder()
        .shards(1)
        .clock(Arc::new(clock.clone()))
        .task("never", move |_| {
            let call = Dropped(Arc::clone(&flag));
            async move {
                let _call = call;
                pending().await
            }
        })
        .build()
        .unwrap();
    let machine = task(&runtime, "never", r#", "TimeoutSeconds": 7"#);
    let completion = runtime.start(&machine, Value::NULL).unwrap();
    advance(&runtime, &clock, 6_999);
    assert_eq!(runtime.executions_in_flight(), 1);
    assert!(!dropped.load(Ordering::SeqCst));
    advance(&runtime, &clock, 1);
    let ended = outcome(completion);
    assert_eq!((ended.status, ended.error.unwrap().as_str()), (ExecutionStatus::Failed, "States.Timeout"));
    assert_eq!(ended.stop_time_ms - ended.start_time_ms, 7_000);
    poke(&runtime);
    assert!(dropped.load(Ordering::SeqCst), "the call is cancelled");
    assert_eq!(runtime.executions_in_flight(), 0);
}

#[test]
fn five_minutes_are_the_end_of_whatever_runs() {
    let clock = SimClock::default();
    let runtime =
        builder().shards(2).clock(Arc::new(clock.clone())).task("never", async |_| pending().await).build().unwrap();
    let machines = [
        task(&runtime, "never", ""),
        runtime.publish("loop", LOOP).unwrap(),
        runtime
            .publish("wait", r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 900, "End": true}}}"#)
            .unwrap(),
    ];
    let completions: Vec<_> =
        (0..12).map(|place| runtime.start(&machines[place % 3], Value::empty_object()).unwrap()).collect();
    advance(&runtime, &clock, 299_999);
    assert_eq!(runtime.executions_in_flight(), 12);
    advance(&runtime, &clock, 1);
    for completion in completions {
        let ended = outcome(completion);
        assert_eq!(ended.status, ExecutionStatus::TimedOut);
        assert_eq!((ended.error, ended.cause), (None, None));
    }
    assert_eq!(runtime.counts().timed_out, 12);
}

#[test]
fn timeout_seconds_of_the_machine_ends_an_endless_loop() {
    let clock = SimClock::default();
    let runtime = builder().shards(1).clock(Arc::new(clock.clone())).build().unwrap();
    let definition = LOOP.replacen('{', r#"{"TimeoutSeconds": 20, "#, 1);
    let machine = runtime.publish("loop", &definition).unwrap();
    let completions = [
        runtime.start(&machine, Value::empty_object()).unwrap(),
        runtime.start_sync(&machine, Value::empty_object()).unwrap(),
    ];
    advance(&runtime, &clock, 20_000);
    for completion in completions {
        assert_eq!(outcome(completion).status, ExecutionStatus::TimedOut);
    }
}

#[test]
fn waits_end_in_their_order_and_not_before_their_time() {
    let clock = SimClock::default();
    let runtime = builder().shards(2).clock(Arc::new(clock.clone())).build().unwrap();
    let machine = runtime.publish("wait", WAIT).unwrap();
    let completions: Vec<_> =
        (1..=100_i64).map(|seconds| runtime.start(&machine, Value::from(seconds)).unwrap()).collect();
    for seconds in 1..=100 {
        advance(&runtime, &clock, 1000);
        assert_eq!(runtime.executions_in_flight(), 100 - seconds);
    }
    for (place, completion) in completions.into_iter().enumerate() {
        let ended = outcome(completion);
        assert_eq!(ended.stop_time_ms - ended.start_time_ms, 1000 * (place as u64 + 1));
    }
}

#[test]
fn no_wait_is_shorter_than_it_says() {
    let clock = SimClock::default();
    let runtime = builder().shards(1).clock(Arc::new(clock.clone())).build().unwrap();
    let machine = runtime.publish("wait", WAIT).unwrap();
    clock.advance_us(900);
    let completion = runtime.start(&machine, Value::from(1)).unwrap();
    poke(&runtime);
    clock.advance_us(999_100);
    poke(&runtime);
    assert_eq!(runtime.executions_in_flight(), 1, "a second on the clock's milliseconds, which is 0.9 ms less");
    advance(&runtime, &clock, 1);
    assert_eq!(outcome(completion).status, ExecutionStatus::Succeeded);
}

#[test]
fn a_late_answer_is_not_heard() {
    let clock = SimClock::default();
    let (calls, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, wanted) = (Arc::clone(&calls), Arc::clone(&answer));
    let runtime = builder()
        .shards(1)
        .clock(Arc::new(clock.clone()))
        .task("slow", move |_| {
            let (call, wanted) = (count.fetch_add(1, Ordering::SeqCst), Arc::clone(&wanted));
            async move {
                wanted.notified().await;
                Ok(Value::from(call))
            }
        })
        .build()
        .unwrap();
    let retry = r#", "TimeoutSeconds": 5, "Retry": [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1}]"#;
    let machine = task(&runtime, "slow", retry);
    let completion = runtime.start(&machine, Value::NULL).unwrap();
    advance(&runtime, &clock, 5_000);
    answer.notify_waiters();
    advance(&runtime, &clock, 1_000);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    answer.notify_waiters();
    assert_eq!(outcome(completion).output.unwrap().to_json(), "1", "the second call's answer counts");
}

#[test]
fn results_are_checked_against_the_limit() {
    let runtime = builder().shards(1).task("long", async |_| Ok(Value::from("x".repeat(262_143)))).build().unwrap();
    let failed = outcome(runtime.start_sync(&task(&runtime, "long", ""), Value::NULL).unwrap());
    assert_eq!(failed.error.unwrap().as_str(), "States.DataLimitExceeded");
}

#[test]
fn more_executions_than_may_run_are_refused_at_once() {
    let release = Arc::new(Notify::new());
    let wanted = Arc::clone(&release);
    let runtime = builder()
        .shards(2)
        .max_in_flight(3)
        .task("waits", move |input| {
            let wanted = Arc::clone(&wanted);
            async move {
                wanted.notified().await;
                Ok(input)
            }
        })
        .build()
        .unwrap();
    let machine = task(&runtime, "waits", "");
    let completions: Vec<_> = (0..3).map(|number| runtime.start(&machine, Value::from(number)).unwrap()).collect();
    let refusal = StartError::TooManyExecutions { limit: 3 };
    assert_eq!(runtime.start(&machine, Value::NULL).unwrap_err(), refusal);
    assert_eq!(runtime.start_sync(&machine, Value::NULL).unwrap_err(), refusal);
    poke(&runtime);
    release.notify_waiters();
    for completion in completions {
        assert_eq!(outcome(completion).status, ExecutionStatus::Succeeded);
    }
    assert_eq!((runtime.counts().started, runtime.counts().refused), (3, 2));
    let pass = runtime.publish("pass", PASS).unwrap();
    assert_eq!(outcome(runtime.start(&pass, Value::NULL).unwrap()).status, ExecutionStatus::Succeeded);
}

#[test]
fn endless_loops_do_not_hold_others() {
    let clock = SimClock::default();
    let runtime = builder()
        .shards(1)
        .clock(Arc::new(clock.clone()))
        .task("echo", async |input| {
            tokio::task::yield_now().await;
            Ok(input)
        })
        .build()
        .unwrap();
    let endless = runtime.publish("loop", LOOP).unwrap();
    let loops: Vec<_> = (0..3).map(|_| runtime.start(&endless, Value::empty_object()).unwrap()).collect();
    let others = [runtime.publish("pass", PASS).unwrap(), task(&runtime, "echo", "")];
    // Many more at once than a shard's own queue takes: the rest waits for whoever has time.
    let completions: Vec<_> =
        (0..1_000).map(|place| runtime.start(&others[place % 2], Value::from(place)).unwrap()).collect();
    for (place, completion) in completions.into_iter().enumerate() {
        assert_eq!(outcome(completion).output.unwrap().to_json(), place.to_string());
    }
    assert_eq!(runtime.executions_in_flight(), 3);
    advance(&runtime, &clock, 300_000);
    for completion in loops {
        assert_eq!(outcome(completion).status, ExecutionStatus::TimedOut);
    }
}

#[test]
fn an_execution_that_computes_for_long_goes_on_in_the_background() {
    let count = r#"{"StartAt": "Add", "States": {
        "Add": {"Type": "Pass", "Parameters": {"of.$": "$.of", "now.$": "States.MathAdd($.now, 1)"}, "Next": "Enough?"},
        "Enough?": {"Type": "Choice", "Default": "Add",
            "Choices": [{"Variable": "$.now", "NumericGreaterThanEqualsPath": "$.of", "Next": "Where"}]},
        "Where": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:thread", "End": true}}}"#;
    let name = |_: Value| Ok(Value::from(thread::current().name().unwrap_or_default()));
    let runtime = builder().shards(2).task_fn("thread", name).build().unwrap();
    let machine = runtime.publish("count", count).unwrap();
    // Short ones stay where they were begun; 50,000 rounds take many times a millisecond on any machine.
    for (rounds, threads) in [(1, "expressway-"), (50_000, "expressway-bg-")] {
        let input = format!(r#"{{"now": 0, "of": {rounds}}}"#);
        let ended = outcome(runtime.start(&machine, Value::parse(&input).unwrap()).unwrap());
        let thread = ended.output.unwrap().to_json();
        assert!(
            thread.trim_start_matches('"').trim_end_matches(['0', '1', '"']) == threads,
            "{rounds} rounds: {thread}"
        );
    }
    assert_eq!((runtime.counts().started, runtime.counts().succeeded, runtime.executions_in_flight()), (2, 2, 0));
}

#[test]
fn an_execution_that_becomes_long_after_the_stop_ends_all_the_same() {
    let runtime = builder().shards(2).build().unwrap();
    let machine = runtime.publish("loop", &LOOP.replacen('{', r#"{"TimeoutSeconds": 1, "#, 1)).unwrap();
    let completions: Vec<_> = (0..4).map(|_| runtime.start(&machine, Value::empty_object()).unwrap()).collect();
    drop(runtime);
    for completion in completions {
        assert_eq!(outcome(completion).status, ExecutionStatus::TimedOut);
    }
}

#[test]
fn the_background_keeps_to_the_time_of_the_machine() {
    let runtime = builder().shards(1).build().unwrap();
    let machine = runtime.publish("loop", &LOOP.replacen('{', r#"{"TimeoutSeconds": 1, "#, 1)).unwrap();
    let ended = outcome(runtime.start(&machine, Value::empty_object()).unwrap());
    assert_eq!(ended.status, ExecutionStatus::TimedOut);
    assert!(ended.stop_time_ms - ended.start_time_ms >= 1_000, "{ended:?}");
}

#[test]
fn full_queues_refuse_and_lose_nothing() {
    let (enter, entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    // A handler that blocks its shard, as it must not.
    let runtime = builder()
        .shards(1)
        .task("blocks", move |input| {
            let _ = enter.send(());
            let _ = released.lock().unwrap().recv();
            async move { Ok(input) }
        })
        .build()
        .unwrap();
    let blocked = runtime.start(&task(&runtime, "blocks", ""), Value::NULL).unwrap();
    entered.recv_timeout(PATIENCE).unwrap();
    let pass = runtime.publish("pass", PASS).unwrap();
    let mut completions = Vec::new();
    let refusal = loop {
        match runtime.start(&pass, Value::from(completions.len())) {
            Ok(completion) => completions.push(completion),
            Err(refusal) => break refusal,
        }
        assert!(completions.len() < 100_000, "the queues have an end");
    };
    assert!(matches!(refusal, StartError::TooManyExecutions { .. }));
    let accepted = completions.len();
    drop(release);
    outcome(blocked);
    for (place, completion) in completions.into_iter().enumerate() {
        assert_eq!(outcome(completion).output.unwrap().to_json(), place.to_string());
    }
    let counts = runtime.counts();
    assert_eq!((counts.started, counts.succeeded, counts.refused), (accepted as u64 + 1, accepted as u64 + 1, 1));
    assert_eq!(runtime.executions_in_flight(), 0);
}

#[test]
fn more_iterations_than_may_be_at_once_take_their_turns() {
    let runtime = builder()
        .shards(1)
        .task("soon", async |input| {
            tokio::task::yield_now().await;
            Ok(input)
        })
        .build()
        .unwrap();
    let task = r#"{"StartAt": "T", "States": {"T": {"Type": "Task", "End": true,
        "Resource": "arn:aws:lambda:us-east-1:123456789012:function:soon"}}}"#;
    let definition = ["C", "B", "A"].iter().fold(task.to_owned(), |inner, name| {
        format!(
            r#"{{"StartAt": "{name}", "States": {{"{name}": {{"Type": "Map", "ItemProcessor": {inner}, "End": true}}}}}}"#
        )
    });
    let machine = runtime.publish("nested", &definition).unwrap();
    let array = |items: Value, count: usize| Value::array((0..count).map(|_| items.clone()));
    let input = array(array(array(Value::from(7), 25), 20), 30);
    let ended = outcome(runtime.start(&machine, input.clone()).unwrap());
    assert_eq!(ended.cause, None);
    assert_eq!(ended.output.unwrap(), input);
}

#[test]
fn starts_from_many_threads_all_end_once() {
    const THREADS: usize = 8;
    const STARTS: usize = 400;
    let runtime = builder()
        .shards(3)
        .task("at_once", async |input| Ok(input))
        .task("soon", async |input| {
            tokio::task::yield_now().await;
            Ok(input)
        })
        .task("fails", async |_| Err(TaskError::new("Refused", "as the test wants")))
        .build()
        .unwrap();
    let map = r#"{"StartAt": "M", "States": {"M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "T",
        "States": {"T": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:soon",
        "End": true}}}, "ResultPath": "$.items", "End": true}}}"#;
    let machines = [
        task(&runtime, "at_once", ""),
        task(&runtime, "soon", ""),
        task(&runtime, "fails", ""),
        runtime.publish("pass", PASS).unwrap(),
        runtime.publish("map", map).unwrap(),
    ];
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (runtime, machines) = (runtime.clone(), machines.clone());
            thread::spawn(move || {
                let started: Vec<_> = (0..STARTS)
                    .map(|place| {
                        let input = format!(r#"{{"id":"{thread}-{place}","items":[1,2,3]}}"#);
                        let machine = &machines[place % machines.len()];
                        let value = Value::parse(&input).unwrap();
                        let completion = match place / machines.len() % 2 {
                            0 => runtime.start(machine, value),
                            _ => runtime.start_sync(machine, value),
                        };
                        (place % machines.len() == 2, input, completion.unwrap())
                    })
                    .collect();
                for (fails, input, completion) in started {
                    let ended = outcome(completion);
                    match fails {
                        true => assert_eq!(ended.error.unwrap().as_str(), "Refused"),
                        false => assert_eq!(ended.output.unwrap().to_json(), input),
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let (counts, all) = (runtime.counts(), (THREADS * STARTS) as u64);
    assert_eq!((counts.started, counts.succeeded, counts.failed), (all, all - all / 5, all / 5));
    assert_eq!((counts.refused, counts.timed_out, runtime.executions_in_flight()), (0, 0, 0));
}

#[test]
fn draining_waits_for_what_runs_and_starts_nothing_more() {
    let (sender, receiver) = oneshot::channel::<()>();
    let receiver = Mutex::new(Some(receiver));
    let runtime = builder()
        .shards(2)
        .task("waits", move |input| {
            let receiver = receiver.lock().unwrap().take();
            async move {
                if let Some(receiver) = receiver {
                    let _ = receiver.await;
                }
                Ok(input)
            }
        })
        .build()
        .unwrap();
    let machine = task(&runtime, "waits", "");
    let completion = runtime.start(&machine, Value::from(1)).unwrap();
    assert!(!await_(runtime.drain(Duration::from_millis(5))), "one execution has not ended");
    assert_eq!(runtime.start(&machine, Value::NULL).unwrap_err(), StartError::ShuttingDown);
    sender.send(()).unwrap();
    assert!(await_(runtime.drain(PATIENCE)));
    assert_eq!(outcome(completion).output.unwrap().to_json(), "1");
}

#[test]
fn what_runs_when_the_runtime_is_dropped_still_ends() {
    let (sender, receiver) = oneshot::channel::<()>();
    let receiver = Mutex::new(Some(receiver));
    let runtime = builder()
        .shards(2)
        .task("waits", move |input| {
            let receiver = receiver.lock().unwrap().take();
            async move {
                if let Some(receiver) = receiver {
                    let _ = receiver.await;
                }
                Ok(input)
            }
        })
        .build()
        .unwrap();
    let waiting = runtime.start(&task(&runtime, "waits", ""), Value::from(1)).unwrap();
    let pass = runtime.publish("pass", PASS).unwrap();
    let others: Vec<_> = (0..500).map(|number| runtime.start(&pass, Value::from(number)).unwrap()).collect();
    drop(runtime);
    sender.send(()).unwrap();
    assert_eq!(outcome(waiting).output.unwrap().to_json(), "1");
    for completion in others {
        assert_eq!(outcome(completion).status, ExecutionStatus::Succeeded);
    }
}

#[test]
fn services_start_executions_on_their_own_shard() {
    let runtime = builder()
        .shards(2)
        .task("soon", async |input| {
            tokio::task::yield_now().await;
            Ok(input)
        })
        .build()
        .unwrap();
    let machines = [runtime.publish("pass", PASS).unwrap(), task(&runtime, "soon", "")];
    let (sender, receiver) = mpsc::channel();
    assert!(runtime.spawn_on_shards(move |shard| {
        let (machines, sender) = (machines.clone(), sender.clone());
        Box::pin(async move {
            for number in 0..300_usize {
                let machine = &machines[number % 2];
                let start = ExecutionStart {
                    machine: Arc::clone(&machine.identity),
                    name: ExecutionName { name: None, id: shard.random() },
                    input: Value::from(number),
                    synchronous: true,
                    depth: 0,
                    test_case: None,
                    start_time_ms: None,
                };
                let ended = match shard.start_sync(machine.program.clone().unwrap(), start).unwrap() {
                    Started::Ended(outcome) => outcome,
                    Started::Running(completion) => completion.await.unwrap(),
                };
                sender.send((number, ended.output.unwrap().to_json())).unwrap();
            }
        })
    }));
    for _ in 0..600 {
        let (number, output) = receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!(output, number.to_string());
    }
    assert_eq!(runtime.executions_in_flight(), 0);
}
