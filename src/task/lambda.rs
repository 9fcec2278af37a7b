//! Lambda functions: `arn:aws:lambda:…:function:NAME` and `arn:aws:states:::lambda:invoke`, called with the Invoke API of
//! an endpoint (Lambda API reference, "Invoke"), such as `sam local start-lambda` or any program that answers
//! `POST /2015-03-31/functions/NAME/invocations`.

mod answer;
mod call;
mod client;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use hyper::{
    Request,
    body::Bytes,
    header::{self, HeaderValue},
};

pub use self::client::InvalidEndpoint;
use self::{
    answer::Answer,
    call::Call,
    client::{Endpoint, Pool},
};
use super::{TaskFuture, TaskHandler, TaskRequest, TaskResult};

/// Calls Lambda functions at one endpoint. Clones share its connections.
#[derive(Clone)]
pub struct Lambda(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    /// Tells the connections of several handlers apart, see [`Pool::of_this_thread`].
    id: u64,
}

static HANDLERS: AtomicU64 = AtomicU64::new(0);

impl Lambda {
    /// A handler for an endpoint such as `http://127.0.0.1:3001`.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] when the text is no `http` URL.
    pub fn new(endpoint: &str) -> Result<Self, InvalidEndpoint> {
        let endpoint = Endpoint::parse(endpoint)?;
        Ok(Self(Arc::new(Inner { endpoint, id: HANDLERS.fetch_add(1, Ordering::Relaxed) })))
    }
}

impl TaskHandler for Lambda {
    fn invoke(&self, request: TaskRequest) -> TaskFuture {
        let call = match Call::of(&request) {
            Ok(call) => call,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        // The pool is that of the calling thread, so that connections stay on the shard that uses them.
        let pool = Pool::of_this_thread(self.0.id);
        let handler = self.clone();
        Box::pin(async move { perform(&handler.0.endpoint, &pool, call).await })
    }
}

async fn perform(endpoint: &Endpoint, pool: &Pool, mut call: Call) -> TaskResult {
    let request = Request::post(endpoint.uri(&call.path_and_query()))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = call.headers.drain(..).fold(request, |request, (name, value)| request.header(name, value));
    let request = request
        .body(Bytes::from(std::mem::take(&mut call.payload)).into())
        .map_err(|error| client::unable(&error.to_string()))?;
    let (status, headers, body) = pool.send(request, endpoint).await?;
    Answer { status, headers, body }.into_result(&call)
}
