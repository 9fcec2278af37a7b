//! What goes into a step and what comes out of it.

use super::StrandId;
use crate::{
    Value,
    model::execution::Outcome,
    program::TaskId,
    task::{TaskResult, TestCaseCall},
};

/// Names one wait of one strand. A signal that comes when the strand waits for something else is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal {
    /// Who waits.
    pub strand: StrandId,
    /// For what: every wait of an execution has another token.
    pub token: u32,
}

impl Signal {
    /// Names no wait: tokens are never 0.
    pub(super) const NONE: Signal = Signal { strand: StrandId::MAIN, token: 0 };
}

/// Why a step is made.
#[derive(Debug)]
pub enum Input {
    /// The execution begins, or goes on where its budget ended.
    Continue,
    /// A timer asked for by [`Effect::Wake`] fired.
    Woken(Signal),
    /// A task ended.
    TaskEnded(Signal, TaskResult),
    /// A task's time ran out.
    TaskTimedOut(Signal),
}

/// What the shard is asked to do.
#[derive(Debug)]
pub enum Effect {
    /// Send [`Input::Woken`] after this time.
    Wake {
        /// Who waits.
        signal: Signal,
        /// How long from now, in milliseconds.
        after_ms: u64,
    },
    /// Call a task, and send [`Input::TaskEnded`] or, after the time given, [`Input::TaskTimedOut`].
    Invoke {
        /// Who waits.
        signal: Signal,
        /// What is called.
        task: TaskId,
        /// The effective input.
        input: Value,
        /// `Credentials`, evaluated.
        credentials: Option<Value>,
        /// How long it may take, in milliseconds.
        timeout_ms: Option<u64>,
        /// Where in the execution it is called, when that runs a test case.
        test_case: Option<Box<TestCaseCall>>,
    },
    /// Nobody waits for this any more: cancel the call or the timer.
    Cancel(Signal),
}

/// Where a step ended.
#[derive(Debug)]
pub enum Progress {
    /// Its budget is used up; it wants to go on.
    Yielded,
    /// It waits for the effects it asked for.
    Waiting,
    /// The execution has ended.
    Ended(Box<Outcome>),
}
