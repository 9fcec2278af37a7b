//! Who runs executions for a lane.

use std::{rc::Rc, sync::Arc};

use super::LocalBoxFuture;
use crate::{
    Value,
    model::{
        execution::{ExecutionName, ExecutionStart, ExecutionStatus, MachineIdentity, Outcome},
        stored_start::StoredStart,
    },
    program::Program,
    runtime::{Lost, Shard, StartError, Started},
};

/// Error name of events whose state machine is not there: the API's.
pub const NO_STATE_MACHINE: &str = "StateMachineDoesNotExist";
/// Error name of messages of an intake that are no starts.
const INVALID_START: &str = "InvalidStart";

/// What an execution of a lane is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// What the event says of the state machine; none when it does not.
    pub machine: Option<Rc<str>>,
    /// The input.
    pub input: Value,
}

/// Runs executions. A trait so that lanes are tested without a runtime.
pub trait Execute {
    /// Starts one.
    fn execute(&self, start: &Start) -> Execution;
}

/// An execution, right after its start.
pub enum Execution {
    /// It has ended already.
    Ended(Box<Outcome>),
    /// It runs.
    Running(LocalBoxFuture<'static, Result<Outcome, Lost>>),
    /// It was not started.
    Refused(StartError),
}

/// Runs executions of one state machine on the shard that it lives on.
pub struct ShardExecutor {
    /// The shard.
    pub shard: Shard,
    /// The state machine.
    pub program: Arc<Program>,
    /// Its names.
    pub machine: Arc<MachineIdentity>,
    /// The test case that answers its calls.
    pub test_case: Option<Arc<str>>,
}

impl Execute for ShardExecutor {
    fn execute(&self, start: &Start) -> Execution {
        begin(
            &self.shard,
            Arc::clone(&self.program),
            ExecutionStart {
                machine: Arc::clone(&self.machine),
                name: ExecutionName { name: None, id: self.shard.random() },
                input: start.input.clone(),
                synchronous: false,
                depth: 0,
                test_case: self.test_case.clone(),
                start_time_ms: None,
            },
        )
    }
}

/// Runs executions of the runtime's state machines: each of that which its event names, or else of one that is named here.
pub struct RegistryExecutor {
    /// The shard.
    pub shard: Shard,
    /// The name of the state machine of events that name none.
    pub machine: Option<String>,
}

impl Execute for RegistryExecutor {
    fn execute(&self, start: &Start) -> Execution {
        let runtime = self.shard.runtime();
        let Some(named) = start.machine.as_deref().or(self.machine.as_deref()) else {
            return unknown("The event names no state machine.");
        };
        let found = if named.starts_with("arn:") {
            runtime.registry().get_on_this_thread(named)
        } else {
            runtime.registry().get_on_this_thread(&runtime.registry().home().state_machine_arn(named))
        };
        let Some((record, program)) = found.and_then(|record| record.program.clone().map(|program| (record, program)))
        else {
            return unknown(&format!("There is no state machine '{named}'."));
        };
        begin(
            &self.shard,
            program,
            ExecutionStart {
                machine: Arc::clone(&record.identity),
                name: ExecutionName { name: None, id: self.shard.random() },
                input: start.input.clone(),
                synchronous: false,
                depth: 0,
                test_case: runtime.default_test_case(&record.identity.name),
                start_time_ms: None,
            },
        )
    }
}

/// Runs starts that StartExecution has answered and a stream has kept, under the names that they were answered with.
pub struct IntakeExecutor {
    /// The shard.
    pub shard: Shard,
}

impl Execute for IntakeExecutor {
    fn execute(&self, start: &Start) -> Execution {
        let Some(stored) = StoredStart::from_value(&start.input) else {
            return failed(INVALID_START, "The message is no start of expressway.");
        };
        let record = self.shard.runtime().registry().get_on_this_thread(&stored.state_machine_arn);
        let Some((record, program)) = record.and_then(|record| record.program.clone().map(|program| (record, program)))
        else {
            return unknown(&format!("There is no state machine '{}'.", stored.state_machine_arn));
        };
        begin(
            &self.shard,
            program,
            ExecutionStart {
                machine: Arc::clone(&record.identity),
                name: ExecutionName { name: stored.name, id: stored.id },
                input: stored.input,
                synchronous: false,
                depth: 0,
                test_case: stored.test_case.map(Arc::from),
                start_time_ms: Some(stored.start_time_ms),
            },
        )
    }
}

fn begin(shard: &Shard, program: Arc<Program>, start: ExecutionStart) -> Execution {
    match shard.start_sync(program, start) {
        Ok(Started::Ended(outcome)) => Execution::Ended(Box::new(outcome)),
        Ok(Started::Running(completion)) => Execution::Running(Box::pin(completion)),
        Err(error) => Execution::Refused(error),
    }
}

fn unknown(cause: &str) -> Execution {
    failed(NO_STATE_MACHINE, cause)
}

/// An execution that failed before it began: what becomes of its event is said by the rules for failures.
fn failed(error: &str, cause: &str) -> Execution {
    Execution::Ended(Box::new(Outcome {
        status: ExecutionStatus::Failed,
        output: None,
        error: Some(error.into()),
        cause: Some(cause.into()),
        start_time_ms: 0,
        stop_time_ms: 0,
    }))
}
