//! What tasks that start executions come to, in the form of each integration.

use super::{NestedError, NestedExecution, parameters::Parameters};
use crate::{
    Value,
    model::{
        error_name,
        execution::{Outcome, uuid_text},
        time::iso8601_ms,
    },
    task::{TaskError, TaskResult},
    value::ObjectBuilder,
};

/// Milliseconds that executions are billed in steps of (Step Functions pricing, "Express Workflows").
const BILLING_STEP_MS: u64 = 100;

/// The integration that is used, which decides about the form of results and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `states:startExecution`
    Optimized,
    /// `aws-sdk:sfn:startExecution`
    Sdk,
    /// `aws-sdk:sfn:startSyncExecution`
    SdkSync,
}

impl Form {
    pub(super) fn of(resource: &str) -> Self {
        match resource.rsplit(':').next() {
            Some("startSyncExecution") => Self::SdkSync,
            _ if resource.contains(":aws-sdk:") => Self::Sdk,
            _ => Self::Optimized,
        }
    }
}

/// The result of a task that started an execution.
pub(super) async fn started(form: Form, parameters: Parameters, execution: NestedExecution) -> TaskResult {
    match form {
        Form::Optimized => {
            let request_id = uuid_text(fastrand::u128(..));
            let headers = |several: bool| {
                let field = |text: &str| if several { Value::array([text]) } else { Value::from(text) };
                Value::object([
                    ("Content-Type", field("application/x-amz-json-1.0")),
                    ("x-amzn-RequestId", field(&request_id)),
                ])
            };
            let http = Value::object([
                ("AllHttpHeaders", headers(true)),
                ("HttpHeaders", headers(false)),
                ("HttpStatusCode", Value::from(200)),
            ]);
            let response = Value::object([("RequestId", request_id.as_str())]);
            Ok(Value::object([
                ("ExecutionArn", Value::from(execution.execution_arn)),
                ("SdkHttpMetadata", http),
                ("SdkResponseMetadata", response),
                ("StartDate", Value::from(execution.start_time_ms)),
            ]))
        }
        Form::Sdk => Ok(Value::object([
            ("ExecutionArn", execution.execution_arn),
            ("StartDate", instant(execution.start_time_ms)),
        ])),
        Form::SdkSync => match execution.outcome.await {
            Some(outcome) => Ok(ended(&parameters, execution.execution_arn, execution.name, &outcome)),
            None => {
                let cause = "The nested execution was lost before it ended.";
                Err(TaskError::new(error_name::TASK_FAILED, cause))
            }
        },
    }
}

/// The answer of StartSyncExecution (API reference), its members spelled as SDK integrations do.
fn ended(parameters: &Parameters, execution_arn: String, name: String, outcome: &Outcome) -> Value {
    let included = || Value::object([("Included", true)]);
    let duration_ms = outcome.stop_time_ms.saturating_sub(outcome.start_time_ms).max(1);
    let billing = Value::object([
        ("BilledDurationInMilliseconds", Value::from(duration_ms.div_ceil(BILLING_STEP_MS) * BILLING_STEP_MS)),
        ("BilledMemoryUsedInMB", Value::from(64)),
    ]);
    let mut answer = ObjectBuilder::with_capacity(14);
    answer.push("BillingDetails".into(), billing);
    for (key, value) in [("Cause", &outcome.cause), ("Error", &outcome.error)] {
        if let Some(value) = value {
            answer.push(key.into(), value.clone().into());
        }
    }
    answer.push("ExecutionArn".into(), execution_arn.into());
    answer.push("Input".into(), parameters.input_text.as_str().into());
    answer.push("InputDetails".into(), included());
    answer.push("Name".into(), name.into());
    if let Some(output) = &outcome.output {
        answer.push("Output".into(), output.to_json().into());
        answer.push("OutputDetails".into(), included());
    }
    answer.push("StartDate".into(), instant(outcome.start_time_ms).into());
    answer.push("StateMachineArn".into(), parameters.machine_arn.as_str().into());
    answer.push("Status".into(), outcome.status.as_str().into());
    answer.push("StopDate".into(), instant(outcome.stop_time_ms).into());
    answer.finish()
}

/// A time as the Java SDK writes it: without a fraction of nothing.
fn instant(epoch_ms: u64) -> String {
    iso8601_ms(epoch_ms).replace(".000Z", "Z")
}

/// The error of a task whose execution was not started.
pub(super) fn refused(form: Form, error: &NestedError, parameters: &Parameters) -> TaskError {
    match error {
        NestedError::DoesNotExist => {
            let message = format!("State Machine Does Not Exist: '{}'", parameters.machine_arn);
            service_error(form, "StateMachineDoesNotExist", &message)
        }
        NestedError::NotExpress => {
            let message = "This operation is not supported by this type of state machine";
            service_error(form, "StateMachineTypeNotSupported", message)
        }
        NestedError::InvalidName(message) => service_error(form, "InvalidName", message),
        NestedError::TestCase(message) => service_error(form, "ValidationException", message),
        NestedError::Refused => service_error(form, "ThrottlingException", "Rate exceeded"),
    }
}

/// An error of Step Functions in the words of the Java SDK that the integration uses.
pub(super) fn service_error(form: Form, code: &str, message: &str) -> TaskError {
    let request_id = uuid_text(fastrand::u128(..));
    // Codes of all services, which the SDKs have no class of this service for.
    let modelled = !matches!(code, "ThrottlingException" | "ValidationException");
    if form == Form::Optimized {
        let class = if modelled { format!("{code}Exception") } else { "AWSStepFunctionsException".to_owned() };
        let cause = format!(
            "{message} (Service: AWSStepFunctions; Status Code: 400; Error Code: {code}; Request ID: {request_id}; \
             Proxy: null)"
        );
        return TaskError::new(format!("StepFunctions.{class}"), cause);
    }
    let class = if modelled { format!("{code}Exception") } else { "SfnException".to_owned() };
    let cause = format!("{message} (Service: Sfn, Status Code: 400, Request ID: {request_id}) (SDK Attempt Count: 1)");
    TaskError::new(format!("Sfn.{class}"), cause)
}
