//! The form in which an execution waits: what cannot be computed again, as bytes.
//!
//! Ground rules: an execution is parked only where one strand waits for one timer and nothing runs, is recorded or is called
//! for it; everything else waits as it is. Parking takes nothing away that a later step, an event or `$$` could show: what
//! comes back from [`ParkedExecution::unpark`] differs from what went in at no place that [`step`](super::step) reads. Both
//! directions name every field, so that a new one cannot be forgotten.
//!
//! A million executions may wait at once, each for minutes; parsing a text again takes a fraction of a microsecond.

use std::sync::Arc;

use super::{
    Execution, Signal, StrandId,
    completion::Completer,
    execution::{Strand, Waiting},
    invocation::Invocations,
    running::{ExecutionKey, Pending, Running},
    timer::TimerId,
};
use crate::{
    Value,
    model::execution::{ExecutionName, ExecutionStart, MachineIdentity},
    program::{InstructionId, Program, StateId},
    task::TaskResult,
    value::{Packer, Text, Unpacker},
};

/// An execution that waits for less long than this stays as it is: it would hardly be parked before it is needed again.
pub(super) const PARKED_FROM_MS: u64 = 1000;

/// An execution that waits, as bytes.
pub struct ParkedExecution {
    machine: Arc<MachineIdentity>,
    packed: Box<[u8]>,
    kept: Option<Box<Kept>>,
}

/// What most parked executions have none of.
#[derive(Default)]
struct Kept {
    /// Values that are shared with others, or built.
    values: Vec<Value>,
    test_case: Option<Arc<str>>,
    invocations: Option<Box<Invocations>>,
    completer: Option<Completer>,
    mocked: Option<Box<TaskResult>>,
}

/// A parked execution of a shard.
pub(super) struct Parked {
    program: Arc<Program>,
    execution: ParkedExecution,
}

/// What a shard keeps of a parked execution beside it.
#[derive(Default)]
struct Hold {
    timer: Option<TimerId>,
    limit: Option<TimerId>,
    computed_us: u64,
    has_called: bool,
}

/// What is packed as one number.
#[derive(Clone, Copy)]
struct Flags(u64);

impl Flags {
    const SYNCHRONOUS: u64 = 1;
    const STARTED_BEFORE: u64 = 1 << 1;
    const NAMED: u64 = 1 << 2;
    const ASSIGNS: u64 = 1 << 3;
    const HAS_RESULT: u64 = 1 << 4;
    const CAUGHT: u64 = 1 << 5;
    const HEARTBEAT: u64 = 1 << 6;
    const HAS_CALLED: u64 = 1 << 7;
    const WAITS_FOR_TASK: u64 = 1 << 8;
    const WAITS_FOR_RETRY: u64 = 1 << 9;

    fn of(flags: &[(u64, bool)]) -> Self {
        Self(flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag).sum())
    }

    fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
}

impl Execution {
    /// Takes everything out of an execution that waits, in the form in which it takes least memory; what is left is not to be
    /// run. `None` when it is not of the kind that is parked: then nothing is taken.
    pub fn park(&mut self) -> Option<ParkedExecution> {
        if !self.is_parkable() {
            return None;
        }
        Some(self.pack(&Hold::default(), Kept::default(), &mut Vec::new()))
    }

    fn is_parkable(&self) -> bool {
        let main = &self.strands[StrandId::MAIN.index()];
        self.ready.is_empty()
            && self.strands.len() == self.free.len() + 1
            && main.fork.is_none()
            && matches!(main.waiting, Waiting::Task | Waiting::Timer | Waiting::Retry)
    }

