//! The step function: pure, from an execution and an input to effects.

use super::{
    Effect, Execution, Input, Progress, Signal, StrandId,
    environment::{View, assign},
    execution::{Strand, Waiting},
    failure::Failure,
};
use crate::{
    Value,
    model::{
        execution::{ExecutionStatus, Outcome},
        history_event::HistoryEvent,
        quota::{MAX_PAYLOAD_BYTES, MAX_VALUE_DEPTH},
    },
    observe::Recorder,
    program::{ChoiceId, Instruction, InstructionId, PathId, Program, ReferencePathId, StateType, TaskEvents, TaskId},
    task::TaskResult,
};

/// Runs an execution on until it waits, ends, or has used its budget of instructions.
///
/// `now_ms` is the time in milliseconds since 1970. Effects are appended to `effects`; the caller performs them.
pub fn step<R: Recorder>(
    program: &Program,
    execution: &mut Execution,
    input: Input,
    now_ms: u64,
    effects: &mut Vec<Effect>,
    budget: u32,
    recorder: &mut R,
) -> Progress {
    execution.now_ms = now_ms;
    let mut stepper = Stepper { program, execution, effects, recorder };
    match stepper.accept(input).and_then(|()| stepper.run(budget)) {
        Ok(progress) => progress,
        Err(Ended(outcome)) => Progress::Ended(outcome),
    }
}

/// The execution has ended.
pub(super) struct Ended(pub(super) Box<Outcome>);

/// Whether a strand goes on.
#[derive(PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    /// It waits, or is gone.
    Blocked,
}

pub(super) struct Stepper<'a, R> {
    pub(super) program: &'a Program,
    pub(super) execution: &'a mut Execution,
    pub(super) effects: &'a mut Vec<Effect>,
    pub(super) recorder: &'a mut R,
}

impl<'a, R: Recorder> Stepper<'a, R> {
    fn accept(&mut self, input: Input) -> Result<(), Ended> {
        match input {
            Input::Continue => {
                if self.execution.last_event_id == 0 {
                    self.event(StrandId::MAIN, "ExecutionStarted", |stepper| {
                        let start = &stepper.execution.start;
                        details([
                            ("input", start.input.to_json().into()),
                            ("roleArn", start.machine.role_arn.as_str().into()),
                        ])
                    });
                    // The first StateEntered has no event before it (AWS.md, "The language", 2).
                    self.strand(StrandId::MAIN).previous_event_id = 0;
                }
            }
            Input::Woken(signal) => {
                let Some(strand) = self.waiter(signal, &[Waiting::Timer, Waiting::Retry]) else { return Ok(()) };
                self.execution.ready.push_back(strand);
            }
            Input::TaskEnded(signal, result) => {
                let Some(strand) = self.waiter(signal, &[Waiting::Task]) else { return Ok(()) };
                self.task_ended(strand, result)?;
            }
            Input::TaskTimedOut(signal) => {
                let Some(strand) = self.waiter(signal, &[Waiting::Task]) else { return Ok(()) };
                self.task_event(strand, "LambdaFunctionTimedOut", "TaskTimedOut", |_| Value::NULL);
                if self.fail(strand, Failure::timeout(self.execution.strands[strand.index()].heartbeat))?
                    == Flow::Continue
                {
                    self.execution.ready.push_back(strand);
                }
            }
        }
        Ok(())
    }

    /// The strand that a signal is for, if it still waits for that.
    fn waiter(&mut self, signal: Signal, kinds: &[Waiting]) -> Option<StrandId> {
        let strand = self.execution.strands.get_mut(signal.strand.index())?;
        if strand.token != signal.token || !kinds.contains(&strand.waiting) {
            return None;
        }
        strand.waiting = Waiting::Nothing;
        strand.token = 0;
        Some(signal.strand)
    }

    fn run(&mut self, budget: u32) -> Result<Progress, Ended> {
        let mut left = budget;
        while let Some(id) = self.execution.ready.pop_front() {
            loop {
                if left == 0 {
                    self.execution.ready.push_front(id);
                    return Ok(Progress::Yielded);
                }
                left -= 1;
                let flow = match self.execute(id) {
                    Ok(flow) => flow,
                    Err(Stop::Failed(failure)) => self.fail(id, failure)?,
                    Err(Stop::Ended(ended)) => return Err(ended),
                };
                if flow == Flow::Blocked {
                    self.start_next_iteration_beside(id)?;
                    break;
                }
            }
        }
        Ok(Progress::Waiting)
    }

