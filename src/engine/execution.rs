//! The state of one execution: its strands and what they hold.

use std::{cell::Cell, num::NonZeroU32};

use super::{invocation::Invocations, ready::Ready};
use crate::{
    Value,
    model::execution::ExecutionStart,
    program::{InstructionId, MapId, Program, StateId},
    value::Text,
};

/// A strand of an execution: the main one, a branch of a Parallel state, or an iteration of a Map state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StrandId(pub(super) u32);

impl StrandId {
    pub(super) const MAIN: StrandId = StrandId(0);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One execution. It holds no clock, no handle and no thread: it can be moved, stored and replayed.
#[derive(Debug)]
pub struct Execution {
    pub(super) start: ExecutionStart,
    pub(super) start_time_ms: u64,
    /// Milliseconds since 1970, as of the current step.
    pub(super) now_ms: u64,
    pub(super) strands: Vec<Strand>,
    pub(super) free: Vec<StrandId>,
    pub(super) ready: Ready,
    pub(super) last_event_id: u64,
    pub(super) last_token: u32,
    pub(super) random: Cell<u64>,
    /// How often its states were invoked; only counted when it runs a test case.
    pub(super) invocations: Option<Box<Invocations>>,
}

/// A program counter with its registers.
#[derive(Debug)]
pub(super) struct Strand {
    pub(super) at: InstructionId,
    pub(super) state: StateId,
    /// The state's input as it came.
    pub(super) input: Value,
    /// What the state has made of it so far.
    pub(super) data: Value,
    /// Variables to be set when the state is left: an object.
    pub(super) assigned: Option<Value>,
    pub(super) variables: Vec<(Text, Value)>,
    pub(super) entered_event_id: u64,
    /// The event before that; only kept where somebody listens.
    pub(super) entered_after_event_id: u64,
    pub(super) previous_event_id: u64,
    pub(super) entered_time_ms: u64,
    /// Attempts used, per retrier of the current state.
    pub(super) attempts: Vec<u64>,
    /// What it waits for; 0 when for nothing from outside.
    pub(super) token: u32,
    pub(super) waiting: Waiting,
    /// `data` is the result of a Task, Parallel or Map state, or what was made of it.
    pub(super) has_result: bool,
    /// A catcher of the current state is at work: it does not catch its own failures.
    pub(super) caught: bool,
    /// The time-out of its task is that of `HeartbeatSeconds`.
    pub(super) heartbeat: bool,
    /// How long its task may take.
    pub(super) time_limit_seconds: Option<NonZeroU32>,
    pub(super) parent: Option<StrandId>,
    /// Which branch or item of its parent it is.
    pub(super) place: u32,
    /// `$$.Map.Item.Value`, for iterations.
    pub(super) item: Option<Value>,
    pub(super) fork: Option<Box<Fork>>,
}

/// What a strand waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing: it runs, or is ready to.
    Nothing,
    /// A task.
    Task,
    /// The end of a Wait state.
    Timer,
    /// The delay before a retry.
    Retry,
    /// Its branches or iterations.
    Children,
    /// Nothing ever again: the strand is free.
    Gone,
}

/// A Parallel or Map state at work.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) kind: ForkKind,
    /// The outputs so far, `null` where one is missing.
    pub(super) results: Vec<Value>,
    /// A Map's items, taken as they are started.
    pub(super) items: Vec<Value>,
    pub(super) next: usize,
    /// Iterations whose `MapIterationStarted` was counted when the Map began, and the number of the first of these events.
    pub(super) announced: usize,
    pub(super) first_announced_event_id: u64,
    pub(super) running: usize,
    pub(super) failed: usize,
    pub(super) max_concurrency: usize,
    pub(super) tolerated_failures: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ForkKind {
    Parallel,
    Map(MapId),
}

impl Strand {
    pub(super) fn new(at: InstructionId, data: Value) -> Self {
        Self {
            at,
            state: StateId::default(),
            input: Value::NULL,
            data,
            assigned: None,
            variables: Vec::new(),
            entered_event_id: 0,
            entered_after_event_id: 0,
            previous_event_id: 0,
            entered_time_ms: 0,
            attempts: Vec::new(),
            token: 0,
            waiting: Waiting::Nothing,
            has_result: false,
            caught: false,
            heartbeat: false,
            time_limit_seconds: None,
            parent: None,
            place: 0,
            item: None,
            fork: None,
        }
    }
}

impl Strand {
    /// Makes it as good as new in its place, which is cheaper than to make another one and to drop this.
    pub(super) fn reset(&mut self) {
        let Self { at, state, input, data, assigned, variables, entered_event_id, entered_after_event_id, .. } = self;
        (*at, *state, *entered_event_id, *entered_after_event_id) =
            (InstructionId::default(), StateId::default(), 0, 0);
        (*input, *data, *assigned) = (Value::NULL, Value::NULL, None);
        variables.clear();
        let Self { previous_event_id, entered_time_ms, attempts, token, waiting, has_result, caught, .. } = self;
        (*previous_event_id, *entered_time_ms, *token, *waiting) = (0, 0, 0, Waiting::Nothing);
        (*has_result, *caught) = (false, false);
        attempts.clear();
        let Self { heartbeat, time_limit_seconds, parent, place, item, fork, .. } = self;
        (*heartbeat, *time_limit_seconds, *parent, *place) = (false, None, None, 0);
        (*item, *fork) = (None, None);
    }
}

impl Execution {
    /// An execution that has not begun. `seed` feeds its random numbers, `now_ms` is its start time, unless `start` has one.
    #[must_use]
    pub fn new(program: &Program, start: ExecutionStart, seed: u64, now_ms: u64) -> Self {
        let main = Strand::new(program.start, start.input.clone());
        Self {
            start_time_ms: start.start_time_ms.unwrap_or(now_ms),
            start,
            now_ms,
            strands: vec![main],
            free: Vec::new(),
            ready: Ready::of(StrandId::MAIN),
            last_event_id: 0,
            last_token: 0,
            random: Cell::new(seed),
            invocations: None,
        }
    }

    /// One that has been parked. The step that comes brings the time.
    pub(super) fn waiting(
        start: ExecutionStart,
        start_time_ms: u64,
        main: Strand,
        (last_event_id, last_token): (u64, u32),
        seed: u64,
        invocations: Option<Box<Invocations>>,
    ) -> Self {
        Self {
            start,
            start_time_ms,
            now_ms: start_time_ms,
            strands: vec![main],
            free: Vec::new(),
            ready: Ready::default(),
            last_event_id,
            last_token,
            random: Cell::new(seed),
            invocations,
        }
    }

    /// When it started, in milliseconds since 1970.
    #[must_use]
    pub fn start_time_ms(&self) -> u64 {
        self.start_time_ms
    }

    /// What it was started with.
    #[must_use]
    pub fn start(&self) -> &ExecutionStart {
        &self.start
    }

    /// The next number of its generator (SplitMix64).
    pub(super) fn next_random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Every wait gets a token of its own, so that late signals are told apart. Never 0.
    pub(super) fn next_token(&mut self) -> u32 {
        self.last_token = self.last_token.wrapping_add(1).max(1);
        self.last_token
    }
}
