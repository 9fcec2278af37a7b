//! A shard: one thread that owns its executions, their timers and their calls.
//!
//! Ground rules: everything here belongs to one thread. `core` is borrowed for as long as no foreign code runs: handlers are
//! called and polled, and completions resolved, only while it is not borrowed.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    Effect, Input, Progress, Signal,
    begin::Place,
    completion::{Completer, Completion},
    executions::Executions,
    mailbox::Message,
    parked::PARKED_FROM_MS,
    running::{ExecutionKey, Pending, Running, handler_panicked},
    shards::{Shared, StartError},
    timer::TimerWheel,
};
use crate::{
    model::{
        error_name,
        execution::{ExecutionStart, ExecutionStatus, Outcome},
        quota::MAX_EXPRESS_EXECUTION_SECONDS,
    },
    observe::BoundedRecorder,
    program::{Program, TaskId},
    task::{Caller, MockedAnswer, TaskAnswer, TaskError, TaskFuture, TaskRequest, TaskResult},
};

/// Messages, executions and inputs that a shard handles before it looks after everything else again.
const BATCH: usize = 64;
/// Turns that executions which want to go on get, before the shard looks after everything else again.
const MAX_TURNS: usize = 8;

/// A handle to a shard, on its own thread.
#[derive(Clone)]
pub struct Shard(Rc<Inner>);

struct Inner {
    index: usize,
    shared: Arc<Shared>,
    core: RefCell<Core>,
    random: RefCell<fastrand::Rng>,
}

pub(super) struct Core {
    executions: Executions,
    timers: TimerWheel<Timer>,
    /// Executions that used up their budget.
    runnable: VecDeque<ExecutionKey>,
    /// Results that are handed in at the next turn.
    inputs: VecDeque<(ExecutionKey, Input)>,
    /// When the shard means to wake up; a timer before that wakes it.
    armed_ms: u64,
}

/// What a timer is for. Very many of them may be set, so that it is packed.
#[derive(Clone, Copy)]
#[repr(Rust, packed)]
struct Timer {
    key: ExecutionKey,
    signal: Signal,
    kind: TimerKind,
}

#[derive(Clone, Copy)]
enum TimerKind {
    Wake,
    TaskTimeout,
    /// The answer of a mocked call.
    MockedAnswer,
    /// `TimeoutSeconds` of the machine: nobody waits for it.
    Limit,
}

/// How a call stands that was just begun.
enum Call {
    Ended(TaskResult),
    Mocked(MockedAnswer),
    /// It hands in its result itself, or its execution has ended.
    UnderWay,
}

/// How a synchronous start stands when the call returns.
#[derive(Debug)]
pub enum Started {
    /// The execution has ended already.
    Ended(Outcome),
    /// It waits for something.
    Running(Completion),
}

impl Shard {
    pub(super) fn new(index: usize, shared: Arc<Shared>, seed: u64) -> Self {
        let now_ms = shared.monotonic_ms();
        Self(Rc::new(Inner {
            index,
            core: RefCell::new(Core {
                executions: Executions::new(),
                timers: TimerWheel::new(now_ms),
                runnable: VecDeque::new(),
                inputs: VecDeque::new(),
                armed_ms: 0,
            }),
            shared,
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
        }))
    }

