//! How a lane works.

use std::{sync::Arc, time::Duration};

use super::{Backoff, EventRule, FailureRules, RateLimit};
use crate::query::Path;

/// What of an execution is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultForm {
    /// The output of one that succeeded; of one that failed, nothing.
    #[default]
    Output,
    /// `{"status": …, "output": …}`, or with `error` and `cause`.
    Outcome,
}

/// Several events as the input of one execution: an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// Most events of one execution.
    pub max_items: usize,
    /// How long the first of them waits for the others.
    pub max_wait: Duration,
}

/// How a lane works.
#[derive(Clone, Debug)]
pub struct LaneSettings {
    /// Most deliveries that nothing has become of yet: the admission window. At least 1.
    pub max_in_flight: usize,
    /// From an event to the input of its execution.
    pub event: EventRule,
    /// What becomes of events whose executions failed.
    pub failures: FailureRules,
    /// What is published.
    pub result: ResultForm,
    /// Events of which this path gives the same run one after the other, in the order of their delivery.
    pub order_by: Option<Path>,
    /// Several events for one execution.
    pub batch: Option<BatchSettings>,
    /// How long what runs may take to end, after the lane was told to stop.
    pub drain_timeout: Duration,
    /// Waits after a broker refused something or is down.
    pub broker_backoff: Backoff,
    /// Most events a second, all lanes of the pipe together.
    pub rate_limit: Option<Arc<RateLimit>>,
}
