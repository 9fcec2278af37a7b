//! Operations that expressway itself calls, outside any task.

use super::{Aws, error::ServiceError, json, service::Service};
use crate::{Value, task::http::HttpFailure};

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CallError {
    message: String,
}

impl From<HttpFailure> for CallError {
    fn from(failure: HttpFailure) -> Self {
        Self { message: failure.reason().to_owned() }
    }
}

impl Aws {
    /// Calls an operation of a service that speaks AWS JSON; both are named as in `aws-sdk:SERVICE:ACTION`, the parameters as in
    /// the service's API. The answer is read up to `max_bytes`.
    ///
    /// # Errors
    /// [`CallError`] when the service did not answer, or answered that it did not do it.
    pub(crate) async fn call(
        &self,
        service: &str,
        action: &str,
        parameters: &Value,
        max_bytes: usize,
    ) -> Result<Value, CallError> {
        let service = Service::find(service)
            .ok_or_else(|| CallError { message: format!("'{service}' is no service that can be called") })?;
        let answer = self.0.send(service.target(), json::request(service, action, parameters)?, max_bytes).await?;
        if answer.status.is_success() && answer.body.is_empty() {
            return Ok(Value::empty_object());
        }
        if answer.status.is_success() {
            let not_json = |error| CallError { message: format!("the answer is not JSON: {error}") };
            return Value::parse_bytes(answer.body).map_err(not_json);
        }
        let error = ServiceError::of_json(answer.status, &answer.headers, answer.body);
        let operation = json::operation(action);
        let message = error.message.unwrap_or_default();
        Err(CallError { message: format!("{operation}: {} ({}): {message}", error.code, error.status.as_u16()) })
    }
}
