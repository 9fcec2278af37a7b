//! From requests to operations, and from their results to replies: everything that HTTP and the API have to do with each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as TaskContext, Poll},
};

use super::{
    background::{LargeRequests, ReplyToCome},
    error::ApiError,
    http::{Answer, ContentType, RefusalReason, Reply, Request, Service, Waiting},
    operation::{Context, Performed, WaitingStart, perform},
    protocol::action_of,
};
use crate::{
    model::{action::Action, quota::LARGE_REQUEST_BYTES},
    runtime::{Lost, Shard},
};

/// The API on one shard.
pub(super) struct Api {
    /// What operations work with.
    pub(super) context: Context,
    /// Whether no more is begun, as readiness probes are told.
    pub(super) draining: Arc<AtomicBool>,
    /// Where large requests are answered; none when that is here.
    pub(super) background: Option<Arc<LargeRequests>>,
}

impl Service for Api {
    type Waiting = WaitingReply;

    fn answer(&self, request: &Request<'_>, body: &mut Vec<u8>) -> Answer<WaitingReply> {
        // RFC 9112, section 3.2: a request of HTTP/1.1 without Host is answered with 400.
        if request.lacks_host {
            return Answer::Ready(self.error(&ApiError::malformed("The request has no Host header"), body));
        }
        match (request.method, request.path) {
            (b"POST", b"/") => match action_of(request.target) {
                Ok(action) => match &self.background {
                    Some(background) if request.body.len() > LARGE_REQUEST_BYTES => {
                        let reply = background.push(self, action, request.body);
                        Answer::Later(WaitingReply::Large(reply, self.context.shard.clone()))
                    }
                    _ => self.perform(action, request.body, body),
                },
                Err(error) => Answer::Ready(self.error(&error, body)),
            },
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
    /// Performs an action right here.
    pub(super) fn perform(&self, action: Action, request: &[u8], body: &mut Vec<u8>) -> Answer<WaitingReply> {
        match perform(&self.context, action, request, body) {
            Ok(Performed::Answered) => Answer::Ready(reply(200, &self.context.shard)),
            Ok(Performed::Waits(start)) => Answer::Later(WaitingReply::Start(start, self.context.shard.clone())),
            Err(error) => Answer::Ready(self.error(&error, body)),
        }
    }

    fn error(&self, error: &ApiError, body: &mut Vec<u8>) -> Reply {
        refusal(error, &self.context.shard, body)
    }
}

/// A reply that has to be waited for, and the shard whose connection waits.
pub(super) enum WaitingReply {
    /// To a start whose execution waits.
    Start(WaitingStart, Shard),
    /// To a large request.
    Large(ReplyToCome, Shard),
}

impl Waiting for WaitingReply {
    fn poll(&mut self, context: &mut TaskContext<'_>, body: &mut Vec<u8>) -> Poll<Reply> {
        match self {
            Self::Start(start, shard) => start.poll(context, body).map(|answered| match answered {
                Ok(()) => reply(200, shard),
                Err(error) => refusal(&error, shard, body),
            }),
            Self::Large(reply, shard) => {
                reply.poll(context, body).map(|made| made.unwrap_or_else(|| refusal(&Lost.into(), shard, body)))
            }
        }
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