    #[inline]
    pub(super) fn strand(&mut self, id: StrandId) -> &mut Strand {
        &mut self.execution.strands[id.index()]
    }

    pub(super) fn view<'b>(&'b self, id: StrandId, input: &'b Value) -> View<'b> {
        View::new(self.program, self.execution, id, input)
    }

    /// Executes the instruction that the strand is at. Part of the loop, which would otherwise enter and leave a function with all
    /// registers for each of them.
    #[inline(always)]
    fn execute(&mut self, id: StrandId) -> Result<Flow, Stop> {
        let strand = &mut self.execution.strands[id.index()];
        let instruction = self.program.instruction(strand.at);
        strand.at.0 += 1;
        match instruction {
            Instruction::EnterState(state) => {
                strand.state = state;
                let info = self.program.state(state);
                strand.input = if info.keeps_input { strand.data.clone() } else { Value::NULL };
                strand.entered_time_ms = self.execution.now_ms;
                strand.attempts.clear();
                strand.caught = false;
                strand.has_result = false;
                if R::ENABLED {
                    strand.entered_after_event_id = strand.previous_event_id;
                }
                let event = self.event(id, entered(info.kind), |stepper| stepper.entered_details(id));
                self.strand(id).entered_event_id = event;
            }
            Instruction::InputPath(path) | Instruction::OutputPath(path) => self.apply_path(id, path)?,
            Instruction::EmptyInput | Instruction::EmptyOutput => strand.data = Value::empty_object(),
            Instruction::TimeLimit(task) => self.time_limit(id, task)?,
            Instruction::Parameters(template)
            | Instruction::ResultSelector(template)
            | Instruction::Arguments(template)
            | Instruction::Output(template) => {
                let made = self.evaluate_template(id, template)?;
                self.strand(id).data = made;
            }
            Instruction::Result(value) => strand.data = self.program.values[value.index()].clone(),
            Instruction::Assign(template) => {
                let assigned = self.evaluate_template(id, template)?;
                self.strand(id).assigned = Some(assigned);
            }
            Instruction::ResultPath(path) => self.apply_result_path(id, path)?,
            Instruction::DiscardResult => strand.data = strand.input.clone(),
            Instruction::Choose(choice) => self.choose(id, choice)?,
            Instruction::Next(target) => {
                self.leave(id)?;
                self.strand(id).at = target;
            }
            Instruction::End => {
                self.leave(id)?;
                return self.finish(id).map_err(Stop::Ended);
            }
            Instruction::Wait(wait) => return Ok(self.wait(id, wait)?),
            Instruction::Task(task) => {
                self.invoke(id, task)?;
                return Ok(Flow::Blocked);
            }
            Instruction::Fail(fail) => return Err(self.fail_state(id, fail)?.into()),
            Instruction::Parallel(parallel) => return Ok(self.fork_branches(id, parallel)?),
            Instruction::Map(map) => return Ok(self.fork_iterations(id, map)?),
        }
        Ok(Flow::Continue)
    }

    fn apply_path(&mut self, id: StrandId, path: PathId) -> Result<(), Failure> {
        let data = std::mem::take(&mut self.strand(id).data);
        let found = self.program.paths[path.index()]
            .evaluate_field(&self.view(id, &data))
            .map(crate::query::path::Found::into_value);
        let found = found.map_err(|error| self.runtime_failure(id, &error))?;
        self.strand(id).data = found;
        Ok(())
    }

    /// The state's input with the result in it. The input is given up when nothing can ask for it any more, so that it is
    /// changed in place.
    fn apply_result_path(&mut self, id: StrandId, path: ReferencePathId) -> Result<(), Failure> {
        let state = self.program.state(self.execution.strands[id.index()].state);
        let strand = self.strand(id);
        let result = std::mem::take(&mut strand.data);
        let input = if state.retriers.is_empty() && state.catchers.is_empty() {
            std::mem::take(&mut strand.input)
        } else {
            strand.input.clone()
        };
        let output = self.program.reference_paths[path.index()].apply(input, result);
        self.strand(id).data = output.map_err(|error| self.runtime_failure(id, &error))?;
        Ok(())
    }

