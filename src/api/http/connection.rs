//! Connections of one shard: their sockets, and the deadlines that end slow ones.
//!
//! # Ground rules
//! All of this belongs to one shard; nothing here is shared with another thread. Sockets are read into one buffer, which all
//! connections of the shard use in turn, and replies are written into buffers that go from hand to hand: a connection keeps
//! only what is left over, so that an idle one keeps nothing. They are borrowed while requests are answered, and never across
//! a wait.
//!
//! Replies are sent when all connections that have something to say have been read: a connection that has replies goes to
//! the end of the queue before it sends them. Sending wakes the client, which may well take the core away; so what came
//! together is answered together first, with everything it takes still in the caches.
//!
//! What is large is read and sent in pieces, and after each the shard looks for what has come on other connections: they wait for
//! one piece, not for all of a reply.
//!
//! Deadlines cost a request two stores into cells and no timer: a sweep once a second compares when each connection entered
//! its phase with what the phase may take. So slow heads, slow bodies, clients that do not read their replies, and idle
//! connections all end the same way, late by a second at most.

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use slab::Slab;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::yield_now,
};

use super::{
    Service, Waiting,
    exchange::{Exchange, Turn},
    reply::Replies,
    unsent::Unsent,
};
use crate::model::quota::{
    MAX_DISCARDED_BYTES, MAX_LINGER_SECONDS, MAX_PIECE_BYTES, MAX_READ_AHEAD_BYTES, MAX_REQUEST_BODY_SECONDS,
    MAX_REQUEST_HEAD_SECONDS,
};

/// How often connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// How often one connection is read and answered before others have their turn.
const MAX_ROUNDS: usize = 4;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits for the head of a request, or for the client to take a reply.
    Head,
    /// The body of a request comes in.
    Body,
    /// A request is answered; how long that takes is up to the execution.
    Busy,
    /// The last reply is sent, and the client has not closed.
    Linger,
}