    /// Which shard this is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// A random number from the shard's seeded generator, for names of executions and requests.
    #[must_use]
    pub fn random(&self) -> u128 {
        self.0.random.borrow_mut().u128(..)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn epoch_ms(&self) -> u64 {
        self.0.shared.clock.epoch_ms()
    }

    /// Executions of all shards that have not ended.
    #[must_use]
    pub fn executions_in_flight(&self) -> usize {
        self.0.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Starts an execution right here and runs it until it first waits. Nobody hears how it ends.
    ///
    /// # Errors
    /// [`StartError`] when too many executions are in flight, or none are started any more.
    pub fn start(&self, program: Arc<Program>, start: ExecutionStart) -> Result<(), StartError> {
        self.0.shared.admit(self.counters())?;
        self.begin(program, start, None, false);
        Ok(())
    }

    /// Starts an execution right here and runs it until it first waits.
    ///
    /// # Errors
    /// [`StartError`] when too many executions are in flight, or none are started any more.
    pub fn start_sync(
        &self,
        program: Arc<Program>,
        start: ExecutionStart,
        recorder: Option<BoundedRecorder>,
    ) -> Result<Started, StartError> {
        self.0.shared.admit(self.counters())?;
        let mut running = Box::new(Running::new(program, start, self.random() as u64, self.epoch_ms()));
        running.recorder = recorder.map(Box::new);
        let mut effects = Vec::new();
        match running.begin(&self.0.shared, &mut Place::Shard, &mut effects) {
            Progress::Ended(outcome) => {
                self.count_end(outcome.status);
                Ok(Started::Ended(*outcome))
            }
            progress => {
                let (completer, completion) = Completion::pair();
                running.completer = Some(completer);
                self.0.shared.in_flight.fetch_add(1, Ordering::Relaxed);
                self.adopt(running, effects, matches!(progress, Progress::Yielded));
                Ok(Started::Running(completion))
            }
        }
    }

    /// Begins an execution; `counted` when it counts as in flight since it was queued.
    fn begin(&self, program: Arc<Program>, start: ExecutionStart, completer: Option<Completer>, counted: bool) {
        let mut running = Box::new(Running::new(program, start, self.random() as u64, self.epoch_ms()));
        let mut effects = Vec::new();
        let progress = running.begin(&self.0.shared, &mut Place::Shard, &mut effects);
        if let Progress::Ended(outcome) = progress {
            if counted {
                self.0.shared.leave();
            }
            self.count_end(outcome.status);
            if let Some(completer) = completer {
                completer.complete(outcome);
            }
            return;
        }
        if !counted {
            self.0.shared.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        running.completer = completer;
        self.adopt(running, effects, matches!(progress, Progress::Yielded));
    }

    /// Takes over an execution that has something to wait for, or wants to go on.
    pub(super) fn adopt(&self, mut running: Box<Running>, effects: Vec<Effect>, yielded: bool) {
        let begun = std::mem::take(&mut running.begun);
        let limit_ms = running.program.timeout_ms.filter(|time| *time < MAX_EXPRESS_EXECUTION_SECONDS * 1000);
        let now_ms = self.0.shared.monotonic_ms();
        running.deadline_ms = now_ms + MAX_EXPRESS_EXECUTION_SECONDS * 1000;
        let key = {
            let core = &mut *self.0.core.borrow_mut();
            self.insert(core, running, limit_ms.map(|limit_ms| now_ms + limit_ms), yielded)
        };
        for call in begun {
            self.await_call(key, call.signal, call.resource, call.future);
            if let Some(timeout_ms) = call.timeout_ms {
                self.set_timer(key, call.signal, timeout_ms, TimerKind::TaskTimeout);
            }
        }
        self.perform(key, effects);
    }

    /// Gives an execution a place; `limit_ms` is when it must end if its place in the list of deadlines does not say so.
    pub(super) fn insert(
        &self,
        core: &mut Core,
        mut running: Box<Running>,
        limit_ms: Option<u64>,
        yielded: bool,
    ) -> ExecutionKey {
        let deadline_ms = running.deadline_ms;
        running.runnable = yielded;
        let key = core.executions.insert(running);
        if let Some(limit_ms) = limit_ms {
            let limit = core.timers.insert(limit_ms, Timer { key, signal: Signal::NONE, kind: TimerKind::Limit });
            if let Some(running) = core.executions.get_mut(key) {
                running.limit = Some(limit);
            }
        }
        self.wake_before(core, limit_ms.map_or(deadline_ms, |limit_ms| limit_ms.min(deadline_ms)));
        if yielded {
            core.runnable.push_back(key);
            self.wake();
        }
        key
    }

    /// Performs effects and hands in at once what is known at once.
    fn perform(&self, key: ExecutionKey, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Wake { signal, after_ms } => {
                    self.set_timer(key, signal, self.0.shared.scaled_ms(after_ms), TimerKind::Wake);
                }
                Effect::Cancel(signal) => self.cancel(key, signal),
                Effect::Invoke { signal, task, input, credentials, timeout_ms, test_case } => {
                    let deadline_ms = timeout_ms.unwrap_or(MAX_EXPRESS_EXECUTION_SECONDS * 1000);
                    let request = |resource, caller| TaskRequest {
                        resource,
                        input,
                        credentials,
                        deadline_ms,
                        caller: Some(caller),
                        test_case,
                    };
                    match self.call(key, signal, task, request) {
                        Call::Ended(result) => {
                            self.0.core.borrow_mut().inputs.push_back((key, Input::TaskEnded(signal, result)));
                            self.wake();
                        }
                        Call::Mocked(answer) => self.wait_for_mocked(key, signal, answer, timeout_ms),
                        Call::UnderWay => {
                            if let Some(timeout_ms) = timeout_ms {
                                self.set_timer(key, signal, timeout_ms, TimerKind::TaskTimeout);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Sets the one timer that a mocked call needs: that of its answer, or that of its timeout when this comes first. Both are
    /// scaled, so that a scale does not change which of them that is.
    fn wait_for_mocked(&self, key: ExecutionKey, signal: Signal, answer: MockedAnswer, timeout_ms: Option<u64>) {
        let shared = &self.0.shared;
        match (answer, timeout_ms) {
            (MockedAnswer::After { delay_ms, result }, timeout_ms)
                if timeout_ms.is_none_or(|timeout_ms| delay_ms < timeout_ms) =>
            {
                let mut pending = Pending::new(signal);
                pending.mocked = Some(Box::new(result));
                if let Some(running) = self.0.core.borrow_mut().executions.get_mut(key) {
                    running.push_pending(pending);
                }
                self.set_timer(key, signal, shared.scaled_ms(delay_ms), TimerKind::MockedAnswer);
            }
            (_, Some(timeout_ms)) => {
                self.set_timer(key, signal, shared.scaled_ms(timeout_ms), TimerKind::TaskTimeout);
            }
            (_, None) => {}
        }
    }

    fn set_timer(&self, key: ExecutionKey, signal: Signal, after_ms: u64, kind: TimerKind) {
        // From the end of the millisecond that it is, so that no wait is shorter than it says. A back-off may have grown beyond
        // all numbers.
        let deadline_ms = self.0.shared.clock.monotonic_us().div_ceil(1000).saturating_add(after_ms);
        let core = &mut *self.0.core.borrow_mut();
        let Some(running) = core.executions.get_mut(key) else {
            return;
        };
        let id = Some(core.timers.insert(deadline_ms, Timer { key, signal, kind }));
        match running.pending.iter_mut().find(|pending| pending.signal == signal) {
            Some(pending) => pending.timer = id,
            None => running.push_pending(Pending { timer: id, ..Pending::new(signal) }),
        }
        if after_ms >= PARKED_FROM_MS {
            core.executions.park(key);
        }
        self.wake_before(core, deadline_ms);
    }

    fn cancel(&self, key: ExecutionKey, signal: Signal) {
        let core = &mut *self.0.core.borrow_mut();
        let Some(running) = core.executions.get_mut(key) else {
            return;
        };
        if let Some(pending) = running.take_pending(signal) {
            core.end_pending(pending);
        }
    }

    /// Begins to call a task.
    fn call(
        &self,
        key: ExecutionKey,
        signal: Signal,
        task: TaskId,
        request: impl FnOnce(Arc<str>, Caller) -> TaskRequest,
    ) -> Call {
        let (resource, caller) = match self.0.core.borrow_mut().executions.get_mut(key) {
            Some(running) => (Arc::clone(&running.program.tasks[task.index()].resource), running.caller()),
            None => return Call::UnderWay,
        };
        let request = request(Arc::clone(&resource), caller);
        let mut future = match catch_unwind(AssertUnwindSafe(|| self.0.shared.handlers.begin(request))) {
            Ok(Some(TaskAnswer::Later(future))) => future,
            Ok(Some(TaskAnswer::Now(result))) => return Call::Ended(result),
            Ok(Some(TaskAnswer::Mocked(MockedAnswer::After { delay_ms: 0, result }))) => return Call::Ended(result),
            Ok(Some(TaskAnswer::Mocked(answer))) => return Call::Mocked(answer),
            Ok(None) => {
                let cause = format!("No task handler answers the resource '{resource}'.");
                return Call::Ended(Err(TaskError::new(error_name::RUNTIME, cause)));
            }
            Err(_) => return Call::Ended(Err(handler_panicked(&resource))),
        };
        if let Poll::Ready(result) = poll_call(&mut future, &resource, &mut Context::from_waker(Waker::noop())) {
            return Call::Ended(result);
        }
        self.await_call(key, signal, resource, future);
        Call::UnderWay
    }

    /// Lets a call hand in its result when it has one.
    fn await_call(&self, key: ExecutionKey, signal: Signal, resource: Arc<str>, mut future: TaskFuture) {
        let shard = self.clone();
        let call = tokio::task::spawn_local(async move {
            let result = poll_fn(|context| poll_call(&mut future, &resource, context)).await;
            shard.drive(key, Input::TaskEnded(signal, result));
        });
        if let Some(running) = self.0.core.borrow_mut().executions.get_mut(key) {
            running.push_pending(Pending { call: Some(call.abort_handle()), ..Pending::new(signal) });
        }
    }

    /// Hands an input to an execution and performs what comes of it.
    fn drive(&self, key: ExecutionKey, input: Input) {
        let now_ms = self.epoch_ms();
        let mut effects = Vec::new();
        let progress = {
            let core = &mut *self.0.core.borrow_mut();
            let Some(running) = core.executions.get_mut(key) else {
                return;
            };
            if let Input::TaskEnded(signal, _) | Input::Woken(signal) | Input::TaskTimedOut(signal) = &input
                && let Some(pending) = running.take_pending(*signal)
            {
                // Its call or its timer, whichever did not bring this input.
                if let Some(call) = &pending.call {
                    call.abort();
                }
                if let Some(timer) = pending.timer.filter(|_| matches!(input, Input::TaskEnded(..))) {
                    core.timers.cancel(timer);
                }
            }
            let begun_us = matches!(input, Input::Continue).then(|| self.0.shared.clock.monotonic_us());
            if begun_us.is_some() {
                running.runnable = false;
            }
            let progress = running.step(input, now_ms, &mut effects);
            if let Some(begun_us) = begun_us {
                running.computed_us += self.0.shared.clock.monotonic_us() - begun_us;
            }
            // Once only: an execution that gets inputs while it has its turn coming must not get more turns than others.
            if matches!(progress, Progress::Yielded) && !running.runnable {
                if !self.is_background() && effects.is_empty() && running.is_long() {
                    if let Some(running) = core.remove(key) {
                        self.send_to_background(core, running);
                    }
                    return;
                }
                running.runnable = true;
                core.runnable.push_back(key);
                self.wake();
            }
            progress
        };
        match progress {
            Progress::Ended(outcome) => self.end(key, outcome),
            Progress::Yielded | Progress::Waiting => self.perform(key, effects),
        }
    }

    /// Removes an execution and tells who waits for it.
    fn end(&self, key: ExecutionKey, outcome: Box<Outcome>) {
        let running = {
            let Some(running) = self.0.core.borrow_mut().remove(key) else { return };
            running
        };
        self.0.shared.leave();
        self.count_end(outcome.status);
        if let Some(completer) = running.completer {
            completer.complete(outcome);
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// It takes no starts, only executions that compute for long.
    pub(super) fn is_background(&self) -> bool {
        self.0.index >= self.0.shared.post.foreground().len()
    }

    fn counters(&self) -> &super::shards::Counters {
        &self.0.shared.counters[self.0.index]
    }

    fn count_end(&self, status: ExecutionStatus) {
        self.counters().ended(status);
    }

    fn wake(&self) {
        self.0.shared.post.mailboxes[self.0.index].wake();
    }

    fn wake_before(&self, core: &mut Core, deadline_ms: u64) {
        if deadline_ms < core.armed_ms {
            core.armed_ms = deadline_ms;
            self.wake();
        }
    }

    /// Runs the shard until it is told to stop and its last execution has ended.
    pub(super) async fn run(self) {
        let shared = Arc::clone(&self.0.shared);
        let mailbox = &shared.post.mailboxes[self.0.index];
        loop {
            self.read_mailbox();
            self.fire_timers();
            self.run_inputs();
            self.run_runnable();
            let stolen = self.steal();
            let (idle, next_ms) = {
                let core = &mut *self.0.core.borrow_mut();
                let idle = core.runnable.is_empty() && core.inputs.is_empty() && mailbox.is_empty();
                let next_ms = [core.timers.next_ms(), core.executions.next_deadline_ms()].into_iter().flatten().min();
                core.armed_ms = next_ms.unwrap_or(u64::MAX);
                (idle, next_ms)
            };
            if idle && !stolen && shared.may_end(self.is_background()) && self.0.core.borrow().executions.is_empty() {
                return;
            }
            if stolen || !idle {
                if !self.0.core.borrow().runnable.is_empty() {
                    // The system takes a core only after milliseconds from a thread that computes without end. Whoever waits for
                    // this one, such as a client on the same machine, would wait for as long.
                    std::thread::yield_now();
                }
                tokio::task::yield_now().await;
                continue;
            }
            match next_ms {
                None => mailbox.woken().await,
                Some(next_ms) => {
                    let left = Duration::from_millis(next_ms.saturating_sub(shared.monotonic_ms()));
                    tokio::select! {
                        () = mailbox.woken() => {}
                        () = tokio::time::sleep(left) => {}
                    }
                }
            }
        }
    }

    fn read_mailbox(&self) {
        let mailbox = &self.0.shared.post.mailboxes[self.0.index];
        for _ in 0..BATCH {
            match mailbox.pop() {
                None => return,
                Some(Message::Start(queued)) => self.begin(queued.program, queued.start, Some(queued.completer), true),
                Some(Message::Adopt(running, effects, yielded)) => self.adopt(running, effects, yielded),
                Some(Message::Long(running)) => self.place_long(&mut self.0.core.borrow_mut(), running),
                Some(Message::Service(service)) => {
                    tokio::task::spawn_local(service(self.clone()));
                }
            }
        }
    }

    /// Begins starts that wait for any shard, once its own are begun: also while executions of its own are running, or a few
    /// that never end would hold them for good. Whether there were any.
    fn steal(&self) -> bool {
        if self.is_background() {
            return false;
        }
        let post = &self.0.shared.post;
        for count in 0..BATCH {
            if !post.mailboxes[self.0.index].is_empty() {
                return count > 0;
            }
            match post.steal() {
                Some(queued) => self.begin(queued.program, queued.start, Some(queued.completer), true),
                None => return count > 0,
            }
        }
        true
    }

    fn fire_timers(&self) {
        let now_ms = self.0.shared.monotonic_ms();
        let mut fired = Vec::new();
        let over = {
            let core = &mut *self.0.core.borrow_mut();
            core.timers.advance(now_ms, |timer| fired.push(timer));
            core.executions.overdue(now_ms)
        };
        for Timer { key, signal, kind } in fired {
            match kind {
                TimerKind::Wake => self.drive(key, Input::Woken(signal)),
                TimerKind::TaskTimeout => self.drive(key, Input::TaskTimedOut(signal)),
                TimerKind::MockedAnswer => self.end_mocked(key, signal),
                TimerKind::Limit => self.time_out(key, true),
            }
        }
        for key in over {
            self.time_out(key, false);
        }
    }

    /// The time of a mocked call is over: its result is handed in.
    fn end_mocked(&self, key: ExecutionKey, signal: Signal) {
        let pending = self.0.core.borrow_mut().executions.get_mut(key).and_then(|running| running.take_pending(signal));
        if let Some(result) = pending.and_then(|pending| pending.mocked) {
            self.drive(key, Input::TaskEnded(signal, *result));
        }
    }

    fn time_out(&self, key: ExecutionKey, limit_fired: bool) {
        let stop_time_ms = self.epoch_ms();
        let start_time_ms = {
            let mut core = self.0.core.borrow_mut();
            let Some(running) = core.executions.get_mut(key) else {
                return;
            };
            if limit_fired {
                running.limit = None;
            }
            running.execution.start_time_ms()
        };
        let status = ExecutionStatus::TimedOut;
        self.end(
            key,
            Box::new(Outcome { status, output: None, error: None, cause: None, start_time_ms, stop_time_ms }),
        );
    }

    fn run_inputs(&self) {
        for _ in 0..BATCH {
            let next = self.0.core.borrow_mut().inputs.pop_front();
            match next {
                Some((key, input)) => self.drive(key, input),
                None => return,
            }
        }
    }

    /// Gives executions that want to go on a turn each: a few endless loops must not take the turns of what comes in.
    fn run_runnable(&self) {
        let turns = self.0.core.borrow().runnable.len().min(MAX_TURNS);
        for _ in 0..turns {
            let next = self.0.core.borrow_mut().runnable.pop_front();
            match next {
                Some(key) => self.drive(key, Input::Continue),
                None => return,
            }
        }
    }
}

impl Core {
    fn end_pending(&mut self, pending: Pending) {
        if let Some(timer) = pending.timer {
            self.timers.cancel(timer);
        }
        if let Some(call) = pending.call {
            call.abort();
        }
    }

    pub(super) fn remove(&mut self, key: ExecutionKey) -> Option<Box<Running>> {
        let mut running = self.executions.remove(key)?;
        for pending in std::mem::take(&mut running.pending) {
            self.end_pending(pending);
        }
        if let Some(limit) = running.limit {
            self.timers.cancel(limit);
        }
        Some(running)
    }
}

pub(super) fn poll_call(future: &mut TaskFuture, resource: &str, context: &mut Context<'_>) -> Poll<TaskResult> {
    let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(context)));
    polled.unwrap_or_else(|_| Poll::Ready(Err(handler_panicked(resource))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_timers_fit_a_cache_line() {
        assert_eq!(TimerWheel::<Timer>::BYTES_EACH, 32);
    }
}