    fn choose(&mut self, id: StrandId, choice: ChoiceId) -> Result<(), Failure> {
        let plan = &self.program.choices[choice.index()];
        for (rule, block) in &plan.rules {
            if self.rule_holds(id, rule)? {
                self.strand(id).at = *block;
                return Ok(());
            }
        }
        match plan.default {
            Some(block) => self.strand(id).at = block,
            None => return Err(self.no_choice_matched(id)),
        }
        Ok(())
    }

    fn invoke(&mut self, id: StrandId, task: TaskId) -> Result<(), Failure> {
        let plan = &self.program.tasks[task.index()];
        if !plan.has_time_limit_path() {
            self.time_limit(id, task)?;
        }
        let timeout_ms = self.strand(id).time_limit_seconds.map(|seconds| u64::from(seconds.get()) * 1000);
        let credentials = match plan.credentials {
            Some(template) => Some(self.evaluate_template(id, template)?),
            None => None,
        };
        let input = std::mem::take(&mut self.strand(id).data);
        self.check_size(id, &input)?;
        self.task_event(id, "LambdaFunctionScheduled", "TaskScheduled", |_| {
            details([("resource", Value::from(&*plan.resource)), ("input", input.to_json().into())])
        });
        self.task_event(id, "LambdaFunctionStarted", "TaskStarted", |_| {
            details([("resource", Value::from(&*plan.resource))])
        });
        let test_case = self.test_case_call(id);
        let signal = self.wait_for(id, Waiting::Task);
        self.effects.push(Effect::Invoke { signal, task, input, credentials, timeout_ms, test_case });
        Ok(())
    }

    /// Puts a strand to wait under a new token.
    pub(super) fn wait_for(&mut self, id: StrandId, waiting: Waiting) -> Signal {
        let token = self.execution.next_token();
        let strand = self.strand(id);
        (strand.token, strand.waiting) = (token, waiting);
        Signal { strand: id, token }
    }

    fn task_ended(&mut self, id: StrandId, result: TaskResult) -> Result<(), Ended> {
        let result = match result {
            Ok(value) if value.json_size() > MAX_PAYLOAD_BYTES => Err(self.result_too_large(id)),
            Ok(value) => Ok(value),
            Err(error) => Err(Failure::of_task(error)),
        };
        let flow = match result {
            Ok(value) => {
                self.task_event(id, "LambdaFunctionSucceeded", "TaskSucceeded", |_| {
                    details([("output", value.to_json().into())])
                });
                let strand = self.strand(id);
                (strand.data, strand.has_result) = (value, true);
                Flow::Continue
            }
            Err(failure) => {
                self.task_event(id, "LambdaFunctionFailed", "TaskFailed", |_| failure.details());
                self.fail(id, failure)?
            }
        };
        if flow == Flow::Continue {
            self.execution.ready.push_back(id);
        } else {
            self.start_next_iteration_beside(id)?;
        }
        Ok(())
    }

    /// Leaves the state: sets its variables, checks what it hands on, counts the event.
    fn leave(&mut self, id: StrandId) -> Result<(), Failure> {
        let strand = &self.execution.strands[id.index()];
        let (size, depth) = (strand.data.json_size(), strand.data.depth());
        if size > MAX_PAYLOAD_BYTES {
            return Err(self.output_too_large(id));
        }
        if depth > MAX_VALUE_DEPTH {
            return Err(self.too_deep(id));
        }
        let kind = self.program.state(strand.state).kind;
        let strand = self.strand(id);
        let assigned = strand.assigned.take();
        if let Some(assigned) = &assigned {
            self.check_variables(id, assigned)?;
            assign(&mut self.strand(id).variables, assigned);
        }
        self.event(id, exited(kind), |stepper| {
            let strand = &stepper.execution.strands[id.index()];
            let name = Value::from(stepper.program.state(strand.state).name.clone());
            let mut entries = vec![("name", name), ("output", strand.data.to_json().into())];
            entries.extend(assigned.map(|assigned| ("assignedVariables", assigned)));
            details(entries)
        });
        Ok(())
    }

