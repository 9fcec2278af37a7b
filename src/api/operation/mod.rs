//! What each action does: from the body of a request to the body of its reply, one file per group of actions.

mod configuration;
mod execution;
mod start_execution;
mod state_machine;
mod tag;
mod validate;

use std::{rc::Rc, sync::Arc};

use super::{error::ApiError, intake::Intake, reply};
use crate::{model::action::Action, registry::Registry, runtime::Shard, throttle::Throttle};

/// What operations work with, on one shard.
pub(super) struct Context {
    /// The shard that the request came in on.
    pub(super) shard: Shard,
    /// The buckets of all shards.
    pub(super) throttle: Arc<Throttle>,
    /// Where StartExecution puts starts; none when it begins them itself.
    pub(super) intake: Option<Rc<dyn Intake>>,
}

impl Context {
    fn registry(&self) -> &Registry {
        self.shard.runtime().registry()
    }
}

/// Performs an action. Only starts ever wait: StartSyncExecution when the execution does, StartExecution for an intake.
///
/// # Errors
/// What the API answers instead.
pub(super) async fn perform(context: &Context, action: Action, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    if !context.throttle.admits(action) {
        return Err(ApiError::throttled());
    }
    match action {
        Action::StartExecution => start_execution::start_execution(context, body).await,
        Action::StartSyncExecution => start_execution::start_sync_execution(context, body).await,
        Action::CreateStateMachine => state_machine::create(context.registry(), body),
        Action::UpdateStateMachine => state_machine::update(context.registry(), body),
        Action::DescribeStateMachine => state_machine::describe(context.registry(), body),
        Action::ListStateMachines => state_machine::list(context.registry(), body),
        Action::DeleteStateMachine => state_machine::delete(context.registry(), body),
        Action::ValidateStateMachineDefinition => validate::validate(body),
        Action::TagResource => tag::tag(context.registry(), body),
        Action::UntagResource => tag::untag(context.registry(), body),
        Action::ListTagsForResource => tag::list(context.registry(), body),
        Action::DescribeExecution
        | Action::DescribeStateMachineForExecution
        | Action::GetExecutionHistory
        | Action::StopExecution
        | Action::RedriveExecution => execution::refuse(action, body),
        Action::ListExecutions => execution::list(context.registry(), body),
        _ => Err(unsupported(action)),
    }
}

/// The answer to an action of the API that is not there yet.
fn unsupported(action: Action) -> ApiError {
    ApiError::unknown_operation(format!("The operation '{}' is not supported by expressway yet", action.as_str()))
}

/// The body of a reply that says nothing.
fn empty() -> Vec<u8> {
    reply::body(|_| {})
}
