//! HTTP/1.1 as the API needs it: bytes in, requests to a [`Service`], replies out, in one loop of our own.
//!
//! ```text
//! socket ─→ connection ─→ exchange ─→ head, chunked ─→ Service
//!    └───── bytes out ←─── reply ←────────────────────────┘
//! ```
//!
//! `exchange` knows no socket: it is handed bytes, in whatever pieces they came, and appends replies, so that all of what it does
//! can be tested and fuzzed without one. `connection` is the socket's part: one read, the requests in it, one write.
//!
//! Requests of one connection are answered in their order, each before the next is begun: they have effects, and a server must
//! not reorder those (RFC 9112, section 9.3.2). A request whose answer has to be waited for holds up its own connection, no
//! other. How much of what is behind it is read is bounded by `MAX_READ_AHEAD_BYTES`, how much is answered before any of it is
//! sent by `MAX_UNSENT_BYTES`. A large reply is sent from where it was made, in pieces of `MAX_PIECE_BYTES`, and between two of
//! them all other connections of the shard have a turn.

mod chunked;
mod connection;
mod exchange;
mod head;
mod reply;
#[cfg(test)]
mod tests;
mod unsent;

use std::task::{Context, Poll};

pub(super) use self::{
    connection::Connections,
    reply::{ContentType, Reply},
};

/// One whole request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// The method.
    pub(super) method: &'a [u8],
    /// The path of the target, without its query.
    pub(super) path: &'a [u8],
    /// Whether it is HTTP/1.1, and has no Host although it must.
    pub(super) lacks_host: bool,
    /// `X-Amz-Target`.
    pub(super) target: Option<&'a [u8]>,
    /// The body.
    pub(super) body: &'a [u8],
}

/// How far an answer is when the call that began it returns.
pub(super) enum Answer<Waiting> {
    /// It is there.
    Ready(Reply),
    /// It has to be waited for.
    Later(Waiting),
}

/// What answers requests.
pub(super) trait Service {
    /// An answer that has to be waited for. Dropped when the client goes away.
    type Waiting: Waiting;

    /// Answers a request. The body of a reply is appended to `body`, which is empty.
    fn answer(&self, request: &Request<'_>, body: &mut Vec<u8>) -> Answer<Self::Waiting>;

    /// Refuses what is no request, for that reason. The body of the reply is appended to `body`, which is empty.
    fn refuse(&self, reason: RefusalReason, body: &mut Vec<u8>) -> Reply;
}

/// An answer that has to be waited for.
pub(super) trait Waiting {
    /// Looks whether it is there now. The body of a reply is appended to `body`, which is empty.
    fn poll(&mut self, context: &mut Context<'_>, body: &mut Vec<u8>) -> Poll<Reply>;
}

/// Why something that came in is no request to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalReason {
    /// It says what no request may say.
    Forbidden(&'static str),
    /// Its body is too long.
    TooLarge,
}
