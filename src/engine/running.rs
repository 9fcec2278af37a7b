//! An execution with all that a shard keeps for it.

use std::sync::Arc;

use tokio::task::AbortHandle;

use super::{
    Effect, Execution, Input, Progress, Signal, begin::Begun, completion::Completer, step::step, timer::TimerId,
};
use crate::{
    model::{
        error_name,
        execution::{ExecutionStart, ExecutionStatus, Outcome},
        quota::{STEP_BUDGET, TURN_BUDGET},
    },
    observe::{BoundedRecorder, NoRecorder},
    program::Program,
    task::{Caller, TaskError, TaskResult},
    value::Text,
};

/// Names an execution on its shard. A key of an execution that has ended names nothing, even when its place is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExecutionKey {
    pub(super) place: u32,
    pub(super) generation: u32,
}

pub(super) struct Running {
    pub(super) execution: Execution,
    pub(super) program: Arc<Program>,
    pub(super) completer: Option<Completer>,
    /// Called when it ends, with its recorded history, instead of nothing.
    pub(super) recorder: Option<Box<BoundedRecorder>>,
    pub(super) key: ExecutionKey,
    /// It used up its budget and has a turn coming.
    pub(super) runnable: bool,
    /// How long its turns have taken, in microseconds.
    pub(super) computed_us: u64,
    /// Calls and timers under way.
    pub(super) pending: Vec<Pending>,
    /// Calls that wait and were begun before it came to its shard.
    pub(super) begun: Vec<Begun>,
    /// A handler was called before it came to its shard.
    pub(super) has_called: bool,
    /// When the five minutes are over, on the monotonic clock.
    pub(super) deadline_ms: u64,
    /// The timer of the machine's own `TimeoutSeconds`.
    pub(super) limit: Option<TimerId>,
}

/// Something under way for one wait of a strand.
pub(super) struct Pending {
    pub(super) signal: Signal,
    pub(super) timer: Option<TimerId>,
    pub(super) call: Option<AbortHandle>,
    /// The result of a mocked call, which comes with the timer.
    pub(super) mocked: Option<Box<TaskResult>>,
}

impl Pending {
    pub(super) fn new(signal: Signal) -> Self {
        Self { signal, timer: None, call: None, mocked: None }
    }
}

impl Running {
    pub(super) fn new(program: Arc<Program>, start: ExecutionStart, seed: u64, now_ms: u64) -> Self {
        Self {
            execution: Execution::new(&program, start, seed, now_ms),
            program,
            completer: None,
            recorder: None,
            key: ExecutionKey { place: u32::MAX, generation: 0 },
            runnable: false,
            computed_us: 0,
            pending: Vec::new(),
            begun: Vec::new(),
            has_called: false,
            deadline_ms: u64::MAX,
            limit: None,
        }
    }

    /// Who calls, for handlers that start executions themselves.
    pub(super) fn caller(&self) -> Caller {
        let ExecutionStart { machine, name, depth, .. } = self.execution.start();
        Caller { machine: Arc::clone(machine), name: name.clone(), depth: *depth }
    }

    /// Makes one step. A panic in the engine ends this execution only.
    pub(super) fn step(&mut self, input: Input, now_ms: u64, effects: &mut Vec<Effect>) -> Progress {
        let Self { execution, program, recorder, key, .. } = self;
        // Most executions end in their first step, before they have a place on a shard. One that goes on for longer takes turns
        // with everything else there.
        let budget = if key.place == u32::MAX { STEP_BUDGET } else { TURN_BUDGET };
        let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match recorder {
            None => step(program, execution, input, now_ms, effects, budget, &mut NoRecorder),
            Some(recorder) => step(program, execution, input, now_ms, effects, budget, &mut **recorder),
        }));
        stepped.unwrap_or_else(|_| Progress::Ended(Box::new(self.panicked(now_ms))))
    }

    fn panicked(&self, stop_time_ms: u64) -> Outcome {
        Outcome {
            status: ExecutionStatus::Failed,
            output: None,
            error: Some(Text::from(error_name::RUNTIME)),
            cause: Some(Text::from("The execution engine failed; this is a defect of expressway.")),
            start_time_ms: self.execution.start_time_ms(),
            stop_time_ms,
        }
    }

    /// Notes something under way. Nearly all executions have one such thing at a time, and many wait at once: the list grows by
    /// one.
    pub(super) fn push_pending(&mut self, pending: Pending) {
        if self.pending.len() == self.pending.capacity() && self.pending.len() < 4 {
            self.pending.reserve_exact(1);
        }
        self.pending.push(pending);
    }

    /// Takes what is under way for a wait.
    pub(super) fn take_pending(&mut self, signal: Signal) -> Option<Pending> {
        let place = self.pending.iter().position(|pending| pending.signal == signal)?;
        Some(self.pending.swap_remove(place))
    }
}

pub(super) fn handler_panicked(resource: &str) -> TaskError {
    TaskError::new(error_name::TASK_FAILED, format!("The handler of the resource '{resource}' panicked."))
}
