//! What happens when a state fails: `Retry`, `Catch`, and the causes in AWS's words.

use super::{
    Effect, StrandId,
    execution::Waiting,
    step::{Ended, Flow, Stepper, details},
};
use crate::{
    Value,
    model::{
        error_name,
        execution::{ExecutionStatus, Outcome},
        quota::{MAX_CAUSE_CHARACTERS, MAX_ERROR_CHARACTERS, MAX_VALUE_DEPTH},
    },
    observe::Recorder,
    program::{FailId, Instruction, InstructionId, RetrierPlan, StateType},
    query::QueryError,
    task::TaskError,
    value::Text,
};

/// Why a state failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// None for a Fail state that gives none.
    pub(super) error: Option<Text>,
    pub(super) cause: Option<Text>,
    /// A time-out of `HeartbeatSeconds`: it answers to `States.HeartbeatTimeout` too.
    pub(super) heartbeat: bool,
}

impl Failure {
    /// A time-out has no cause (AWS.md, "The language", 13).
    pub(super) fn timeout(heartbeat: bool) -> Self {
        Self { error: Some(error_name::TIMEOUT.into()), cause: None, heartbeat }
    }

    pub(super) fn of_task(error: TaskError) -> Self {
        Self { error: Some(error.error), cause: Some(error.cause), heartbeat: false }
    }

    pub(super) fn new(error: &'static str, cause: String) -> Self {
        Self { error: Some(error.into()), cause: Some(cause.into()), heartbeat: false }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.error.as_ref().is_some_and(|error| error.as_str() == name)
    }

    /// What a catcher's handler gets: `null` for what is missing, but for a time-out's cause, which is the empty string.
    fn output(&self) -> Value {
        let text = |text: &Option<Text>| text.clone().map_or(Value::NULL, Value::from);
        let cause = if self.is(error_name::TIMEOUT) && self.cause.is_none() { "".into() } else { text(&self.cause) };
        Value::object([("Error", text(&self.error)), ("Cause", cause)])
    }

    pub(super) fn details(&self) -> Value {
        let present = |key, text: &Option<Text>| text.clone().map(|text| (key, Value::from(text)));
        details(present("error", &self.error).into_iter().chain(present("cause", &self.cause)))
    }
}

/// Whether `ErrorEquals` names an error (ASL, "Errors"; AWS.md, "The language", 1 and 11).
fn matches(error_equals: &[Box<str>], failure: &Failure) -> bool {
    error_equals.iter().any(|name| match &**name {
        error_name::ALL => true,
        error_name::TASK_FAILED => !failure.is(error_name::TIMEOUT),
        error_name::HEARTBEAT_TIMEOUT => failure.heartbeat,
        name => failure.is(name),
    })
}

/// The delay before the attempt that follows `attempts` earlier retries, in milliseconds.
fn delay_ms(retrier: &RetrierPlan, attempts: u64, random: impl FnOnce() -> u64) -> u64 {
    let exponent = i32::try_from(attempts).unwrap_or(i32::MAX);
    let mut delay = retrier.interval_ms * retrier.backoff_rate.powi(exponent);
    if let Some(most) = retrier.max_delay_ms {
        delay = delay.min(most);
    }
    if retrier.full_jitter {
        delay *= (random() >> 11) as f64 / (1_u64 << 53) as f64;
    }
    delay as u64
}

