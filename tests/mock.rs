//! Simulated services from end to end: a runtime, a mock configuration, and executions that run its test cases.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

use std::sync::Arc;

use expressway::{
    Runtime, Value,
    clock::SimClock,
    mock::MockConfiguration,
    model::execution::{ExecutionStatus, Outcome},
    registry::StateMachineRecord,
    runtime::{Completion, RuntimeBuilder, StartTestCaseError},
    task::state_machines::StateMachineTasks,
};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

/// A runtime with a mock configuration whose clock stands still; no time passes in Wait states, retries and mocked calls.
fn builder(file: &str) -> RuntimeBuilder {
    let mocked = MockConfiguration::parse("mock.json", file.into(), Arc::new(SimClock::default())).unwrap();
    Runtime::builder().shards(1).seed(1).wait_time_scale(0.0).mocked_integrations(Arc::new(mocked))
}

fn publish(runtime: &Runtime, states: &str) -> Arc<StateMachineRecord> {
    let definition = format!(r#"{{"StartAt": "A", "States": {}}}"#, states.replace("FUNCTION", FUNCTION));
    runtime.publish("m", &definition).unwrap_or_else(|error| panic!("{error}"))
}

fn wait(completion: Completion) -> Outcome {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(completion).unwrap()
}

/// Output, or error and cause.
fn shown(outcome: &Outcome) -> String {
    let text = |text: &Option<expressway::value::Text>| text.as_ref().map_or("", |text| text.as_str()).to_owned();
    match (&outcome.output, outcome.status) {
        (Some(output), ExecutionStatus::Succeeded) => output.to_json(),
        (_, status) => format!("{} {}: {}", status.as_str(), text(&outcome.error), text(&outcome.cause)),
    }
}

/// Runs a test case of the machine `m` once.
#[track_caller]
fn ends(file: &str, states: &str, test_case: &str, expected: &str) {
    let runtime = builder(file).task_fn("f", |_| Ok(Value::from("really called"))).build().unwrap();
    let machine = publish(&runtime, states);
    let completion = runtime.start_test_case(&machine, test_case, Value::empty_object());
    assert_eq!(shown(&wait(completion.unwrap_or_else(|error| panic!("{error}")))), expected, "{test_case}");
}

const ONE: &str = r#"{"A": {"Type": "Task", "Resource": "FUNCTION", "End": true}}"#;
const RETRIED: &str = r#"{"A": {"Type": "Task", "Resource": "FUNCTION", "End": true,
    "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 100, "MaxAttempts": 3}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}, "Caught": {"Type": "Pass", "End": true}}"#;

#[test]
fn invocations_are_counted_within_an_execution() {
    let file = r#"{
        "StateMachines": {"m": {"TestCases": {
            "Third": {"A": "Third"}, "Never": {"A": "Never"}, "Short": {"A": "Short"}, "None": {}}}},
        "MockedResponses": {
            "Third": {"0-1": {"Throw": {"Error": "Busy", "Cause": "c"}}, "2": {"Return": {"try": 3}}},
            "Never": {"*": {"Throw": {"Error": "Busy", "Cause": "again"}}},
            "Short": {"0": {"Throw": {"Error": "Busy", "Cause": "c"}}}}}"#;
    ends(file, RETRIED, "Third", r#"{"try":3}"#);
    ends(file, RETRIED, "Never", r#"{"Error":"Busy","Cause":"again"}"#);
    // A missing outcome is a mistake in the file, and no error of a service that anything may catch.
    ends(
        file,
        RETRIED,
        "Short",
        "FAILED States.Runtime: mock.json: /MockedResponses/Short: there is no outcome for invocation 1 of the state 'A' (the \
         first is 0): add \"1\", or \"*\" for all others",
    );
    ends(file, RETRIED, "None", r#""really called""#);
}

#[test]
fn iterations_share_the_count_of_their_state() {
    let states = r#"{"A": {"Type": "Pass", "Result": [1, 2, 3], "Next": "M"},
        "M": {"Type": "Map", "MaxConcurrency": 1, "End": true, "ItemProcessor": {"StartAt": "I", "States": {
            "I": {"Type": "Task", "Resource": "FUNCTION", "Next": "J"},
            "J": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
                  "Parameters": {"QueueUrl": "u", "MessageBody.$": "$"}}}}}}"#;
    let file = r#"{
        "StateMachines": {"*": {"TestCases": {"Case": {
            "I": {"0": {"Return": "a"}, "1": {"Return": "b"}, "2": {"Return": "c"}},
            "arn:aws:states:::sqs:*": {"*": {"ReturnTemplate": {"sent.$": "$.MessageBody", "n.$": "$$.Mock.Invocation"}}}}}}}}"#;
    ends(file, states, "Case", r#"[{"sent":"a","n":0},{"sent":"b","n":1},{"sent":"c","n":2}]"#);
}

#[test]
fn a_callee_that_hangs_is_ended_by_the_timeout() {
    let states = r#"{"A": {"Type": "Task", "Resource": "FUNCTION", "TimeoutSeconds": 200, "End": true}}"#;
    let file = r#"{"StateMachines": {"m": {"TestCases": {
        "Hangs": {"A": {"*": {"Hang": true}}},
        "Slow": {"A": {"*": {"Return": 1, "LatencyMilliseconds": 200000}}},
        "JustInTime": {"A": {"*": {"Return": 1, "LatencyMilliseconds": 199999}}}}}}}"#;
    ends(file, states, "Hangs", "FAILED States.Timeout: ");
    ends(file, states, "Slow", "FAILED States.Timeout: ");
    ends(file, states, "JustInTime", "1");
}

