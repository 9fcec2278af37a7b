//! Who runs executions for a lane.

use std::sync::Arc;

use super::LocalBoxFuture;
use crate::{
    Value,
    model::execution::{ExecutionName, ExecutionStart, MachineIdentity, Outcome},
    program::Program,
    runtime::{Lost, Shard, StartError, Started},
};

/// Runs executions. A trait so that lanes are tested without a runtime.
pub trait Execute {
    /// Starts one.
    fn execute(&self, input: Value) -> Execution;
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
}

impl Execute for ShardExecutor {
    fn execute(&self, input: Value) -> Execution {
        let name = ExecutionName { name: None, id: self.shard.random() };
        let machine = Arc::clone(&self.machine);
        let start = ExecutionStart { machine, name, input, synchronous: false, depth: 0, test_case: None };
        match self.shard.start_sync(Arc::clone(&self.program), start) {
            Ok(Started::Ended(outcome)) => Execution::Ended(Box::new(outcome)),
            Ok(Started::Running(completion)) => Execution::Running(Box::pin(completion)),
            Err(error) => Execution::Refused(error),
        }
    }
}
