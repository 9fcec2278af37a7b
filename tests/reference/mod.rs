//! The oracle: a naive interpreter that walks the syntax tree.
//!
//! Written to be obviously right, not fast, and without the engine's, the compiler's and the queries' code. Instead of
//! running strands side by side it computes when each branch ends: answers of tasks depend on nothing but the call and its
//! time, so a branch can be computed to its end even if in reality another one cuts it short.

#![allow(unreachable_pub, reason = "what the tests use of it")]

mod expression;

use std::{collections::BTreeMap, fmt};

use expressway::asl::definition::{
    Catcher, Map, PathField, Retrier, Scalar, State, StateKind, StateMachine, Transition, Wait,
};
use serde_json::{Value as Json, json};

use self::expression::{Scope, condition, field_path, place, template};

/// 2026-01-01T00:00:00Z, when simulated executions begin.
const EPOCH_MS: i64 = 1_767_225_600_000;
/// An Express execution takes no longer.
const FIVE_MINUTES_MS: u64 = 300_000;
/// Iterations of a Map that run at once at most.
const MOST_ITERATIONS: usize = 40;
/// Bytes of any input, result or output.
const MOST_BYTES: usize = 262_144;
/// When something ends that never ends.
const NEVER: u64 = u64::MAX / 4;

/// How an execution ended, and after how many milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub status: &'static str,
    pub output: Option<Json>,
    pub error: Option<String>,
    pub milliseconds: u64,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} after {} ms", self.status, self.milliseconds)?;
        self.error.iter().try_for_each(|error| write!(formatter, ", error {error}"))?;
        self.output.iter().try_for_each(|output| write!(formatter, ", output {output}"))
    }
}

/// Why a state failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub error: String,
    pub cause: Option<String>,
}

pub fn failure(error: &str) -> Failure {
    // What the engine writes begins like this; what follows is not compared.
    Failure { error: error.into(), cause: Some("An error occurred while executing the state".into()) }
}

pub fn runtime() -> Failure {
    failure("States.Runtime")
}

/// What a task answers to a call at a time, and after how long; `None` for never.
pub type Answer = (Option<Result<Json, Failure>>, u64);

/// Answers calls: of a resource, with an input, so many milliseconds after the execution began.
pub trait Tasks {
    fn answer(&self, resource: &str, input: &Json, at_ms: u64) -> Answer;
}

pub struct Interpreter<'a, T> {
    tasks: &'a T,
    execution_input: Json,
    /// Two things failed at the same time, and which of them comes first is not ours to say.
    pub ambiguous: bool,
}

/// What is known inside one (sub-)machine.
#[derive(Clone, Default)]
struct Frame {
    variables: BTreeMap<String, Json>,
    /// `$$.Map.Item`.
    item: Option<Json>,
}

/// A value or a failure, and the time of it.
type Timed<V> = (Result<V, Failure>, u64);

impl<'a, T: Tasks> Interpreter<'a, T> {
    pub fn new(tasks: &'a T, input: Json) -> Self {
        Self { tasks, execution_input: input, ambiguous: false }
    }

    pub fn execute(&mut self, machine: &StateMachine) -> Verdict {
        let limit = machine.timeout_seconds.map_or(FIVE_MINUTES_MS, |seconds| (seconds * 1000).min(FIVE_MINUTES_MS));
        let (result, at) = self.machine(machine, self.execution_input.clone(), 0, Frame::default());
        if at >= limit {
            return Verdict { status: "TIMED_OUT", output: None, error: None, milliseconds: limit };
        }
        match result {
            Ok(output) => Verdict { status: "SUCCEEDED", output: Some(output), error: None, milliseconds: at },
            Err(failure) => Verdict { status: "FAILED", output: None, error: Some(failure.error), milliseconds: at },
        }
    }

    fn machine(&mut self, machine: &StateMachine, input: Json, start: u64, mut frame: Frame) -> Timed<Json> {
        let (mut name, mut data, mut now) = (machine.start_at.clone(), input, start);
        loop {
            if now >= NEVER {
                return (Ok(Json::Null), NEVER);
            }
            let state = machine.states.iter().find(|state| state.name == name).expect("names were checked");
            let (result, at) = self.state(state, data, now, &mut frame);
            now = at;
            match result {
                Err(failure) => return (Err(failure), now),
                Ok((output, None)) => return (Ok(output), now),
                Ok((output, Some(next))) => (data, name) = (output, next),
            }
        }
    }

