//! The AWS JSON protocol, 1.0 and 1.1 (Smithy specification, "AWS JSON 1.0 protocol").

use hyper::{
    Method,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    client::{Client, ServiceRequest, Target},
    error::{ServiceError, not_answered, unusable_parameters},
    members,
    service::Service,
};
use crate::{
    Value,
    model::quota::MAX_SERVICE_RESPONSE_BYTES,
    task::{
        TaskResult,
        http::{HttpAnswer, HttpFailure},
    },
    value::View,
};

impl Service {
    /// Where the service is called.
    pub(super) fn target(&self) -> Target<'_> {
        Target { names: self.names(), endpoint_prefix: self.endpoint_prefix, signing_name: self.signing_name }
    }
}

/// Calls an operation, named as in resources, with a body as it goes over the wire.
pub(super) async fn call(
    client: &Client,
    service: &Service,
    action: &str,
    body: &Value,
) -> Result<HttpAnswer, HttpFailure> {
    client.send(service.target(), request(service, action, body)?, MAX_SERVICE_RESPONSE_BYTES).await
}

/// The request of an operation.
pub(super) fn request(service: &Service, action: &str, body: &Value) -> Result<ServiceRequest, HttpFailure> {
    let target = format!("{}.{}", service.target_prefix, operation(action));
    let target = HeaderValue::from_str(&target).map_err(|_| HttpFailure::Unusable("The action is not valid".into()))?;
    let content_type = match service.json_version {
        "1.0" => HeaderValue::from_static("application/x-amz-json-1.0"),
        _ => HeaderValue::from_static("application/x-amz-json-1.1"),
    };
    Ok(ServiceRequest {
        method: Method::POST,
        path: "/".into(),
        headers: vec![(header::CONTENT_TYPE, content_type), (HeaderName::from_static("x-amz-target"), target)],
        body: body.to_json().into_bytes(),
    })
}

/// `PutItem` for `putItem`.
pub(super) fn operation(action: &str) -> String {
    let mut letters = action.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// An SDK integration.
pub(super) async fn perform_sdk(client: &Client, service: &Service, action: &str, parameters: &Value) -> TaskResult {
    if !matches!(parameters.view(), View::Object(_)) {
        return Err(unusable_parameters(parameters, "The parameters must be an OBJECT"));
    }
    let body = members::to_wire(service, parameters.as_ref());
    let answer =
        call(client, service, action, &body).await.map_err(|failure| not_answered(service.prefix, &failure))?;
    if !answer.status.is_success() {
        let error = ServiceError::of_json(answer.status, &answer.headers, answer.body);
        let modelled = service.models(&error.code);
        return Err(error.sdk(service.prefix, modelled));
    }
    let result = Value::parse_bytes(answer.body).unwrap_or_else(|_| Value::empty_object());
    Ok(members::from_wire(service, result.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_in_a_header() {
        let service = Service::find("sfn").unwrap();
        let request = request(service, "startExecution", &Value::empty_object()).unwrap();
        let values: Vec<_> = request.headers.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        assert_eq!(values, ["application/x-amz-json-1.0", "AWSStepFunctions.StartExecution"]);
    }
}
