//! The output line of one execution.

use crate::{
    model::execution::{ExecutionStatus, Outcome},
    value::{ParseError, Value},
};

/// Error name of a line that cannot be the input of an execution; the API's name for it.
const INVALID_INPUT: &str = "InvalidExecutionInput";

/// Appends the record of an execution that ended.
pub(super) fn write_outcome(line: u64, outcome: &Outcome, out: &mut Vec<u8>) {
    begin(line, outcome.status, out);
    for (key, value) in [
        ("output", outcome.output.clone()),
        ("error", outcome.error.clone().map(Value::from)),
        ("cause", outcome.cause.clone().map(Value::from)),
    ] {
        if let Some(value) = value {
            member(key, &value, out);
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the record of a line that is not JSON.
pub(super) fn write_invalid(line: u64, error: &ParseError, out: &mut Vec<u8>) {
    write_refused(line, INVALID_INPUT, &format!("Line {line} is not JSON: {error}"), out);
}

/// Appends the record of a line for which no execution was started.
pub(super) fn write_refused(line: u64, error: &str, cause: &str, out: &mut Vec<u8>) {
    begin(line, ExecutionStatus::Failed, out);
    member("error", &Value::from(error), out);
    member("cause", &Value::from(cause), out);
    out.extend_from_slice(b"}\n");
}

fn begin(line: u64, status: ExecutionStatus, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"input\":");
    out.extend_from_slice(itoa::Buffer::new().format(line).as_bytes());
    out.extend_from_slice(b",\"status\":\"");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b'"');
}

fn member(key: &str, value: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    value.write_json(out);
}
