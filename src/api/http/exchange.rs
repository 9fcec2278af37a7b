//! Requests and replies of one connection, without its socket: bytes in, in whatever pieces they came, replies out.

use super::{
    Answer, RefusalReason, Request, Service,
    chunked::{ChunkError, Chunked},
    head::{self, Framing, Head, Parsed, Refusal},
    reply::{ContentType, Persistence, Replies, Reply},
};
use crate::model::quota::MAX_REQUEST_BYTES;

/// What an exchange does when it has taken what there is.
pub(super) enum Turn<Waiting> {
    /// It wants more bytes.
    Wants,
    /// It wants replies to be sent before it answers more.
    Full,
    /// It waits for an answer: [`Exchange::answered`] goes on.
    Waits(Waiting),
    /// It has ended: when replies are sent, the connection is closed.
    Ends {
        /// Whether the client may still be sending, and should get to read why nobody listens: closing at once would reset
        /// the connection under its hands.
        lingers: bool,
    },
}

/// How far a request has come.
enum Stage {
    /// Its head is expected, or has begun; `looked` bytes of it are known not to be a whole one.
    Head { looked: usize },
    /// Its head is there, and it has so many bytes together with its body.
    Sized { whole: usize },
    /// Its head is there, and its body comes in chunks. The head is kept, chunks are taken as they come.
    Chunked { head: Vec<u8>, body: Chunked },
}

/// The requests of one connection.
pub(super) struct Exchange {
    stage: Stage,
    /// How to reply to the request that is being answered.
    manner: Manner,
    /// Whether the next reply is the last.
    finishing: bool,
}

/// What a reply depends on besides its answer.
#[derive(Clone, Copy)]
struct Manner {
    persistence: Persistence,
    is_head: bool,
}

impl Exchange {
    pub(super) fn new() -> Self {
        let manner = Manner { persistence: Persistence::Open, is_head: false };
        Self { stage: Stage::Head { looked: 0 }, manner, finishing: false }
    }

    /// Lets the reply to the request that is being answered, or has begun, be the last.
    pub(super) fn finish(&mut self) {
        self.finishing = true;
        self.manner.persistence = Persistence::Close;
    }

    /// Whether a head has come whose body has not.
    pub(super) fn expects_body(&self) -> bool {
        !matches!(self.stage, Stage::Head { .. })
    }

    /// Answers the requests in `bytes`, of which it takes as many as it says; the next call begins with the others.
    pub(super) fn take<S: Service>(
        &mut self,
        bytes: &[u8],
        service: &S,
        replies: &mut Replies,
    ) -> (usize, Turn<S::Waiting>) {
        let mut at = 0;
        loop {
            if replies.are_full() {
                return (at, Turn::Full);
            }
            let rest = &bytes[at..];
            let (taken, turn) = match &mut self.stage {
                Stage::Head { looked } => {
                    if !may_be_whole(rest, *looked) {
                        *looked = rest.len();
                        return (at, Turn::Wants);
                    }
                    self.begin(rest, service, replies)
                }
                Stage::Sized { whole } if rest.len() < *whole => return (at, Turn::Wants),
                Stage::Sized { whole } => {
                    let whole = *whole;
                    self.stage = Stage::Head { looked: 0 };
                    (whole, self.again(&rest[..whole], None, service, replies))
                }
                Stage::Chunked { body, .. } => match body.take(rest) {
                    Ok((taken, false)) => return (at + taken, Turn::Wants),
                    Ok((taken, true)) => {
                        let stage = std::mem::replace(&mut self.stage, Stage::Head { looked: 0 });
                        let Stage::Chunked { head, body } = stage else { return (at, Turn::Wants) };
                        (taken, self.again(&head, Some(body.body()), service, replies))
                    }
                    Err(error) => {
                        let reason = match error {
                            ChunkError::TooLarge => RefusalReason::TooLarge,
                            ChunkError::Malformed => RefusalReason::Forbidden("The chunks of the body are malformed"),
                        };
                        return (bytes.len(), refuse(reason, service, replies));
                    }
                },
            };
            at += taken;
            if let Some(turn) = turn {
                return (at, turn);
            }
        }
    }

