//! Credentials, from where the AWS command line and the SDKs take them: environment, profile file, container endpoint
//! (AWS SDKs and Tools Reference Guide, "Standardized credential providers").

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_credential_types::Credentials;
use http_body_util::Full;
use hyper::{Request, Uri, body::Bytes, header};
use tokio::sync::Mutex;

use super::settings::InvalidSettings;
use crate::{
    Value,
    model::time::parse_iso8601_ms,
    task::http::{HttpClient, Origin},
    value::ValueRef,
};

/// Where containers on ECS find their credentials.
const CONTAINER_HOST: &str = "http://169.254.170.2";
/// Credentials are renewed this long before they end.
const RENEW_BEFORE_MS: u64 = 5 * 60 * 1000;
/// How long the container endpoint may take.
const CONTAINER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer of the container endpoint, in bytes.
const MAX_CONTAINER_RESPONSE_BYTES: usize = 65_536;
/// Largest profile file, in bytes.
const MAX_PROFILE_BYTES: u64 = 1 << 20;

/// Where credentials come from.
#[derive(Clone, Default)]
pub(super) enum Source {
    /// There are none.
    #[default]
    None,
    /// They do not change.
    Fixed(Credentials),
    /// They are fetched, and renewed before they end.
    Container { uri: Uri, token: ContainerToken },
}

/// The token that the container endpoint wants to see.
#[derive(Clone, Default)]
pub(super) enum ContainerToken {
    #[default]
    None,
    Text(String),
    /// A file that is read for each request, because its content changes.
    File(String),
}

impl Source {
    /// The first source that the variables name.
    ///
    /// # Errors
    /// [`InvalidSettings`] for a container endpoint that is no URL.
    pub(super) fn from_variables(
        get: impl Fn(&str) -> Option<String>,
        home: Option<&Path>,
    ) -> Result<Self, InvalidSettings> {
        if let (Some(id), Some(secret)) = (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            let token = get("AWS_SESSION_TOKEN");
            return Ok(Self::Fixed(Credentials::new(id, secret, token, None, "environment")));
        }
        // A profile may also be one of a kind that is not read here, such as single sign-on: calls tell then.
        let profile = get("AWS_PROFILE").unwrap_or_else(|| "default".into());
        let files = [("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), ("AWS_CONFIG_FILE", ".aws/config")];
        for (variable, place) in files {
            let path = get(variable).map(PathBuf::from).or_else(|| home.map(|home| home.join(place)));
            if let Some(found) = path.and_then(|path| read_profile(&path, &profile)) {
                return Ok(Self::Fixed(found));
            }
        }
        let uri = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            .map(|path| format!("{CONTAINER_HOST}{path}"))
            .or_else(|| get("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
        let Some(uri) = uri else { return Ok(Self::None) };
        let uri = uri.parse().map_err(|_| InvalidSettings {
            name: "AWS_CONTAINER_CREDENTIALS_FULL_URI".into(),
            reason: "no URL".into(),
        })?;
        let token = match (get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), get("AWS_CONTAINER_AUTHORIZATION_TOKEN")) {
            (Some(file), _) => ContainerToken::File(file),
            (None, Some(text)) => ContainerToken::Text(text),
            (None, None) => ContainerToken::None,
        };
        Ok(Self::Container { uri, token })
    }
}

/// The credentials of a profile in a file of the format of `~/.aws/credentials`.
fn read_profile(path: &Path, profile: &str) -> Option<Credentials> {
    if fs::metadata(path).ok()?.len() > MAX_PROFILE_BYTES {
        return None;
    }
    parse_profile(&fs::read_to_string(path).ok()?, profile)
}

fn parse_profile(text: &str, profile: &str) -> Option<Credentials> {
    let mut inside = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let section = section.trim();
            inside = section.strip_prefix("profile ").map_or(section, str::trim) == profile;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside && !line.starts_with(['#', ';'])) {
            let value = value.trim().to_owned();
            match key.trim() {
                "aws_access_key_id" => id = Some(value),
                "aws_secret_access_key" => secret = Some(value),
                "aws_session_token" => token = Some(value),
                _ => {}
            }
        }
    }
    Some(Credentials::new(id?, secret?, token, None, "profile"))
}

/// Gives out credentials, and renews those that end.
pub(super) struct Provider {
    source: Source,
    /// What was fetched, and when it ends in milliseconds since 1970. One call fetches, the others wait for it.
    fetched: Mutex<Option<(Arc<Credentials>, u64)>>,
    fixed: Option<Arc<Credentials>>,
}

impl Provider {
    pub(super) fn new(source: Source) -> Self {
        let fixed = match &source {
            Source::Fixed(credentials) => Some(Arc::new(credentials.clone())),
            Source::None | Source::Container { .. } => None,
        };
        Self { source, fetched: Mutex::new(None), fixed }
    }

