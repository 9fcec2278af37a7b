//! What each action does: from the body of a request to the body of its reply, one file per group of actions.

mod configuration;
mod execution;
mod start_execution;
mod state_machine;
mod tag;
mod validate;

use std::{rc::Rc, sync::Arc};

pub(super) use self::start_execution::WaitingStart;
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

/// How far an action is when the call returns that performs it.
pub(super) enum Performed {
    /// The body of its reply is written.
    Answered,
    /// The start has to be waited for.
    Waits(WaitingStart),
}

/// Performs an action, and appends the body of its reply to `reply`. Only starts ever wait: StartSyncExecution when the
/// execution does, StartExecution for an intake.
///
/// # Errors
/// What the API answers instead; what has been written until then is no part of it.
pub(super) fn perform(
    context: &Context,
    action: Action,
    body: &[u8],
    reply: &mut Vec<u8>,
) -> Result<Performed, ApiError> {
    if !context.throttle.admits(action) {
        return Err(ApiError::throttled());
    }
    match action {
        Action::StartExecution => return start_execution::start_execution(context, body, reply),
        Action::StartSyncExecution => return start_execution::start_sync_execution(context, body, reply),
        _ => reply.extend_from_slice(&perform_on_registry(context.registry(), action, body)?),
    }
    Ok(Performed::Answered)
}

/// Performs an action that starts nothing.
fn perform_on_registry(registry: &Registry, action: Action, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    match action {
        Action::CreateStateMachine => state_machine::create(registry, body),
        Action::UpdateStateMachine => state_machine::update(registry, body),
        Action::DescribeStateMachine => state_machine::describe(registry, body),
        Action::ListStateMachines => state_machine::list(registry, body),
        Action::DeleteStateMachine => state_machine::delete(registry, body),
        Action::ValidateStateMachineDefinition => validate::validate(body),
        Action::TagResource => tag::tag(registry, body),
        Action::UntagResource => tag::untag(registry, body),
        Action::ListTagsForResource => tag::list(registry, body),
        Action::DescribeExecution
        | Action::DescribeStateMachineForExecution
        | Action::GetExecutionHistory
        | Action::StopExecution
        | Action::RedriveExecution => execution::refuse(action, body),
        Action::ListExecutions => execution::list(registry, body),
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
