//! AWS services as Task states call them: optimised integrations, `arn:aws:states:::SERVICE:ACTION`, and AWS SDK
//! integrations, `arn:aws:states:::aws-sdk:SERVICE:ACTION` (Developer Guide, "Integrating services").
//!
//! There is one client for all services. What differs is the protocol that a service speaks: AWS JSON for most, with
//! `service.rs` and `services.tsv` as the table of facts; the query protocol for SNS; REST for S3 and API Gateway. `Credentials` of a task
//! are accepted and not used: no role is assumed, calls are signed with the credentials of the process.

mod apigateway;
mod client;
mod credentials;
#[cfg(feature = "sqs")]
mod direct;
mod error;
mod events;
mod json;
mod members;
mod optimized;
mod query;
mod s3;
mod service;
mod settings;
mod sign;
mod xml;

use std::sync::Arc;

use hyper::{
    Method,
    header::{HeaderName, HeaderValue},
};

pub use self::settings::{AwsSettings, InvalidSettings};
use self::{
    client::{Client, ServiceRequest, Target},
    optimized::Optimized,
    service::Service,
};
use super::{
    TaskError, TaskFuture, TaskHandler, TaskRequest, TaskResult,
    http::{HttpAnswer, HttpClient, HttpFailure},
};
use crate::{
    clock::Clock,
    model::{error_name, quota::MAX_LAMBDA_RESPONSE_BYTES},
};

/// Calls AWS services. Clones are the same handler.
#[derive(Clone)]
pub struct Aws(Arc<Client>);

/// What a resource asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Action<'a> {
    sdk: bool,
    service: &'a str,
    /// As in the resource: `putItem`.
    name: &'a str,
}

impl<'a> Action<'a> {
    /// Service and action of an integration's resource, in any partition.
    fn of(resource: &'a str) -> Option<Self> {
        let rest = resource.strip_prefix("arn:")?.split_once(":states:::")?.1;
        let (sdk, rest) = match rest.strip_prefix("aws-sdk:") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (service, name) = rest.split_once(':')?;
        Some(Self { sdk, service, name })
    }
}

impl Aws {
    /// A handler for services as `settings` say.
    #[must_use]
    pub fn new(settings: AwsSettings, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Client::new(settings, http, clock)))
    }

    /// Sends a request of Lambda's Invoke API.
    pub(super) async fn call_function(
        &self,
        path: String,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Vec<u8>,
    ) -> Result<HttpAnswer, HttpFailure> {
        const LAMBDA: Target<'static> =
            Target { names: &["lambda"], endpoint_prefix: "lambda", signing_name: "lambda" };
        let request = ServiceRequest { method: Method::POST, path, headers, body };
        self.0.send(LAMBDA, request, MAX_LAMBDA_RESPONSE_BYTES).await
    }
}

impl TaskHandler for Aws {
    fn invoke(&self, request: TaskRequest) -> TaskFuture {
        let client = Arc::clone(&self.0);
        Box::pin(async move { perform(&client, &request).await })
    }
}

async fn perform(client: &Client, request: &TaskRequest) -> TaskResult {
    let Some(action) = Action::of(&request.resource) else { return Err(unknown(&request.resource)) };
    match (action.sdk, action.service) {
        (_, "s3") => s3::perform(client, action, &request.input).await,
        (false, "apigateway") => apigateway::invoke(client, &request.input).await,
        (false, "events") => events::put_events(client, request).await,
        (false, _) => match Optimized::find(action.service, action.name) {
            Some(optimized) => optimized.perform(client, action.name, &request.input).await,
            None => Err(unknown(&request.resource)),
        },
        (true, "sns") => query::perform_sdk(client, action.name, &request.input).await,
        (true, _) => match Service::find(action.service) {
            Some(service) => json::perform_sdk(client, service, action.name, &request.input).await,
            None => Err(unknown(&request.resource)),
        },
    }
}

fn unknown(resource: &str) -> TaskError {
    let cause = format!("The resource '{resource}' is of no service that can be called.");
    TaskError::new(error_name::RUNTIME, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_name_service_and_action() {
        let action = |resource| Action::of(resource);
        let put = Action { sdk: false, service: "dynamodb", name: "putItem" };
        assert_eq!(action("arn:aws:states:::dynamodb:putItem"), Some(put));
        assert_eq!(action("arn:aws-cn:states:::aws-sdk:dynamodb:putItem"), Some(Action { sdk: true, ..put }));
        assert_eq!(action("arn:aws:lambda:us-east-1:123456789012:function:f"), None);
    }
}
