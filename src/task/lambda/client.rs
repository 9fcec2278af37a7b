//! Connections to the endpoint: kept alive, a bounded number for each shard.

use std::{cell::RefCell, error::Error as _, future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    body::{Body, Bytes, Incoming},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::sync::Semaphore;

use crate::{
    model::quota::{MAX_IDLE_LAMBDA_CONNECTIONS, MAX_LAMBDA_CALLS_PER_SHARD, MAX_LAMBDA_RESPONSE_BYTES},
    task::TaskError,
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: less than servers usually keep theirs, so that none is used while it closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// A text that is no URL of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URL of the form http://HOST[:PORT][/PATH]")]
pub struct InvalidEndpoint;

/// Where functions are called.
pub(super) struct Endpoint {
    /// `http://HOST:PORT/PATH`, without a slash at its end.
    base: String,
    /// `HOST:PORT`, for messages.
    authority: String,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let uri: Uri = text.parse().map_err(|_| InvalidEndpoint)?;
        let authority = uri.authority().ok_or(InvalidEndpoint)?.as_str().to_owned();
        if uri.scheme_str() != Some("http") || uri.query().is_some() {
            return Err(InvalidEndpoint);
        }
        Ok(Self { base: text.trim_end_matches('/').to_owned(), authority })
    }

    /// The URL of a path below the endpoint.
    pub(super) fn uri(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.base)
    }
}

/// The connections of one thread.
#[derive(Clone)]
pub(super) struct Pool {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Calls that may be under way.
    permits: Arc<Semaphore>,
}

thread_local! {
    /// One pool for each handler that this thread has called with.
    static POOLS: RefCell<Vec<(u64, Pool)>> = const { RefCell::new(Vec::new()) };
}

impl Pool {
    /// The calling thread's pool of the handler with that id.
    pub(super) fn of_this_thread(id: u64) -> Self {
        POOLS.with_borrow_mut(|pools| match pools.iter().find(|(known, _)| *known == id) {
            Some((_, pool)) => pool.clone(),
            None => {
                let pool = Self::new();
                pools.push((id, pool.clone()));
                pool
            }
        })
    }

    fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_LAMBDA_CONNECTIONS)
            .build(connector);
        Self { client, permits: Arc::new(Semaphore::new(MAX_LAMBDA_CALLS_PER_SHARD)) }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// `Lambda.SdkClientException` when there is no answer, `Function.ResponseSizeTooLarge` when it is too long.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        endpoint: &Endpoint,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), TaskError> {
        let _permit = self.permits.acquire().await.map_err(|error| unable(&error.to_string()))?;
        let answer = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                unable(&format!("Connect to {} failed: {}", endpoint.authority, root_of(&error)))
            } else {
                unable(&format!("{} failed to respond", endpoint.authority))
            }
        })?;
        let (head, body) = answer.into_parts();
        Ok((head.status, head.headers, read(body, endpoint).await?))
    }
}

/// What the Java SDK, and so AWS, says when a request could not be sent or was not answered.
pub(super) fn unable(reason: &str) -> TaskError {
    TaskError::new("Lambda.SdkClientException", format!("Unable to execute HTTP request: {reason}"))
}

/// The innermost reason, without the number that the system gives it.
fn root_of(error: &hyper_util::client::legacy::Error) -> String {
    /// Errors wrap a handful of others at most.
    const MAX_SOURCES: usize = 8;
    let mut innermost = error.source();
    for _ in 0..MAX_SOURCES {
        match innermost.and_then(std::error::Error::source) {
            Some(source) => innermost = Some(source),
            None => break,
        }
    }
    let text = innermost.map_or_else(|| error.to_string(), ToString::to_string);
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

async fn read(mut body: Incoming, endpoint: &Endpoint) -> Result<Vec<u8>, TaskError> {
    let mut whole = Vec::with_capacity(body.size_hint().lower().min(MAX_LAMBDA_RESPONSE_BYTES as u64) as usize);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| unable(&format!("{} failed to respond", endpoint.authority)))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > MAX_LAMBDA_RESPONSE_BYTES {
                return Err(too_large());
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}

/// What Lambda answers instead of a response above its limit.
fn too_large() -> TaskError {
    let message =
        format!("Response payload size exceeded maximum allowed payload size ({MAX_LAMBDA_RESPONSE_BYTES} bytes).");
    let error_type = "Function.ResponseSizeTooLarge";
    TaskError::new(error_type, format!(r#"{{"errorMessage":"{message}","errorType":"{error_type}"}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_http_urls() {
        let endpoint = Endpoint::parse("http://127.0.0.1:3001/").unwrap();
        assert_eq!(endpoint.uri("/a"), "http://127.0.0.1:3001/a");
        assert_eq!(Endpoint::parse("http://host/base").unwrap().uri("/a"), "http://host/base/a");
        for text in ["", "127.0.0.1:3001", "https://host", "/path", "http://host/?a=b"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
