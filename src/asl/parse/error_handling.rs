//! `Retry` and `Catch` (Amazon States Language, "Errors").

use super::{
    Fields, Reader,
    fields::{Range, Table, Use, expected},
    location::Location,
    sink::Sink,
};
use crate::{
    asl::{
        code,
        definition::{Catcher, PathField, Retrier},
        validate::graph::{Field, Graph},
    },
    model::error_name,
    value::ValueRef,
};

const RETRIER: Table = &[
    ("ErrorEquals", Use::Both),
    ("IntervalSeconds", Use::Both),
    ("MaxAttempts", Use::Both),
    ("BackoffRate", Use::Both),
    ("MaxDelaySeconds", Use::Both),
    ("JitterStrategy", Use::Both),
    ("Comment", Use::Both),
];
const CATCHER: Table = &[
    ("ErrorEquals", Use::Both),
    ("Next", Use::Both),
    ("ResultPath", Use::JsonPath),
    ("Assign", Use::Both),
    ("Output", Use::Jsonata),
    ("Comment", Use::Both),
];

const INTERVAL_SECONDS: Range = Range::new(0, 99_999_999);
const MAX_ATTEMPTS: Range = Range::new(0, 99_999_999);
const MAX_DELAY_SECONDS: Range = Range::new(1, 31_622_400);

impl<'a> Reader<'a> {
    /// `Retry`.
    pub(super) fn retry(&mut self, fields: &Fields<'a, '_>) -> Vec<Retrier> {
        let sink = &mut self.sink;
        let items = fields.array("Retry", true, sink);
        let (count, retry) = (items.len(), fields.location.field("Retry"));
        let mut retriers = Vec::with_capacity(count);
        for (index, item) in items.into_iter().enumerate() {
            let Some(retrier) = Fields::read(item, retry.item(index), fields.language, sink) else { continue };
            retrier.allow_tables(&[RETRIER], sink);
            retrier.require(&["ErrorEquals"], sink);
            let error_equals = error_equals(&retrier, index + 1 == count, sink);
            let integer = |value: i64| value as f64;
            retriers.push(Retrier {
                error_equals,
                interval_seconds: retrier.integer("IntervalSeconds", INTERVAL_SECONDS, sink).map_or(1.0, integer),
                max_attempts: retrier
                    .integer("MaxAttempts", MAX_ATTEMPTS, sink)
                    .map_or(3, |attempts| u64::try_from(attempts).unwrap_or(0)),
                backoff_rate: retrier.number("BackoffRate", 1.0, sink).unwrap_or(2.0),
                max_delay_seconds: retrier.integer("MaxDelaySeconds", MAX_DELAY_SECONDS, sink).map(integer),
                full_jitter: retrier.one_of("JitterStrategy", &["NONE", "FULL"], sink) == Some("FULL"),
            });
        }
        retriers
    }

    /// `Catch`.
    pub(super) fn catch(&mut self, fields: &Fields<'a, '_>, graph: &mut Graph<'a>) -> Vec<Catcher> {
        let items = fields.array("Catch", true, &mut self.sink);
        let (count, catch) = (items.len(), fields.location.field("Catch"));
        let mut catchers = Vec::with_capacity(count);
        for (index, item) in items.into_iter().enumerate() {
            let location = catch.item(index);
            let Some(mut catcher) = Fields::read(item, location, fields.language, &mut self.sink) else { continue };
            catcher.available.error_output = true;
            catcher.allow_tables(&[CATCHER], &mut self.sink);
            catcher.require(&["ErrorEquals", "Next"], &mut self.sink);
            let next = catcher.string("Next", &mut self.sink);
            if let Some(next) = next {
                graph.add_transition(Field::Catch(index), next);
            }
            catchers.push(Catcher {
                error_equals: error_equals(&catcher, index + 1 == count, &mut self.sink),
                next: next.unwrap_or_default().to_owned(),
                result_path: if catcher.has("ResultPath") {
                    catcher.result_path(&mut self.sink)
                } else {
                    PathField::Absent
                },
                assign: self.assign(&catcher),
                output: catcher.any("Output", &mut self.sink),
            });
        }
        catchers
    }
}

/// `ErrorEquals`: at least one name; `States.ALL` only alone, and only in the last retrier or catcher.
fn error_equals(fields: &Fields<'_, '_>, is_last: bool, sink: &mut Sink) -> Vec<String> {
    let location = fields.location.field("ErrorEquals");
    let items = fields.array("ErrorEquals", false, sink);
    let count = items.len();
    let mut names = Vec::with_capacity(count);
    for (index, item) in items.into_iter().enumerate() {
        let location = location.item(index);
        let Some(name) = ValueRef::as_str(item) else {
            expected("String", location, sink);
            continue;
        };
        if name == error_name::ALL && (count > 1 || !is_last) {
            sink.schema("States.ALL must appear alone and at end of list", &location);
        }
        lint_name(name, &location, sink);
        names.push(name.to_owned());
    }
    names
}

/// Warns of names that can never match (Amazon States Language, appendix A: names that begin with `States.` are
/// reserved).
fn lint_name(name: &str, location: &Location<'_>, sink: &mut Sink) {
    const PREDEFINED: &[&str] = &[
        error_name::ALL,
        error_name::HEARTBEAT_TIMEOUT,
        error_name::TIMEOUT,
        error_name::TASK_FAILED,
        error_name::PERMISSIONS,
        error_name::RESULT_PATH_MATCH_FAILURE,
        error_name::PARAMETER_PATH_FAILURE,
        error_name::BRANCH_FAILED,
        error_name::NO_CHOICE_MATCHED,
        error_name::INTRINSIC_FAILURE,
        error_name::EXCEED_TOLERATED_FAILURE_THRESHOLD,
        error_name::QUERY_EVALUATION_ERROR,
        error_name::DATA_LIMIT_EXCEEDED,
        error_name::RUNTIME,
        "States.ItemReaderFailed",
        "States.ResultWriterFailed",
    ];
    if name == error_name::RUNTIME {
        let message = "States.Runtime is never retried and never caught";
        sink.add(code::UNCATCHABLE_ERROR, message, Some(location));
    } else if name.starts_with("States.") && !name.starts_with("States.Http.") && !PREDEFINED.contains(&name) {
        let message = format_args!("'{name}' is none of the predefined error names");
        sink.add(code::UNKNOWN_ERROR_NAME, message, Some(location));
    }
}
