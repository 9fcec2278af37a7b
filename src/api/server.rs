//! The HTTP server: connections in, requests to operations, replies out, on every shard alike.

use std::{
    future::poll_fn,
    io,
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body, Bytes, Incoming},
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    accept::{Accept, Shards, listen},
    connection::{Connection, Connections, Phase},
    error::ApiError,
    intake::MakeIntake,
    operation::{Context, perform},
    protocol::action_of,
};
use crate::{
    model::{
        execution::uuid_text,
        quota::{MAX_CONNECTIONS, MAX_REQUEST_BYTES},
    },
    runtime::{Runtime, Shard},
    throttle::Throttle,
};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const AMZ_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// How long no connection is accepted after the system could not give one, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes of a body that is too long which are thrown away before the connection is closed, so that the client gets to
/// read why: closing at once would reset the connection under its hands.
const MAX_DISCARDED_BYTES: usize = 4 * MAX_REQUEST_BYTES;

/// Where and how a server listens.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// The address; port 0 means any free one.
    pub listen: SocketAddr,
    /// How connections are spread over the shards.
    pub accept: Accept,
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    drain: watch::Sender<bool>,
}

/// What all shards of a server share.
struct Shared {
    settings: ServerSettings,
    throttle: Arc<Throttle>,
    intake: Option<MakeIntake>,
    shards: Shards,
    /// The first socket, for the shard that takes it first.
    listener: Mutex<Option<StdListener>>,
    connections: AtomicUsize,
    draining: AtomicBool,
    drain: watch::Receiver<bool>,
}

impl Server {
    /// Listens, and serves on all shards of `runtime`. When it returns, connections are accepted.
    ///
    /// # Errors
    /// What the system says about the address, such as that it is in use.
    pub fn start(runtime: &Runtime, settings: ServerSettings, throttle: Arc<Throttle>) -> io::Result<Self> {
        Self::start_with_intake(runtime, settings, throttle, None)
    }

    /// As [`Server::start`], with an intake that stores what StartExecution starts.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with_intake(
        runtime: &Runtime,
        settings: ServerSettings,
        throttle: Arc<Throttle>,
        intake: Option<MakeIntake>,
    ) -> io::Result<Self> {
        let listener = listen(settings.listen, settings.accept)?;
        let address = listener.local_addr()?;
        let (drain, draining) = watch::channel(false);
        let shared = Arc::new(Shared {
            settings: ServerSettings { listen: address, ..settings },
            throttle,
            intake,
            shards: Shards::default(),
            listener: Mutex::new(Some(listener)),
            connections: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            drain: draining,
        });
        let serving = Arc::clone(&shared);
        runtime.spawn_on_shards(move |shard| Box::pin(Rc::new(ShardServer::new(shard, &serving)).run()));
        Ok(Self { address, shared, drain })
    }

    /// The address that it listens at, with the port that it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Stops accepting, and closes each connection when it has answered what it is answering.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        // Nobody listening any more means that all shards have ended already.
        let _ = self.drain.send(true);
    }
}

/// The server's part on one shard.
struct ShardServer {
    shared: Arc<Shared>,
    context: Context,
    connections: Connections,
}

impl ShardServer {
    fn new(shard: Shard, shared: &Arc<Shared>) -> Self {
        let intake = shared.intake.as_ref().map(|make| make());
        let context = Context { shard, throttle: Arc::clone(&shared.throttle), intake };
        Self { shared: Arc::clone(shared), context, connections: Connections::new() }
    }