impl Phase {
    fn limit_seconds(self) -> u64 {
        match self {
            Self::Head => MAX_REQUEST_HEAD_SECONDS,
            Self::Body => MAX_REQUEST_BODY_SECONDS,
            Self::Busy => u64::MAX,
            Self::Linger => MAX_LINGER_SECONDS,
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

/// A connection as the sweep sees it.
struct Control {
    phase: Cell<Phase>,
    /// The sweep in which the phase was entered.
    since: Cell<u64>,
    command: Cell<Command>,
    waker: RefCell<Option<Waker>>,
}

impl Control {
    fn tell(&self, command: Command) {
        self.command.set(command);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Remembers how to wake the connection.
    fn wake_by(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if kept.as_ref().is_none_or(|kept| !kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }
}

/// What all connections of a shard read into and write from.
struct Buffers {
    input: Vec<u8>,
    replies: Replies,
}

/// The connections of one shard.
pub(in crate::api) struct Connections {
    open: RefCell<Slab<Rc<Control>>>,
    /// Sweeps so far, which are seconds.
    clock: Cell<u64>,
    buffers: RefCell<Buffers>,
    /// How many bytes each write of replies had, of those so far.
    #[cfg(test)]
    writes: RefCell<Vec<usize>>,
}

impl Connections {
    /// None yet; it is `epoch_ms` milliseconds since 1970.
    pub(in crate::api) fn new(epoch_ms: u64) -> Self {
        let buffers = Buffers { input: vec![0; MAX_READ_AHEAD_BYTES], replies: Replies::new(epoch_ms) };
        Self {
            open: RefCell::default(),
            clock: Cell::default(),
            buffers: RefCell::new(buffers),
            #[cfg(test)]
            writes: RefCell::default(),
        }
    }

    /// Serves one connection until it ends.
    pub(in crate::api) async fn serve<S: Service>(&self, socket: TcpStream, service: &S) {
        let control = self.control();
        let _registered = self.register(&control);
        let mut connection = Connection {
            socket,
            control: &control,
            connections: self,
            service,
            exchange: Exchange::new(),
            held: Vec::new(),
            unsent: Unsent::default(),
            state: State::Reads,
            finishing: false,
        };
        poll_fn(|context| connection.poll(context)).await;
    }

    fn control(&self) -> Rc<Control> {
        Rc::new(Control {
            phase: Cell::new(Phase::Head),
            since: Cell::new(self.clock.get()),
            command: Cell::new(Command::None),
            waker: RefCell::new(None),
        })
    }

    fn register(&self, control: &Rc<Control>) -> Registered<'_> {
        let key = self.open.borrow_mut().insert(Rc::clone(control));
        Registered { connections: self, key }
    }

    /// Ends connections whose time is over, once a second, for as long as it is polled.
    pub(in crate::api) async fn sweep(&self, epoch_ms: impl Fn() -> u64) {
        let mut interval = tokio::time::interval(SWEEP);
        loop {
            interval.tick().await;
            self.sweep_once();
            self.buffers.borrow_mut().replies.set_date(epoch_ms());
        }
    }

    fn sweep_once(&self) {
        let now = self.clock.get() + 1;
        self.clock.set(now);
        for (_, control) in &*self.open.borrow() {
            if now - control.since.get() > control.phase.get().limit_seconds() {
                control.tell(Command::Close);
            }
        }
    }

    /// Lets every connection answer what it is answering and then close.
    pub(in crate::api) fn finish(&self) {
        for (_, control) in &*self.open.borrow() {
            control.tell(Command::Finish);
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

/// One connection.
struct Connection<'a, S: Service> {
    socket: TcpStream,
    control: &'a Control,
    connections: &'a Connections,
    service: &'a S,
    exchange: Exchange,
    /// What has been read and not been taken.
    held: Vec<u8>,
    unsent: Unsent,
    state: State<S::Waiting>,
    finishing: bool,
}

/// What a connection does when everything is sent.
enum State<W> {
    /// It reads.
    Reads,
    /// It goes on with what it holds, and then reads.
    Resumes,
    /// It waits for an answer.
    Waits(W),
    /// It closes.
    Ends { lingers: bool },
    /// It reads what the client still sends, so many bytes until now, and throws it away.
    Lingers { discarded: usize },
}

/// How a round of a connection went, unless it has to wait.
#[derive(PartialEq, Eq)]
enum Round {
    Done,
    /// There are replies, to be sent when others have been read.
    Replied,
    /// A piece of what is large has been read or sent, and others are to have their turn before the next.
    Moved,
    Ended,
}

impl<S: Service> Connection<'_, S> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.control.command.replace(Command::None) {
            Command::None => {}
            Command::Close => return Poll::Ready(()),
            Command::Finish => {
                self.finishing = true;
                self.exchange.finish();
            }
        }
        for _ in 0..MAX_ROUNDS {
            match self.round(context) {
                Poll::Ready(Ok(Round::Done)) => {}
                Poll::Ready(Ok(Round::Replied)) => break,
                Poll::Ready(Ok(Round::Moved)) => {
                    self.control.wake_by(context.waker());
                    // This wakes when sockets have been looked at. Waking now would let this connection go on before any that
                    // nobody knows yet to have something to say.
                    return pin!(yield_now()).poll(context);
                }
                // An error means that the client went away.
                Poll::Ready(Ok(Round::Ended) | Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    self.control.wake_by(context.waker());
                    return Poll::Pending;
                }
            }
        }
        self.control.wake_by(context.waker());
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn round(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Round>> {
        if !self.unsent.is_empty() {
            ready!(self.flush(context))?;
            if !self.unsent.is_empty() {
                return Poll::Ready(Ok(Round::Moved));
            }
        }
        match &mut self.state {
            State::Reads => self.read(context),
            State::Resumes => Poll::Ready(Ok(self.resume())),
            State::Waits(_) => self.wait(context),
            State::Ends { lingers: false } => Poll::Ready(Ok(Round::Ended)),
            State::Ends { lingers: true } => {
                // The client reads its reply, and then that there is nothing more.
                ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
                self.held = Vec::new();
                self.enter(Phase::Linger);
                self.state = State::Lingers { discarded: 0 };
                Poll::Ready(Ok(Round::Done))
            }
            State::Lingers { .. } => self.linger(context),
        }
    }

    /// Reads once, and answers what has come.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Round>> {
        let mut buffers = self.connections.buffers.borrow_mut();
        let Buffers { input, replies } = &mut *buffers;
        let read = match read_into(&mut self.socket, context, input) {
            Poll::Ready(read) => read?,
            // Nothing is on its way, so that this is no moment in which a client would be cut off.
            Poll::Pending if self.finishing && self.held.is_empty() => return Poll::Ready(Ok(Round::Ended)),
            Poll::Pending => return Poll::Pending,
        };
        if read == 0 {
            return Poll::Ready(Ok(Round::Ended));
        }
        if !self.held.is_empty() {
            self.held.extend_from_slice(&input[..read]);
            return Poll::Ready(Ok(after_read(read, self.take_held(replies))));
        }
        let (taken, turn) = self.exchange.take(&input[..read], self.service, replies);
        self.held.extend_from_slice(&input[taken..read]);
        Poll::Ready(Ok(after_read(read, self.reply(turn, replies))))
    }

    /// Goes on with what has been read before.
    fn resume(&mut self) -> Round {
        let mut buffers = self.connections.buffers.borrow_mut();
        self.take_held(&mut buffers.replies)
    }

    fn take_held(&mut self, replies: &mut Replies) -> Round {
        let (taken, turn) = self.exchange.take(&self.held, self.service, replies);
        self.held.drain(..taken);
        release(&mut self.held);
        self.reply(turn, replies)
    }

    /// Looks for the answer that is waited for, and meanwhile whether the client goes away.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Round>> {
        let State::Waits(waiting) = &mut self.state else { return Poll::Ready(Ok(Round::Ended)) };
        let mut buffers = self.connections.buffers.borrow_mut();
        let Buffers { input, replies } = &mut *buffers;
        if let Poll::Ready(reply) = waiting.poll(context, &mut replies.body) {
            let goes_on = self.exchange.answered(reply, replies);
            self.state = State::Resumes;
            if goes_on {
                return Poll::Ready(Ok(self.take_held(replies)));
            }
            return Poll::Ready(Ok(self.reply(Turn::Ends { lingers: false }, replies)));
        }
        while self.held.len() < MAX_READ_AHEAD_BYTES {
            let read = ready!(read_into(&mut self.socket, context, input))?;
            if read == 0 {
                return Poll::Ready(Ok(Round::Ended));
            }
            self.held.extend_from_slice(&input[..read]);
        }
        Poll::Pending
    }

    /// Takes the replies that there are, and goes on to what comes next.
    fn reply(&mut self, turn: Turn<S::Waiting>, replies: &mut Replies) -> Round {
        let (state, phase) = match turn {
            Turn::Wants if self.exchange.expects_body() => (State::Reads, Phase::Body),
            Turn::Wants => (State::Reads, Phase::Head),
            Turn::Full => (State::Resumes, Phase::Head),
            Turn::Waits(waiting) => (State::Waits(waiting), Phase::Busy),
            Turn::Ends { lingers } => (State::Ends { lingers }, Phase::Head),
        };
        self.state = state;
        // A phase begins anew with each reply, not with each piece of a request.
        if !replies.bytes.is_empty() || self.control.phase.get() != phase {
            self.enter(phase);
        }
        if replies.bytes.is_empty() {
            return Round::Done;
        }
        self.unsent = replies.take();
        Round::Replied
    }

    /// Sends the next piece of replies with one write: all of them, unless they are large or the socket takes less.
    fn flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (replies, large) = self.unsent.piece();
        let socket = Pin::new(&mut self.socket);
        let sent = if large.is_empty() {
            ready!(socket.poll_write(context, replies))?
        } else {
            ready!(socket.poll_write_vectored(context, &[IoSlice::new(replies), IoSlice::new(large)]))?
        };
        #[cfg(test)]
        self.connections.writes.borrow_mut().push(sent);
        self.unsent.advance(sent);
        if self.unsent.is_empty() {
            self.connections.buffers.borrow_mut().replies.give_back(std::mem::take(&mut self.unsent));
        }
        Poll::Ready(Ok(()))
    }

    /// Throws away what the client still sends, until it closes.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Round>> {
        let State::Lingers { discarded } = &mut self.state else { return Poll::Ready(Ok(Round::Ended)) };
        let mut buffers = self.connections.buffers.borrow_mut();
        let read = match read_into(&mut self.socket, context, &mut buffers.input) {
            Poll::Ready(read) => read?,
            Poll::Pending if self.finishing => 0,
            Poll::Pending => return Poll::Pending,
        };
        *discarded += read;
        let ends = read == 0 || *discarded > MAX_DISCARDED_BYTES;
        Poll::Ready(Ok(if ends { Round::Ended } else { Round::Done }))
    }

    fn enter(&self, phase: Phase) {
        self.control.phase.set(phase);
        self.control.since.set(self.connections.clock.get());
    }
}

/// Reads once: how many bytes came, none when the client sends no more.
fn read_into(socket: &mut TcpStream, context: &mut Context<'_>, input: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(input);
    ready!(Pin::new(socket).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// What follows on a round that has read so much.
fn after_read(read: usize, round: Round) -> Round {
    if round == Round::Done && read >= MAX_PIECE_BYTES { Round::Moved } else { round }
}

/// Gives memory back that holds nothing: most requests come whole, and an idle connection is to cost little.
fn release(bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        *bytes = Vec::new();
    }
}
