//! Expressions of JSONata states: only whether their delimiters are complete; what stands between them is for the
//! JSONata compiler.

use crate::{
    asl::parse::{location::Location, sink::Sink},
    value::{ValueRef, View},
};

const DELIMITERS: &str = "JSONata string must start with {% and end with %}";

/// Whether a string is an expression (Developer Guide, "Transforming data with JSONata"): exactly `{% … %}`.
pub(crate) fn is_expression(text: &str) -> bool {
    text.len() >= 4 && text.starts_with("{%") && text.ends_with("%}")
}

/// Checks a string in the place of a scalar of type `what`, where only an expression can stand.
pub(crate) fn check_scalar(text: &str, what: &str, location: &Location<'_>, sink: &mut Sink) {
    if is_expression(text) {
        return;
    }
    if text.starts_with("{%") {
        sink.schema(DELIMITERS, location);
    } else {
        sink.schema(format_args!("Expected value of type {what}"), location);
    }
}

/// Checks all strings of a template: what begins an expression must end it. Depth is bounded by what texts can nest.
pub(crate) fn check_template(value: ValueRef<'_>, location: &Location<'_>, sink: &mut Sink) {
    match value.view() {
        View::String(text) if text.starts_with("{%") && !is_expression(text) => sink.schema(DELIMITERS, location),
        View::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_template(item, &location.item(index), sink);
            }
        }
        View::Object(entries) => {
            for (key, value) in entries.iter() {
                check_template(value, &location.field(key), sink);
            }
        }
        _ => {}
    }
}
