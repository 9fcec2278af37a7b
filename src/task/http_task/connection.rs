//! Connections: how calls of HTTP APIs are authorised, and what is added to them (EventBridge User Guide, "Connections").
//! Secrets are never shown: not in errors, not when a connection is printed.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::Full;
use hyper::{
    Request,
    body::Bytes,
    header::{self, HeaderValue},
};
use tokio::sync::Mutex;

use super::{failed, form, request::Invocation, split};
use crate::{
    Value,
    task::{TaskError, http::HttpClient},
    value::{Number, ValueRef},
};

/// Longest answer of a token endpoint, in bytes.
const MAX_TOKEN_RESPONSE_BYTES: usize = 1 << 16;
/// Tokens are renewed this long before they end.
const RENEW_BEFORE_MS: u64 = 60_000;
/// How long a token is used whose end is not told.
const DEFAULT_TOKEN_MS: u64 = 60 * 60_000;

/// How calls are authorised, and what is added to them. What it adds wins over the definition.
#[derive(Clone, Default)]
pub struct Connection {
    /// How calls are authorised.
    pub authorization: Authorization,
    /// Header fields of all calls.
    pub headers: Vec<(String, String)>,
    /// Parameters of the query of all calls.
    pub query: Vec<(String, String)>,
    /// Members of the body of all calls.
    pub body: Vec<(String, String)>,
}

/// How calls are authorised.
#[derive(Clone, Default)]
pub enum Authorization {
    /// They are not.
    #[default]
    None,
    /// With a name and a password.
    Basic(BasicCredentials),
    /// With a key in a header field.
    ApiKey(ApiKey),
    /// With a token that is fetched with a client's credentials (RFC 6749, section 4.4).
    OAuthClient(Box<OAuthClient>),
}

/// A name and a password.
#[derive(Clone)]
pub struct BasicCredentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

/// A key in a header field.
#[derive(Clone)]
pub struct ApiKey {
    /// Name of the header field.
    pub name: String,
    /// The key.
    pub value: String,
}

/// What a token is fetched with.
#[derive(Clone)]
pub struct OAuthClient {
    /// URL of the token endpoint.
    pub endpoint: String,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: String,
    /// Further parameters of the request for a token, such as `scope`.
    pub parameters: Vec<(String, String)>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorization = match &self.authorization {
            Authorization::None => "none",
            Authorization::Basic(_) => "basic",
            Authorization::ApiKey(_) => "API key",
            Authorization::OAuthClient(_) => "OAuth client credentials",
        };
        formatter.debug_struct("Connection").field("authorization", &authorization).finish_non_exhaustive()
    }
}

impl Connection {
    /// Adds to a call what the connection has; an OAuth token is fetched elsewhere.
    pub(super) fn apply(&self, invocation: &mut Invocation) -> Result<(), TaskError> {
        for (name, value) in &self.headers {
            invocation.set_header(name, value)?;
        }
        for (name, value) in &self.query {
            invocation.add_query(name, value);
        }
        for (name, value) in &self.body {
            invocation.set_body_member(name, value)?;
        }
        match &self.authorization {
            Authorization::None | Authorization::OAuthClient(_) => Ok(()),
            Authorization::Basic(credentials) => {
                invocation.set_secret_header("authorization", &basic(&credentials.username, &credentials.password))
            }
            Authorization::ApiKey(key) => invocation.set_secret_header(&key.name, &key.value),
        }
    }
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// The token of a connection, while it is good. One call fetches, the others wait for it.
#[derive(Default)]
pub(super) struct TokenCache(Mutex<Option<(String, u64)>>);

impl TokenCache {
    /// The token as of now.
    pub(super) async fn get(&self, client: &OAuthClient, http: &HttpClient, now_ms: u64) -> Result<String, TaskError> {
        let mut cached = self.0.lock().await;
        if let Some((token, _)) = cached.as_ref().filter(|(_, end_ms)| now_ms < *end_ms) {
            return Ok(token.clone());
        }
        let (token, lifetime_ms) = fetch(client, http).await?;
        let end_ms = now_ms.saturating_add(lifetime_ms.saturating_sub(RENEW_BEFORE_MS));
        *cached = Some((token.clone(), end_ms));
        Ok(token)
    }
}

/// Fetches a token, and how long it is good in milliseconds.
async fn fetch(client: &OAuthClient, http: &HttpClient) -> Result<(String, u64), TaskError> {
    let refused = |problem: &str| {
        let cause = format!("The connection is not authorized: {problem}");
        TaskError::new("Events.ConnectionResource.InvalidConnectionState", cause)
    };
    let (origin, uri) = split(&client.endpoint).ok_or_else(|| refused("its token endpoint is no URL"))?;
    let mut form = String::new();
    form::pair("grant_type", "client_credentials", &mut form);
    for (name, value) in &client.parameters {
        form::pair(name, value, &mut form);
    }
    let mut authorization = HeaderValue::from_str(&basic(&client.client_id, &client.client_secret))
        .map_err(|_| refused("its client cannot be named in a header"))?;
    authorization.set_sensitive(true);
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(Full::new(Bytes::from(form)))
        .map_err(|_| refused("its token endpoint is no URL"))?;
    let answer = http.send(&origin, request, MAX_TOKEN_RESPONSE_BYTES).await.map_err(|failure| failed(&failure))?;
    if !answer.status.is_success() {
        return Err(refused(&format!("its token endpoint answered {}", answer.status.as_u16())));
    }
    let body = Value::parse_bytes(answer.body).map_err(|_| refused("its token endpoint did not answer with JSON"))?;
    let token = body.get("access_token").and_then(ValueRef::as_str).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| refused("its token endpoint gave no access_token"))?;
    let seconds = body.get("expires_in").and_then(ValueRef::as_number).and_then(Number::as_i64);
    let lifetime_ms =
        seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(DEFAULT_TOKEN_MS, |s| s.saturating_mul(1000));
    Ok((token.to_owned(), lifetime_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(connection: &Connection, parameters: &str) -> (String, hyper::HeaderMap) {
        let mut invocation = Invocation::of(&Value::parse(parameters).unwrap()).unwrap();
        connection.apply(&mut invocation).unwrap();
        let (_, request) = invocation.into_request(&HeaderValue::from_static("us")).unwrap();
        (request.uri().to_string(), request.headers().clone())
    }

    #[test]
    fn connections_add_to_calls() {
        let credentials = BasicCredentials { username: "me".into(), password: "secret".into() };
        let connection = Connection {
            authorization: Authorization::Basic(credentials),
            headers: vec![("X-A".into(), "connection".into())],
            query: vec![("k".into(), "v".into())],
            body: Vec::new(),
        };
        let call = r#"{"ApiEndpoint":"http://h/p","Method":"GET","Headers":{"x-a":"definition"}}"#;
        let (uri, headers) = headers(&connection, call);
        assert_eq!(uri, "/p?k=v");
        assert_eq!(
            (&headers["x-a"], &headers["authorization"]),
            (&"connection".parse().unwrap(), &"Basic bWU6c2VjcmV0".parse().unwrap())
        );
        assert!(!format!("{connection:?}{headers:?}").contains("secret"));
        assert!(!format!("{headers:?}").contains("bWU6"));
    }
}
