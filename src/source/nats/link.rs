//! One connection to one server: how it is made, and how bytes go to and fro on it.

use std::{
    fmt::Write as _,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};
use tokio_rustls::TlsConnector;

use super::{
    Server,
    client::Client,
    operation::{Operation, Reader},
};
use crate::{
    Value,
    source::BrokerError,
    value::{Number, ObjectBuilder, ValueRef},
};

/// What one read may bring. Small enough that what is read is still in the cache when it is worked on.
const READ_BYTES: usize = 64 << 10;
/// How often the server is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(20);
/// So many may go without an answer.
const MOST_PINGS: u32 = 2;

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A connection that is made.
pub(super) struct Link {
    stream: Box<dyn Stream>,
    reader: Reader,
    read: BytesMut,
    /// What is being written, and how much of it is.
    writing: Vec<u8>,
    written: usize,
    flushed: bool,
    pings: u32,
    next_ping: Pin<Box<Sleep>>,
    /// The largest message that the server takes.
    pub(super) max_payload: usize,
}

impl Link {
    /// Connects, logs in, and waits for the server to let us in.
    pub(super) async fn open(server: &Server) -> Result<Self, BrokerError> {
        let stream = TcpStream::connect((&*server.host, server.port)).await.map_err(BrokerError::new)?;
        // What is to be said is gathered here already.
        let _ = stream.set_nodelay(true);
        let mut link = Self {
            stream: Box::new(stream),
            reader: Reader::default(),
            read: BytesMut::new(),
            writing: Vec::new(),
            written: 0,
            flushed: true,
            pings: 0,
            next_ping: Box::pin(sleep_until(Instant::now() + PING_EVERY)),
            max_payload: 0,
        };
        let info = loop {
            if let Operation::Info(info) = link.operation().await? {
                break Value::parse_bytes(info.to_vec()).map_err(BrokerError::new)?;
            }
        };
        let payload = info.get("max_payload").and_then(ValueRef::as_number).and_then(Number::as_i64);
        link.max_payload = payload.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        if server.tls || info.get("tls_required").and_then(ValueRef::as_bool) == Some(true) {
            link.stream = Box::new(secure(link.stream, &server.host).await?);
        }
        let hello = format!("CONNECT {}\r\nPING\r\n", options(server).to_json());
        link.stream.write_all(hello.as_bytes()).await.map_err(BrokerError::new)?;
        link.stream.flush().await.map_err(BrokerError::new)?;
        loop {
            match link.operation().await? {
                Operation::Pong => return Ok(link),
                Operation::Error(error) => return Err(BrokerError::new(error)),
                _ => {}
            }
        }
    }

    /// The next operation, as long as the connection is being made.
    async fn operation(&mut self) -> Result<Operation, BrokerError> {
        loop {
            if let Some(operation) = self.reader.next(&mut self.read).map_err(BrokerError::new)? {
                return Ok(operation);
            }
            if self.stream.read_buf(&mut self.read).await.map_err(BrokerError::new)? == 0 {
                return Err(BrokerError::new("the server closed the connection"));
            }
        }
    }

    /// Moves bytes until the connection is lost; says why it was.
    pub(super) async fn run(mut self, client: &Client, report: &dyn Fn(&str)) -> BrokerError {
        poll_fn(|context| self.poll(client, report, context)).await
    }

    fn poll(&mut self, client: &Client, report: &dyn Fn(&str), context: &mut Context<'_>) -> Poll<BrokerError> {
        while self.next_ping.as_mut().poll(context).is_ready() {
            if self.pings == MOST_PINGS {
                return Poll::Ready(BrokerError::new("the server gives no sign of life"));
            }
            self.pings += 1;
            client.say("PING\r\n");
            self.next_ping.as_mut().reset(Instant::now() + PING_EVERY);
        }
        match self.poll_read(client, report, context) {
            Ok(()) => {}
            Err(error) => return Poll::Ready(error),
        }
        match self.poll_write(client, context) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(BrokerError::new(error)),
        }
    }

    /// Reads once, so that what was read is worked on before more is.
    fn poll_read(
        &mut self,
        client: &Client,
        report: &dyn Fn(&str),
        context: &mut Context<'_>,
    ) -> Result<(), BrokerError> {
        self.read.reserve(READ_BYTES);
        let read = pin!(self.stream.read_buf(&mut self.read));
        match read.poll(context) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(0)) => return Err(BrokerError::new("the server closed the connection")),
            Poll::Ready(Ok(_)) => context.waker().wake_by_ref(),
            Poll::Ready(Err(error)) => return Err(BrokerError::new(error)),
        }
        while let Some(operation) = self.reader.next(&mut self.read).map_err(BrokerError::new)? {
            match operation {
                Operation::Message(subscription, message) => {
                    if !client.deliver(subscription, message) {
                        report("NATS: messages came faster than they were taken");
                    }
                }
                Operation::Ping => client.say("PONG\r\n"),
                Operation::Pong => self.pings = 0,
                Operation::Error(error) => report(&format!("NATS: {error}")),
                Operation::Info(_) | Operation::Fine => {}
            }
        }
        Ok(())
    }

    /// Writes what there is, until the network takes no more.
    fn poll_write(&mut self, client: &Client, context: &mut Context<'_>) -> io::Result<()> {
        loop {
            if self.written == self.writing.len() {
                self.writing.clear();
                self.written = 0;
                if !client.take_outgoing(&mut self.writing, context.waker()) {
                    break;
                }
                self.flushed = false;
            }
            match Pin::new(&mut self.stream).poll_write(context, &self.writing[self.written..]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if !self.flushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(context)
        {
            flushed?;
            self.flushed = true;
        }
        Ok(())
    }
}

/// What we say of ourselves.
fn options(server: &Server) -> Value {
    let mut options = ObjectBuilder::with_capacity(12);
    for (name, value) in [("verbose", false), ("pedantic", false), ("headers", true), ("no_responders", true)] {
        options.push(name.into(), value.into());
    }
    options.push("name".into(), "expressway".into());
    options.push("lang".into(), "rust".into());
    options.push("version".into(), env!("CARGO_PKG_VERSION").into());
    options.push("protocol".into(), 1_i64.into());
    match (&server.user, &server.secret) {
        (Some(user), Some(password)) => {
            options.push("user".into(), user.as_str().into());
            options.push("pass".into(), password.as_str().into());
        }
        (None, Some(token)) => options.push("auth_token".into(), token.as_str().into()),
        (_, None) => {}
    }
    options.finish()
}

/// TLS, with the certificates that the system trusts.
async fn secure(stream: Box<dyn Stream>, host: &str) -> Result<impl Stream + use<>, BrokerError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let mut why = String::from("the system has no certificates to trust");
        for error in found.errors {
            // Writing to a string does not fail.
            let _ = write!(why, "; {error}");
        }
        return Err(BrokerError::new(why));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BrokerError::new)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(BrokerError::new)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(BrokerError::new)
}
