//! Lambda functions: `arn:aws:lambda:…:function:NAME` and `arn:aws:states:::lambda:invoke`, called with the Invoke API of
//! an endpoint (Lambda API reference, "Invoke"), such as `sam local start-lambda` or any program that answers
//! `POST /2015-03-31/functions/NAME/invocations`.

mod answer;
mod call;

use std::sync::Arc;

use hyper::{
    Request,
    body::Bytes,
    header::{self, HeaderValue},
};

use self::{answer::Answer, call::Call};
use super::{
    TaskError, TaskFuture, TaskHandler, TaskRequest, TaskResult,
    http::{Endpoint, HttpClient, HttpFailure, InvalidEndpoint},
};
use crate::model::quota::MAX_LAMBDA_RESPONSE_BYTES;

/// Calls Lambda functions. Clones are the same handler.
#[derive(Clone)]
pub struct Lambda(Arc<Way>);

/// How functions are reached.
enum Way {
    /// At one endpoint, without signatures.
    Endpoint { endpoint: Endpoint, client: HttpClient },
    /// As any other service of AWS.
    #[cfg(feature = "services")]
    Service(super::aws::Aws),
}

impl Lambda {
    /// A handler for an endpoint such as `http://127.0.0.1:3001`.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] when the text is no URL of HTTP.
    pub fn new(endpoint: &str) -> Result<Self, InvalidEndpoint> {
        Ok(Self(Arc::new(Way::Endpoint { endpoint: Endpoint::parse(endpoint)?, client: HttpClient::default() })))
    }

    /// A handler that calls functions where `services` has Lambda, and signs as it does.
    #[cfg(feature = "services")]
    #[must_use]
    pub fn of(services: &super::aws::Aws) -> Self {
        Self(Arc::new(Way::Service(services.clone())))
    }
}

impl TaskHandler for Lambda {
    fn invoke(&self, request: TaskRequest) -> TaskFuture {
        match Call::of(&request) {
            Ok(call) => {
                let way = Arc::clone(&self.0);
                Box::pin(async move { perform(&way, call).await })
            }
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
}

async fn perform(way: &Way, mut call: Call) -> TaskResult {
    let path = call.path_and_query();
    let mut headers = std::mem::take(&mut call.headers);
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    let payload = std::mem::take(&mut call.payload);
    let answer = match way {
        Way::Endpoint { endpoint, client } => {
            let request = Request::post(endpoint.path(&path));
            let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
            let request = request.body(Bytes::from(payload).into()).map_err(|error| unable(&error.to_string()))?;
            client.send(&endpoint.origin, request, MAX_LAMBDA_RESPONSE_BYTES).await
        }
        #[cfg(feature = "services")]
        Way::Service(services) => services.call_function(path, headers, payload).await,
    };
    result(answer, &call)
}

/// What the task comes to.
fn result(answer: Result<super::http::HttpAnswer, HttpFailure>, call: &Call) -> TaskResult {
    match answer {
        Ok(answer) => Answer { status: answer.status, headers: answer.headers, body: answer.body }.into_result(call),
        Err(HttpFailure::TooLarge) => Err(too_large()),
        Err(failure) => Err(unable(failure.reason())),
    }
}

/// What the Java SDK, and so AWS, says when a request could not be sent or was not answered.
fn unable(reason: &str) -> TaskError {
    TaskError::new("Lambda.SdkClientException", format!("Unable to execute HTTP request: {reason}"))
}

/// What Lambda answers instead of a response above its limit.
fn too_large() -> TaskError {
    let message =
        format!("Response payload size exceeded maximum allowed payload size ({MAX_LAMBDA_RESPONSE_BYTES} bytes).");
    let error_type = "Function.ResponseSizeTooLarge";
    TaskError::new(error_type, format!(r#"{{"errorMessage":"{message}","errorType":"{error_type}"}}"#))
}
