//! Errors of services in the words of the two Java SDKs: optimised integrations speak as its first version does, SDK
//! integrations as its second. `Retry`, `Catch` and whoever reads a cause know these words.

use hyper::{HeaderMap, StatusCode};

use super::service::is_common;
use crate::{
    Value,
    model::error_name,
    task::{TaskError, http::HttpFailure},
    value::{Text, ValueRef},
};

/// What a service said of a call that it did not do.
pub(super) struct ServiceError {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: Option<String>,
    pub(super) request_id: String,
    /// The code of the query protocol, where a service that spoke it once still tells it.
    pub(super) query_code: Option<String>,
    /// Only S3 has one.
    pub(super) extended_request_id: Option<String>,
}

impl ServiceError {
    /// The error in an answer of the AWS JSON protocol or of the REST protocol with JSON.
    pub(super) fn of_json(status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let body = Value::parse_bytes(body).unwrap_or_default();
        let field = |names: &[&str]| names.iter().find_map(|name| body.get(name).and_then(ValueRef::as_str));
        // The header may hold more behind a colon, the body more before a number sign.
        let code =
            header(headers, "x-amzn-errortype").or_else(|| field(&["__type", "code", "Code"])).unwrap_or("Unknown");
        let code = code.split(':').next().unwrap_or(code);
        let code = code.rsplit('#').next().unwrap_or(code).to_owned();
        Self {
            status,
            code,
            message: field(&["message", "Message", "errorMessage"]).map(str::to_owned),
            request_id: request_id(headers),
            query_code: header(headers, "x-amzn-query-error")
                .and_then(|text| text.split(';').next())
                .filter(|code| !code.is_empty())
                .map(str::to_owned),
            extended_request_id: None,
        }
    }

    /// As an optimised integration reports it: `SQS.QueueDoesNotExistException`. `base` is the exception of codes that the
    /// SDK has no class for, `display` the service's name in causes.
    pub(super) fn optimized(self, prefix: &str, display: &str, base: &str, modelled: bool) -> TaskError {
        let class = if modelled { class_of(&self.code) } else { base.to_owned() };
        let code = self.query_code.as_deref().unwrap_or(&self.code);
        let message = self.message.as_deref().unwrap_or("null");
        let (status, request_id) = (self.status.as_u16(), &self.request_id);
        TaskError::new(
            format!("{prefix}.{class}"),
            format!(
                "{message} (Service: {display}; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; \
                 Proxy: null)"
            ),
        )
    }

    /// As an SDK integration reports it: `DynamoDb.ResourceNotFoundException`.
    pub(super) fn sdk(self, prefix: &str, modelled: bool) -> TaskError {
        let class = if modelled { class_of(&self.code) } else { format!("{prefix}Exception") };
        let message = self.message.as_deref().unwrap_or("null");
        let (status, request_id) = (self.status.as_u16(), &self.request_id);
        let rest = match &self.extended_request_id {
            Some(id) => format!(", Extended Request ID: {id})"),
            None => ") (SDK Attempt Count: 1)".to_owned(),
        };
        TaskError::new(
            format!("{prefix}.{class}"),
            format!("{message} (Service: {prefix}, Status Code: {status}, Request ID: {request_id}{rest}"),
        )
    }

    /// Whether an SDK whose model names its exceptions as its codes has a class for this one.
    pub(super) fn is_modelled_by_default(&self) -> bool {
        !is_common(&self.code)
    }
}

/// A call that no service answered.
pub(super) fn not_answered(prefix: &str, failure: &HttpFailure) -> TaskError {
    let cause = match failure {
        HttpFailure::TooLarge => {
            let error = Text::from(error_name::DATA_LIMIT_EXCEEDED);
            let cause = format!("The answer of {prefix} exceeds the maximum number of bytes service limit.");
            return TaskError::new(error, cause);
        }
        HttpFailure::Unusable(reason) => reason.to_string(),
        other => format!("Unable to execute HTTP request: {}", other.reason()),
    };
    TaskError::new(format!("{prefix}.SdkClientException"), cause)
}

/// Parameters that no request can be made of.
pub(super) fn unusable_parameters(parameters: &Value, problem: &str) -> TaskError {
    let parameters = parameters.to_json();
    let cause = format!("The Parameters '{parameters}' could not be used to start the Task: [{problem}]");
    TaskError::new(error_name::RUNTIME, cause)
}

/// The name of the class of a code, as both SDKs make it.
fn class_of(code: &str) -> String {
    // The one class of SQS that is not named after its code.
    if code.ends_with(".NonExistentQueue") {
        return "QueueDoesNotExistException".to_owned();
    }
    // Codes of the query protocol may have a path before the name.
    let code = code.rsplit('.').next().unwrap_or(code);
    match code.strip_suffix("Fault") {
        Some(name) => format!("{name}Exception"),
        None if code.ends_with("Exception") => code.to_owned(),
        None => format!("{code}Exception"),
    }
}

/// The text of a header field.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The identifier that a service gave a call.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    header(headers, "x-amzn-requestid").or_else(|| header(headers, "x-amz-request-id")).unwrap_or("null").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> ServiceError {
        let body = format!(r#"{{"__type":"com.amazonaws.x#{code}","message":"No."}}"#);
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-requestid", "r".parse().unwrap());
        ServiceError::of_json(StatusCode::BAD_REQUEST, &headers, body.into_bytes())
    }

    #[test]
    fn both_sdks_have_their_words() {
        let first = error("Gone").optimized("SQS", "AmazonSQS", "AmazonSQSException", true);
        assert_eq!(first.error.as_str(), "SQS.GoneException");
        assert_eq!(
            first.cause.as_str(),
            "No. (Service: AmazonSQS; Status Code: 400; Error Code: Gone; Request ID: r; Proxy: null)"
        );
        let base = error("ValidationException").optimized("SQS", "AmazonSQS", "AmazonSQSException", false);
        assert_eq!(base.error.as_str(), "SQS.AmazonSQSException");
        let second = error("LimitFault").sdk("Sfn", true);
        assert_eq!(second.error.as_str(), "Sfn.LimitException");
        assert_eq!(second.cause.as_str(), "No. (Service: Sfn, Status Code: 400, Request ID: r) (SDK Attempt Count: 1)");
        assert_eq!(error("Throttling").sdk("Sfn", false).error.as_str(), "Sfn.SfnException");
    }

    #[test]
    fn a_call_without_an_answer_is_the_clients_error() {
        let failure = HttpFailure::Connect("host: Name or service not known".into());
        let error = not_answered("SQS", &failure);
        assert_eq!(error.error.as_str(), "SQS.SdkClientException");
        assert_eq!(error.cause.as_str(), "Unable to execute HTTP request: host: Name or service not known");
    }
}
