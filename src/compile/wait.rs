//! Wait, in its four forms.

use super::Compiler;
use crate::{
    asl::definition::{QueryLanguage, Scalar, State, Wait},
    program::{Instruction, WaitPlan},
    query::{Timestamp, jsonata::expression_text},
};

impl Compiler {
    pub(super) fn wait(&mut self, state: &State, wait: &Wait) {
        let pointer = state.pointer.as_str();
        let jsonata = state.query_language == QueryLanguage::Jsonata;
        let plan = match wait {
            Wait::Seconds(Scalar::Literal(value)) if jsonata && value.as_str().is_some() => {
                self.expression(state, "Seconds", value).map(WaitPlan::SecondsExpression)
            }
            Wait::Timestamp(Scalar::Literal(value))
                if jsonata && value.as_str().and_then(expression_text).is_some() =>
            {
                self.expression(state, "Timestamp", value).map(WaitPlan::TimestampExpression)
            }
            Wait::Seconds(Scalar::Path(path)) => self.path(pointer, path).map(WaitPlan::SecondsPath),
            Wait::Timestamp(Scalar::Path(path)) => self.path(pointer, path).map(WaitPlan::TimestampPath),
            Wait::Seconds(Scalar::Literal(value)) => value
                .as_ref()
                .as_number()
                .and_then(|number| u64::try_from(number.as_i64()?).ok())
                .map(|seconds| WaitPlan::Milliseconds(seconds.saturating_mul(1000))),
            Wait::Timestamp(Scalar::Literal(value)) => {
                value.as_str().and_then(Timestamp::parse).map(|time| WaitPlan::Until(time.epoch_ms()))
            }
        };
        match plan {
            Some(plan) => {
                self.program.waits.push(plan);
                self.emit(Instruction::Wait((self.program.waits.len() - 1).into()));
            }
            None => self.problem(pointer, "Seconds or Timestamp is not valid"),
        }
    }
}
