//! The two API actions that start an execution.

use clap::ValueEnum;
use std::fmt;

/// An action of the Step Functions API that load is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Action {
    /// Answers as soon as the execution is accepted.
    StartExecution,
    /// Answers with the outcome of the execution.
    StartSyncExecution,
}

impl Action {
    /// The name as it stands in `X-Amz-Target`, after `AWSStepFunctions.`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StartExecution => "StartExecution",
            Self::StartSyncExecution => "StartSyncExecution",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
