//! Why the registry refuses a request. The text of each error is the message that AWS gives.

use crate::{asl::Diagnostic, model::arn::ArnError};

/// Why the registry refuses a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A name with characters that names must not have.
    #[error("Invalid Name: '{0}'")]
    InvalidName(String),
    /// No ARN, or one of something else.
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(#[from] ArnError),
    /// A definition with errors; all that is wrong with it stands in `diagnostics`.
    #[error("{message}")]
    InvalidDefinition {
        /// The message of the API.
        message: String,
        /// Errors and warnings.
        diagnostics: Vec<Diagnostic>,
    },
    /// A logging configuration that cannot be.
    #[error("Invalid Logging Configuration: {0}")]
    InvalidLoggingConfiguration(&'static str),
    /// A machine of that name is there already, and is another one.
    #[error("State Machine Already Exists: '{0}'")]
    StateMachineAlreadyExists(String),
    /// There is no machine of that ARN.
    #[error("State Machine Does Not Exist: '{0}'")]
    StateMachineDoesNotExist(String),
    /// There is no resource of that ARN that could have tags.
    #[error("Resource not found: '{0}'")]
    ResourceNotFound(String),
    /// More tags than [`MAX_TAGS`](crate::model::quota::MAX_TAGS), or a key of AWS's own.
    #[error("{0}")]
    TooManyTags(String),
    /// A tag that must not be.
    #[error("{0}")]
    InvalidTag(&'static str),
    /// An update that says nothing.
    #[error(
        "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified"
    )]
    MissingRequiredParameter,
    /// More machines than [`MAX_STATE_MACHINES`](crate::model::quota::MAX_STATE_MACHINES).
    #[error("State Machine Limit Exceeded: '{0}'")]
    StateMachineLimitExceeded(usize),
    /// A `nextToken` that no list has given.
    #[error("Invalid Token: 'Invalid token'")]
    InvalidToken,
}
