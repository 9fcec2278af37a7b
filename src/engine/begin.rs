//! How an execution begins: on the thread that starts it, for as long as nothing must be waited for.
//!
//! Ground rules: nothing is borrowed of any shard here, so handlers may be called. What a handler of this process creates
//! while it is called, such as a timer, belongs to the event loop that is entered: that of the shard to which the execution
//! goes when it waits.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    Effect, Input, Progress, Signal,
    running::{Running, handler_panicked},
    shard::poll_call,
    shards::Shared,
};
use crate::{
    model::quota::MAX_EXPRESS_EXECUTION_SECONDS,
    task::{self, TaskAnswer, TaskFuture, TaskHandler, TaskRequest, TaskResult},
};

/// Calls that one execution makes before others get their turn.
const MAX_CALLS: usize = 256;

/// A call that was begun and waits.
pub(super) struct Begun {
    pub(super) signal: Signal,
    pub(super) resource: Arc<str>,
    pub(super) future: TaskFuture,
    pub(super) timeout_ms: Option<u64>,
}

/// Where an execution begins.
pub(super) enum Place {
    /// On the thread of a shard.
    Shard,
    /// On the thread of a caller; the shard that the execution goes to once one is chosen.
    Caller(Option<usize>),
}

impl Running {
    /// Makes the first step, and those after it for as long as handlers that begin anywhere have their results at once.
    pub(super) fn begin(&mut self, shared: &Shared, place: &mut Place, effects: &mut Vec<Effect>) -> Progress {
        let mut progress = self.step(Input::Continue, self.execution.now_ms, effects);
        for _ in 0..MAX_CALLS {
            if !matches!(progress, Progress::Waiting) {
                break;
            }
            let Some((at, handler)) = self.callable(shared, effects) else { break };
            let called = self.call(effects.remove(at), handler, shared, place);
            let Some((signal, result)) = called else { continue };
            progress = self.step(Input::TaskEnded(signal, result), shared.clock.epoch_ms(), effects);
            self.forget_cancelled(effects);
        }
        progress
    }

    /// The first of the tasks to be called whose handler begins anywhere. Those of an execution that runs a test case are not
    /// called here: they may be mocked.
    fn callable<'a>(&self, shared: &'a Shared, effects: &[Effect]) -> Option<(usize, &'a dyn TaskHandler)> {
        effects.iter().enumerate().find_map(|(at, effect)| match effect {
            Effect::Invoke { task, test_case: None, .. } => {
                let resource = &self.program.tasks[task.index()].resource;
                Some((at, &**shared.handlers.find_beginning_anywhere(resource)?))
            }
            _ => None,
        })
    }

    /// Calls a task. The result, when it is there at once; else the call is among those begun.
    fn call(
        &mut self,
        invoke: Effect,
        handler: &dyn TaskHandler,
        shared: &Shared,
        place: &mut Place,
    ) -> Option<(Signal, TaskResult)> {
        let Effect::Invoke { signal, task, input, credentials, timeout_ms, test_case } = invoke else {
            unreachable!("only calls are found to be callable");
        };
        let resource = Arc::clone(&self.program.tasks[task.index()].resource);
        let deadline_ms = timeout_ms.unwrap_or(MAX_EXPRESS_EXECUTION_SECONDS * 1000);
        let caller = Some(self.caller());
        let request =
            TaskRequest { resource: Arc::clone(&resource), input, credentials, deadline_ms, caller, test_case };
        self.has_called = true;
        let entered = match place {
            Place::Caller(shard) if handler.function().is_none() => {
                let shard = *shard.get_or_insert_with(|| shared.post.next_shard());
                Some(shared.event_loops[shard].enter())
            }
            _ => None,
        };
        let begun = catch_unwind(AssertUnwindSafe(|| task::begin(handler, request)));
        let result = match begun {
            Ok(TaskAnswer::Now(result)) => result,
            Ok(TaskAnswer::Later(mut future)) => {
                match poll_call(&mut future, &resource, &mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(result) => result,
                    Poll::Pending => {
                        self.begun.push(Begun { signal, resource, future, timeout_ms });
                        return None;
                    }
                }
            }
            Ok(TaskAnswer::Mocked(_)) => unreachable!("handlers themselves mock nothing"),
            Err(_) => Err(handler_panicked(&resource)),
        };
        drop(entered);
        Some((signal, result))
    }

    /// Takes out what was asked for or begun and is not wanted any more, so that nothing is called only to be cancelled.
    fn forget_cancelled(&mut self, effects: &mut Vec<Effect>) {
        let mut at = 0;
        while at < effects.len() {
            let Effect::Cancel(cancelled) = effects[at] else {
                at += 1;
                continue;
            };
            self.begun.retain(|begun| begun.signal != cancelled);
            let before = effects.len();
            effects.retain(|effect| match effect {
                Effect::Wake { signal, .. } | Effect::Invoke { signal, .. } | Effect::Cancel(signal) => {
                    *signal != cancelled
                }
            });
            // What was cancelled stood in front of here, if it was not begun already.
            at = (at + 1).saturating_sub(before - effects.len());
        }
    }
}