#[test]
fn calls_beyond_the_quota_of_the_callee_are_throttled() {
    let file = r#"{
        "StateMachines": {"m": {"TestCases": {"Case": {"A": "Limited"}}}},
        "MockedResponses": {"Limited": {"LimitPerSecond": 5, "*": {"Return": "ok"}}}}"#;
    let runtime = builder(file).build().unwrap();
    let machine = publish(&runtime, ONE);
    let outcomes: Vec<_> = (0..50)
        .map(|_| runtime.start_test_case(&machine, "Case", Value::empty_object()).unwrap())
        .map(|completion| shown(&wait(completion)))
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "\"ok\"").count(), 5);
    assert_eq!(outcomes[5], "FAILED Lambda.TooManyRequestsException: Rate Exceeded.");
}

/// What 300 executions come to that draw their results, latencies and errors.
fn drawn(file_seed: u64, runtime_seed: u64, shards: usize) -> Vec<String> {
    let states = r#"{"A": {"Type": "Map", "ItemsPath": "$.items", "End": true, "ItemProcessor": {"StartAt": "I", "States": {
        "I": {"Type": "Task", "Resource": "FUNCTION", "End": true,
              "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 5, "JitterStrategy": "FULL"}],
              "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]},
        "Caught": {"Type": "Pass", "End": true}}}}}"#;
    let file = r#"{"Seed": SEED, "StateMachines": {"m": {"TestCases": {"Case": {"I": {
        "LatencyMilliseconds": {"P50": 20, "P99": 300},
        "*": {"OneOf": [
            {"Weight": 6, "ReturnTemplate": {"ms.$": "$$.Mock.LatencyMilliseconds", "id.$": "States.UUID()"}},
            {"Weight": 3, "Throw": {"Error": "Busy"}},
            {"Weight": 1, "Throw": {"Error": "Broken", "Cause": "for good"}}]}}}}}}}"#;
    // Time passes, so that the order of answers is that of their latencies and differs from run to run.
    let runtime = builder(&file.replace("SEED", &file_seed.to_string()))
        .shards(shards)
        .seed(runtime_seed)
        .wait_time_scale(0.05)
        .build()
        .unwrap();
    let machine = publish(&runtime, states);
    let input = Value::parse(r#"{"items": [1, 2, 3, 4]}"#).unwrap();
    let completions: Vec<_> =
        (0..300).map(|_| runtime.start_test_case(&machine, "Case", input.clone()).unwrap()).collect();
    completions.into_iter().map(|completion| shown(&wait(completion))).collect()
}