impl<R: Recorder> Stepper<'_, R> {
    /// Retries, catches, or fails the strand and with it what is around it.
    pub(super) fn fail(&mut self, id: StrandId, failure: Failure) -> Result<Flow, Ended> {
        let mut at = id;
        let mut forked = self.strand(id).fork.is_some();
        if forked {
            self.end_children(id, None);
        }
        // A JSONata Map whose items could not be made fails like one whose iterations did, as recorded.
        let strand = &self.execution.strands[id.index()];
        let state = self.program.state(strand.state);
        forked |= state.is_jsonata && state.kind == StateType::Map && !strand.has_result && !strand.caught;
        loop {
            if self.retry(at, &failure) {
                return Ok(Flow::Blocked);
            }
            if forked {
                self.fork_failed(at, &failure);
            }
            if self.catch(at, &failure) {
                if at == id {
                    return Ok(Flow::Continue);
                }
                self.execution.ready.push_back(at);
                return Ok(Flow::Blocked);
            }
            let Some(parent) = self.execution.strands[at.index()].parent else {
                return Err(self.execution_failed(at, failure));
            };
            if self.tolerate(at, parent, &failure)? {
                return Ok(Flow::Blocked);
            }
            self.end_children(parent, Some(at));
            (at, forked) = (parent, true);
        }
    }

    fn retry(&mut self, id: StrandId, failure: &Failure) -> bool {
        let program = self.program;
        let strand = &mut self.execution.strands[id.index()];
        let state = program.state(strand.state);
        if strand.caught || failure.is(error_name::RUNTIME) {
            return false;
        }
        let retriers = &program.retriers[state.retriers.range()];
        let Some(place) = retriers.iter().position(|retrier| matches(&retrier.error_equals, failure)) else {
            return false;
        };
        strand.attempts.resize(retriers.len(), 0);
        let attempts = strand.attempts[place];
        if attempts >= retriers[place].max_attempts {
            return false;
        }
        strand.attempts[place] += 1;
        strand.data = strand.input.clone();
        strand.has_result = false;
        strand.assigned = None;
        strand.at = state.body;
        let after_ms = delay_ms(&retriers[place], attempts, || self.execution.next_random());
        let signal = self.wait_for(id, Waiting::Retry);
        self.effects.push(Effect::Wake { signal, after_ms });
        true
    }

    fn catch(&mut self, id: StrandId, failure: &Failure) -> bool {
        let program = self.program;
        let strand = &mut self.execution.strands[id.index()];
        let catchers = &program.catchers[program.state(strand.state).catchers.range()];
        if strand.caught || failure.is(error_name::RUNTIME) {
            return false;
        }
        let Some(catcher) = catchers.iter().find(|catcher| matches(&catcher.error_equals, failure)) else {
            return false;
        };
        strand.caught = true;
        strand.assigned = None;
        strand.data = failure.output();
        strand.at = catcher.handler;
        true
    }

    fn execution_failed(&mut self, id: StrandId, failure: Failure) -> Ended {
        self.event(id, "ExecutionFailed", |_| failure.details());
        Ended(Box::new(Outcome {
            status: ExecutionStatus::Failed,
            output: None,
            error: failure.error.map(|error| truncate(error, MAX_ERROR_CHARACTERS)),
            cause: failure.cause.map(|cause| truncate(cause, MAX_CAUSE_CHARACTERS)),
            start_time_ms: self.execution.start_time_ms,
            stop_time_ms: self.execution.now_ms,
        }))
    }

    /// A cause as AWS begins them all.
    pub(super) fn cause(&self, id: StrandId, what: &str) -> String {
        let strand = &self.execution.strands[id.index()];
        let name = &self.program.state(strand.state).name;
        format!(
            "An error occurred while executing the state '{name}' (entered at the event id #{}). {what}",
            strand.entered_event_id
        )
    }

    pub(super) fn runtime_failure(&self, id: StrandId, error: &QueryError) -> Failure {
        Failure::new(error.error, self.cause(id, &error.cause))
    }

    /// `States.Runtime` with a cause.
    pub(super) fn runtime(&self, id: StrandId, what: &str) -> Failure {
        Failure::new(error_name::RUNTIME, self.cause(id, what))
    }

    pub(super) fn no_choice_matched(&self, id: StrandId) -> Failure {
        let cause = "Failed to transition out of the state. The state does not point to a next state.";
        Failure::new(error_name::NO_CHOICE_MATCHED, self.cause(id, cause))
    }

    pub(super) fn too_deep(&self, id: StrandId) -> Failure {
        self.runtime(id, &format!("The state's output nests deeper than {MAX_VALUE_DEPTH} levels."))
    }

    /// The result of a task: AWS names the resource.
    pub(super) fn result_too_large(&self, id: StrandId) -> Failure {
        let strand = &self.execution.strands[id.index()];
        let resource = match self.program.instruction(InstructionId(strand.at.0 - 1)) {
            Instruction::Task(task) => &*self.program.tasks[task.index()].resource,
            _ => self.program.state(strand.state).name.as_str(),
        };
        data_limit_exceeded(resource)
    }

    /// The output of a state: AWS names the state.
    pub(super) fn output_too_large(&self, id: StrandId) -> Failure {
        data_limit_exceeded(self.program.state(self.execution.strands[id.index()].state).name.as_str())
    }

    /// A Fail state: the failure that it makes.
    pub(super) fn fail_state(&mut self, id: StrandId, fail: FailId) -> Result<Failure, Failure> {
        let plan = &self.program.fails[fail.index()];
        let error = self.fail_field(id, "ErrorPath", plan.error.as_ref())?;
        let cause = self.fail_field(id, "CausePath", plan.cause.as_ref())?;
        Ok(Failure { error, cause, heartbeat: false })
    }
}

fn data_limit_exceeded(what: &str) -> Failure {
    let cause = format!(
        "The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit."
    );
    Failure::new(error_name::DATA_LIMIT_EXCEEDED, cause)
}

fn truncate(text: Text, most: usize) -> Text {
    if text.as_str().len() <= most {
        return text;
    }
    match text.as_str().char_indices().nth(most) {
        Some((end, _)) => Text::from(&text.as_str()[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn error_equals_matches_as_on_aws() {
        let custom = Failure::new("Custom", String::new());
        assert!(matches(&names(&["Other", "Custom"]), &custom));
        assert!(matches(&names(&["States.ALL"]), &custom));
        assert!(matches(&names(&["States.TaskFailed"]), &custom));
        assert!(!matches(&names(&["States.TaskFailed"]), &Failure::timeout(false)));
        assert!(matches(&names(&["States.Timeout"]), &Failure::timeout(false)));
    }

    #[test]
    fn delays_grow_up_to_their_bound() {
        let mut retrier = RetrierPlan {
            error_equals: names(&["States.ALL"]),
            interval_ms: 1000.0,
            max_attempts: 9,
            backoff_rate: 2.0,
            max_delay_ms: Some(5000.0),
            full_jitter: false,
        };
        let delays: Vec<_> = (0..4).map(|attempts| delay_ms(&retrier, attempts, || 0)).collect();
        assert_eq!(delays, [1000, 2000, 4000, 5000]);
        retrier.full_jitter = true;
        assert!(delay_ms(&retrier, 3, || u64::MAX) < 5000);
        assert_eq!(delay_ms(&retrier, 3, || 0), 0);
    }
}
