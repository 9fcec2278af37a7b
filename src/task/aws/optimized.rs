//! Optimised integrations by request and response (Developer Guide, "Integrating optimized services"): the parameters of
//! the service's operation, its result with what the SDK tells about the answer, and the errors of the first Java SDK.

use super::{
    client::{Client, ServiceRequest, Signing},
    error::{ServiceError, not_answered, request_id, unusable_parameters},
    json, members, query,
    service::Service,
};
use crate::{
    Value,
    model::quota::MAX_SERVICE_RESPONSE_BYTES,
    task::{
        TaskError, TaskResult,
        http::{Endpoint, HttpAnswer, HttpFailure, sdk_http_metadata, sdk_response_metadata},
    },
    value::{ObjectBuilder, Text, ValueRef, View},
};

/// A service with optimised integrations.
pub(super) struct Optimized {
    /// As in the resource.
    name: &'static str,
    /// The service among those of the AWS JSON protocol; SNS is none of them.
    id: &'static str,
    /// What its error names begin with.
    pub(super) prefix: &'static str,
    /// Its name in causes.
    display: &'static str,
    /// The exception of codes that the SDK has no class for.
    base: &'static str,
    /// Actions; all that the service has when there are none.
    actions: &'static [&'static str],
}

#[rustfmt::skip]
const SERVICES: &[Optimized] = &[
    Optimized { name: "athena", id: "athena", prefix: "Athena", display: "AmazonAthena", base: "AmazonAthenaException",
        actions: &["startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"] },
    Optimized { name: "codebuild", id: "codebuild", prefix: "CodeBuild", display: "AWSCodeBuild", base: "AWSCodeBuildException",
        actions: &["startBuild", "stopBuild", "batchDeleteBuilds", "batchGetReports", "startBuildBatch", "stopBuildBatch",
            "retryBuildBatch", "deleteBuildBatch"] },
    Optimized { name: "dynamodb", id: "dynamodb", prefix: "DynamoDB", display: "AmazonDynamoDBv2", base: "AmazonDynamoDBException",
        actions: &["getItem", "putItem", "updateItem", "deleteItem"] },
    Optimized { name: "ecs", id: "ecs", prefix: "AmazonECS", display: "AmazonECS", base: "AmazonECSException", actions: &["runTask"] },
    Optimized { name: "elasticmapreduce", id: "emr", prefix: "ElasticMapReduce", display: "AmazonElasticMapReduce",
        base: "AmazonElasticMapReduceException",
        actions: &["createCluster", "terminateCluster", "addStep", "cancelStep", "setClusterTerminationProtection",
            "modifyInstanceFleetByName", "modifyInstanceGroupByName"] },
    Optimized { name: "glue", id: "glue", prefix: "Glue", display: "AWSGlue", base: "AWSGlueException", actions: &["startJobRun"] },
    Optimized { name: "sagemaker", id: "sagemaker", prefix: "SageMaker", display: "AmazonSageMaker", base: "AmazonSageMakerException",
        actions: &["createEndpoint", "createEndpointConfig", "createHyperParameterTuningJob", "createLabelingJob", "createModel",
            "createProcessingJob", "createTrainingJob", "createTransformJob", "updateEndpoint"] },
    Optimized { name: "sns", id: "", prefix: "SNS", display: "AmazonSNS", base: "AmazonSNSException", actions: &["publish"] },
    Optimized { name: "sqs", id: "sqs", prefix: "SQS", display: "AmazonSQS", base: "AmazonSQSException", actions: &["sendMessage"] },
    Optimized { name: "states", id: "sfn", prefix: "StepFunctions", display: "AWSStepFunctions", base: "AWSStepFunctionsException",
        actions: &["startExecution"] },
];

/// EventBridge's words: its action has a file of its own.
pub(super) const EVENTS: Optimized = Optimized {
    name: "events",
    id: "eventbridge",
    prefix: "EventBridge",
    display: "AmazonEventBridge",
    base: "AmazonEventBridgeException",
    actions: &["putEvents"],
};

