//! Large requests, answered in the background: to read one, to write its reply and what it starts may take milliseconds, and
//! those whose connections are on the same shard would wait for as long.
//!
//! Ground rules: any shard pushes and then wakes one service of the background; a service takes requests until there are none
//! before it waits, and a wake-up that finds nobody waiting is kept for the next who does. So none is left lying.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use crossbeam::queue::ArrayQueue;
use tokio::sync::{Notify, oneshot};

use super::{
    http::{Answer, Reply, Waiting},
    service::Api,
};
use crate::model::{action::Action, quota::MAX_WAITING_LARGE_REQUESTS};

/// A reply with its body.
type LargeReply = (Reply, Vec<u8>);

/// The large requests that nobody has begun to answer.
pub(super) struct LargeRequests {
    queue: ArrayQueue<LargeRequest>,
    wake: Notify,
}

struct LargeRequest {
    action: Action,
    body: Vec<u8>,
    answer: oneshot::Sender<LargeReply>,
}

/// The reply to a large request, once the background has made it.
pub(super) struct ReplyToCome(oneshot::Receiver<LargeReply>);

impl LargeRequests {
    pub(super) fn new() -> Self {
        Self { queue: ArrayQueue::new(MAX_WAITING_LARGE_REQUESTS), wake: Notify::new() }
    }

    /// Has a request answered in the background. When the background does not get along, because others take all cores, the
    /// request that has waited for longest is answered with `api` instead.
    pub(super) fn push(&self, api: &Api, action: Action, body: &[u8]) -> ReplyToCome {
        let (sender, reply) = oneshot::channel();
        match self.queue.force_push(LargeRequest { action, body: body.to_vec(), answer: sender }) {
            Some(oldest) => answer(api, oldest),
            None => self.wake.notify_one(),
        }
        ReplyToCome(reply)
    }

    /// Answers requests, one after the other, on a shard in the background. Never ends.
    pub(super) async fn serve(&self, api: &Api) {
        loop {
            while let Some(request) = self.queue.pop() {
                answer(api, request);
                tokio::task::yield_now().await;
            }
            self.wake.notified().await;
        }
    }
}

fn answer(api: &Api, request: LargeRequest) {
    let LargeRequest { action, body: text, mut answer } = request;
    let mut body = Vec::new();
    match api.perform(action, &text, &mut body) {
        Answer::Ready(reply) => {
            // Nobody wants it when the client is gone.
            let _ = answer.send((reply, body));
        }
        Answer::Later(mut waiting) => {
            tokio::task::spawn_local(async move {
                let reply = poll_fn(|context| {
                    if answer.poll_closed(context).is_ready() {
                        return Poll::Ready(None);
                    }
                    waiting.poll(context, &mut body).map(Some)
                });
                if let Some(reply) = reply.await {
                    let _ = answer.send((reply, body));
                }
            });
        }
    }
}

impl ReplyToCome {
    /// The reply when it is there, its body in place of `body`, which is empty; `None` when the background has ended without.
    pub(super) fn poll(&mut self, context: &mut TaskContext<'_>, body: &mut Vec<u8>) -> Poll<Option<Reply>> {
        Pin::new(&mut self.0).poll(context).map(|made| {
            let (reply, text) = made.ok()?;
            *body = text;
            Some(reply)
        })
    }
}
