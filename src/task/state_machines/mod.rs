//! Tasks that start other state machines of the same process: `arn:aws:states:::states:startExecution`,
//! `arn:aws:states:::aws-sdk:sfn:startExecution` and `arn:aws:states:::aws-sdk:sfn:startSyncExecution`. No HTTP is spoken.

mod answer;
mod parameters;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use self::{
    answer::{Form, refused, started},
    parameters::Parameters,
};
use super::{TaskError, TaskFuture, TaskHandler, TaskRequest};
use crate::{
    Value,
    model::{error_name, execution::Outcome, quota::MAX_NESTED_EXECUTIONS},
};

/// State machines that tasks can start.
pub trait StateMachines: Send + Sync + 'static {
    /// Starts an execution.
    ///
    /// # Errors
    /// [`NestedError`] when it is not started.
    fn start(&self, start: NestedStart) -> Result<NestedExecution, NestedError>;
}

/// What an execution is started with by another one.
#[derive(Clone, Debug)]
pub struct NestedStart {
    /// ARN of the state machine.
    pub machine_arn: String,
    /// Name of the execution, when it is given one.
    pub name: Option<String>,
    /// Its input.
    pub input: Value,
    /// Whether the task waits for its end.
    pub synchronous: bool,
    /// How many executions it was started by, one inside the other.
    pub depth: u32,
}

/// An execution that was started.
pub struct NestedExecution {
    /// Its ARN.
    pub execution_arn: String,
    /// Its name.
    pub name: String,
    /// When it was started, in milliseconds since 1970.
    pub start_time_ms: u64,
    /// How it ends; `None` when it was lost. It goes on when this is dropped.
    pub outcome: Pin<Box<dyn Future<Output = Option<Outcome>> + Send>>,
}

/// Why an execution was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NestedError {
    /// There is no such state machine here.
    DoesNotExist,
    /// The state machine is of type STANDARD, which does not run here.
    NotExpress,
    /// The message about a name that no execution can have.
    InvalidName(String),
    /// The message about a test case that the ARN names and that cannot be run.
    TestCase(String),
    /// Too many executions are in flight, or none are started any more.
    Refused,
}

/// Starts state machines for tasks. Clones are the same handler.
#[derive(Clone, Default)]
pub struct StateMachineTasks(Arc<Inner>);

#[derive(Default)]
struct Inner {
    machines: OnceLock<Box<dyn StateMachines>>,
    /// Who answers for machines that are not here.
    elsewhere: Option<Arc<dyn TaskHandler>>,
}

impl StateMachineTasks {
    /// A handler; calls about machines that are not here go on to `elsewhere`, if there is one.
    #[must_use]
    pub fn new(elsewhere: Option<Arc<dyn TaskHandler>>) -> Self {
        Self(Arc::new(Inner { machines: OnceLock::new(), elsewhere }))
    }

    /// Says which machines there are, once: they belong to a runtime that is made after its handlers.
    pub fn attach(&self, machines: impl StateMachines) {
        let attached = self.0.machines.set(Box::new(machines));
        debug_assert!(attached.is_ok(), "a handler belongs to one runtime");
    }
}

impl TaskHandler for StateMachineTasks {
    fn invoke(&self, request: TaskRequest) -> TaskFuture {
        match self.begin(request) {
            Ok(future) => future,
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
}

impl StateMachineTasks {
    fn begin(&self, request: TaskRequest) -> Result<TaskFuture, TaskError> {
        let form = Form::of(&request.resource);
        let parameters = Parameters::read(&request.input, form)?;
        let depth = request.caller.as_ref().map_or(1, |caller| caller.depth + 1);
        if depth > MAX_NESTED_EXECUTIONS {
            let cause = format!("Executions that start each other nest deeper than {MAX_NESTED_EXECUTIONS} levels.");
            return Err(TaskError::new(error_name::RUNTIME, cause));
        }
        let Some(machines) = self.0.machines.get() else {
            return Err(refused(form, &NestedError::Refused, &parameters));
        };
        let start = NestedStart {
            machine_arn: parameters.machine_arn.clone(),
            name: parameters.name.clone(),
            input: parameters.input.clone(),
            synchronous: form == Form::SdkSync,
            depth,
        };
        match machines.start(start) {
            Ok(execution) => Ok(Box::pin(started(form, parameters, execution))),
            Err(NestedError::DoesNotExist) if self.0.elsewhere.is_some() => {
                let elsewhere = self.0.elsewhere.as_ref().expect("it was just seen to be there");
                Ok(elsewhere.invoke(request))
            }
            Err(error) => Err(refused(form, &error, &parameters)),
        }
    }
}

#[cfg(test)]
mod tests;
