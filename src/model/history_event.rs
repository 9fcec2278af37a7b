//! Events of an execution's history (API reference, `HistoryEvent`).

use crate::Value;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    /// Number of the event, from 1.
    pub id: u64,
    /// The event before it on the same path through the execution; 0 for the first.
    pub previous_event_id: u64,
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
    /// `type`, such as `PassStateEntered`.
    pub kind: &'static str,
    /// What the event's `…EventDetails` hold.
    pub details: Value,
}
