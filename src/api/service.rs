//! From requests to operations, and from their results to replies: everything that HTTP and the API have to do with each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as TaskContext, Poll},
};

use super::{
    error::ApiError,
    http::{Answer, ContentType, RefusalReason, Reply, Request, Service, Waiting},
    operation::{Context, Performed, WaitingStart, perform},
    protocol::action_of,
};
use crate::runtime::Shard;

/// The API on one shard.
pub(super) struct Api {
    /// What operations work with.
    pub(super) context: Context,
    /// Whether no more is begun, as readiness probes are told.
    pub(super) draining: Arc<AtomicBool>,
}

impl Service for Api {
    type Waiting = WaitingReply;

    fn answer(&self, request: &Request<'_>, body: &mut Vec<u8>) -> Answer<WaitingReply> {
        // RFC 9112, section 3.2: a request of HTTP/1.1 without Host is answered with 400.
        if request.lacks_host {
            return Answer::Ready(self.error(&ApiError::malformed("The request has no Host header"), body));
        }
        match (request.method, request.path) {
            (b"POST", b"/") => self.perform(request, body),
            (b"GET" | b"HEAD", b"/healthz") => Answer::Ready(health(true, body)),
            (b"GET" | b"HEAD", b"/readyz") => Answer::Ready(health(!self.draining.load(Ordering::Relaxed), body)),
            _ => Answer::Ready(self.error(&ApiError::not_found(), body)),
        }
    }

    fn refuse(&self, reason: RefusalReason, body: &mut Vec<u8>) -> Reply {
        let error = match reason {
            RefusalReason::Forbidden(message) => ApiError::malformed(message),
            RefusalReason::TooLarge => ApiError::too_large(),
        };
        self.error(&error, body)
    }
}

impl Api {
    fn perform(&self, request: &Request<'_>, body: &mut Vec<u8>) -> Answer<WaitingReply> {
        let performed = action_of(request.target).and_then(|action| perform(&self.context, action, request.body, body));
        match performed {
            Ok(Performed::Answered) => Answer::Ready(reply(200, &self.context.shard)),
            Ok(Performed::Waits(start)) => Answer::Later(WaitingReply { start, shard: self.context.shard.clone() }),
            Err(error) => Answer::Ready(self.error(&error, body)),
        }
    }

    fn error(&self, error: &ApiError, body: &mut Vec<u8>) -> Reply {
        refusal(error, &self.context.shard, body)
    }
}

/// The reply to a start whose execution waits.
pub(super) struct WaitingReply {
    start: WaitingStart,
    shard: Shard,
}

impl Waiting for WaitingReply {
    fn poll(&mut self, context: &mut TaskContext<'_>, body: &mut Vec<u8>) -> Poll<Reply> {
        self.start.poll(context, body).map(|answered| match answered {
            Ok(()) => reply(200, &self.shard),
            Err(error) => refusal(&error, &self.shard, body),
        })
    }
}

fn reply(status: u16, shard: &Shard) -> Reply {
    Reply { status, content_type: ContentType::AmzJson { request_id: shard.random() } }
}

fn refusal(error: &ApiError, shard: &Shard, body: &mut Vec<u8>) -> Reply {
    // What an operation has written before it failed is no part of the answer.
    body.clear();
    body.extend_from_slice(&error.to_body());
    reply(error.status, shard)
}

fn health(well: bool, body: &mut Vec<u8>) -> Reply {
    let (status, text) = if well { (200, "ok\n") } else { (503, "draining\n") };
    body.extend_from_slice(text.as_bytes());
    Reply { status, content_type: ContentType::Text }
}