impl Optimized {
    /// The service of an integration.
    pub(super) fn find(service: &str, action: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|optimized| optimized.name == service && optimized.actions.contains(&action))
    }

    /// Calls the action.
    pub(super) async fn perform(&self, client: &Client, action: &str, parameters: &Value) -> TaskResult {
        if !matches!(parameters.view(), View::Object(_)) {
            return Err(unusable_parameters(parameters, "The parameters must be an OBJECT"));
        }
        let query = match self.name {
            "sns" => Some(query::SNS),
            "sqs" if client.sqs_by_query() => Some(query::SQS),
            _ => None,
        };
        if let Some(service) = query {
            let answer = query::call(client, &service, action, parameters)
                .await
                .map_err(|failure| self.not_answered(&failure))?;
            let (metadata, answer) = Metadata::of(answer);
            let result = query::result(&answer).map_err(|error| {
                let modelled = error.is_modelled_by_default();
                error.optimized(self.prefix, self.display, self.base, modelled)
            })?;
            return Ok(metadata.complete(&result));
        }
        let answer = self.send(client, action, parameters).await.map_err(|failure| self.not_answered(&failure))?;
        let (metadata, answer) = Metadata::of(answer);
        Ok(metadata.complete(&self.result(answer)?))
    }

    /// Sends a request of the AWS JSON protocol.
    pub(super) async fn send(
        &self,
        client: &Client,
        action: &str,
        parameters: &Value,
    ) -> Result<HttpAnswer, HttpFailure> {
        let service = self.service()?;
        let body = members::to_wire(service, parameters.as_ref());
        let request = json::request(service, action, &body)?;
        match parameters.get("QueueUrl").and_then(ValueRef::as_str) {
            Some(queue_url) if self.name == "sqs" => send_to_queue(client, service, queue_url, request).await,
            _ => client.send(service.target(), request, MAX_SERVICE_RESPONSE_BYTES).await,
        }
    }

    /// What an answer of the AWS JSON protocol comes to.
    pub(super) fn result(&self, answer: HttpAnswer) -> TaskResult {
        let service = self.service().map_err(|failure| self.not_answered(&failure))?;
        if !answer.status.is_success() {
            let error = ServiceError::of_json(answer.status, &answer.headers, answer.body);
            let modelled = service.models(&error.code);
            return Err(error.optimized(self.prefix, self.display, self.base, modelled));
        }
        let result = Value::parse_bytes(answer.body).unwrap_or_else(|_| Value::empty_object());
        Ok(members::from_wire(service, result.as_ref()))
    }

    pub(super) fn not_answered(&self, failure: &HttpFailure) -> TaskError {
        not_answered(self.prefix, failure)
    }

    fn service(&self) -> Result<&'static Service, HttpFailure> {
        Service::find(self.id).ok_or(HttpFailure::Unusable("The service is not known".into()))
    }
}

/// Sends a request to where a queue is: its URL says so, when no endpoint is set.
async fn send_to_queue(
    client: &Client,
    service: &Service,
    queue_url: &str,
    request: ServiceRequest,
) -> Result<HttpAnswer, HttpFailure> {
    if client.own_endpoint(service.names()).is_some() {
        return client.send(service.target(), request, MAX_SERVICE_RESPONSE_BYTES).await;
    }
    // The SDK takes a text without a scheme for the name of a host.
    let host = queue_url.split("://").nth(1).unwrap_or(queue_url).split('/').next().unwrap_or_default();
    let scheme = if queue_url.starts_with("http://") { "http" } else { "https" };
    let endpoint = Endpoint::parse(&format!("{scheme}://{host}"))
        .map_err(|_| HttpFailure::Connect(format!("{host}: Name or service not known")))?;
    client.send_to(&endpoint, Signing::Always, service.signing_name, request, MAX_SERVICE_RESPONSE_BYTES).await
}

/// What the SDK tells about an answer.
pub(super) struct Metadata {
    http: Value,
    response: Value,
}

impl Metadata {
    /// Takes it from an answer.
    pub(super) fn of(answer: HttpAnswer) -> (Self, HttpAnswer) {
        let request_id = request_id(&answer.headers);
        let http = sdk_http_metadata(answer.status, &answer.headers);
        (Self { http, response: sdk_response_metadata(Some(&request_id)) }, answer)
    }

    /// The result with it.
    pub(super) fn complete(self, result: &Value) -> Value {
        let View::Object(entries) = result.view() else { return result.clone() };
        let mut whole = ObjectBuilder::with_capacity(entries.len() + 2);
        for (key, value) in entries.iter() {
            whole.push(Text::from(key), value.to_value());
        }
        whole.insert("SdkHttpMetadata".into(), self.http);
        whole.insert("SdkResponseMetadata".into(), self.response);
        whole.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_those_of_the_protocol() {
        for optimized in SERVICES.iter().filter(|optimized| !optimized.id.is_empty()).chain([&EVENTS]) {
            assert!(optimized.service().is_ok(), "{}", optimized.name);
        }
        assert!(Optimized::find("dynamodb", "getItem").is_some());
        assert!(Optimized::find("dynamodb", "scan").is_none());
    }
}