    /// Ends a strand with its data as output.
    fn finish(&mut self, id: StrandId) -> Result<Flow, Ended> {
        let output = std::mem::take(&mut self.strand(id).data);
        if self.execution.strands[id.index()].parent.is_some() {
            return self.child_succeeded(id, output);
        }
        self.event(id, "ExecutionSucceeded", |_| details([("output", output.to_json().into())]));
        Err(Ended(Box::new(Outcome {
            status: ExecutionStatus::Succeeded,
            output: Some(output),
            error: None,
            cause: None,
            start_time_ms: self.execution.start_time_ms,
            stop_time_ms: self.execution.now_ms,
        })))
    }

    /// Counts an event, and records it when somebody listens. Returns its id.
    #[inline]
    pub(super) fn event(&mut self, id: StrandId, kind: &'static str, details: impl FnOnce(&Self) -> Value) -> u64 {
        self.execution.last_event_id += 1;
        let event_id = self.execution.last_event_id;
        if R::ENABLED {
            let details = details(self);
            let previous_event_id = self.strand(id).previous_event_id;
            let timestamp_ms = self.execution.now_ms;
            self.recorder.record(HistoryEvent { id: event_id, previous_event_id, timestamp_ms, kind, details });
            self.strand(id).previous_event_id = event_id;
        }
        event_id
    }

    /// Counts an event beside the strand's path: what follows has the event before it as its predecessor, as AWS numbers the
    /// ends of iterations and of Parallel and Map states.
    pub(super) fn side_event(&mut self, id: StrandId, kind: &'static str, details: impl FnOnce(&Self) -> Value) -> u64 {
        let previous_event_id = self.strand(id).previous_event_id;
        let event_id = self.event(id, kind, details);
        self.strand(id).previous_event_id = previous_event_id;
        event_id
    }

    /// An event of the current state's task, under the name of its family.
    fn task_event(
        &mut self,
        id: StrandId,
        lambda: &'static str,
        task: &'static str,
        details: impl FnOnce(&Self) -> Value,
    ) {
        let strand = &self.execution.strands[id.index()];
        // The instruction before the current place is the task's: it was just begun, or the strand waits behind it.
        let plan = match self.program.instruction(InstructionId(strand.at.0 - 1)) {
            Instruction::Task(task) => &self.program.tasks[task.index()],
            _ => return,
        };
        let kind = if plan.events == TaskEvents::LambdaFunction { lambda } else { task };
        self.event(id, kind, details);
    }

    fn entered_details(&self, id: StrandId) -> Value {
        let strand = &self.execution.strands[id.index()];
        let name = Value::from(self.program.state(strand.state).name.clone());
        details([("name", name), ("input", strand.data.to_json().into())])
    }
}

/// Why an instruction did not go through.
pub(super) enum Stop {
    /// Its state fails.
    Failed(Failure),
    /// The execution has ended.
    Ended(Ended),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

pub(super) fn details(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::object(entries)
}

fn entered(kind: StateType) -> &'static str {
    match kind {
        StateType::Pass => "PassStateEntered",
        StateType::Task => "TaskStateEntered",
        StateType::Choice => "ChoiceStateEntered",
        StateType::Wait => "WaitStateEntered",
        StateType::Succeed => "SucceedStateEntered",
        StateType::Fail => "FailStateEntered",
        StateType::Parallel => "ParallelStateEntered",
        StateType::Map => "MapStateEntered",
    }
}

fn exited(kind: StateType) -> &'static str {
    match kind {
        StateType::Pass => "PassStateExited",
        StateType::Task => "TaskStateExited",
        StateType::Choice => "ChoiceStateExited",
        StateType::Wait => "WaitStateExited",
        StateType::Succeed => "SucceedStateExited",
        StateType::Fail => "FailStateExited",
        StateType::Parallel => "ParallelStateExited",
        StateType::Map => "MapStateExited",
    }
}
