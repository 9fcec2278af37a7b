//! Connections of one shard, and the deadlines that end slow ones.
//!
//! # Ground rules
//! All of this belongs to one shard; nothing here is shared with another thread. Deadlines cost a request two stores into
//! cells and no timer: a sweep once a second compares when each connection entered its phase with what the phase may
//! take. So slow heads, slow bodies, clients that do not read their replies, and idle connections all end the same way,
//! late by a second at most.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use slab::Slab;
use tokio::net::TcpStream;

use super::stream::{Stream, is_only_chunked};
use crate::model::quota::{
    MAX_READ_AHEAD_BYTES, MAX_REQUEST_BODY_SECONDS, MAX_REQUEST_HEAD_BYTES, MAX_REQUEST_HEAD_SECONDS,
    MAX_REQUEST_HEADERS,
};

/// How often connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Memory for heads that a connection keeps from one request to the next, in bytes.
const MAX_KEPT_BYTES: usize = 4096;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for the head of a request, or for the client to take a reply.
    Head,
    /// The body of a request comes in.
    Body,
    /// A request is answered; how long that takes is up to the execution.
    Busy,
}

impl Phase {
    fn limit_seconds(self) -> u64 {
        match self {
            Self::Head => MAX_REQUEST_HEAD_SECONDS,
            Self::Body => MAX_REQUEST_BODY_SECONDS,
            Self::Busy => u64::MAX,
        }
    }
}

/// What a connection is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    None,
    /// Answer what is being answered, then close.
    Finish,
    /// Close now.
    Close,
}

/// One connection, as its requests and the sweep see it.
pub(super) struct Connection {
    phase: Cell<Phase>,
    /// The sweep in which the phase was entered.
    since: Cell<u64>,
    command: Cell<Command>,
    waker: RefCell<Option<Waker>>,
    clock: Rc<Cell<u64>>,
    /// What came in since the last reply, up to the end of the head at least.
    head: RefCell<Vec<u8>>,
}

