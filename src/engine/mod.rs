//! Runs programs: a pure step function, and the shards that perform what it asks for.

mod background;
mod begin;
mod blocks;
mod completion;
mod effect;
mod environment;
mod execution;
mod executions;
mod expression;
mod failure;
mod fields;
mod fork;
#[doc(hidden)]
pub mod idle_thread;
mod invocation;
mod mailbox;
mod parked;
mod ready;
mod running;
mod shard;
mod shards;
mod step;
mod timer;

pub use self::{
    completion::{Completion, Lost},
    effect::{Effect, Input, Progress, Signal},
    execution::{Execution, StrandId},
    mailbox::LocalFuture,
    parked::ParkedExecution,
    shard::{Shard, Started},
    shards::{Engine, EngineOptions, ExecutionCounts, StartError},
    step::step,
};
