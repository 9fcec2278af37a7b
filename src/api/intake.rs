//! A durable front door: where StartExecution puts starts before it answers, when it is not to begin them itself.

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc};

use crate::model::stored_start::StoredStart;

/// Why a start was not stored: for the caller, who may try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotStored(pub String);

/// Stores starts, so that they are not lost when this process is. Lives on one shard.
pub trait Intake {
    /// Stores a start. It answers within a bounded time.
    ///
    /// # Errors
    /// When it is not known to be stored; it may be all the same.
    fn store<'a>(&'a self, start: &'a StoredStart) -> Pin<Box<dyn Future<Output = Result<(), NotStored>> + 'a>>;
}

/// Makes the intake of a shard, on its thread.
pub type MakeIntake = Arc<dyn Fn() -> Rc<dyn Intake> + Send + Sync>;