impl Connection {
    /// Enters a phase.
    #[inline]
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.clock.get());
        if phase == Phase::Head {
            let mut head = self.head.borrow_mut();
            head.clear();
            head.shrink_to(MAX_KEPT_BYTES);
        }
    }

    #[inline]
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Remembers what came in while a head was expected.
    #[inline]
    pub(super) fn remember(&self, bytes: &[u8]) {
        let mut head = self.head.borrow_mut();
        // Heads are no longer than this; what stands behind one is not looked at.
        let room = MAX_REQUEST_HEAD_BYTES - head.len();
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether the request that is being read says in one way only how long its body is.
    pub(super) fn is_only_chunked(&self) -> bool {
        is_only_chunked(&self.head.borrow())
    }

    fn tell(&self, command: Command) {
        self.command.set(command);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The connections of one shard.
pub(super) struct Connections {
    open: RefCell<Slab<Rc<Connection>>>,
    /// Sweeps so far, which are seconds.
    clock: Rc<Cell<u64>>,
    builder: http1::Builder,
}

impl Connections {
    pub(super) fn new() -> Self {
        let mut builder = http1::Builder::new();
        builder.pipeline_flush(true).max_buf_size(MAX_READ_AHEAD_BYTES);
        builder.max_header_size(MAX_REQUEST_HEAD_BYTES).max_headers(MAX_REQUEST_HEADERS);
        Self { open: RefCell::default(), clock: Rc::default(), builder }
    }

    /// Serves one connection until it ends. `answer` answers one request.
    pub(super) async fn serve<Answer, Answering, ReplyBody>(&self, socket: TcpStream, answer: Answer)
    where
        Answer: Fn(Rc<Connection>, Request<Incoming>) -> Answering,
        Answering: Future<Output = Response<ReplyBody>>,
        ReplyBody: Body + 'static,
        ReplyBody::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let connection = Rc::new(Connection {
            phase: Cell::new(Phase::Head),
            since: Cell::new(self.clock.get()),
            command: Cell::new(Command::None),
            waker: RefCell::new(None),
            clock: Rc::clone(&self.clock),
            head: RefCell::default(),
        });
        let _registered = self.register(&connection);
        let service = service_fn(|request| {
            let answering = answer(Rc::clone(&connection), request);
            async { Ok::<_, std::convert::Infallible>(answering.await) }
        });
        let stream = Stream::new(socket, Rc::clone(&connection));
        let mut serving = self.builder.serve_connection(stream, service);
        let ended = poll_fn(|context| {
            let mut serving = Pin::new(&mut serving);
            if let Poll::Ready(ended) = serving.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            match connection.command.replace(Command::None) {
                Command::Close => return Poll::Ready(Ok(())),
                Command::Finish => {
                    serving.as_mut().graceful_shutdown();
                    if let Poll::Ready(ended) = serving.as_mut().poll(context) {
                        return Poll::Ready(ended);
                    }
                }
                Command::None => {}
            }
            let mut waker = connection.waker.borrow_mut();
            match &mut *waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await;
        // hyper has an answer to what is no HTTP, and with `pipeline_flush` never sends it. Other errors mean that the
        // client went away.
        if let Err(error) = ended
            && error.is_parse()
        {
            serving.into_parts().io.refuse(error.is_parse_too_large());
        }
    }

    fn register(&self, connection: &Rc<Connection>) -> Registered<'_> {
        let key = self.open.borrow_mut().insert(Rc::clone(connection));
        Registered { connections: self, key }
    }

    /// Ends connections whose time is over, once a second, for as long as it is polled.
    pub(super) async fn sweep(&self) {
        let mut interval = tokio::time::interval(SWEEP);
        loop {
            interval.tick().await;
            self.sweep_once();
        }
    }

    fn sweep_once(&self) {
        let now = self.clock.get() + 1;
        self.clock.set(now);
        for (_, connection) in &*self.open.borrow() {
            if now - connection.since.get() > connection.phase.get().limit_seconds() {
                connection.tell(Command::Close);
            }
        }
    }

    /// Lets every connection answer what it is answering and then close.
    pub(super) fn finish(&self) {
        for (_, connection) in &*self.open.borrow() {
            connection.tell(Command::Finish);
        }
    }
}

/// Takes a connection out of the list when it has ended, however it ends.
struct Registered<'a> {
    connections: &'a Connections,
    key: usize,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.connections.open.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(connections: &Connections) -> Rc<Connection> {
        Rc::new(Connection {
            phase: Cell::new(Phase::Head),
            since: Cell::new(connections.clock.get()),
            command: Cell::new(Command::None),
            waker: RefCell::new(None),
            clock: Rc::clone(&connections.clock),
            head: RefCell::default(),
        })
    }

    #[test]
    fn each_phase_has_its_deadline() {
        for (phase, limit) in [(Phase::Head, MAX_REQUEST_HEAD_SECONDS), (Phase::Body, MAX_REQUEST_BODY_SECONDS)] {
            let connections = Connections::new();
            let connection = connection(&connections);
            let _registered = connections.register(&connection);
            connections.sweep_once();
            connection.enter(phase);
            (0..limit).for_each(|_| connections.sweep_once());
            assert_eq!(connection.command.get(), Command::None, "{phase:?}");
            connections.sweep_once();
            assert_eq!(connection.command.get(), Command::Close, "{phase:?}");
        }
    }

    #[test]
    fn answering_takes_as_long_as_it_takes() {
        let connections = Connections::new();
        let connection = connection(&connections);
        let registered = connections.register(&connection);
        connection.enter(Phase::Busy);
        (0..1000).for_each(|_| connections.sweep_once());
        assert_eq!(connection.command.get(), Command::None);
        connections.finish();
        assert_eq!(connection.command.get(), Command::Finish);
        drop(registered);
        assert!(connections.open.borrow().is_empty());
    }

    #[test]
    fn a_head_is_remembered_until_the_reply() {
        let connections = Connections::new();
        let connection = connection(&connections);
        connection.remember(b"POST / HTTP/1.1\r\nTransfer-");
        connection.remember(b"Encoding: chunked\r\n\r\n");
        assert!(connection.is_only_chunked());
        connection.enter(Phase::Head);
        assert!(!connection.is_only_chunked());
        connection.remember(&vec![b'a'; 2 * MAX_REQUEST_HEAD_BYTES]);
        assert_eq!(connection.head.borrow().len(), MAX_REQUEST_HEAD_BYTES);
    }
}