    /// Runs a state with its retries, and catches what it fails with. Gives its output and what comes next.
    fn state(&mut self, state: &State, input: Json, start: u64, frame: &mut Frame) -> Timed<(Json, Option<String>)> {
        let mut attempts = vec![0; state.retry.len()];
        let mut now = start;
        loop {
            let (result, at) = self.attempt(state, input.clone(), now, frame, attempts.iter().sum());
            now = at;
            let failure = match result {
                Ok(done) => return (Ok(done), now),
                Err(failure) => failure,
            };
            if failure.error == "States.Runtime" || now >= NEVER {
                return (Err(failure), now);
            }
            if let Some(place) = state.retry.iter().position(|retrier| names(&retrier.error_equals, &failure))
                && attempts[place] < state.retry[place].max_attempts
            {
                now += delay_ms(&state.retry[place], attempts[place]);
                attempts[place] += 1;
                continue;
            }
            return match state.catch.iter().find(|catcher| names(&catcher.error_equals, &failure)) {
                Some(catcher) => (self.catch(catcher, state, &failure, input, frame, attempts.iter().sum()), now),
                None => (Err(failure), now),
            };
        }
    }

    fn catch(
        &mut self,
        catcher: &Catcher,
        state: &State,
        failure: &Failure,
        input: Json,
        frame: &mut Frame,
        retries: u64,
    ) -> Result<(Json, Option<String>), Failure> {
        // A time-out that nobody gave a cause.
        let silent = failure.error == "States.Timeout" && failure.cause.is_none();
        let cause = if silent { Some(String::new()) } else { failure.cause.clone() };
        let error = json!({"Error": failure.error, "Cause": cause});
        let assigned = self.assigned(catcher.assign.as_ref(), &error, state, frame, retries)?;
        let output = result_path(&catcher.result_path, input, error)?;
        fits(&output)?;
        frame.variables.extend(assigned);
        Ok((output, Some(catcher.next.clone())))
    }

    fn scope<'b>(&'b self, input: &'b Json, state: &'b State, frame: &'b Frame, retries: u64) -> Scope<'b> {
        let mut context = json!({"Execution": {"Input": self.execution_input}, "State": {"Name": state.name}});
        if matches!(state.kind, StateKind::Task { .. } | StateKind::Parallel { .. } | StateKind::Map(_)) {
            context["State"]["RetryCount"] = retries.into();
        }
        if let Some(item) = &frame.item {
            context["Map"] = json!({"Item": item});
        }
        Scope { input, context, variables: &frame.variables }
    }

    fn path_field(
        &self,
        field: &PathField,
        data: Json,
        state: &State,
        frame: &Frame,
        retries: u64,
    ) -> Result<Json, Failure> {
        match field {
            PathField::Absent => Ok(data),
            PathField::Null => Ok(json!({})),
            PathField::Path(path) => field_path(path, &self.scope(&data, state, frame, retries)),
        }
    }

    fn assigned(
        &self,
        assign: Option<&expressway::Value>,
        data: &Json,
        state: &State,
        frame: &Frame,
        retries: u64,
    ) -> Result<BTreeMap<String, Json>, Failure> {
        let Some(assign) = assign else { return Ok(BTreeMap::new()) };
        let assigned = template(&json_of(assign), &self.scope(data, state, frame, retries))?;
        fits(&assigned)?;
        match assigned {
            Json::Object(members) => Ok(members.into_iter().collect()),
            _ => Ok(BTreeMap::new()),
        }
    }

