//! HTTP Tasks, `arn:aws:states:::http:invoke`: calls of HTTP APIs (Developer Guide, "Call HTTPS APIs in Step Functions
//! workflows").
//!
//! Two things are wider than on AWS: an API may be reached by plain `http`, and without a connection. Redirects are not
//! followed: their status is the task's error.

mod answer;
mod connection;
mod form;
mod request;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hyper::{Uri, header::HeaderValue};

pub use self::connection::{ApiKey, Authorization, BasicCredentials, Connection, OAuthClient};
use self::{connection::TokenCache, request::Invocation};
use super::{
    TaskError, TaskFuture, TaskHandler, TaskRequest, TaskResult,
    http::{HttpClient, HttpFailure, Origin},
};
use crate::{
    clock::Clock,
    model::{error_name, quota::MAX_SERVICE_RESPONSE_BYTES},
};

/// How long a call may take, whatever `TimeoutSeconds` says.
const MAX_CALL: Duration = Duration::from_secs(60);
/// What a call fails with that has no answer.
const SOCKET: &str = "States.Http.Socket";

/// Calls HTTP APIs. Clones are the same handler.
#[derive(Clone)]
pub struct HttpTask(Arc<Inner>);

struct Inner {
    http: HttpClient,
    clock: Arc<dyn Clock>,
    /// By name: what stands behind `connection/` in the ARN of an EventBridge connection.
    connections: BTreeMap<String, (Connection, TokenCache)>,
    user_agent: HeaderValue,
}

impl HttpTask {
    /// A handler that authorises calls by these connections, which have names.
    #[must_use]
    pub fn new(
        http: HttpClient,
        clock: Arc<dyn Clock>,
        region: &str,
        connections: impl IntoIterator<Item = (String, Connection)>,
    ) -> Self {
        let connections =
            connections.into_iter().map(|(name, connection)| (name, (connection, TokenCache::default()))).collect();
        let user_agent = HeaderValue::from_str(&format!("Amazon|StepFunctions|HttpInvoke|{region}"))
            .unwrap_or(HeaderValue::from_static("Amazon|StepFunctions|HttpInvoke"));
        Self(Arc::new(Inner { http, clock, connections, user_agent }))
    }
}

impl TaskHandler for HttpTask {
    fn invoke(&self, request: TaskRequest) -> TaskFuture {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let call = perform(&inner, &request);
            match tokio::time::timeout(MAX_CALL, call).await {
                Ok(result) => result,
                Err(_) => Err(TaskError::new(SOCKET, "Read timed out")),
            }
        })
    }
}

async fn perform(inner: &Inner, request: &TaskRequest) -> TaskResult {
    let mut invocation = Invocation::of(&request.input)?;
    if let Some(arn) = invocation.connection_arn.take() {
        let (connection, tokens) = inner.find(&arn)?;
        connection.apply(&mut invocation)?;
        if let Authorization::OAuthClient(client) = &connection.authorization {
            let token = tokens.get(client, &inner.http, inner.clock.epoch_ms()).await?;
            invocation.set_secret_header("authorization", &format!("Bearer {token}"))?;
        }
    }
    let (origin, request) = invocation.into_request(&inner.user_agent)?;
    let answer =
        inner.http.send(&origin, request, MAX_SERVICE_RESPONSE_BYTES).await.map_err(|failure| failed(&failure))?;
    answer::into_result(&answer)
}

impl Inner {
    /// The connection of an ARN or of a name.
    fn find(&self, arn: &str) -> Result<&(Connection, TokenCache), TaskError> {
        let name = arn.split_once(":connection/").map_or(arn, |(_, name)| name.split('/').next().unwrap_or(name));
        self.connections.get(name).ok_or_else(|| {
            let cause = format!("Connection not found: the configuration has no connection '{name}', as in '{arn}'");
            TaskError::new("Events.ConnectionResource.ResourceNotFound", cause)
        })
    }
}

/// A call that has no answer.
fn failed(failure: &HttpFailure) -> TaskError {
    match failure {
        HttpFailure::TooLarge => TaskError::new(
            error_name::DATA_LIMIT_EXCEEDED,
            "The response of the HTTP API exceeds the maximum number of bytes service limit.",
        ),
        failure => TaskError::new(SOCKET, failure.reason()),
    }
}

/// The origin and the path and query of a URL.
fn split(url: &str) -> Option<(Origin, Uri)> {
    let uri: Uri = url.parse().ok()?;
    Some((Origin::of(&uri).ok()?, uri))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimClock;

    #[tokio::test(start_paused = true)]
    async fn a_call_takes_a_minute_at_most() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let task = HttpTask::new(HttpClient::default(), Arc::new(SimClock::default()), "eu-west-1", []);
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let input = crate::Value::object([("ApiEndpoint", url.as_str()), ("Method", "GET")]);
        let began = tokio::time::Instant::now();
        let error = task.invoke(TaskRequest::new("arn:aws:states:::http:invoke", input)).await.unwrap_err();
        assert_eq!((error.error.as_str(), began.elapsed().as_secs()), ("States.Http.Socket", 60));
    }

    #[test]
    fn connections_are_found_by_arn_and_name() {
        let connection = Connection::default();
        let task = HttpTask::new(
            HttpClient::default(),
            Arc::new(SimClock::default()),
            "eu-west-1",
            [("shop".into(), connection)],
        );
        for arn in [
            "shop",
            "arn:aws:events:eu-west-1:1:connection/shop/81210c42",
            "arn:aws:events:eu-west-1:1:connection/shop",
        ] {
            assert!(task.0.find(arn).is_ok(), "{arn}");
        }
        let error = task.0.find("arn:aws:events:eu-west-1:1:connection/other/1").err().unwrap();
        assert_eq!(error.error.as_str(), "Events.ConnectionResource.ResourceNotFound");
    }
}
