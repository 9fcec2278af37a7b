//! What Task states reach from the command line: AWS services, functions, HTTP APIs and other state machines; from the
//! environment and from the table `services` of the configuration file.

use std::{collections::BTreeMap, env, fs, path::PathBuf, sync::Arc};

use serde::Deserialize;

use crate::{
    clock::SystemClock,
    runtime::{Runtime, RuntimeBuilder},
    task::{
        TaskHandler,
        aws::{Aws, AwsSettings},
        http::{Endpoint, HttpClient, TlsOptions},
        http_task::{ApiKey, Authorization, BasicCredentials, Connection, HttpTask, OAuthClient},
        lambda::Lambda,
        limit::{Limit, Limited, Limits},
        state_machines::StateMachineTasks,
    },
};

/// Partitions of AWS: what ARNs begin with.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
/// Calls that wait for their turn, when a limit does not say how many may.
const DEFAULT_MAX_WAITING: usize = 100_000;
/// Longest file of a secret, in bytes.
const MAX_SECRET_BYTES: u64 = 65_536;

/// The table `services` of the configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServicesFile {
    /// Endpoint of all AWS services that have none of their own.
    endpoint: Option<String>,
    /// Endpoints by service.
    #[serde(default)]
    endpoints: BTreeMap<String, String>,
    /// How SQS is spoken to.
    #[serde(default)]
    sqs_protocol: SqsProtocol,
    /// PEM file of certificate authorities that are trusted besides the public ones.
    ca_file: Option<PathBuf>,
    /// Connections of HTTP Tasks, by name.
    #[serde(default)]
    connections: BTreeMap<String, ConnectionEntry>,
    /// Limits, by what is called.
    #[serde(default)]
    limits: BTreeMap<String, LimitEntry>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SqsProtocol {
    #[default]
    Json,
    /// As it was before 2023, for stand-ins that know no other.
    Query,
}

/// A connection; at most one of `basic`, `api_key` and `oauth`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionEntry {
    basic: Option<BasicEntry>,
    api_key: Option<ApiKeyEntry>,
    oauth: Option<OAuthEntry>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    #[serde(default)]
    query: BTreeMap<String, Secret>,
    #[serde(default)]
    body: BTreeMap<String, Secret>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BasicEntry {
    username: String,
    password: Secret,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiKeyEntry {
    name: String,
    value: Secret,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OAuthEntry {
    endpoint: String,
    client_id: String,
    client_secret: Secret,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

/// A text that may be secret: written out, or where it is found.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Secret {
    /// Only for what is none, such as most header fields.
    Plain(String),
    Environment {
        env: String,
    },
    File {
        file: PathBuf,
    },
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(_) => formatter.write_str("Plain"),
            Self::Environment { env } => formatter.debug_tuple("Environment").field(env).finish(),
            Self::File { file } => formatter.debug_tuple("File").field(file).finish(),
        }
    }
}