    /// One attempt at a state, in the order of the specification.
    fn attempt(
        &mut self,
        state: &State,
        raw: Json,
        now: u64,
        frame: &mut Frame,
        retries: u64,
    ) -> Timed<(Json, Option<String>)> {
        macro_rules! attempt {
            ($result:expr, $at:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(failure) => return (Err(failure), $at),
                }
            };
        }
        let input = attempt!(self.path_field(&state.input_path, raw.clone(), state, frame, retries), now);
        if let StateKind::Choice { rules, default } = &state.kind {
            let mut next = default.as_ref().map(|default| (state.assign.as_ref(), default));
            for rule in rules {
                let scope = self.scope(&input, state, frame, retries);
                if attempt!(condition(&json_of(&rule.condition), &scope), now) {
                    next = Some((rule.assign.as_ref(), &rule.next));
                    break;
                }
            }
            let (assign, next) = attempt!(next.ok_or_else(|| failure("States.NoChoiceMatched")), now);
            let assigned = attempt!(self.assigned(assign, &input, state, frame, retries), now);
            let output = attempt!(self.path_field(&state.output_path, input, state, frame, retries), now);
            attempt!(fits(&output), now);
            frame.variables.extend(assigned);
            return (Ok((output, Some(next.clone()))), now);
        }
        let (result, at) = self.work(state, &input, now, frame, retries);
        let mut result = attempt!(result, at);
        if at >= NEVER {
            return (Ok((Json::Null, None)), NEVER);
        }
        if let Some(selector) = &state.result_selector {
            result = attempt!(template(&json_of(selector), &self.scope(&result, state, frame, retries)), at);
        }
        let assigned = attempt!(self.assigned(state.assign.as_ref(), &result, state, frame, retries), at);
        let output = match state.kind {
            // These have no result: what they hand on is their input as InputPath left it.
            StateKind::Wait(_) | StateKind::Succeed => result,
            _ => attempt!(result_path(&state.result_path, raw, result), at),
        };
        let output = attempt!(self.path_field(&state.output_path, output, state, frame, retries), at);
        attempt!(fits(&output), at);
        frame.variables.extend(assigned);
        let next = match &state.transition {
            Some(Transition::Next(next)) => Some(next.clone()),
            Some(Transition::End) | None => None,
        };
        (Ok((output, next)), at)
    }

    /// What a state does between its input and its result.
    fn work(&mut self, state: &State, input: &Json, now: u64, frame: &Frame, retries: u64) -> Timed<Json> {
        let parameters = |input: &Json| match &state.parameters {
            Some(parameters) => template(&json_of(parameters), &self.scope(input, state, frame, retries)),
            None => Ok(input.clone()),
        };
        match &state.kind {
            StateKind::Pass { result } => {
                let made = parameters(input);
                (made.map(|made| result.as_ref().map_or(made, json_of)), now)
            }
            StateKind::Succeed => (Ok(input.clone()), now),
            StateKind::Fail { error, cause } => {
                let text = |field: &Option<Scalar>| match field {
                    Some(Scalar::Literal(value)) => value.as_str().map(str::to_owned),
                    _ => None,
                };
                let failed = Failure { error: text(error).unwrap_or_default(), cause: text(cause) };
                (Err(failed), now)
            }
            StateKind::Wait(wait) => {
                let until = wait_until(wait, &self.scope(input, state, frame, retries), now);
                match until {
                    Ok(until) => (Ok(input.clone()), until),
                    Err(failure) => (Err(failure), now),
                }
            }
            StateKind::Task { resource, timeout, .. } => {
                let limit = match seconds(timeout.as_ref(), &self.scope(input, state, frame, retries)) {
                    Ok(limit) => limit,
                    Err(failure) => return (Err(failure), now),
                };
                let input = match parameters(input) {
                    Ok(input) => input,
                    Err(failure) => return (Err(failure), now),
                };
                if let Err(failure) = fits(&input) {
                    return (Err(failure), now);
                }
                let limit_ms = limit.map_or(NEVER, |seconds| seconds * 1000);
                match self.tasks.answer(resource, &input, now) {
                    (Some(result), after_ms) if after_ms <= limit_ms => {
                        (result.and_then(|result| fits(&result).map(|()| result)), now + after_ms)
                    }
                    _ if limit.is_none() => (Ok(Json::Null), NEVER),
                    _ => (Err(Failure { error: "States.Timeout".into(), cause: None }), now + limit_ms),
                }
            }
            StateKind::Parallel { branches } => match parameters(input) {
                Ok(input) => self.parallel(branches, &input, now, frame),
                Err(failure) => (Err(failure), now),
            },
            StateKind::Map(map) => self.map(map, state, input, now, frame, retries),
            StateKind::Choice { .. } => unreachable!("choices have been made"),
        }
    }

    fn parallel(&mut self, branches: &[StateMachine], input: &Json, now: u64, frame: &Frame) -> Timed<Json> {
        let ended: Vec<_> =
            branches.iter().map(|branch| self.machine(branch, input.clone(), now, frame.clone())).collect();
        self.join(ended, now, 0)
    }

    /// The outputs of branches or iterations, at the time of the last; or the failure that is one too many.
    fn join(&mut self, ended: Vec<Timed<Json>>, now: u64, tolerated: usize) -> Timed<Json> {
        let mut failures: Vec<_> = ended
            .iter()
            .filter_map(|(result, at)| result.as_ref().err().map(|failure| (*at, failure.clone())))
            .collect();
        failures.sort_by_key(|(at, _)| *at);
        for (place, (at, failure)) in failures.iter().enumerate() {
            if place >= tolerated || failure.error == "States.Runtime" {
                self.ambiguous |= failures.iter().any(|(other_at, other)| other_at == at && other != failure);
                return (Err(failure.clone()), *at);
            }
        }
        let last = ended.iter().map(|(_, at)| *at).max().unwrap_or(now);
        (Ok(ended.into_iter().map(|(result, _)| result.unwrap_or(Json::Null)).collect()), last)
    }

    fn map(&mut self, map: &Map, state: &State, input: &Json, now: u64, frame: &Frame, retries: u64) -> Timed<Json> {
        let items = match &map.items {
            Some(Scalar::Path(path)) => match field_path(path, &self.scope(input, state, frame, retries)) {
                Ok(items) => items,
                Err(failure) => return (Err(failure), now),
            },
            _ => input.clone(),
        };
        let Json::Array(items) = items else { return (Err(runtime()), now) };
        let number = |field: &Option<Scalar>| match field {
            Some(Scalar::Literal(value)) => json_of(value).as_u64().unwrap_or(0) as usize,
            _ => 0,
        };
        let slots = match number(&map.max_concurrency) {
            0 => MOST_ITERATIONS,
            some => some.min(MOST_ITERATIONS),
        };
        // When each of the places for iterations is free again.
        let mut free = vec![now; slots];
        let mut ended = Vec::new();
        for (index, value) in items.into_iter().enumerate() {
            let slot = (0..slots).min_by_key(|slot| free[*slot]).expect("there is at least one place");
            let begin = free[slot];
            if begin >= NEVER {
                ended.push((Ok(Json::Null), NEVER));
                continue;
            }
            let inner = Frame { item: Some(json!({"Index": index, "Value": value})), ..frame.clone() };
            let selected = match map.item_selector.as_ref().or(state.parameters.as_ref()) {
                Some(selector) => template(&json_of(selector), &self.scope(input, state, &inner, retries)),
                None => Ok(value),
            };
            let outcome = match selected {
                Ok(selected) => self.machine(&map.item_processor, selected, begin, inner),
                // The Map itself fails, whatever it tolerates of its items.
                Err(failure) => return (Err(failure), begin),
            };
            free[slot] = outcome.1;
            ended.push(outcome);
        }
        self.join(ended, now, number(&map.tolerated_failure_count))
    }
}

