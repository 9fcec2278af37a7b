//! Expressions of JSONata states: their delimiters, their syntax, and what they name (Developer Guide, "Transforming data
//! with JSONata in Step Functions"). What the service says of them follows what users measured on it; see `code`.

use crate::{
    asl::{
        code,
        parse::{location::Location, sink::Sink},
    },
    query::jsonata::{Expression, References, expression_text},
    value::{ValueRef, View},
};

const DELIMITERS: &str = "JSONata string must start with {% and end with %}";

/// What of `$states` there is in a field, besides `input` and `context` (Developer Guide, "Reserved variable: $states").
#[derive(Clone, Copy, Default)]
pub(crate) struct Available {
    /// `$states.result`: in `Output` and `Assign` of states that have a result.
    pub(crate) result: bool,
    /// `$states.errorOutput`: in `Output` and `Assign` of catchers.
    pub(crate) error_output: bool,
}

/// Checks a string in the place of a scalar of type `what`, where only an expression can stand.
pub(crate) fn check_scalar(text: &str, what: &str, location: &Location<'_>, sink: &mut Sink) {
    if !check_string(text, Available::default(), location, sink) {
        sink.schema(format_args!("Expected value of type {what}"), location);
    }
}

/// Checks all strings of a template. Depth is bounded by what texts can nest.
pub(crate) fn check_template(value: ValueRef<'_>, available: Available, location: &Location<'_>, sink: &mut Sink) {
    match value.view() {
        View::String(text) => {
            check_string(text, available, location, sink);
        }
        View::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_template(item, available, &location.item(index), sink);
            }
        }
        View::Object(entries) => {
            for (key, value) in entries.iter() {
                check_template(value, available, &location.field(key), sink);
            }
        }
        _ => {}
    }
}

/// Checks a string if it begins as an expression does, and says whether it does.
pub(crate) fn check_string(text: &str, available: Available, location: &Location<'_>, sink: &mut Sink) -> bool {
    let Some(expression) = expression_text(text) else {
        let begins = text.starts_with("{%");
        if begins {
            sink.schema(DELIMITERS, location);
        }
        return begins;
    };
    match Expression::parse(expression) {
        Ok(expression) => check_references(expression.references(), available, location, sink),
        Err(error) => {
            // The expression is a part of the string.
            let start = expression.as_ptr().addr() - text.as_ptr().addr();
            let message = without_code(&error.message);
            sink.add_at(code::INVALID_JSONATA_EXPRESSION, message, Some(location), Some(start + error.offset));
        }
    }
    true
}

/// The service reports JSONata's words without their code: `S0207: Unexpected end of expression`.
fn without_code(message: &str) -> &str {
    match message.split_once(": ") {
        Some((code, words)) if code.len() == 5 && code.bytes().skip(1).all(|byte| byte.is_ascii_digit()) => words,
        _ => message,
    }
}

fn check_references(references: &References, available: Available, location: &Location<'_>, sink: &mut Sink) {
    let mut unsupported = |message: std::fmt::Arguments<'_>| {
        sink.add(code::UNSUPPORTED_JSONATA_EXPRESSION, message, Some(location));
    };
    let data = references.top_level_data.then_some("$");
    for name in references.top_level_names.iter().map(|name| &**name).chain(data) {
        unsupported(format_args!("Reference to '{name}' at the top level is not supported."));
    }
    if references.root_data {
        unsupported(format_args!("Reference to '$$' is not supported."));
    }
    for field in references.states_fields() {
        let exists = match field {
            "input" | "context" => true,
            "result" => available.result,
            "errorOutput" => available.error_output,
            _ => false,
        };
        if !exists {
            unsupported(format_args!("Field '$states.{field}' does not exist."));
        }
    }
    for name in &references.variables {
        sink.variable(name, location);
    }
}
