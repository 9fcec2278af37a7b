//! Where services are, and with what their calls are signed: from the environment, and from what the operator adds.

use std::{collections::BTreeMap, env, fmt, path::PathBuf};

use super::credentials::Source;
use crate::task::http::Endpoint;

/// What the AWS command line and the SDKs name their endpoint variables.
const SDK_VARIABLE: &str = "AWS_ENDPOINT_URL";
/// What Step Functions Local's endpoint variables end with.
const LOCAL_SUFFIX: &str = "_ENDPOINT";

/// Settings of the AWS client.
#[derive(Clone, Default)]
pub struct AwsSettings {
    /// Such as `us-east-1`.
    pub region: String,
    /// Endpoint of services that have none of their own.
    pub endpoint: Option<Endpoint>,
    /// Whether SQS is spoken to by the query protocol, for stand-ins that know no other.
    pub sqs_by_query: bool,
    /// Endpoints by service: see [`AwsSettings::set_endpoint`].
    endpoints: BTreeMap<String, Endpoint>,
    pub(super) credentials: Source,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct InvalidSettings {
    /// Variable or setting.
    pub name: String,
    /// What is wrong; never the value of a secret.
    pub reason: String,
}

impl fmt::Debug for AwsSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Credentials stay out of it.
        formatter.debug_struct("AwsSettings").field("region", &self.region).finish_non_exhaustive()
    }
}

impl AwsSettings {
    /// Settings from environment variables: endpoints from `<SERVICE>_ENDPOINT` (Step Functions Local's names),
    /// `AWS_ENDPOINT_URL_<SERVICE>` and `AWS_ENDPOINT_URL`; credentials from `AWS_ACCESS_KEY_ID` and its companions, else
    /// from the profile `AWS_PROFILE` of the credentials file, else from the container endpoint.
    ///
    /// # Errors
    /// [`InvalidSettings`] for an endpoint of the SDK's variables that is no URL.
    pub fn from_environment(region: &str) -> Result<Self, InvalidSettings> {
        let variables: Vec<(String, String)> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self::from_variables(region, &variables)
    }

    fn from_variables(region: &str, variables: &[(String, String)]) -> Result<Self, InvalidSettings> {
        let get = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let home = get("HOME").map(PathBuf::from);
        let mut settings = Self {
            region: region.to_owned(),
            credentials: Source::from_variables(get, home.as_deref())?,
            ..Self::default()
        };
        let ignored = get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        for (name, value) in variables {
            // Other programs have variables of this form too: what is no URL is not meant for us.
            if let Some(service) = name.strip_suffix(LOCAL_SUFFIX)
                && let Ok(endpoint) = Endpoint::parse(value)
            {
                settings.endpoints.entry(plain(service)).or_insert(endpoint);
            }
        }
        for (name, value) in variables.iter().filter(|_| !ignored) {
            let Some(service) = name.strip_prefix(SDK_VARIABLE) else { continue };
            if let Some(service) = service.strip_prefix('_') {
                settings.set_endpoint(service, value)?;
            } else if service.is_empty() {
                settings.endpoint = Some(parse(name, value)?);
            }
        }
        Ok(settings)
    }

    /// Sets where a service is called: `dynamodb`, `sqs`, `states`, `cloudwatch_logs` …, in the spelling of the SDK
    /// integrations, of the SDK's variables or of the service's host.
    ///
    /// # Errors
    /// [`InvalidSettings`] when it is no URL of HTTP.
    pub fn set_endpoint(&mut self, service: &str, url: &str) -> Result<(), InvalidSettings> {
        let endpoint = parse(service, url)?;
        self.endpoints.insert(plain(service), endpoint);
        Ok(())
    }

    /// Whether the operator has set an endpoint for this very service.
    #[must_use]
    pub fn has_endpoint(&self, service: &str) -> bool {
        self.endpoints.contains_key(&plain(service))
    }

    /// The endpoint that the operator has set for a service, which may go by several names.
    pub(crate) fn endpoint_of(&self, names: &[&str]) -> Option<&Endpoint> {
        names.iter().find_map(|name| self.endpoints.get(&plain(name))).or(self.endpoint.as_ref())
    }

    /// The endpoint of AWS for a service, from the first part of its host.
    pub(super) fn public_endpoint(&self, endpoint_prefix: &str) -> Result<Endpoint, InvalidSettings> {
        let domain = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        parse(endpoint_prefix, &format!("https://{endpoint_prefix}.{}.{domain}", self.region))
    }
}

/// A name of a service without what differs between spellings.
fn plain(service: &str) -> String {
    let letters = service.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    match name.as_str() {
        "stepfunctions" | "sfn" => "states".into(),
        "eventbridge" => "events".into(),
        _ => name,
    }
}

fn parse(name: &str, url: &str) -> Result<Endpoint, InvalidSettings> {
    Endpoint::parse(url).map_err(|error| InvalidSettings { name: name.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<AwsSettings, InvalidSettings> {
        let owned: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        AwsSettings::from_variables("eu-west-1", &owned)
    }

    #[test]
    fn endpoints_go_by_many_names() {
        let settings = settings(&[
            ("STEP_FUNCTIONS_ENDPOINT", "http://a"),
            ("DYNAMODB_ENDPOINT", "http://b"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://c"),
            ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://d"),
            ("EVENTBRIDGE_ENDPOINT", "http://e"),
            ("OTHER_ENDPOINT", "no URL"),
            ("AWS_ENDPOINT_URL", "http://f"),
        ])
        .unwrap();
        let host = |names: &[&str]| settings.endpoint_of(names).map(|endpoint| endpoint.origin.host.to_string());
        assert_eq!(host(&["sfn", "states"]).as_deref(), Some("a"));
        assert_eq!(host(&["dynamodb"]).as_deref(), Some("c"));
        assert_eq!(host(&["cloudwatchlogs", "logs"]).as_deref(), Some("d"));
        assert_eq!(host(&["eventbridge", "events"]).as_deref(), Some("e"));
        assert_eq!(host(&["sqs"]).as_deref(), Some("f"));
    }

    #[test]
    fn bad_urls_are_told() {
        assert_eq!(settings(&[("AWS_ENDPOINT_URL_SQS", "x")]).unwrap_err().name, "SQS");
    }

    #[test]
    fn aws_is_where_it_is() {
        let endpoint = settings(&[]).unwrap().public_endpoint("sqs").unwrap();
        assert_eq!((&*endpoint.origin.host, endpoint.origin.https), ("sqs.eu-west-1.amazonaws.com", true));
    }
}