#[test]
fn seeded_runs_repeat_exactly() {
    let first = drawn(7, 1, 1);
    assert!(first == drawn(7, 1, 2), "the same seeds draw the same on any number of shards");
    assert!(first != drawn(8, 1, 1), "another seed of the file draws something else");
    assert!(first != drawn(7, 2, 1), "other executions draw something else");
    assert!(
        first.iter().any(|outcome| outcome.contains("Broken"))
            && first.iter().any(|outcome| !outcome.contains("Broken"))
    );
}

#[test]
fn a_default_test_case_answers_every_execution() {
    let file = r#"{"StateMachines": {"m": {"TestCases": {
        "Case": {"A": {"*": {"Return": "mocked"}}}, "Broken": {"A": "missing"}}}}}"#;
    for (default, expected) in [("Case", "\"mocked\""), ("Other", "\"really called\"")] {
        let runtime = builder(file)
            .default_test_case(default)
            .task_fn("f", |_| Ok(Value::from("really called")))
            .build()
            .unwrap();
        let machine = publish(&runtime, ONE);
        let outcome = wait(runtime.start_sync(&machine, Value::empty_object()).unwrap());
        assert_eq!(shown(&outcome), expected);
        assert_eq!(shown(&wait(runtime.start(&machine, Value::empty_object()).unwrap())), expected);
    }
    let runtime = builder(file).default_test_case("Broken").build().unwrap();
    let machine = publish(&runtime, ONE);
    let outcome = shown(&wait(runtime.start_sync(&machine, Value::empty_object()).unwrap()));
    assert!(
        outcome.starts_with("FAILED States.Runtime: mock.json: /StateMachines/m/TestCases/Broken/A: "),
        "{outcome}"
    );
}

#[test]
fn test_cases_that_cannot_run_are_refused() {
    let runtime = builder(r#"{"StateMachines": {"m": {"TestCases": {"Case": {"A": "missing"}}}}}"#).build().unwrap();
    let machine = publish(&runtime, ONE);
    for (test_case, message) in [
        ("Other", "the state machine 'm' has no test case 'Other': it has Case"),
        ("Case", "/StateMachines/m/TestCases/Case/A: there is no response 'missing' in /MockedResponses: it has none"),
    ] {
        match runtime.start_test_case(&machine, test_case, Value::NULL) {
            Err(StartTestCaseError::TestCase(error)) => assert!(error.to_string().ends_with(message), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    let runtime = Runtime::builder().shards(1).build().unwrap();
    let machine = publish(&runtime, ONE);
    let refused = runtime.start_test_case(&machine, "Case", Value::NULL).err().map(|error| error.to_string());
    assert!(refused.is_some_and(|message| message.contains("SFN_MOCK_CONFIG")));
}

#[test]
fn an_execution_of_another_one_runs_the_test_case_of_its_arn() {
    let file = r#"{"StateMachines": {"m": {"TestCases": {"Case": {"A": {"*": {"Return": "mocked"}}}}}}}"#;
    let machines = StateMachineTasks::new(None);
    let runtime = builder(file).handler("arn:aws:states:::", Arc::new(machines.clone())).build().unwrap();
    machines.attach(runtime.local_machines());
    let nested = publish(&runtime, ONE).identity.arn.clone();
    let start = |test_case: &str| {
        let states = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "End": true, "OutputPath": "$.Output",
            "Resource": "arn:aws:states:::aws-sdk:sfn:startSyncExecution", "Parameters": {"StateMachineArn": "ARN"}}}}"#;
        let definition = states.replace("ARN", &format!("{nested}#{test_case}"));
        let machine = runtime.publish(&format!("starts-{test_case}"), &definition).unwrap();
        shown(&wait(runtime.start_sync(&machine, Value::empty_object()).unwrap()))
    };
    assert_eq!(start("Case"), r#""\"mocked\"""#);
    let refused = start("Other");
    assert!(refused.starts_with("FAILED Sfn.SfnException: mock.json: /StateMachines: "), "{refused}");
}