    /// The credentials as of now; `None` when there is no source of any, or it gives none.
    pub(super) async fn get(&self, http: &HttpClient, now_ms: u64) -> Option<Arc<Credentials>> {
        if let Some(fixed) = &self.fixed {
            return Some(Arc::clone(fixed));
        }
        let Source::Container { uri, token } = &self.source else { return None };
        let mut fetched = self.fetched.lock().await;
        if let Some((current, _)) = fetched.as_ref().filter(|(_, end_ms)| now_ms + RENEW_BEFORE_MS < *end_ms) {
            return Some(Arc::clone(current));
        }
        let renewed = tokio::time::timeout(CONTAINER_TIMEOUT, fetch(http, uri, token)).await.ok().flatten();
        match renewed {
            Some((credentials, end_ms)) => {
                let credentials = Arc::new(credentials);
                *fetched = Some((Arc::clone(&credentials), end_ms));
                Some(credentials)
            }
            // What is about to end is still better than nothing.
            None => fetched.as_ref().filter(|(_, end_ms)| now_ms < *end_ms).map(|(old, _)| Arc::clone(old)),
        }
    }
}

async fn fetch(http: &HttpClient, uri: &Uri, token: &ContainerToken) -> Option<(Credentials, u64)> {
    let mut request = Request::get(uri.path_and_query()?.as_str());
    let token = match token {
        ContainerToken::None => None,
        ContainerToken::Text(text) => Some(text.clone()),
        ContainerToken::File(path) => Some(fs::read_to_string(path).ok()?.trim().to_owned()),
    };
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token);
    }
    let request = request.body(Full::<Bytes>::default()).ok()?;
    let answer = http.send(&Origin::of(uri).ok()?, request, MAX_CONTAINER_RESPONSE_BYTES).await.ok()?;
    if !answer.status.is_success() {
        return None;
    }
    let body = Value::parse_bytes(answer.body).ok()?;
    let text = |name: &str| body.get(name).and_then(ValueRef::as_str).map(str::to_owned);
    let end_ms = text("Expiration").and_then(|time| parse_iso8601_ms(&time)).unwrap_or(u64::MAX);
    let credentials =
        Credentials::new(text("AccessKeyId")?, text("SecretAccessKey")?, text("Token"), None, "container");
    Some((credentials, end_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[default]\naws_access_key_id = A\naws_secret_access_key=a=b\n\n# [other]\n[other]\n\
                        aws_access_key_id = B\naws_secret_access_key = b\naws_session_token = t\n[empty]\n";

    #[test]
    fn profiles_are_sections() {
        let found = parse_profile(FILE, "default").unwrap();
        assert_eq!((found.access_key_id(), found.secret_access_key(), found.session_token()), ("A", "a=b", None));
        let found = parse_profile(FILE, "other").unwrap();
        assert_eq!((found.access_key_id(), found.session_token()), ("B", Some("t")));
        assert!(parse_profile(FILE, "empty").is_none());
        assert!(parse_profile(FILE, "none").is_none());
    }

    #[test]
    fn the_environment_comes_first() {
        let get = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("id".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("secret".to_owned()),
            "AWS_PROFILE" => Some("nowhere".to_owned()),
            _ => None,
        };
        assert!(matches!(Source::from_variables(get, None), Ok(Source::Fixed(found)) if found.access_key_id() == "id"));
        let missing = Source::from_variables(|name| (name == "AWS_PROFILE").then(|| "p".to_owned()), None);
        assert!(matches!(missing, Ok(Source::None)));
        let relative = |name: &str| (name == "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").then(|| "/x".to_owned());
        let found = Source::from_variables(relative, None);
        assert!(matches!(found, Ok(Source::Container { uri, .. }) if uri == "http://169.254.170.2/x"));
    }
}
