//! One connection: how it is made, and one exchange of request and answer on it.

use std::{future::poll_fn, io, net::IpAddr, pin::Pin, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Body, Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};

use super::{HttpAnswer, HttpClient, HttpFailure, Origin};
use crate::model::quota::MAX_RESPONSE_HEAD_BYTES;

/// How long a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;

/// The sending half; the other one runs as a task of its own, and ends when this half is dropped.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// The value of the header `Host`.
    host: hyper::header::HeaderValue,
}

/// How an exchange went wrong.
pub(super) enum ExchangeFailure {
    /// Nothing of the request has left: here it is back.
    NotSent(Box<Request<Full<Bytes>>>),
    Failed(HttpFailure),
}

impl Connection {
    /// Connects to an origin.
    pub(super) async fn open(client: &HttpClient, origin: &Origin) -> Result<Self, HttpFailure> {
        match tokio::time::timeout(CONNECT_TIMEOUT, Self::connect(client, origin)).await {
            Ok(made) => made,
            Err(_) => Err(refused(origin, "connect timed out")),
        }
    }

    async fn connect(client: &HttpClient, origin: &Origin) -> Result<Self, HttpFailure> {
        let stream = reach(origin).await?;
        // A request is written at once: waiting for more to send only delays it.
        let _ = stream.set_nodelay(true);
        let sender = if origin.https {
            secure(client, origin, stream).await?
        } else {
            handshake(TokioIo::new(stream), origin).await?
        };
        let host = hyper::header::HeaderValue::from_str(&origin.host_header())
            .map_err(|_| HttpFailure::Unusable("The name of the host is not valid".into()))?;
        Ok(Self { sender, host })
    }

    /// Whether the other side has closed it, as far as is known.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn exchange(
        &mut self,
        origin: &Origin,
        mut request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<HttpAnswer, ExchangeFailure> {
        if self.sender.ready().await.is_err() {
            return Err(ExchangeFailure::NotSent(Box::new(request)));
        }
        request.headers_mut().insert(hyper::header::HOST, self.host.clone());
        let answer = match self.sender.try_send_request(request).await {
            Ok(answer) => answer,
            Err(mut failure) => {
                return Err(match failure.take_message() {
                    Some(request) => ExchangeFailure::NotSent(Box::new(request)),
                    None => ExchangeFailure::Failed(lost(origin)),
                });
            }
        };
        read(answer, origin, max_bytes).await.map_err(ExchangeFailure::Failed)
    }
}

/// Reaches one of the addresses of an origin.
async fn reach(origin: &Origin) -> Result<TcpStream, HttpFailure> {
    if let Ok(address) = origin.host.parse::<IpAddr>() {
        return TcpStream::connect((address, origin.port)).await.map_err(|error| refused(origin, &words(&error)));
    }
    let addresses = lookup_host((&*origin.host, origin.port))
        .await
        .map_err(|error| HttpFailure::Connect(format!("{}: {}", origin.host, words(&error))))?;
    let mut last = None;
    for address in addresses.take(MAX_ADDRESSES) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(
        || HttpFailure::Connect(format!("{}: Name or service not known", origin.host)),
        |error| refused(origin, &words(&error)),
    ))
}

#[cfg(feature = "services")]
async fn secure(
    client: &HttpClient,
    origin: &Origin,
    stream: TcpStream,
) -> Result<http1::SendRequest<Full<Bytes>>, HttpFailure> {
    let stream = client.tls.connect(&origin.host, stream).await.map_err(|error| refused(origin, &error.to_string()))?;
    handshake(TokioIo::new(stream), origin).await
}

#[cfg(not(feature = "services"))]
async fn secure(client: &HttpClient, _: &Origin, _: TcpStream) -> Result<http1::SendRequest<Full<Bytes>>, HttpFailure> {
    let () = *client.tls;
    Err(HttpFailure::Unusable("this build has no TLS".into()))
}

/// Begins to speak HTTP/1.1.
async fn handshake<T>(io: T, origin: &Origin) -> Result<http1::SendRequest<Full<Bytes>>, HttpFailure>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_RESPONSE_HEAD_BYTES)
        .handshake(io)
        .await
        .map_err(|error| refused(origin, &error.to_string()))?;
    tokio::spawn(async move {
        // How it ends is told to whoever waits for an answer; between answers nobody needs to know.
        let _ = connection.await;
    });
    Ok(sender)
}

fn refused(origin: &Origin, reason: &str) -> HttpFailure {
    HttpFailure::Connect(format!("Connect to {} failed: {reason}", origin.authority()))
}

fn lost(origin: &Origin) -> HttpFailure {
    HttpFailure::Lost(format!("{} failed to respond", origin.authority()))
}

/// The reason that the system gives, without its number and without what the library writes before it.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(text).to_owned()
}

async fn read(answer: Response<Incoming>, origin: &Origin, max_bytes: usize) -> Result<HttpAnswer, HttpFailure> {
    let (head, mut body) = answer.into_parts();
    let expected = body.size_hint().lower();
    if expected > max_bytes as u64 {
        return Err(HttpFailure::TooLarge);
    }
    let mut whole = Vec::with_capacity(expected as usize);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| lost(origin))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > max_bytes {
                return Err(HttpFailure::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(HttpAnswer { status: head.status, headers: head.headers, body: whole })
}