    fn pack(&mut self, hold: &Hold, mut kept: Kept, bytes: &mut Vec<u8>) -> ParkedExecution {
        let Self {
            start,
            start_time_ms,
            // Every step brings its own.
            now_ms: _,
            strands,
            free: _,
            ready: _,
            last_event_id,
            last_token,
            random,
            invocations,
        } = self;
        let ExecutionStart { machine, name, input, synchronous, depth, test_case, start_time_ms: started_before } =
            start;
        let Strand {
            at,
            state,
            input: state_input,
            data,
            assigned,
            variables,
            entered_event_id,
            entered_after_event_id,
            previous_event_id,
            entered_time_ms,
            attempts,
            token,
            waiting,
            has_result,
            caught,
            heartbeat,
            time_limit_seconds,
            // The main strand of an execution has none of these, or has it only while it forks.
            parent: _,
            place: _,
            item: _,
            fork: _,
        } = &mut strands[StrandId::MAIN.index()];
        (kept.test_case, kept.invocations) = (test_case.take(), invocations.take());

        bytes.clear();
        let mut packer = Packer(bytes);
        let flags = Flags::of(&[
            (Flags::SYNCHRONOUS, *synchronous),
            (Flags::STARTED_BEFORE, started_before.is_some()),
            (Flags::NAMED, name.name.is_some()),
            (Flags::ASSIGNS, assigned.is_some()),
            (Flags::HAS_RESULT, *has_result),
            (Flags::CAUGHT, *caught),
            (Flags::HEARTBEAT, *heartbeat),
            (Flags::HAS_CALLED, hold.has_called),
            (Flags::WAITS_FOR_TASK, *waiting == Waiting::Task),
            (Flags::WAITS_FOR_RETRY, *waiting == Waiting::Retry),
        ]);
        packer.number(flags.0);
        packer.bytes(&name.id.to_le_bytes());
        packer.bytes(&random.get().to_le_bytes());
        for number in [
            hold.timer.map_or(0, |timer| u64::from(timer.0) + 1),
            hold.limit.map_or(0, |timer| u64::from(timer.0) + 1),
            hold.computed_us,
            u64::from(*depth),
            *start_time_ms,
            // Times and events of one execution are near each other, and take a byte or two in this form.
            entered_time_ms.wrapping_sub(*start_time_ms),
            *last_event_id,
            last_event_id.wrapping_sub(*entered_event_id),
            last_event_id.wrapping_sub(*entered_after_event_id),
            last_event_id.wrapping_sub(*previous_event_id),
            u64::from(*last_token),
            u64::from(*token),
            u64::from(at.0),
            u64::from(state.0),
            time_limit_seconds.map_or(0, |seconds| u64::from(seconds.get())),
            attempts.len() as u64,
            variables.len() as u64,
        ] {
            packer.number(number);
        }
        for attempts in attempts {
            packer.number(*attempts);
        }
        let mut values = Vec::with_capacity(5 + 2 * variables.len());
        values.extend([std::mem::take(input), std::mem::take(state_input), std::mem::take(data)]);
        values.extend(assigned.take());
        values.extend(name.name.take().map(Value::from));
        for (name, value) in variables.drain(..) {
            values.extend([Value::from(name), value]);
        }
        packer.values(&values, &mut kept.values);
        let Kept { values, test_case, invocations, completer, mocked } = &kept;
        let has_kept = !values.is_empty()
            || test_case.is_some()
            || invocations.is_some()
            || completer.is_some()
            || mocked.is_some();
        ParkedExecution {
            machine: Arc::clone(machine),
            packed: bytes.as_slice().into(),
            kept: has_kept.then(|| Box::new(kept)),
        }
    }
}

impl ParkedExecution {
    /// The execution as it was.
    #[must_use]
    pub fn unpark(mut self) -> Execution {
        self.unpack().0
    }

    fn unpack(&mut self) -> (Execution, Hold, Kept) {
        let kept = self.kept.take().map_or_else(Kept::default, |kept| *kept);
        let packed = std::mem::take(&mut self.packed);
        self.read(&packed, kept).expect("what was packed in this process is unpacked in the same way")
    }

