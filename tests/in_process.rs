//! Tasks of this process: where they are called, and what becomes of those that wait.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use expressway::{
    Runtime, Value,
    model::execution::Outcome,
    runtime::RuntimeBuilder,
    task::{TaskFuture, TaskHandler, TaskRequest},
};

const THREE: &str = r#"{"StartAt": "A", "States": {
    "A": {"Type": "Parallel", "Next": "B", "Branches": [
        {"StartAt": "P", "States": {"P": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": true}}},
        {"StartAt": "Q", "States": {"Q": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": true}}}]},
    "B": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": true}}}"#;

/// One branch fails; beside it others wait.
const ONE_FAILS: &str = r#"{"StartAt": "A", "States": {
    "A": {"Type": "Parallel", "End": true, "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "C"}], "Branches": [
        {"StartAt": "R", "States": {"R": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "far"}, "End": true}}},
        {"StartAt": "P", "States": {"P": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:waits", "End": true}}},
        {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": true}}},
        {"StartAt": "Q", "States": {"Q": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:fails", "End": true}}}]},
    "C": {"Type": "Pass", "Result": "caught", "End": true}}}"#;

/// The outcome of an execution that has ended when its start returns.
#[track_caller]
fn at_once(builder: RuntimeBuilder, definition: &str) -> Outcome {
    let runtime = builder.shards(1).build().unwrap();
    let machine = runtime.publish("m", definition).unwrap_or_else(|error| panic!("{error}"));
    runtime.start_sync(&machine, Value::from(1)).unwrap().try_ended().unwrap()
}

fn output(outcome: &Outcome) -> String {
    outcome.output.as_ref().map_or_else(|| format!("{outcome:?}"), Value::to_json)
}

/// Fails on the thread of a shard.
fn here(input: Value) -> Value {
    assert!(std::thread::current().name().is_some_and(|name| !name.starts_with("expressway")));
    Value::array([input])
}

#[test]
fn tasks_that_need_not_wait_are_called_where_the_execution_is_started() {
    assert_eq!(output(&at_once(Runtime::builder().task_fn("f", |input| Ok(here(input))), THREE)), "[[[1],[1]]]");
    assert_eq!(output(&at_once(Runtime::builder().task("f", async |input| Ok(here(input))), THREE)), "[[[1],[1]]]");
}

#[test]
fn tasks_that_wait_go_on_on_a_shard() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // The timers are made on this thread, which has no event loop, and fire on the shard's.
    let handler = move |input: Value| {
        let counted = Arc::clone(&counted);
        async move {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(std::thread::current().name(), Some("expressway-0"));
            Ok(Value::array([input]))
        }
    };
    let runtime = Runtime::builder().shards(1).task("f", handler).build().unwrap();
    let machine = runtime.publish("m", THREE).unwrap_or_else(|error| panic!("{error}"));
    let completion = runtime.start_sync(&machine, Value::from(1)).unwrap();
    let outcome = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(completion).unwrap();
    assert_eq!(output(&outcome), "[[[1],[1]]]");
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

/// Counts that it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_that_fails_at_once_ends_what_waits_beside_it() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dropped);
    let waits = move |_| {
        let guard = Dropped(Arc::clone(&counted));
        async move {
            let _guard = guard;
            pending().await
        }
    };
    let builder = Runtime::builder()
        .handler("arn:aws:states:::", Arc::new(OnShards))
        .task("waits", waits)
        .task_fn("fails", |_| panic!("a task that panics"));
    assert_eq!(output(&at_once(builder, ONE_FAILS)), "\"caught\"");
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

/// A handler that is called on shards only.
struct OnShards;

impl TaskHandler for OnShards {
    fn invoke(&self, _: TaskRequest) -> TaskFuture {
        panic!("called although nobody waits for it any more")
    }
}
