//! What Task states call: the [`TaskHandler`] contract, and its adapters.

#[cfg(feature = "services")]
pub mod aws;
mod handlers;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "services")]
pub mod http_task;
pub mod in_process;
#[cfg(feature = "server")]
pub mod lambda;
#[cfg(feature = "services")]
pub mod limit;
mod mocked;
pub mod state_machines;

use std::{future::Future, pin::Pin, sync::Arc};

pub(crate) use self::handlers::begin;
pub use self::{
    handlers::Handlers,
    mocked::{MockedAnswer, MockedIntegrations, TestCaseCall, TestCaseError},
};
use crate::{
    Value,
    model::{
        execution::{ExecutionName, MachineIdentity},
        quota::MAX_EXPRESS_EXECUTION_SECONDS,
    },
    value::Text,
};

/// A call that a Task state makes.
#[derive(Clone, Debug)]
pub struct TaskRequest {
    /// `Resource`, as the definition has it.
    pub resource: Arc<str>,
    /// The effective input: after `InputPath` and `Parameters`.
    pub input: Value,
    /// `Credentials`, evaluated: the role that the call is to be made with. The handlers of this crate take no roles; a
    /// handler of the embedding program may.
    pub credentials: Option<Value>,
    /// How long the call may take, in milliseconds from now; the call is dropped when they are over.
    pub deadline_ms: u64,
    /// Which execution calls; none when a handler is called from elsewhere.
    pub caller: Option<Caller>,
    /// Where in the execution it is made; only of executions that run a test case.
    pub test_case: Option<Box<TestCaseCall>>,
}

/// The execution that a call comes from.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its state machine.
    pub machine: Arc<MachineIdentity>,
    /// Its name.
    pub name: ExecutionName,
    /// How many executions it was started by, one inside the other.
    pub depth: u32,
}

impl TaskRequest {
    /// A call from no execution, such as a test of a handler makes, with the five minutes of an Express execution.
    #[must_use]
    pub fn new(resource: &str, input: Value) -> Self {
        let deadline_ms = MAX_EXPRESS_EXECUTION_SECONDS * 1000;
        Self { resource: resource.into(), input, credentials: None, deadline_ms, caller: None, test_case: None }
    }
}

/// Why a call failed; the state's `Retry` and `Catch` see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    /// The error name, such as `Lambda.ServiceException` or the type of an exception.
    pub error: Text,
    /// The cause.
    pub cause: Text,
}

impl TaskError {
    /// An error of the given name and cause.
    pub fn new(error: impl Into<Text>, cause: impl Into<Text>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }
}

/// What a call comes to.
pub type TaskResult = Result<Value, TaskError>;

/// A call under way. Dropping it cancels the call.
pub type TaskFuture = Pin<Box<dyn Future<Output = TaskResult> + Send>>;

/// A handler that needs no waiting: it has the result when it returns.
pub type TaskFunction = dyn Fn(Value) -> TaskResult + Send + Sync;

/// How a call stands when it was begun.
pub enum TaskAnswer {
    /// It has ended.
    Now(TaskResult),
    /// It is under way.
    Later(TaskFuture),
    /// It is simulated: nothing is under way, and the answer comes after a time or never.
    Mocked(MockedAnswer),
}

/// Answers the calls of Task states to some resources.
///
/// `invoke` is called on the shard that runs the execution and must not block. The future is polled there too, and is
/// dropped when the task times out or its execution ends. A handler that [begins anywhere](TaskHandler::begins_anywhere) is
/// called and polled once where the execution is started. A result above
/// [`MAX_PAYLOAD_BYTES`](crate::model::quota::MAX_PAYLOAD_BYTES) fails the task with `States.DataLimitExceeded`; a panic
/// fails it with `States.TaskFailed`.
pub trait TaskHandler: Send + Sync + 'static {
    /// Begins a call.
    fn invoke(&self, request: TaskRequest) -> TaskFuture;

    /// The handler as a function from the effective input to the result, when it is one. It is called in the place of
    /// `invoke`, on whichever thread runs the execution, threads of the embedding program included; it must not block.
    fn function(&self) -> Option<&TaskFunction> {
        None
    }

    /// Whether `invoke` may be called, and its future be polled once, on the thread that starts the execution, be it one of
    /// the embedding program: with the event loop of a shard entered, but not on its thread. A future that is not ready then
    /// is polled on that shard from there on.
    fn begins_anywhere(&self) -> bool {
        self.function().is_some()
    }
}
