//! Starts, refusals and nesting, against machines that echo.

use std::task::{Context, Poll, Waker};

use super::*;
use crate::model::execution::ExecutionStatus;

const STATES: &str = "arn:aws:states:::states:startExecution";
const SYNC: &str = "arn:aws:states:::aws-sdk:sfn:startSyncExecution";

/// Echoes, and knows one machine.
struct Echo;

impl StateMachines for Echo {
    fn start(&self, start: NestedStart) -> Result<NestedExecution, NestedError> {
        if start.machine_arn != "known" {
            return Err(NestedError::DoesNotExist);
        }
        let outcome = Outcome {
            status: ExecutionStatus::Succeeded,
            output: Some(start.input),
            error: None,
            cause: None,
            start_time_ms: 1_767_225_600_000,
            stop_time_ms: 1_767_225_600_101,
        };
        Ok(NestedExecution {
            execution_arn: "arn".into(),
            name: start.name.unwrap_or_else(|| "n".into()),
            start_time_ms: outcome.start_time_ms,
            outcome: Box::pin(async { Some(outcome) }),
        })
    }
}

fn call(resource: &str, input: &str) -> super::super::TaskResult {
    let tasks = StateMachineTasks::new(None);
    tasks.attach(Echo);
    let mut future = tasks.invoke(TaskRequest::new(resource, Value::parse(input).unwrap()));
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits for nothing"),
    }
}

#[test]
fn synchronous_starts_answer_with_the_end() {
    let answer = call(SYNC, r#"{"StateMachineArn":"known","Input":{"a":1}}"#).unwrap();
    assert_eq!(
        answer.to_json(),
        concat!(
            r#"{"BillingDetails":{"BilledDurationInMilliseconds":200,"BilledMemoryUsedInMB":64},"ExecutionArn":"arn","#,
            r#""Input":"{\"a\":1}","InputDetails":{"Included":true},"Name":"n","Output":"{\"a\":1}","#,
            r#""OutputDetails":{"Included":true},"StartDate":"2026-01-01T00:00:00Z","StateMachineArn":"known","#,
            r#""Status":"SUCCEEDED","StopDate":"2026-01-01T00:00:00.101Z"}"#
        )
    );
}

#[test]
fn asynchronous_starts_answer_with_the_start() {
    let answer = call(STATES, r#"{"StateMachineArn":"known","Input":"{}"}"#).unwrap();
    assert_eq!(answer.get("StartDate").unwrap().to_value().to_json(), "1767225600000");
    let answer = call("arn:aws:states:::aws-sdk:sfn:startExecution", r#"{"StateMachineArn":"known"}"#).unwrap();
    assert_eq!(answer.to_json(), r#"{"ExecutionArn":"arn","StartDate":"2026-01-01T00:00:00Z"}"#);
}

#[test]
fn refusals_have_the_words_of_each_sdk() {
    let error = call(STATES, r#"{"StateMachineArn":"other"}"#).unwrap_err();
    assert_eq!(error.error.as_str(), "StepFunctions.StateMachineDoesNotExistException");
    assert!(error.cause.as_str().starts_with(
        "State Machine Does Not Exist: 'other' (Service: AWSStepFunctions; Status Code: 400; \
         Error Code: StateMachineDoesNotExist; Request ID: "
    ));
    let error = call(SYNC, r#"{"StateMachineArn":"known","Input":"{"}"#).unwrap_err();
    assert_eq!(error.error.as_str(), "Sfn.InvalidExecutionInputException");
    assert_eq!(call(SYNC, r#"{"StateMachineArn":1}"#).unwrap_err().error.as_str(), "States.Runtime");
}

#[test]
fn machines_that_start_themselves_end() {
    let tasks = StateMachineTasks::new(None);
    tasks.attach(Echo);
    let mut request = TaskRequest::new(SYNC, Value::parse(r#"{"StateMachineArn":"known"}"#).unwrap());
    let machine = crate::model::execution::MachineIdentity {
        arn: String::new(),
        name: String::new(),
        role_arn: String::new(),
        execution_arn_prefix: String::new(),
    };
    let name = crate::model::execution::ExecutionName { name: None, id: 1 };
    request.caller = Some(super::super::Caller { machine: machine.into(), name, depth: MAX_NESTED_EXECUTIONS });
    let error = tasks.begin(request).err().unwrap();
    assert_eq!(error.error.as_str(), "States.Runtime");
}
