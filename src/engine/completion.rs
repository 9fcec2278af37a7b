//! How a start hears of its execution's end.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::model::execution::Outcome;

/// Resolves exactly once, to the outcome of an execution. Dropping it does not stop the execution.
#[derive(Debug)]
#[must_use = "an execution whose completion nobody awaits ends unheard"]
pub struct Completion(State);

#[derive(Debug)]
enum State {
    Ended(Option<Box<Outcome>>),
    Running(oneshot::Receiver<Box<Outcome>>),
}

/// The execution went away without an outcome: its shard was stopped. What started it must count it as not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the execution was lost before it ended")]
pub struct Lost;

/// The other end of a [`Completion`]: dropped without an outcome it resolves to [`Lost`].
#[derive(Debug)]
pub(super) struct Completer(oneshot::Sender<Box<Outcome>>);

impl Completer {
    pub(super) fn complete(self, outcome: Box<Outcome>) {
        // Nobody may be listening any more; the execution has ended all the same.
        let _ = self.0.send(outcome);
    }
}

impl Completion {
    /// Of an execution that has ended already.
    pub(super) fn ended(outcome: Box<Outcome>) -> Self {
        Self(State::Ended(Some(outcome)))
    }

    /// Of one that is to end some time.
    pub(super) fn pair() -> (Completer, Self) {
        let (sender, receiver) = oneshot::channel();
        (Completer(sender), Self(State::Running(receiver)))
    }

    /// The outcome, if the execution has ended already.
    ///
    /// # Errors
    /// The completion itself, to be awaited, when it has not.
    pub fn try_ended(mut self) -> Result<Outcome, Self> {
        match &mut self.0 {
            State::Ended(outcome) => match outcome.take() {
                Some(outcome) => Ok(*outcome),
                None => Err(self),
            },
            State::Running(_) => Err(self),
        }
    }
}

impl Future for Completion {
    type Output = Result<Outcome, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ended(outcome) => Poll::Ready(outcome.take().map(|outcome| *outcome).ok_or(Lost)),
            State::Running(receiver) => {
                Pin::new(receiver).poll(context).map(|received| received.map(|outcome| *outcome).map_err(|_| Lost))
            }
        }
    }
}