    fn read(&self, packed: &[u8], mut kept: Kept) -> Option<(Execution, Hold, Kept)> {
        let mut unpacker = Unpacker(packed);
        let flags = Flags(unpacker.number()?);
        let (id, seed) = (u128::from_le_bytes(unpacker.bytes()?), u64::from_le_bytes(unpacker.bytes()?));
        let mut timer = || Some(unpacker.short_number()?.checked_sub(1).map(TimerId));
        let (timer, limit) = (timer()?, timer()?);
        let hold = Hold { timer, limit, computed_us: unpacker.number()?, has_called: flags.has(Flags::HAS_CALLED) };
        let depth = unpacker.short_number()?;
        let start_time_ms = unpacker.number()?;
        let entered_time_ms = start_time_ms.wrapping_add(unpacker.number()?);
        let last_event_id = unpacker.number()?;
        let mut event_id = || Some(last_event_id.wrapping_sub(unpacker.number()?));
        let (entered_event_id, entered_after_event_id, previous_event_id) = (event_id()?, event_id()?, event_id()?);
        let (last_token, token) = (unpacker.short_number()?, unpacker.short_number()?);
        let (at, state) = (InstructionId(unpacker.short_number()?), StateId(unpacker.short_number()?));
        let time_limit_seconds = std::num::NonZeroU32::new(unpacker.short_number()?);
        let (attempts, variables) = (unpacker.number()?, unpacker.number()?);
        let attempts: Option<Vec<u64>> = (0..attempts).map(|_| unpacker.number()).collect();

        let has_assigned = flags.has(Flags::ASSIGNS);
        let is_named = flags.has(Flags::NAMED);
        let count = 3 + usize::from(has_assigned) + usize::from(is_named) + 2 * usize::try_from(variables).ok()?;
        let mut values = unpacker.values(count, std::mem::take(&mut kept.values))?;
        let (input, state_input, data) = (values.next()?, values.next()?, values.next()?);
        let assigned = if has_assigned { Some(values.next()?) } else { None };
        let mut text = || Text::try_from(values.next()?).ok();
        let name = if is_named { Some(text()?) } else { None };
        let variables: Option<Vec<_>> =
            (0..variables).map(|_| Some((Text::try_from(values.next()?).ok()?, values.next()?))).collect();

        let start = ExecutionStart {
            machine: Arc::clone(&self.machine),
            name: ExecutionName { name, id },
            input,
            synchronous: flags.has(Flags::SYNCHRONOUS),
            depth,
            test_case: kept.test_case.take(),
            start_time_ms: flags.has(Flags::STARTED_BEFORE).then_some(start_time_ms),
        };
        let main = Strand {
            at,
            state,
            input: state_input,
            data,
            assigned,
            variables: variables?,
            entered_event_id,
            entered_after_event_id,
            previous_event_id,
            entered_time_ms,
            attempts: attempts?,
            token,
            waiting: if flags.has(Flags::WAITS_FOR_TASK) {
                Waiting::Task
            } else if flags.has(Flags::WAITS_FOR_RETRY) {
                Waiting::Retry
            } else {
                Waiting::Timer
            },
            has_result: flags.has(Flags::HAS_RESULT),
            caught: flags.has(Flags::CAUGHT),
            heartbeat: flags.has(Flags::HEARTBEAT),
            time_limit_seconds,
            parent: None,
            place: 0,
            item: None,
            fork: None,
        };
        let invocations = kept.invocations.take();
        let execution = Execution::waiting(start, start_time_ms, main, (last_event_id, last_token), seed, invocations);
        Some((execution, hold, kept))
    }
}

impl Parked {
    /// Parks a running execution: everything is taken out of it. `None`, and nothing is taken, when it is not of the kind that
    /// is parked. `bytes` is memory to write in.
    pub(super) fn park(running: &mut Running, bytes: &mut Vec<u8>) -> Option<Self> {
        let Running {
            execution,
            program,
            completer,
            recorder,
            // The place of the execution says it.
            key: _,
            runnable,
            computed_us,
            pending,
            begun,
            has_called,
            deadline_ms: _,
            limit,
        } = running;
        let main = &execution.strands[StrandId::MAIN.index()];
        let awaited = Signal { strand: StrandId::MAIN, token: main.token };
        let [Pending { signal, timer: Some(timer), call: None, mocked }] = pending.as_mut_slice() else { return None };
        if *signal != awaited || recorder.is_some() || *runnable || !begun.is_empty() || !execution.is_parkable() {
            return None;
        }
        let hold = Hold { timer: Some(*timer), limit: *limit, computed_us: *computed_us, has_called: *has_called };
        let kept = Kept { completer: completer.take(), mocked: mocked.take(), ..Kept::default() };
        Some(Self { program: Arc::clone(program), execution: execution.pack(&hold, kept, bytes) })
    }

    /// The execution as it was; what is left here is nothing.
    pub(super) fn unpark(&mut self, key: ExecutionKey, deadline_ms: u64) -> Running {
        let (execution, hold, kept) = self.execution.unpack();
        let token = execution.strands[StrandId::MAIN.index()].token;
        let signal = Signal { strand: StrandId::MAIN, token };
        Running {
            execution,
            program: Arc::clone(&self.program),
            completer: kept.completer,
            recorder: None,
            key,
            runnable: false,
            computed_us: hold.computed_us,
            pending: vec![Pending { signal, timer: hold.timer, call: None, mocked: kept.mocked }],
            begun: Vec::new(),
            has_called: hold.has_called,
            deadline_ms,
            limit: hold.limit,
        }
    }
}
