//! What Task states reach from the command line: AWS services, functions, HTTP APIs; from the environment and from the
//! table `services` of the configuration file.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde::Deserialize;

use crate::{
    clock::SystemClock,
    runtime::RuntimeBuilder,
    task::{
        TaskHandler,
        aws::{Aws, AwsSettings},
        http::{Endpoint, HttpClient, TlsOptions},
        lambda::Lambda,
    },
};

/// Partitions of AWS: what ARNs begin with.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// The table `services` of the configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServicesFile {
    /// Endpoint of all AWS services that have none of their own.
    endpoint: Option<String>,
    /// Endpoints by service.
    #[serde(default)]
    endpoints: BTreeMap<String, String>,
    /// PEM file of certificate authorities that are trusted besides the public ones.
    ca_file: Option<PathBuf>,
}

/// Lets services answer Task states. `lambda_endpoint` is that of the flag, which wins.
///
/// # Errors
/// What is wrong with the settings, for the operator.
pub(super) fn with_services(
    builder: RuntimeBuilder,
    file: &ServicesFile,
    region: &str,
    lambda_endpoint: Option<&str>,
) -> Result<RuntimeBuilder, String> {
    let mut settings = AwsSettings::from_environment(region).map_err(|error| error.to_string())?;
    if let Some(url) = &file.endpoint {
        let endpoint = Endpoint::parse(url).map_err(|error| format!("services.endpoint: {error}"))?;
        settings.endpoint = Some(endpoint);
    }
    for (service, url) in &file.endpoints {
        settings.set_endpoint(service, url).map_err(|error| format!("services.endpoints.{error}"))?;
    }
    if let Some(url) = lambda_endpoint {
        settings.set_endpoint("lambda", url).map_err(|error| format!("--lambda-endpoint {url}: {}", error.reason))?;
    }
    let http = HttpClient::new(&TlsOptions { ca_file: file.ca_file.clone() }).map_err(|error| error.to_string())?;
    let aws = Aws::new(settings, http, Arc::new(SystemClock::new()));
    let lambda: Arc<dyn TaskHandler> = Arc::new(Lambda::of(&aws));
    let aws: Arc<dyn TaskHandler> = Arc::new(aws);
    // The first prefix that fits wins: the narrow ones come first.
    Ok(PARTITIONS.iter().fold(builder, |builder, partition| {
        builder
            .handler(&format!("arn:{partition}:lambda:"), Arc::clone(&lambda))
            .handler(&format!("arn:{partition}:states:::lambda:invoke"), Arc::clone(&lambda))
            .handler(&format!("arn:{partition}:states:::"), Arc::clone(&aws))
    }))
}
