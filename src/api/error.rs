//! From what can go wrong to the errors of the API: code, message and HTTP status. The only place that knows the codes.

use std::borrow::Cow;

use super::{intake::NotStored, reply::ObjectWriter};
use crate::{
    model::arn::ArnError,
    registry::RegistryError,
    runtime::{Lost, StartError},
    value::ParseError,
};

/// An answer that says what was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    /// HTTP status: 400, or 5xx for our own faults.
    pub(super) status: u16,
    /// `__type` of the body.
    pub(super) code: &'static str,
    /// `message` of the body.
    pub(super) message: Cow<'static, str>,
}

impl ApiError {
    fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, code, message)
    }

    /// A call beyond what its token bucket lets through. Clients retry this code.
    pub(super) fn throttled() -> Self {
        Self::bad_request("ThrottlingException", "Rate exceeded")
    }

    /// A body that is not a JSON object, or has values of other types than the API's model.
    pub(super) fn serialization(message: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("SerializationException", message)
    }

    /// Values that break the constraints of the API's model.
    pub(super) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("ValidationException", message)
    }

    /// An action that is not there.
    pub(super) fn unknown_operation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("UnknownOperationException", message)
    }

    /// An input that is not JSON.
    pub(super) fn invalid_execution_input(error: &ParseError, input: &[u8]) -> Self {
        let message = error.full_message(&String::from_utf8_lossy(input));
        Self::bad_request("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{message}'"))
    }

    /// An action for which the machine is of the wrong type.
    pub(super) fn type_not_supported(message: &'static str) -> Self {
        Self::bad_request("StateMachineTypeNotSupported", message)
    }

    /// A request that is no request of this API.
    pub(super) fn malformed(message: &'static str) -> Self {
        Self::bad_request("InvalidRequestException", message)
    }

    /// A path that is not there.
    pub(super) fn not_found() -> Self {
        Self::new(404, "ResourceNotFoundException", "The API is POST /")
    }

    /// A body that is too long.
    pub(super) fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLargeException", "The request is longer than 1048576 bytes")
    }

    /// The body: `{"__type":…,"message":…}`.
    pub(super) fn to_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64 + self.message.len());
        let mut writer = ObjectWriter::new(&mut body);
        writer.string("__type", self.code);
        writer.string("message", &self.message);
        writer.finish();
        body
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let code = match &error {
            RegistryError::InvalidName(_) => "InvalidName",
            RegistryError::InvalidArn(_) => "InvalidArn",
            RegistryError::InvalidDefinition { .. } => "InvalidDefinition",
            RegistryError::InvalidLoggingConfiguration(_) => "InvalidLoggingConfiguration",
            RegistryError::StateMachineAlreadyExists(_) => "StateMachineAlreadyExists",
            RegistryError::StateMachineDoesNotExist(_) => "StateMachineDoesNotExist",
            RegistryError::ResourceNotFound(_) => "ResourceNotFound",
            RegistryError::TooManyTags(_) => "TooManyTags",
            RegistryError::InvalidTag(_) => "ValidationException",
            RegistryError::MissingRequiredParameter => "MissingRequiredParameter",
            RegistryError::StateMachineLimitExceeded(_) => "StateMachineLimitExceeded",
            RegistryError::InvalidToken => "InvalidToken",
        };
        Self::bad_request(code, error.to_string())
    }
}

impl From<ArnError> for ApiError {
    fn from(error: ArnError) -> Self {
        RegistryError::InvalidArn(error).into()
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::TooManyExecutions { .. } => Self::throttled(),
            StartError::NotExpress => Self::bad_request("StateMachineTypeNotSupported", error.to_string()),
            StartError::ShuttingDown => Self::new(503, "ServiceUnavailable", "The server is shutting down"),
        }
    }
}

impl From<NotStored> for ApiError {
    fn from(error: NotStored) -> Self {
        Self::new(503, "ServiceUnavailable", format!("The start was not stored: {error}"))
    }
}

impl From<Lost> for ApiError {
    fn from(_: Lost) -> Self {
        Self::new(500, "InternalFailure", "The execution was lost")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_escaped() {
        let error = ApiError::validation("a \"b\"\n");
        assert_eq!(error.to_body(), br#"{"__type":"ValidationException","message":"a \"b\"\n"}"#);
    }

    #[test]
    fn our_own_faults_are_not_the_clients() {
        assert_eq!(ApiError::from(StartError::TooManyExecutions { limit: 1 }), ApiError::throttled());
        assert_eq!(ApiError::from(StartError::ShuttingDown).status, 503);
        assert_eq!(ApiError::from(Lost).status, 500);
    }
}
