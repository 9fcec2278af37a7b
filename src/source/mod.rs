//! Executions from an event stream: each event starts one execution, and is acknowledged only after that has ended and its
//! result was accepted.
//!
//! [`Lane`] is what all sources share. A source implements [`Source`] and [`Acknowledger`], a place for results
//! [`Destination`]; neither knows of executions, and the lane knows no broker.

mod backoff;
mod counters;
mod delivery;
mod event;
mod executor;
mod failure_rule;
mod file;
pub mod kafka;
mod lane;
mod lines;
#[cfg(feature = "nats")]
pub mod nats;
mod places;
mod publication;
mod rate_limit;
#[cfg(feature = "redis")]
pub mod redis;
mod settings;
mod settle;
#[cfg(feature = "sqs")]
pub mod sqs;

pub use self::{
    backoff::Backoff,
    counters::{CountersSnapshot, PipeCounters},
    delivery::{
        Acknowledger, BrokerError, Delivery, Destination, Fetched, LocalBoxFuture, Receipt, Settlement, Source,
    },
    event::EventRule,
    executor::{Execute, Execution, IntakeExecutor, NO_STATE_MACHINE, RegistryExecutor, ShardExecutor, Start},
    failure_rule::{FailureAction, FailureRules},
    file::{FileDestination, Nowhere},
    lane::{Ends, Lane, LaneParts},
    lines::{LineAcknowledger, LineSource},
    publication::{Body, Publication},
    rate_limit::RateLimit,
    settings::{BatchSettings, LaneSettings, ResultForm},
};
