//! Replies, written by hand: what is the same for all of them is one constant.

use super::unsent::Unsent;
use crate::model::{
    execution::uuid_digits,
    quota::{MAX_PIECE_BYTES, MAX_UNSENT_BYTES},
    time::http_date,
};

/// Memory that is kept for replies from one to the next, in bytes.
const MAX_KEPT_BYTES: usize = 65_536;

/// Buffers that are kept for replies: as many as there are connections that have replies at once, when there are not many.
const MAX_SPARES: usize = 128;

/// What a reply's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum ContentType {
    /// AWS JSON 1.0. Such replies have a request id, made of this number.
    AmzJson {
        /// `x-amzn-requestid`.
        request_id: u128,
    },
    /// Text for people and probes.
    Text,
    /// There is no body.
    Nothing,
}

/// A reply without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct Reply {
    /// HTTP status.
    pub(in crate::api) status: u16,
    /// What its body is.
    pub(in crate::api) content_type: ContentType,
}

/// What becomes of the connection, as the reply says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It stays open, as in HTTP/1.1 without a word.
    Open,
    /// It stays open, which a client of HTTP/1.0 has to be told.
    OldOpen,
    /// It is closed.
    Close,
}

/// Replies of one shard on their way out.
#[derive(Debug)]
pub(super) struct Replies {
    /// Whole replies, one behind the other.
    pub(super) bytes: Vec<u8>,
    /// What follows on them: the body of the last one when it is large, which nobody is to copy. No reply comes behind it.
    pub(super) large: Vec<u8>,
    /// The body of the reply that is being made.
    pub(super) body: Vec<u8>,
    /// Where other replies were before they were sent.
    spares: Vec<Vec<u8>>,
    /// `Date` of all replies (RFC 9110, section 6.6.1), set anew once a second.
    date: [u8; 29],
}

impl Replies {
    pub(super) fn new(epoch_ms: u64) -> Self {
        let (bytes, large, body, spares) = Default::default();
        Self { bytes, large, body, spares, date: http_date(epoch_ms) }
    }

    /// Sets the time that replies bear.
    pub(super) fn set_date(&mut self, epoch_ms: u64) {
        self.date = http_date(epoch_ms);
    }

    /// Whether what there is has to be sent before there may be more.
    pub(super) fn are_full(&self) -> bool {
        !self.large.is_empty() || self.bytes.len() >= MAX_UNSENT_BYTES
    }

    /// Appends a reply with the body that has been made for it; the answer to HEAD only says how long that is.
    pub(super) fn append(&mut self, reply: Reply, persistence: Persistence, is_head: bool) {
        let out = &mut self.bytes;
        if reply.status == 200 {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        } else {
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(itoa::Buffer::new().format(reply.status).as_bytes());
            out.push(b' ');
            out.extend_from_slice(reason(reply.status).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        match reply.content_type {
            ContentType::AmzJson { request_id } => {
                out.extend_from_slice(b"content-type: application/x-amz-json-1.0\r\nx-amzn-requestid: ");
                out.extend_from_slice(&uuid_digits(request_id));
                out.extend_from_slice(b"\r\n");
            }
            ContentType::Text => out.extend_from_slice(b"content-type: text/plain; charset=utf-8\r\n"),
            ContentType::Nothing => {}
        }
        match persistence {
            Persistence::Open => {}
            Persistence::OldOpen => out.extend_from_slice(b"connection: keep-alive\r\n"),
            Persistence::Close => out.extend_from_slice(b"connection: close\r\n"),
        }
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(self.body.len()).as_bytes());
        out.extend_from_slice(b"\r\ndate: ");
        out.extend_from_slice(&self.date);
        out.extend_from_slice(b"\r\n\r\n");
        if !is_head {
            if self.body.len() > MAX_PIECE_BYTES {
                self.large = std::mem::take(&mut self.body);
                return;
            }
            out.extend_from_slice(&self.body);
        }
        self.body.clear();
        if self.body.capacity() > MAX_KEPT_BYTES {
            self.body = Vec::new();
        }
    }

    /// Appends the word that a client may send its body now (RFC 9110, section 15.2.1).
    pub(super) fn append_continue(&mut self) {
        self.bytes.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// Hands the replies over to who sends them.
    pub(super) fn take(&mut self) -> Unsent {
        let bytes = std::mem::replace(&mut self.bytes, self.spares.pop().unwrap_or_default());
        Unsent::new(bytes, std::mem::take(&mut self.large))
    }

    /// Takes a buffer back when the replies in it are sent.
    pub(super) fn give_back(&mut self, sent: Unsent) {
        let mut sent = sent.into_buffer();
        if self.spares.len() < MAX_SPARES && sent.capacity() <= MAX_KEPT_BYTES {
            sent.clear();
            self.spares.push(sent);
        }
    }
}

/// The reason phrase of a status, of those that this server answers with (RFC 9110, section 15).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // The phrase may be empty (RFC 9112, section 4).
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: Reply, persistence: Persistence, is_head: bool) -> String {
        let mut replies = Replies::new(1_709_210_096_000);
        replies.body.extend_from_slice(b"{}");
        replies.append(reply, persistence, is_head);
        assert!(replies.body.is_empty());
        String::from_utf8(replies.bytes).unwrap()
    }

    #[test]
    fn replies_are_written_as_http() {
        let content_type = ContentType::AmzJson { request_id: 0 };
        assert_eq!(
            written(Reply { status: 200, content_type }, Persistence::Open, false),
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\
             x-amzn-requestid: 00000000-0000-4000-8000-000000000000\r\ncontent-length: 2\r\n\
             date: Thu, 29 Feb 2024 12:34:56 GMT\r\n\r\n{}"
        );
        assert_eq!(
            written(Reply { status: 413, content_type: ContentType::Text }, Persistence::Close, true),
            "HTTP/1.1 413 Content Too Large\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\
             content-length: 2\r\ndate: Thu, 29 Feb 2024 12:34:56 GMT\r\n\r\n"
        );
        let unknown = written(Reply { status: 418, content_type: ContentType::Nothing }, Persistence::OldOpen, false);
        assert!(unknown.starts_with("HTTP/1.1 418 \r\nconnection: keep-alive\r\ncontent-length: 2\r\n"), "{unknown}");
    }
}
