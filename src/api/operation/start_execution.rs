//! StartExecution and StartSyncExecution: the hot path.

use std::{
    borrow::Cow,
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use super::{Context, Performed};
use crate::{
    Value,
    api::{
        error::ApiError,
        intake::NotStored,
        protocol::StartRequest,
        reply::{write_string, write_timestamp},
    },
    model::{
        action::Action,
        arn::Arn,
        execution::{ExecutionName, ExecutionStart, Outcome},
        machine_type::MachineType,
        stored_start::StoredStart,
    },
    program::Program,
    registry::{RegistryError, StateMachineRecord, check_name},
    runtime::{Completion, FoundStateMachine, StartError, Started},
    value::{Text, escape_into},
};

/// Milliseconds that executions are billed in steps of (Step Functions pricing, "Express Workflows").
const BILLING_STEP_MS: u64 = 100;

/// A start that is checked and may go on.
struct Admitted {
    record: Arc<StateMachineRecord>,
    program: Arc<Program>,
    start: ExecutionStart,
}

/// StartExecution. With an intake it answers once that has stored the start, and the execution begins wherever it is taken
/// from there.
pub(super) fn start_execution(context: &Context, body: &[u8], reply: &mut Vec<u8>) -> Result<Performed, ApiError> {
    let mut request = StartRequest::read(body)?;
    let Admitted { record, program, start } = admit(context, Action::StartExecution, &mut request)?;
    let start_time_ms = context.shard.runtime().clock().epoch_ms();
    let name = start.name.clone();
    if let Some(intake) = &context.intake {
        let (intake, stored) = (Rc::clone(intake), stored_start(start, start_time_ms));
        let storing = Box::pin(async move { intake.store(&stored).await });
        let stored = StoringStart { storing, record, name, start_time_ms };
        return Ok(Performed::Waits(WaitingStart::Stored(Box::new(stored))));
    }
    let refused = |_: &StartError| context.throttle.count(Action::StartExecution);
    context.shard.start(program, start).inspect_err(refused)?;
    write_started(&record, &name, start_time_ms, reply);
    Ok(Performed::Answered)
}

fn write_started(record: &StateMachineRecord, name: &ExecutionName, start_time_ms: u64, reply: &mut Vec<u8>) {
    reply.extend_from_slice(b"{\"executionArn\":\"");
    name.write_arn(&record.identity, reply);
    reply.extend_from_slice(b"\",\"startDate\":");
    write_timestamp(start_time_ms, reply);
    reply.push(b'}');
}

fn stored_start(start: ExecutionStart, start_time_ms: u64) -> StoredStart {
    StoredStart {
        state_machine_arn: start.machine.arn.clone(),
        name: start.name.name,
        id: start.name.id,
        start_time_ms,
        test_case: start.test_case.map(|test_case| test_case.to_string()),
        input: start.input,
    }
}

/// StartSyncExecution.
pub(super) fn start_sync_execution(context: &Context, body: &[u8], reply: &mut Vec<u8>) -> Result<Performed, ApiError> {
    let mut request = StartRequest::read(body)?;
    let Admitted { record, program, start } = admit(context, Action::StartSyncExecution, &mut request)?;
    let name = start.name.clone();
    let refused = |_: &StartError| context.throttle.count(Action::StartSyncExecution);
    match context.shard.start_sync(program, start).inspect_err(refused)? {
        Started::Ended(outcome) => {
            write_outcome(&record, &name, &request, &outcome, reply);
            Ok(Performed::Answered)
        }
        Started::Running(completion) => {
            let request = request.into_owned();
            let start = RunningStart { completion, record, name, request };
            Ok(Performed::Waits(WaitingStart::Running(Box::new(start))))
        }
    }
}

/// A start that has to be waited for.
pub(in crate::api) enum WaitingStart {
    /// StartSyncExecution.
    Running(Box<RunningStart>),
    /// StartExecution, for an intake.
    Stored(Box<StoringStart>),
}

impl WaitingStart {
    /// Looks whether the wait is over, and appends the body of the reply to `reply` when it is.
    pub(in crate::api) fn poll(
        &mut self,
        context: &mut TaskContext<'_>,
        reply: &mut Vec<u8>,
    ) -> Poll<Result<(), ApiError>> {
        match self {
            Self::Running(start) => {
                let outcome = ready!(Pin::new(&mut start.completion).poll(context))?;
                write_outcome(&start.record, &start.name, &start.request, &outcome, reply);
            }
            Self::Stored(start) => {
                ready!(start.storing.as_mut().poll(context))?;
                write_started(&start.record, &start.name, start.start_time_ms, reply);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A synchronous start whose execution waits, with what its reply needs of the request. When the client goes away it is
/// dropped, and the execution goes on.
pub(in crate::api) struct RunningStart {
    completion: Completion,
    record: Arc<StateMachineRecord>,
    name: ExecutionName,
    request: StartRequest<'static>,
}

/// A start on its way to an intake. When the client goes away it is dropped, stored or not.
pub(in crate::api) struct StoringStart {
    storing: Pin<Box<dyn Future<Output = Result<(), NotStored>>>>,
    record: Arc<StateMachineRecord>,
    name: ExecutionName,
    start_time_ms: u64,
}

/// Checks a start in the order of its cost: the machine, its bucket, the name, the input.
fn admit(context: &Context, action: Action, request: &mut StartRequest<'_>) -> Result<Admitted, ApiError> {
    let (record, test_case) = find(context, &request.state_machine_arn)?;
    let Some(program) = record.program.clone() else { return Err(not_express(action, record.machine_type)) };
    if !context.throttle.admits_start(action, &record.bucket) {
        return Err(ApiError::throttled());
    }
    if let Some(name) = &request.name {
        check_name(name)?;
    }
    let input = match Value::parse_bytes(std::mem::take(&mut request.input)) {
        Ok(input) => input,
        Err(error) => return Err(invalid_input(&error, &request.input_token)),
    };
    let name = ExecutionName { name: request.name.as_deref().map(Text::from), id: context.shard.random() };
    let synchronous = action == Action::StartSyncExecution;
    let machine = Arc::clone(&record.identity);
    let start = ExecutionStart { machine, name, input, synchronous, depth: 0, test_case, start_time_ms: None };
    Ok(Admitted { record, program, start })
}

/// The state machine of an ARN, and the test case to run.
fn find(context: &Context, arn: &str) -> Result<FoundStateMachine, ApiError> {
    match context.shard.runtime().find(arn) {
        Ok(Some(found)) => Ok(found),
        Ok(None) => {
            Arn::parse_state_machine(arn)?;
            Err(RegistryError::StateMachineDoesNotExist(arn.to_owned()).into())
        }
        Err(error) => Err(ApiError::validation(error.0)),
    }
}

/// Why a machine without a program does not start.
fn not_express(action: Action, machine_type: MachineType) -> ApiError {
    debug_assert_eq!(machine_type, MachineType::Standard, "machines of type EXPRESS are compiled when created");
    ApiError::type_not_supported(if action == Action::StartSyncExecution {
        "This operation is not supported by this type of state machine"
    } else {
        "Executions of state machines of type STANDARD are not supported by expressway yet: only EXPRESS ones run here"
    })
}

/// The error about an input that is not JSON; it shows the text, which is unescaped once more for that.
#[cold]
fn invalid_input(error: &crate::value::ParseError, input_token: &[u8]) -> ApiError {
    let text = Value::parse_bytes(input_token.to_vec()).ok();
    let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
    ApiError::invalid_execution_input(error, text.as_bytes())
}

thread_local! {
    /// The output as JSON, before it becomes a string of the reply: kept, so that its memory is.
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Memory that the buffer may keep from one reply to the next, in bytes.
const MAX_KEPT_BYTES: usize = 65_536;

fn write_outcome(
    record: &StateMachineRecord,
    name: &ExecutionName,
    request: &StartRequest<'_>,
    outcome: &Outcome,
    out: &mut Vec<u8>,
) {
    out.reserve(640 + request.input_token.len() + outcome.output.as_ref().map_or(0, Value::json_size) * 9 / 8);
    let included: &[u8] = if request.metadata_only { b"{\"included\":false}" } else { b"{\"included\":true}" };
    out.extend_from_slice(b"{\"billingDetails\":{\"billedDurationInMilliseconds\":");
    let duration_ms = outcome.stop_time_ms.saturating_sub(outcome.start_time_ms).max(1);
    let billed_ms = duration_ms.div_ceil(BILLING_STEP_MS) * BILLING_STEP_MS;
    out.extend_from_slice(itoa::Buffer::new().format(billed_ms).as_bytes());
    out.extend_from_slice(b",\"billedMemoryUsedInMB\":64}");
    for (key, value) in [(&b",\"cause\":"[..], &outcome.cause), (b",\"error\":", &outcome.error)] {
        if let Some(value) = value {
            out.extend_from_slice(key);
            write_string(value.as_str(), out);
        }
    }
    // Names and ARNs have no characters that JSON escapes: `check_name` refuses them.
    out.extend_from_slice(b",\"executionArn\":\"");
    name.write_arn(&record.identity, out);
    out.push(b'"');
    if !request.metadata_only {
        out.extend_from_slice(b",\"input\":");
        out.extend_from_slice(&request.input_token);
    }
    out.extend_from_slice(b",\"inputDetails\":");
    out.extend_from_slice(included);
    out.extend_from_slice(b",\"name\":\"");
    name.write_name(out);
    out.push(b'"');
    if let Some(output) = &outcome.output {
        if !request.metadata_only {
            out.extend_from_slice(b",\"output\":\"");
            OUTPUT.with_borrow_mut(|json| {
                output.write_json(json);
                escape_into(&*json, out);
                json.clear();
                json.shrink_to(MAX_KEPT_BYTES);
            });
            out.push(b'"');
        }
        out.extend_from_slice(b",\"outputDetails\":");
        out.extend_from_slice(included);
    }
    out.extend_from_slice(b",\"startDate\":");
    write_timestamp(outcome.start_time_ms, out);
    out.extend_from_slice(b",\"stateMachineArn\":\"");
    out.extend_from_slice(record.identity.arn.as_bytes());
    out.extend_from_slice(b"\",\"status\":\"");
    out.extend_from_slice(outcome.status.as_str().as_bytes());
    out.extend_from_slice(b"\",\"stopDate\":");
    write_timestamp(outcome.stop_time_ms, out);
    if let Some(trace_header) = request.trace_header.as_ref().map(Cow::as_ref) {
        out.extend_from_slice(b",\"traceHeader\":");
        write_string(trace_header, out);
    }
    out.push(b'}');
}
