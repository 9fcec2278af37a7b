//! The events of one execution, for people.

use crate::{model::time::iso8601_ms, observe::BoundedRecorder};

/// Prints the events of the execution of a line on stderr.
#[allow(clippy::print_stderr, reason = "this is what --trace is for")]
pub(super) fn print_trace(line: u64, recorder: &BoundedRecorder) {
    let (events, left_out) = recorder.take();
    eprintln!("events of the execution of line {line}:");
    for event in &events {
        eprintln!(
            "{:5} ← {:<5} {} {} {}",
            event.id,
            event.previous_event_id,
            iso8601_ms(event.timestamp_ms),
            event.kind,
            event.details
        );
    }
    if left_out > 0 {
        eprintln!("      … and {left_out} more");
    }
}
