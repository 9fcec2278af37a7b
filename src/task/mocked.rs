//! Calls that are answered without calling anything: mocked service integrations (Developer Guide, "Using mocked service
//! integrations for testing in Step Functions Local").

use std::sync::Arc;

use super::{TaskRequest, TaskResult};
use crate::{
    model::execution::{ExecutionName, MachineIdentity},
    value::Text,
};

/// Where in an execution that runs a test case a call is made. It is the same in every run of the same execution, so that
/// what is drawn from it repeats.
#[derive(Clone, Debug)]
pub struct TestCaseCall {
    /// The name of the test case.
    pub test_case: Arc<str>,
    /// The state machine.
    pub machine: Arc<MachineIdentity>,
    /// The execution.
    pub execution: ExecutionName,
    /// The name of the state.
    pub state: Text,
    /// Which invocation of the state in the execution this is, from 0; retries and all iterations count.
    pub invocation: u32,
    /// Tells the branches and iterations that the state is in from others; 0 outside of Parallel and Map states.
    pub branch: u64,
    /// Which invocation of the state in its branch or iteration this is, from 0; retries count.
    pub branch_invocation: u32,
}

/// What a mocked call comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum MockedAnswer {
    /// A result after a time.
    After {
        /// How long the call takes, in milliseconds.
        delay_ms: u64,
        /// What it comes to then.
        result: TaskResult,
    },
    /// The callee hangs: only a timeout ends the call.
    Never,
}

/// Why a test case cannot be run: for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TestCaseError(pub String);

/// Answers calls of executions that run a test case, in the place of handlers. Called on any thread; must not block.
pub trait MockedIntegrations: Send + Sync + 'static {
    /// Whether a state machine has a test case, with errors or without.
    fn has_test_case(&self, machine_name: &str, test_case: &str) -> bool;

    /// Whether a state machine has a test case that can be run.
    ///
    /// # Errors
    /// [`TestCaseError`], with what to do about it.
    fn check_test_case(&self, machine_name: &str, test_case: &str) -> Result<(), TestCaseError>;

    /// The answer to a call; none when the test case does not mock it and its handler is to be called.
    fn answer(&self, request: &TaskRequest, call: &TestCaseCall) -> Option<MockedAnswer>;
}
