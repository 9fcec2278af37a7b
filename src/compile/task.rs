//! Task.

use super::Compiler;
use crate::{
    Value,
    asl::definition::{Scalar, State},
    program::{Instruction, TaskEvents, TaskPlan},
};

impl Compiler {
    pub(super) fn task(
        &mut self,
        state: &State,
        resource: &str,
        timeout: Option<&Scalar>,
        heartbeat: Option<&Scalar>,
        credentials: Option<&Value>,
    ) {
        let plan = TaskPlan {
            resource: resource.into(),
            events: events(resource),
            timeout: timeout.and_then(|field| self.field(state, "TimeoutSeconds", field)),
            heartbeat: heartbeat.and_then(|field| self.field(state, "HeartbeatSeconds", field)),
            credentials: credentials.and_then(|value| self.template(state, "Credentials", value)),
        };
        let task = self.program.tasks.len().into();
        if plan.has_time_limit_path() {
            self.emit(Instruction::TimeLimit(task));
        }
        self.program.tasks.push(plan);
        self.parameters(state);
        self.emit(Instruction::Task(task));
    }
}

/// A function's own ARN has events of its own; `arn:aws:states:::lambda:invoke` has those of any task.
fn events(resource: &str) -> TaskEvents {
    let mut parts = resource.split(':').skip(2);
    match (parts.next(), parts.nth(2)) {
        (Some("lambda"), Some("function")) => TaskEvents::LambdaFunction,
        _ => TaskEvents::Task,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_function_arns_have_lambda_events() {
        assert_eq!(events("arn:aws:lambda:us-east-1:123456789012:function:f:1"), TaskEvents::LambdaFunction);
        assert_eq!(events("arn:aws:states:::lambda:invoke"), TaskEvents::Task);
        assert_eq!(events("charge"), TaskEvents::Task);
    }
}
