//! Fields that are read while a state runs: times, names, limits.

use std::num::NonZeroU32;

use super::{
    Effect, StrandId,
    environment::View,
    execution::Waiting,
    failure::Failure,
    step::{Flow, Stepper},
};
use crate::{
    Value,
    model::{
        error_name,
        quota::{MAX_PAYLOAD_BYTES, MAX_VARIABLES_BYTES},
    },
    observe::Recorder,
    program::{ExpressionPlan, FieldPlan, MapPlan, PathId, TaskId, WaitId, WaitPlan},
    query::{Timestamp, jsonata::ResultType, path::Found},
    value::{Number, Text},
};

/// Longest delay of a Wait state that a path may give, in seconds: Java's `int`.
const MAX_WAIT_SECONDS: i64 = i32::MAX as i64;

impl<R: Recorder> Stepper<'_, R> {
    /// Sets how long the task has: `TimeoutSeconds`, or `HeartbeatSeconds` where that is shorter.
    pub(super) fn time_limit(&mut self, id: StrandId, task: TaskId) -> Result<(), Failure> {
        let plan = &self.program.tasks[task.index()];
        let timeout = self.seconds(id, "TimeoutSeconds", plan.timeout.as_ref())?;
        let heartbeat = self.seconds(id, "HeartbeatSeconds", plan.heartbeat.as_ref())?;
        let is_heartbeat = heartbeat.is_some_and(|heartbeat| timeout.is_none_or(|timeout| heartbeat < timeout));
        let strand = self.strand(id);
        strand.heartbeat = is_heartbeat;
        strand.time_limit_seconds = if is_heartbeat { heartbeat } else { timeout };
        Ok(())
    }

    fn seconds(&mut self, id: StrandId, name: &str, field: Option<&FieldPlan>) -> Result<Option<NonZeroU32>, Failure> {
        let Some(seconds) = self.integer(id, name, field)? else { return Ok(None) };
        // More seconds than an execution ever has are as good as that many.
        match NonZeroU32::new(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(self.runtime(id, &format!("{name} must be a positive integer."))),
        }
    }

    /// A field that is an integer: given as a number, or by a path to one or to a string that is one.
    fn integer(&mut self, id: StrandId, name: &str, field: Option<&FieldPlan>) -> Result<Option<i64>, Failure> {
        let path = match field {
            None | Some(FieldPlan::Intrinsic(_)) => return Ok(None),
            Some(FieldPlan::Literal(value)) => {
                return Ok(value.as_ref().as_number().and_then(Number::as_i64));
            }
            Some(FieldPlan::Expression(expression)) => {
                let value = self.evaluate_expression(id, expression, ResultType::Number)?;
                return match value.as_ref().as_number().and_then(whole) {
                    Some(number) => Ok(Some(number)),
                    None => {
                        let what = format!("The {name} field cannot be parsed as an integer: {value}");
                        Err(self.evaluation_failed(id, Some(name), &what))
                    }
                };
            }
            Some(FieldPlan::Path(path)) => &self.program.paths[path.index()],
        };
        let view = self.data_view(id);
        let found = path.evaluate_field(&view).map_err(|error| self.runtime_failure(id, &error))?.into_value();
        match plain_text(&found).parse::<i64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(self.runtime(
                id,
                &format!(
                    "The {name}Path field refers to value \"{}\" which is not a valid integer: {}",
                    plain_text(&found),
                    path.text()
                ),
            )),
        }
    }

    /// `ToleratedFailurePercentage`, which takes fractions where it is no path.
    fn percentage(&mut self, id: StrandId, field: Option<&FieldPlan>) -> Result<Option<f64>, Failure> {
        match field {
            Some(FieldPlan::Literal(value)) => Ok(value.as_ref().as_number().map(Number::as_f64)),
            Some(FieldPlan::Expression(expression)) => {
                let value = self.evaluate_expression(id, expression, ResultType::Number)?;
                Ok(value.as_ref().as_number().map(Number::as_f64))
            }
            _ => Ok(self.integer(id, "ToleratedFailurePercentage", field)?.map(|percentage| percentage as f64)),
        }
    }

    fn data_view(&self, id: StrandId) -> View<'_> {
        View::new(self.program, self.execution, id, &self.execution.strands[id.index()].data)
    }

    /// How many iterations run at once, and how many may fail.
    pub(super) fn map_limits(&mut self, id: StrandId, plan: &MapPlan, items: usize) -> Result<(usize, usize), Failure> {
        let concurrency = self.integer(id, "MaxConcurrency", plan.max_concurrency.as_ref())?.unwrap_or(0);
        let Ok(concurrency) = usize::try_from(concurrency) else {
            return Err(self.runtime(id, "MaxConcurrency cannot be negative."));
        };
        let count = self.integer(id, "ToleratedFailureCount", plan.tolerated_failure_count.as_ref())?;
        let Ok(count) = count.map(usize::try_from).transpose() else {
            return Err(self.runtime(id, "ToleratedFailureCount cannot be negative."));
        };
        let percentage = self.percentage(id, plan.tolerated_failure_percentage.as_ref())?;
        let percentage = match percentage {
            None => None,
            // Not negative, and at most the number of items.
            Some(percentage) if (0.0..=100.0).contains(&percentage) => {
                Some((percentage * items as f64 / 100.0) as usize)
            }
            Some(_) => return Err(self.runtime(id, "ToleratedFailurePercentage must be between 0 and 100.")),
        };
        // Either threshold ends the Map when it is passed (ASL, "Failure Toleration").
        let tolerated = match (count, percentage) {
            (Some(count), Some(percentage)) => count.min(percentage),
            (count, percentage) => count.or(percentage).unwrap_or(0),
        };
        Ok((if concurrency == 0 { usize::MAX } else { concurrency }, tolerated))
    }

    pub(super) fn wait(&mut self, id: StrandId, wait: WaitId) -> Result<Flow, Failure> {
        let now_ms = self.execution.now_ms;
        let after_ms = match &self.program.waits[wait.index()] {
            WaitPlan::Milliseconds(time) => *time,
            WaitPlan::Until(time) => u64::try_from(*time).unwrap_or(0).saturating_sub(now_ms),
            WaitPlan::SecondsPath(path) => self.wait_seconds(id, *path)?.saturating_mul(1000),
            WaitPlan::TimestampPath(path) => self.wait_until_ms(id, *path)?.saturating_sub(now_ms),
            WaitPlan::SecondsExpression(expression) => self.wait_seconds_of(id, expression)?.saturating_mul(1000),
            WaitPlan::TimestampExpression(expression) => self.wait_until_ms_of(id, expression)?.saturating_sub(now_ms),
        };
        if after_ms == 0 {
            return Ok(Flow::Continue);
        }
        let signal = self.wait_for(id, Waiting::Timer);
        self.effects.push(Effect::Wake { signal, after_ms });
        Ok(Flow::Blocked)
    }

    fn wait_seconds(&self, id: StrandId, path: PathId) -> Result<u64, Failure> {
        let (text, found) = self.wait_value(id, "SecondsPath", path)?;
        let shown = plain_text(&found);
        let refuse = |what: &str| self.runtime(id, &format!("The SecondsPath parameter {what}: {text} == {shown}"));
        match shown.parse::<i64>() {
            Err(_) => Err(refuse("cannot be parsed as a long value")),
            Ok(seconds) if seconds < 0 => Err(refuse("references a negative value")),
            Ok(seconds) if seconds > MAX_WAIT_SECONDS => Err(self.runtime(id, "Wait state delay is too long.")),
            Ok(seconds) => Ok(seconds.unsigned_abs()),
        }
    }

    fn wait_until_ms(&self, id: StrandId, path: PathId) -> Result<u64, Failure> {
        let (text, found) = self.wait_value(id, "TimestampPath", path)?;
        match found.as_str().and_then(Timestamp::parse) {
            Some(time) => Ok(u64::try_from(time.epoch_ms()).unwrap_or(0)),
            None => {
                let what = "does not reference a valid ISO-8601 extended offset date-time format string";
                let cause = format!("The TimestampPath parameter {what}: {text} == {}", plain_text(&found));
                Err(self.runtime(id, &cause))
            }
        }
    }

    /// `Seconds` as an expression: its failures are those of the expression.
    fn wait_seconds_of(&mut self, id: StrandId, plan: &ExpressionPlan) -> Result<u64, Failure> {
        let value = self.evaluate_expression(id, plan, ResultType::Number)?;
        let what = match value.as_ref().as_number().and_then(whole) {
            None => format!("The Seconds field cannot be parsed as a long value: {value}"),
            Some(seconds) if seconds < 0 => format!("The Seconds field must not be negative: {value}"),
            Some(seconds) if seconds > MAX_WAIT_SECONDS => "Wait state delay is too long.".into(),
            Some(seconds) => return Ok(seconds.unsigned_abs()),
        };
        Err(self.evaluation_failed(id, Some(&plan.field), &what))
    }

    fn wait_until_ms_of(&mut self, id: StrandId, plan: &ExpressionPlan) -> Result<u64, Failure> {
        let value = self.evaluate_expression(id, plan, ResultType::String)?;
        match value.as_str().and_then(Timestamp::parse) {
            Some(time) => Ok(u64::try_from(time.epoch_ms()).unwrap_or(0)),
            None => {
                let shown = plain_text(&value);
                let what = "cannot be parsed as an ISO-8601 extended offset date-time format string";
                Err(self.evaluation_failed(id, Some(&plan.field), &format!("The Timestamp field {what}: {shown}")))
            }
        }
    }

    fn wait_value(&self, id: StrandId, field: &str, path: PathId) -> Result<(&str, Value), Failure> {
        let path = &self.program.paths[path.index()];
        match path.evaluate(&self.data_view(id)) {
            Ok(found) => Ok((path.text(), found.into_value())),
            Err(_) => {
                let cause = format!("The {field} parameter does not reference an input value: {}", path.text());
                Err(self.runtime(id, &cause))
            }
        }
    }

    /// `Error` or `Cause` of a Fail state, given in one of three ways.
    pub(super) fn fail_field(
        &mut self,
        id: StrandId,
        field: &str,
        plan: Option<&FieldPlan>,
    ) -> Result<Option<Text>, Failure> {
        let value = match plan {
            None => return Ok(None),
            Some(FieldPlan::Literal(value)) => value.clone(),
            Some(FieldPlan::Expression(expression)) => self.evaluate_expression(id, expression, ResultType::String)?,
            Some(FieldPlan::Intrinsic(intrinsic)) => {
                intrinsic.evaluate(&self.data_view(id)).map_err(|error| self.runtime_failure(id, &error))?
            }
            Some(FieldPlan::Path(path)) => {
                let path = &self.program.paths[path.index()];
                path.evaluate(&self.data_view(id)).map(Found::into_value).map_err(|_| {
                    let input = self.execution.strands[id.index()].data.to_json();
                    let text = path.text();
                    self.runtime(
                        id,
                        &format!("The JSONPath '{text}' specified for the field '{field}' could not be found in the input '{input}'"),
                    )
                })?
            }
        };
        match Text::try_from(value) {
            Ok(text) => Ok(Some(text)),
            Err(other) => {
                Err(self.runtime(id, &format!("The {field} field must refer to a string but refers to: {other}")))
            }
        }
    }

    /// Refuses data that is too large for a task.
    pub(super) fn check_size(&self, id: StrandId, data: &Value) -> Result<(), Failure> {
        if data.json_size() > MAX_PAYLOAD_BYTES { Err(self.output_too_large(id)) } else { Ok(()) }
    }

    /// The variables of a strand after an assignment (Developer Guide, "Variable limits").
    pub(super) fn check_variables(&self, id: StrandId, assigned: &Value) -> Result<(), Failure> {
        let variables = &self.execution.strands[id.index()].variables;
        let total: usize = variables.iter().map(|(name, value)| name.as_str().len() + value.json_size()).sum();
        if assigned.json_size() > MAX_PAYLOAD_BYTES || total + assigned.json_size() > MAX_VARIABLES_BYTES {
            let cause = format!(
                "The variables assigned exceed the limit of {MAX_PAYLOAD_BYTES} bytes for one Assign or {MAX_VARIABLES_BYTES} bytes for all."
            );
            let mut failure = self.runtime(id, &cause);
            failure.error = Some(error_name::DATA_LIMIT_EXCEEDED.into());
            return Err(failure);
        }
        Ok(())
    }
}

/// The integer that a number is: `3` and `3.0` are one, `3.5` is none.
fn whole(number: Number<'_>) -> Option<i64> {
    number.as_i64().or_else(|| {
        let value = number.as_f64();
        // Both bounds are floats exactly.
        (value.fract() == 0.0 && (-9.2e18..9.2e18).contains(&value)).then_some(value as i64)
    })
}

/// A value as AWS shows it in causes: strings without quotes, anything else as JSON.
fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_json(), str::to_owned)
}