impl Secret {
    /// The text. What is wrong is told without it.
    pub(super) fn read(&self) -> Result<String, String> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::Environment { env: name } => {
                env::var(name).map_err(|_| format!("the environment variable {name} is not set, or is no text"))
            }
            Self::File { file } => {
                let problem = |error: std::io::Error| format!("{}: {error}", file.display());
                if fs::metadata(file).map_err(problem)?.len() > MAX_SECRET_BYTES {
                    return Err(format!("{}: longer than {MAX_SECRET_BYTES} bytes", file.display()));
                }
                Ok(fs::read_to_string(file).map_err(problem)?.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }

    /// The text of what must not stand in the configuration.
    pub(super) fn read_secret(&self) -> Result<String, String> {
        match self {
            Self::Plain(_) => Err("a secret does not stand here: use { env = \"NAME\" } or { file = \"PATH\" }".into()),
            other => other.read(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitEntry {
    /// Most calls under way.
    concurrency: Option<usize>,
    /// Calls that begin in a second, on average.
    rate: Option<f64>,
    /// Calls that begin at once.
    burst: Option<u32>,
    /// Most calls that wait.
    max_waiting: Option<usize>,
}

impl ServicesFile {
    fn connections(&self) -> Result<Vec<(String, Connection)>, String> {
        let read = |(name, entry): (&String, &ConnectionEntry)| {
            let connection = entry.read().map_err(|problem| format!("services.connections.{name}: {problem}"))?;
            Ok((name.clone(), connection))
        };
        self.connections.iter().map(read).collect()
    }

    fn limits(&self) -> Result<Limits, String> {
        let mut limits = Limits::default();
        for (name, entry) in &self.limits {
            let LimitEntry { concurrency, rate, burst, max_waiting } = entry.clone();
            let limit = Limit::new(concurrency, rate, burst, max_waiting.unwrap_or(DEFAULT_MAX_WAITING))
                .map_err(|error| format!("services.limits.\"{name}\": {error}"))?;
            limits.insert(name, limit);
        }
        Ok(limits)
    }
}

impl ConnectionEntry {
    fn read(&self) -> Result<Connection, String> {
        let authorization = match (&self.basic, &self.api_key, &self.oauth) {
            (None, None, None) => Authorization::None,
            (Some(basic), None, None) => Authorization::Basic(BasicCredentials {
                username: basic.username.clone(),
                password: basic.password.read_secret()?,
            }),
            (None, Some(key), None) => {
                Authorization::ApiKey(ApiKey { name: key.name.clone(), value: key.value.read_secret()? })
            }
            (None, None, Some(oauth)) => Authorization::OAuthClient(Box::new(OAuthClient {
                endpoint: oauth.endpoint.clone(),
                client_id: oauth.client_id.clone(),
                client_secret: oauth.client_secret.read_secret()?,
                parameters: oauth.parameters.clone().into_iter().collect(),
            })),
            _ => return Err("only one of basic, api_key and oauth can be given".into()),
        };
        let pairs = |entries: &BTreeMap<String, Secret>| -> Result<Vec<(String, String)>, String> {
            entries.iter().map(|(name, value)| Ok((name.clone(), value.read()?))).collect()
        };
        Ok(Connection {
            authorization,
            headers: pairs(&self.headers)?,
            query: pairs(&self.query)?,
            body: pairs(&self.body)?,
        })
    }
}

/// The handlers that want to know the runtime once it is built.
pub(super) struct Services(StateMachineTasks);

impl Services {
    /// Lets tasks start the runtime's own machines.
    pub(super) fn attach(&self, runtime: &Runtime) {
        self.0.attach(runtime.local_machines());
    }
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
) -> Result<(RuntimeBuilder, Services), String> {
    let settings = aws_settings(file, region, lambda_endpoint)?;
    let has_states_endpoint = settings.has_endpoint("states");
    let http = HttpClient::new(&TlsOptions { ca_file: file.ca_file.clone() }).map_err(|error| error.to_string())?;
    let clock = Arc::new(SystemClock::new());
    let limits = Arc::new(file.limits()?);
    let limited = |handler: Arc<dyn TaskHandler>| -> Arc<dyn TaskHandler> {
        if limits.is_empty() { handler } else { Arc::new(Limited::new(handler, Arc::clone(&limits))) }
    };
    let aws = Aws::new(settings, http.clone(), Arc::clone(&clock) as _);
    let elsewhere = has_states_endpoint.then(|| Arc::new(aws.clone()) as Arc<dyn TaskHandler>);
    let machines = StateMachineTasks::new(elsewhere);
    let lambda = limited(Arc::new(Lambda::of(&aws)));
    let http_task = limited(Arc::new(HttpTask::new(http, clock, region, file.connections()?)));
    let nested = limited(Arc::new(machines.clone()));
    let aws = limited(Arc::new(aws));
    // The first prefix that fits wins: the narrow ones come first.
    let builder = PARTITIONS.iter().fold(builder, |builder, partition| {
        let resource = |rest: &str| format!("arn:{partition}:states:::{rest}");
        builder
            .handler(&format!("arn:{partition}:lambda:"), Arc::clone(&lambda))
            .handler(&resource("lambda:invoke"), Arc::clone(&lambda))
            .handler(&resource("aws-sdk:lambda:invoke"), Arc::clone(&lambda))
            .handler(&resource("http:invoke"), Arc::clone(&http_task))
            .handler(&resource("states:startExecution"), Arc::clone(&nested))
            .handler(&resource("aws-sdk:sfn:startExecution"), Arc::clone(&nested))
            .handler(&resource("aws-sdk:sfn:startSyncExecution"), Arc::clone(&nested))
            .handler(&resource(""), Arc::clone(&aws))
    });
    Ok((builder, Services(machines)))
}

/// A client of AWS for the command line's own calls of a service in a region. `endpoint` is where the service is called unless
/// the settings say otherwise.
///
/// # Errors
/// What is wrong with the settings, for the operator.
#[cfg(feature = "sqs")]
pub(super) fn aws(file: &ServicesFile, region: &str, service: &str, endpoint: Option<&str>) -> Result<Aws, String> {
    let mut settings = aws_settings(file, region, None)?;
    if let Some(url) = endpoint.filter(|_| !settings.has_endpoint(service) && settings.endpoint.is_none()) {
        settings.set_endpoint(service, url).map_err(|error| format!("{url}: {}", error.reason))?;
    }
    let http = HttpClient::new(&TlsOptions { ca_file: file.ca_file.clone() }).map_err(|error| error.to_string())?;
    Ok(Aws::new(settings, http, Arc::new(SystemClock::new())))
}

fn aws_settings(file: &ServicesFile, region: &str, lambda_endpoint: Option<&str>) -> Result<AwsSettings, String> {
    let mut settings = AwsSettings::from_environment(region).map_err(|error| error.to_string())?;
    settings.sqs_by_query = file.sqs_protocol == SqsProtocol::Query;
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
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServicesFile, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn connections_read_their_secrets_elsewhere() {
        let path = env::temp_dir().join(format!("expressway-secret-{}", std::process::id()));
        fs::write(&path, "hidden\n").unwrap();
        let text = format!(
            "[connections.shop]\nbasic = {{ username = \"me\", password = {{ file = {path:?} }} }}\n\
             headers = {{ X-A = \"b\" }}\n[limits.\"sqs:*\"]\nrate = 5\n"
        );
        let file = read(&text).unwrap();
        let connections = file.connections().unwrap();
        let Authorization::Basic(basic) = &connections[0].1.authorization else { panic!("not basic") };
        assert_eq!(basic.password, "hidden");
        assert!(!file.limits().unwrap().is_empty());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn secrets_do_not_stand_in_the_file() {
        let file = read("[connections.shop.api_key]\nname = \"k\"\nvalue = \"hidden\"\n").unwrap();
        let problem = file.connections().unwrap_err();
        assert!(problem.starts_with("services.connections.shop: a secret") && !problem.contains("hidden"));
        assert!(!format!("{file:?}").contains("hidden"));
        let file =
            read("[connections.shop.api_key]\nname = \"k\"\nvalue = { env = \"EXPRESSWAY_NOT_SET\" }\n").unwrap();
        assert!(file.connections().unwrap_err().contains("EXPRESSWAY_NOT_SET"));
    }

    #[test]
    fn limits_that_let_nothing_through_are_refused() {
        assert!(read("[limits.x]\nconcurrency = 0\n").unwrap().limits().is_err());
        assert!(read("[limits.x]\nspeed = 1\n").is_err());
    }
}
