//! Optimized service integrations: which there are, and the parameters that they cannot do without (Developer Guide,
//! "Integrating optimized services").

use std::fmt::Display;

use crate::{
    asl::parse::{location::Location, sink::Sink},
    value::{ValueRef, View},
};

/// Whether an integration is known.
pub(crate) enum Found {
    Yes,
    UnknownService,
    UnknownAction,
}

/// How an action can be called besides by request and response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    RequestResponse,
    Sync,
    Token,
    SyncOrToken,
}

use Pattern::{RequestResponse as R, Sync as S, SyncOrToken as ST, Token as T};

/// Services, their actions, and how each can be called.
const INTEGRATIONS: &[(&str, &[(&str, Pattern)])] = &[
    ("apigateway", &[("invoke", T)]),
    (
        "athena",
        &[("startQueryExecution", S), ("stopQueryExecution", R), ("getQueryExecution", R), ("getQueryResults", R)],
    ),
    ("batch", &[("submitJob", S)]),
    ("bedrock", &[("invokeModel", T), ("createModelCustomizationJob", S)]),
    (
        "codebuild",
        &[
            ("startBuild", S),
            ("stopBuild", R),
            ("batchDeleteBuilds", R),
            ("batchGetReports", R),
            ("startBuildBatch", S),
            ("stopBuildBatch", R),
            ("retryBuildBatch", S),
            ("deleteBuildBatch", R),
        ],
    ),
    ("databrew", &[("startJobRun", S)]),
    ("dynamodb", &[("getItem", R), ("putItem", R), ("deleteItem", R), ("updateItem", R)]),
    ("ecs", &[("runTask", ST)]),
    (
        "eks",
        &[
            ("createCluster", S),
            ("deleteCluster", S),
            ("createFargateProfile", S),
            ("deleteFargateProfile", S),
            ("createNodegroup", S),
            ("deleteNodegroup", S),
            ("runJob", S),
            ("call", R),
        ],
    ),
    (
        "elasticmapreduce",
        &[
            ("createCluster", S),
            ("terminateCluster", S),
            ("addStep", S),
            ("cancelStep", R),
            ("setClusterTerminationProtection", R),
            ("modifyInstanceFleetByName", R),
            ("modifyInstanceGroupByName", R),
        ],
    ),
    ("emr-containers", &[("createVirtualCluster", R), ("deleteVirtualCluster", S), ("startJobRun", S)]),
    (
        "emr-serverless",
        &[
            ("createApplication", S),
            ("startApplication", S),
            ("stopApplication", S),
            ("deleteApplication", S),
            ("startJobRun", S),
            ("cancelJobRun", S),
        ],
    ),
    ("events", &[("putEvents", T)]),
    ("glue", &[("startJobRun", S)]),
    ("http", &[("invoke", R)]),
    ("lambda", &[("invoke", T)]),
    ("mediaconvert", &[("createJob", S)]),
    (
        "sagemaker",
        &[
            ("createEndpoint", R),
            ("createEndpointConfig", R),
            ("createHyperParameterTuningJob", S),
            ("createLabelingJob", S),
            ("createModel", R),
            ("createProcessingJob", S),
            ("createTrainingJob", S),
            ("createTransformJob", S),
            ("updateEndpoint", R),
        ],
    ),
    ("sns", &[("publish", T)]),
    ("sqs", &[("sendMessage", T)]),
    ("states", &[("startExecution", ST)]),
];

/// Parameters that AWS wants to see when a definition is created.
const REQUIRED: &[(&str, &str, &[&str])] = &[
    ("dynamodb", "getItem", &["TableName", "Key"]),
    ("dynamodb", "putItem", &["TableName", "Item"]),
    ("ecs", "runTask", &["TaskDefinition"]),
    ("events", "putEvents", &["Entries"]),
    ("glue", "startJobRun", &["JobName"]),
    ("lambda", "invoke", &["FunctionName"]),
    ("sns", "publish", &["Message"]),
    ("sqs", "sendMessage", &["QueueUrl", "MessageBody"]),
    ("states", "startExecution", &["StateMachineArn"]),
];

/// Service and action of an optimized integration, `arn:aws:states:::service:action`; `None` for any other resource.
pub(crate) fn service_and_action(resource: &str) -> Option<(&str, &str)> {
    let rest = resource.strip_prefix("arn:")?.split_once(":states:::")?.1;
    rest.split_once(':').filter(|(service, _)| *service != "aws-sdk")
}

/// Whether there is such an integration.
pub(crate) fn find(service: &str, action: &str) -> Found {
    let Some((_, actions)) = INTEGRATIONS.iter().find(|(name, _)| *name == service) else {
        return Found::UnknownService;
    };
    let (base, patterns): (&str, &[Pattern]) = if let Some(base) = action.strip_suffix(".waitForTaskToken") {
        (base, &[T, ST])
    } else if let Some(base) = action.strip_suffix(".sync") {
        (base, &[S, ST])
    } else if let Some(base) = action.strip_suffix(".sync:2").filter(|_| service == "states") {
        (base, &[S, ST])
    } else {
        (action, &[R, S, T, ST])
    };
    let known = actions.iter().any(|(name, pattern)| *name == base && patterns.contains(pattern));
    if known { Found::Yes } else { Found::UnknownAction }
}

/// Checks that a task of an optimized integration has `Parameters` (in JSONata states `Arguments`), and in them what
/// the action cannot do without.
pub(crate) fn check_parameters(
    resource: &str,
    name: &'static str,
    parameters: Option<ValueRef<'_>>,
    state: &Location<'_>,
    sink: &mut Sink,
) {
    let Some((service, action)) = service_and_action(resource) else { return };
    if !matches!(find(service, action), Found::Yes) {
        return;
    }
    let Some(parameters) = parameters else {
        sink.schema(format_args!("{name} field is required for resource ARN: {resource}"), state);
        return;
    };
    // A template that is one expression is not known before it is evaluated.
    let View::Object(entries) = parameters.view() else { return };
    let base = action.split('.').next().unwrap_or(action);
    let required = REQUIRED.iter().find(|(of, action, _)| *of == service && *action == base);
    let location = state.field(name);
    for field in required.map_or(&[][..], |(_, _, fields)| fields) {
        let given = entries.iter().any(|(key, _)| key == *field || key.strip_suffix(".$") == Some(field));
        if !given {
            let location: &dyn Display = &location;
            sink.schema(format_args!("The field '{field}' is required but was missing"), location);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(resource: &str) -> Option<bool> {
        let (service, action) = service_and_action(resource)?;
        match find(service, action) {
            Found::Yes => Some(true),
            Found::UnknownAction => Some(false),
            Found::UnknownService => None,
        }
    }

    #[test]
    fn patterns() {
        assert_eq!(known("arn:aws:states:::lambda:invoke"), Some(true));
        assert_eq!(known("arn:aws-cn:states:::lambda:invoke.waitForTaskToken"), Some(true));
        assert_eq!(known("arn:aws:states:::lambda:invoke.sync"), Some(false));
        assert_eq!(known("arn:aws:states:::states:startExecution.sync:2"), Some(true));
        assert_eq!(known("arn:aws:states:::batch:submitJob.sync:2"), Some(false));
        assert_eq!(known("arn:aws:states:::dynamodb:scan"), Some(false));
        assert_eq!(known("arn:aws:states:::aws-sdk:dynamodb:scan"), None);
        assert_eq!(known("arn:aws:states:::newservice:act"), None);
        assert_eq!(known("arn:aws:lambda:us-east-1:111122223333:function:f"), None);
    }
}
