//! How other threads reach a shard.
//!
//! Ground rules: anybody may push, only the owning shard pops. A push that finds the queue full is refused at once. The
//! wake-up is sent after the push; a shard checks its queue after it was woken and before it sleeps, so a message is never
//! left lying (`Notify` keeps one permit for a shard that is not waiting yet).

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crossbeam::{deque::Injector, queue::ArrayQueue};
use tokio::sync::Notify;

use super::{Effect, completion::Completer, running::Running, shard::Shard};
use crate::{
    model::{
        execution::ExecutionStart,
        quota::{MAX_LONG_MESSAGES, MAX_MAILBOX_MESSAGES, MAX_STEALABLE_STARTS, STEAL_THRESHOLD},
    },
    program::Program,
};

/// A future that runs on one shard and may hold what belongs to that shard.
pub type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// A service to be run on a shard.
pub(super) type Service = Box<dyn FnOnce(Shard) -> LocalFuture + Send>;

/// A start that no shard has begun.
pub(super) struct QueuedStart {
    pub(super) program: Arc<Program>,
    pub(super) start: ExecutionStart,
    pub(super) completer: Completer,
}

pub(super) enum Message {
    Start(QueuedStart),
    /// An execution that was begun elsewhere and has something to wait for, or wants to go on (`true`).
    Adopt(Box<Running>, Vec<Effect>, bool),
    /// An execution that computes for long, from the shard where it has been.
    Long(Box<Running>),
    Service(Service),
}

/// The queue of one shard.
pub(super) struct Mailbox {
    queue: ArrayQueue<Message>,
    wake: Notify,
}

impl Mailbox {
    fn new(capacity: usize) -> Self {
        Self { queue: ArrayQueue::new(capacity), wake: Notify::new() }
    }

    /// # Errors
    /// The message, when the queue is full.
    pub(super) fn push(&self, message: Message) -> Result<(), Message> {
        self.queue.push(message)?;
        self.wake.notify_one();
        Ok(())
    }

    pub(super) fn pop(&self) -> Option<Message> {
        self.queue.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }
}

/// The mailboxes of all shards, and the starts that any of them may take.
pub(super) struct Post {
    /// Those of the shards that take starts, then as many of the shards in the background.
    pub(super) mailboxes: Vec<Mailbox>,
    shards: usize,
    stealable: Injector<QueuedStart>,
    stealable_count: AtomicUsize,
    next: AtomicUsize,
    next_background: AtomicUsize,
}

impl Post {
    pub(super) fn new(shards: usize) -> Self {
        let capacities = [MAX_MAILBOX_MESSAGES, MAX_LONG_MESSAGES];
        let capacities = capacities.into_iter().flat_map(|capacity| std::iter::repeat_n(capacity, shards));
        Self {
            mailboxes: capacities.map(Mailbox::new).collect(),
            shards,
            stealable: Injector::new(),
            stealable_count: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            next_background: AtomicUsize::new(0),
        }
    }

    /// The mailboxes of the shards that take starts.
    pub(super) fn foreground(&self) -> &[Mailbox] {
        &self.mailboxes[..self.shards]
    }

    /// The mailboxes of the shards in the background.
    pub(super) fn background(&self) -> &[Mailbox] {
        &self.mailboxes[self.shards..]
    }

    /// The mailbox of a shard in the background, in turn.
    pub(super) fn any_background(&self) -> &Mailbox {
        &self.background()[self.next_background.fetch_add(1, Ordering::Relaxed) % self.shards]
    }

    /// A shard, in turn.
    pub(super) fn next_shard(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % self.shards
    }

    /// The mailbox of a shard, in turn.
    pub(super) fn any(&self) -> &Mailbox {
        &self.mailboxes[self.next_shard()]
    }

    /// Hands a start to a shard, or, when that has enough to do, to whichever is idle first.
    ///
    /// # Errors
    /// The start, when everything is full.
    pub(super) fn start(&self, start: QueuedStart) -> Result<(), QueuedStart> {
        let mailbox = self.any();
        if mailbox.queue.len() < STEAL_THRESHOLD {
            return mailbox.push(Message::Start(start)).map_err(|message| match message {
                Message::Start(start) => start,
                _ => unreachable!("the message that comes back is the one that was pushed"),
            });
        }
        // The count may run ahead of the queue for a moment; that only refuses a little early.
        if self.stealable_count.fetch_add(1, Ordering::Relaxed) >= MAX_STEALABLE_STARTS {
            self.stealable_count.fetch_sub(1, Ordering::Relaxed);
            return Err(start);
        }
        self.stealable.push(start);
        for mailbox in self.foreground() {
            mailbox.wake();
        }
        Ok(())
    }

    /// A start that waits for an idle shard.
    pub(super) fn steal(&self) -> Option<QueuedStart> {
        if self.stealable_count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        loop {
            match self.stealable.steal() {
                crossbeam::deque::Steal::Success(start) => {
                    self.stealable_count.fetch_sub(1, Ordering::Relaxed);
                    return Some(start);
                }
                crossbeam::deque::Steal::Empty => return None,
                crossbeam::deque::Steal::Retry => {}
            }
        }
    }
}
