//! Handlers that are functions of the embedding program: the fastest kind, without serialisation.

use std::future::Future;

use super::{TaskFuture, TaskHandler, TaskRequest, TaskResult};
use crate::Value;

/// An async function from input to result as a [`TaskHandler`].
pub struct InProcess<F>(F);

impl<F, Answer> InProcess<F>
where
    F: Fn(Value) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = TaskResult> + Send + 'static,
{
    /// Makes a handler of a function.
    pub fn new(function: F) -> Self {
        Self(function)
    }
}

impl<F, Answer> TaskHandler for InProcess<F>
where
    F: Fn(Value) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = TaskResult> + Send + 'static,
{
    fn invoke(&self, request: TaskRequest) -> TaskFuture {
        Box::pin((self.0)(request.input))
    }
}
