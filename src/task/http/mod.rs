//! The HTTP/1.1 client of all tasks: connections of one shard, kept alive and bounded.
//!
//! A call belongs to the shard that makes it: its connection is taken from that shard's pool, used by nobody else
//! meanwhile, and given back once the whole answer has been read. A call that is dropped, because its task timed out or
//! its execution ended, takes its connection with it, which tells the server, and frees its place at once.

mod connection;
mod endpoint;
mod metadata;
mod percent;
mod pool;
#[cfg(feature = "services")]
mod tls;

use std::{borrow::Cow, sync::Arc};

use http_body_util::Full;
use hyper::{HeaderMap, Request, StatusCode, body::Bytes};

pub use self::endpoint::{Endpoint, InvalidEndpoint};
#[cfg(feature = "services")]
pub(crate) use self::metadata::{displayed, text_of};
#[cfg(feature = "services")]
pub use self::tls::{InvalidCertificates, TlsOptions};
pub(crate) use self::{
    endpoint::Origin,
    metadata::{sdk_http_metadata, sdk_response_metadata},
    percent::percent_encode,
};

/// A whole answer.
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HttpFailure {
    /// No connection was made. The text is what the Java SDK, and so AWS, says of it.
    Connect(String),
    /// The connection ended before the answer did.
    Lost(String),
    /// The answer is longer than the caller takes.
    TooLarge,
    /// More calls wait for a connection than may.
    Busy,
    /// The request cannot be written, or asks for what this build cannot do.
    Unusable(Cow<'static, str>),
}

impl HttpFailure {
    /// What the Java SDK, and so AWS, says when a request could not be sent or was not answered.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Connect(reason) | Self::Lost(reason) => reason,
            Self::TooLarge => "The response is too large",
            Self::Busy => "Timeout waiting for connection from pool",
            Self::Unusable(reason) => reason,
        }
    }
}

/// Sends requests with the connections of the calling thread. Clones are the same client.
#[derive(Clone, Default)]
pub struct HttpClient {
    #[cfg(feature = "services")]
    tls: Arc<tls::Tls>,
    #[cfg(not(feature = "services"))]
    tls: Arc<()>,
}

impl HttpClient {
    /// A client whose TLS connections trust what `options` say.
    ///
    /// # Errors
    /// [`InvalidCertificates`] when the file of extra certificates cannot be read.
    #[cfg(feature = "services")]
    pub fn new(options: &TlsOptions) -> Result<Self, InvalidCertificates> {
        Ok(Self { tls: Arc::new(tls::Tls::new(options)?) })
    }

    /// Sends a request to an origin and reads the whole answer of at most `max_bytes`. The request's URI is its path and
    /// query; `Host` is set here.
    ///
    /// # Errors
    /// [`HttpFailure`] when there is no whole answer. Nothing is sent twice: a connection that turns out to be closed
    /// before any of the request has left is replaced, everything else is for the definition's `Retry`.
    pub(crate) async fn send(
        &self,
        origin: &Origin,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<HttpAnswer, HttpFailure> {
        let call = pool::Place::take(self, origin).await?;
        call.send(self, origin, request, max_bytes).await
    }
}
