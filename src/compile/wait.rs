//! Wait, in its four forms.

use super::Compiler;
use crate::{
    asl::definition::{Scalar, State, Wait},
    program::{Instruction, WaitPlan},
    query::Timestamp,
};

impl Compiler {
    pub(super) fn wait(&mut self, state: &State, wait: &Wait) {
        let pointer = state.pointer.as_str();
        let plan = match wait {
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
