//! Handlers that are functions of the embedding program: the fastest kind, without serialisation.

use std::future::{Future, ready};

use super::{TaskFunction, TaskFuture, TaskHandler, TaskRequest, TaskResult};
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

    fn begins_anywhere(&self) -> bool {
        true
    }
}

/// A function from input to result that waits for nothing, as a [`TaskHandler`]: an execution goes on right behind its call,
/// on the thread that it runs on.
pub struct InProcessFunction<F>(F);

impl<F> InProcessFunction<F>
where
    F: Fn(Value) -> TaskResult + Send + Sync + 'static,
{
    /// Makes a handler of a function.
    pub fn new(function: F) -> Self {
        Self(function)
    }
}

impl<F> TaskHandler for InProcessFunction<F>
where
    F: Fn(Value) -> TaskResult + Send + Sync + 'static,
{
    fn invoke(&self, request: TaskRequest) -> TaskFuture {
        Box::pin(ready((self.0)(request.input)))
    }

    fn function(&self) -> Option<&TaskFunction> {
        Some(&self.0)
    }
}