    /// Accepts connections until the server drains.
    async fn run(self: Rc<Self>) {
        let index = self.context.shard.index();
        let (own_connections, mut inbox) = self.shared.shards.join(index);
        let listener = self.listener().and_then(|listener| TcpListener::from_std(listener).ok());
        let sweeper = Rc::clone(&self);
        tokio::task::spawn_local(async move { sweeper.connections.sweep().await });
        let mut drain = self.shared.drain.clone();
        loop {
            tokio::select! {
                accepted = accept(listener.as_ref()) => match accepted {
                    Ok(stream) => self.spread(stream, index, &own_connections),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(stream) = inbox.recv() => {
                    match TcpStream::from_std(stream) {
                        Ok(stream) => self.spawn(stream, &own_connections),
                        Err(_) => self.leave(&own_connections),
                    }
                }
                _ = drain.changed() => break,
            }
        }
        // Clients that come now are refused, rather than accepted and then closed.
        drop(listener);
        self.connections.finish();
    }

    /// The socket that this shard accepts from, if it is one that does.
    fn listener(&self) -> Option<StdListener> {
        let first = self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        match self.shared.settings.accept {
            Accept::Balanced => first,
            Accept::ReusePort => first.or_else(|| listen(self.shared.settings.listen, Accept::ReusePort).ok()),
        }
    }

    /// Gives a new connection to a shard, or closes it when there are too many.
    fn spread(self: &Rc<Self>, stream: TcpStream, index: usize, own_connections: &Arc<AtomicUsize>) {
        if self.shared.connections.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        // Small replies must not wait for the acknowledgement of earlier ones. A connection that refuses is broken.
        let _ = stream.set_nodelay(true);
        if self.shared.settings.accept == Accept::ReusePort {
            own_connections.fetch_add(1, Ordering::Relaxed);
            return self.spawn(stream, own_connections);
        }
        let (shard, connections) = self.shared.shards.choose(index);
        if shard == index {
            return self.spawn(stream, own_connections);
        }
        let sent = stream.into_std().is_ok_and(|stream: StdStream| self.shared.shards.send(shard, stream));
        if !sent {
            self.leave(&connections);
        }
    }

    /// Takes a connection off the counts.
    fn leave(&self, shard_connections: &AtomicUsize) {
        shard_connections.fetch_sub(1, Ordering::Relaxed);
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Serves a connection beside the others.
    fn spawn(self: &Rc<Self>, stream: TcpStream, own_connections: &Arc<AtomicUsize>) {
        let (server, own_connections) = (Rc::clone(self), Arc::clone(own_connections));
        tokio::task::spawn_local(async move {
            let answer = |connection, request| answer(&server, connection, request);
            server.connections.serve(stream, answer).await;
            server.leave(&own_connections);
        });
    }
}

/// The next connection of a socket; without one, never.
async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

type Reply = Response<Full<Bytes>>;

/// Answers one request.
async fn answer(server: &ShardServer, connection: Rc<Connection>, request: Request<Incoming>) -> Reply {
    connection.enter(Phase::Body);
    let reply = match route(&request, &connection) {
        Route::Api => {
            let (parts, body) = request.into_parts();
            match answer_api(server, &connection, &parts.headers, body).await {
                Ok(body) => reply(server, StatusCode::OK, body),
                Err(error) => refusal(server, &error),
            }
        }
        Route::Health => health(true),
        Route::Ready => health(!server.shared.draining.load(Ordering::Relaxed)),
        Route::Refuse(error) => refusal(server, &error),
    };
    connection.enter(Phase::Head);
    reply
}

async fn answer_api(
    server: &ShardServer,
    connection: &Connection,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Vec<u8>, ApiError> {
    let target = headers.get(TARGET).map(HeaderValue::as_bytes);
    let body = read_body(body, headers.contains_key(header::EXPECT)).await?;
    connection.enter(Phase::Busy);
    perform(&server.context, action_of(target)?, &body).await
}

/// Where a request goes, by its head.
enum Route {
    Api,
    Health,
    Ready,
    Refuse(ApiError),
}

fn route(request: &Request<Incoming>, connection: &Connection) -> Route {
    // RFC 9112, section 3.2: a request of HTTP/1.1 without Host is answered with 400.
    if request.version() == Version::HTTP_11 && !request.headers().contains_key(header::HOST) {
        return Route::Refuse(ApiError::malformed("The request has no Host header"));
    }
    if request.headers().contains_key(header::TRANSFER_ENCODING) && !connection.is_only_chunked() {
        return Route::Refuse(ApiError::malformed("The request has both Transfer-Encoding and Content-Length"));
    }
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/") => Route::Api,
        (&Method::GET | &Method::HEAD, "/healthz") => Route::Health,
        (&Method::GET | &Method::HEAD, "/readyz") => Route::Ready,
        _ => Route::Refuse(ApiError::not_found()),
    }
}

/// The body of a request: without a copy when it came in one piece, as short ones do.
async fn read_body(mut body: Incoming, expects_continue: bool) -> Result<Bytes, ApiError> {
    // What Content-Length announces is refused before any of it is read.
    if body.size_hint().lower() > MAX_REQUEST_BYTES as u64 {
        if !expects_continue {
            discard(body).await;
        }
        return Err(ApiError::too_large());
    }
    let Some(first) = next_frame(&mut body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = Vec::from(first);
    while let Some(data) = next_frame(&mut body).await? {
        if whole.len() + data.len() > MAX_REQUEST_BYTES {
            discard(body).await;
            return Err(ApiError::too_large());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

/// The next piece of data; none at the end.
async fn next_frame(body: &mut Incoming) -> Result<Option<Bytes>, ApiError> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(_)) => return Err(ApiError::malformed("The body of the request broke off")),
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while let Ok(Some(data)) = next_frame(&mut body).await {
        discarded += data.len();
        if discarded > MAX_DISCARDED_BYTES {
            return;
        }
    }
}

fn reply(server: &ShardServer, status: StatusCode, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, AMZ_JSON);
    if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(uuid_text(server.context.shard.random()))) {
        headers.insert(REQUEST_ID, id);
    }
    reply
}

fn refusal(server: &ShardServer, error: &ApiError) -> Reply {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = reply(server, status, error.to_body());
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        reply.headers_mut().insert(header::CONNECTION, CLOSE);
    }
    reply
}

fn health(well: bool) -> Reply {
    let (status, body) = if well { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "draining\n") };
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    reply
}