/// Whether `ErrorEquals` names an error.
fn names(error_equals: &[String], failure: &Failure) -> bool {
    error_equals.iter().any(|name| match name.as_str() {
        "States.ALL" => true,
        "States.TaskFailed" => failure.error != "States.Timeout",
        name => failure.error == name,
    })
}

fn delay_ms(retrier: &Retrier, attempts: u64) -> u64 {
    let mut seconds = retrier.interval_seconds;
    for _ in 0..attempts {
        seconds *= retrier.backoff_rate;
    }
    if let Some(most) = retrier.max_delay_seconds {
        seconds = seconds.min(most);
    }
    (seconds * 1000.0) as u64
}

/// Data above the limit fails the state that makes it.
fn fits(data: &Json) -> Result<(), Failure> {
    let cause = Some("The state/task".into());
    let too_large = Failure { error: "States.DataLimitExceeded".into(), cause };
    if data.to_string().len() > MOST_BYTES { Err(too_large) } else { Ok(()) }
}

fn result_path(field: &PathField, input: Json, result: Json) -> Result<Json, Failure> {
    match field {
        PathField::Absent => Ok(result),
        PathField::Null => Ok(input),
        PathField::Path(path) => place(path, input, result),
    }
}

fn wait_until(wait: &Wait, scope: &Scope<'_>, now: u64) -> Result<u64, Failure> {
    let value = |scalar: &Scalar| match scalar {
        Scalar::Literal(value) => Ok(json_of(value)),
        Scalar::Path(path) => field_path(path, scope),
    };
    match wait {
        Wait::Seconds(scalar) => match value(scalar)?.as_u64() {
            Some(seconds) => Ok(now + seconds * 1000),
            None => Err(runtime()),
        },
        Wait::Timestamp(scalar) => {
            // The generator writes `2026-01-01T00:MM:SS.mmmZ`.
            let text = value(scalar)?;
            let text = text.as_str().ok_or_else(runtime)?;
            let digits = |from: usize, to: usize| text[from..to].parse::<i64>().map_err(|_| runtime());
            let at = EPOCH_MS + digits(14, 16)? * 60_000 + digits(17, 19)? * 1000 + digits(20, 23)?;
            Ok(now.max((at - EPOCH_MS) as u64))
        }
    }
}

fn seconds(field: Option<&Scalar>, scope: &Scope<'_>) -> Result<Option<u64>, Failure> {
    let value = match field {
        None => return Ok(None),
        Some(Scalar::Literal(value)) => json_of(value),
        Some(Scalar::Path(path)) => field_path(path, scope)?,
    };
    match value.as_u64() {
        Some(seconds) if seconds > 0 => Ok(Some(seconds)),
        _ => Err(runtime()),
    }
}

fn json_of(value: &expressway::Value) -> Json {
    serde_json::from_str(&value.to_json()).expect("values are written as JSON")
}