    /// Reads a head, and answers its request when that is whole. What it took, and what to do unless it goes on.
    fn begin<S: Service>(
        &mut self,
        rest: &[u8],
        service: &S,
        replies: &mut Replies,
    ) -> (usize, Option<Turn<S::Waiting>>) {
        let head = match head::parse(rest) {
            Parsed::Complete(head) => head,
            Parsed::Incomplete => {
                self.stage = Stage::Head { looked: rest.len() };
                return (0, Some(Turn::Wants));
            }
            Parsed::Refused(refusal) => return (rest.len(), Some(refuse_head(refusal, service, replies))),
        };
        let body = &rest[head.length..];
        let length = match head.framing {
            Framing::Sized(length) => {
                match usize::try_from(length).ok().filter(|length| *length <= MAX_REQUEST_BYTES) {
                    Some(length) => length,
                    // What Content-Length announces is refused before any of it is read.
                    None => return (rest.len(), Some(refuse(RefusalReason::TooLarge, service, replies))),
                }
            }
            Framing::Chunked => {
                self.invite(&head, body, replies);
                let head = rest[..head.length].to_vec();
                let taken = head.len();
                self.stage = Stage::Chunked { head, body: Chunked::new() };
                return (taken, None);
            }
        };
        if let Some(body) = body.get(..length) {
            self.stage = Stage::Head { looked: 0 };
            return (head.length + length, self.answer(&head, body, service, replies));
        }
        self.invite(&head, body, replies);
        self.stage = Stage::Sized { whole: head.length + length };
        (0, Some(Turn::Wants))
    }

    /// Tells a client that waits for it to send the body, unless it has begun to.
    fn invite(&self, head: &Head<'_>, body: &[u8], replies: &mut Replies) {
        if head.expects_continue && body.is_empty() {
            replies.append_continue();
        }
    }

    /// Answers a request whose head was read before its body came. The head is read once more, which is cheaper than to keep
    /// what it said: most bodies come together with their heads.
    fn again<S: Service>(
        &mut self,
        bytes: &[u8],
        body: Option<&[u8]>,
        service: &S,
        replies: &mut Replies,
    ) -> Option<Turn<S::Waiting>> {
        match head::parse(bytes) {
            Parsed::Complete(head) => {
                let body = body.unwrap_or(&bytes[head.length..]);
                self.answer(&head, body, service, replies)
            }
            // It was whole before.
            Parsed::Incomplete | Parsed::Refused(_) => Some(Turn::Ends { lingers: false }),
        }
    }

    /// Answers a request: `None` when it is done and there may be another.
    fn answer<S: Service>(
        &mut self,
        head: &Head<'_>,
        body: &[u8],
        service: &S,
        replies: &mut Replies,
    ) -> Option<Turn<S::Waiting>> {
        let persistence = match (head.keeps_alive && !self.finishing, head.is_old) {
            (false, _) => Persistence::Close,
            (true, true) => Persistence::OldOpen,
            (true, false) => Persistence::Open,
        };
        self.manner = Manner { persistence, is_head: head.method == b"HEAD" };
        let request = Request {
            method: head.method,
            path: head.path,
            lacks_host: !head.is_old && !head.has_host,
            target: head.target,
            body,
        };
        match service.answer(&request, &mut replies.body) {
            Answer::Ready(reply) if self.answered(reply, replies) => None,
            Answer::Ready(_) => Some(Turn::Ends { lingers: false }),
            Answer::Later(waiting) => Some(Turn::Waits(waiting)),
        }
    }

    /// Appends the reply to the request that is being answered. Whether there may be another.
    pub(super) fn answered(&self, reply: Reply, replies: &mut Replies) -> bool {
        replies.append(reply, self.manner.persistence, self.manner.is_head);
        self.manner.persistence != Persistence::Close
    }
}

/// Whether it may be that a head has become whole, of which `looked` bytes have been looked at: no more often than lines end, so that
/// a head that comes byte by byte costs no more than its lines times its length.
fn may_be_whole(bytes: &[u8], looked: usize) -> bool {
    match bytes.get(looked..) {
        Some([]) | None => false,
        Some(_) if looked == 0 => true,
        Some(fresh) => fresh.contains(&b'\n') || bytes.len() >= crate::model::quota::MAX_REQUEST_HEAD_BYTES,
    }
}

/// Refuses a request with the words of the API.
fn refuse<S: Service>(reason: RefusalReason, service: &S, replies: &mut Replies) -> Turn<S::Waiting> {
    let reply = service.refuse(reason, &mut replies.body);
    replies.append(reply, Persistence::Close, false);
    Turn::Ends { lingers: true }
}

/// Refuses what is no request: there is nothing to say about it but a status.
fn refuse_head<S: Service>(refusal: Refusal, service: &S, replies: &mut Replies) -> Turn<S::Waiting> {
    let status = match refusal {
        Refusal::Forbidden(message) => return refuse(RefusalReason::Forbidden(message), service, replies),
        Refusal::Malformed => 400,
        Refusal::TooLarge => 431,
        Refusal::Version => 505,
    };
    replies.append(Reply { status, content_type: ContentType::Nothing }, Persistence::Close, false);
    Turn::Ends { lingers: true }
}
