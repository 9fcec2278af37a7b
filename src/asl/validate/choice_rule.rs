//! Rules of a Choice state (Amazon States Language, "Choice State").

use super::{jsonata, lint};
use crate::{
    asl::{
        definition::QueryLanguage,
        parse::{
            fields::{Fields, Use},
            location::Location,
            sink::Sink,
        },
    },
    query::{Condition, condition},
    value::{ValueRef, View},
};

/// In which query languages a rule may have a field; `None` when it may not at all.
fn field_use(name: &str) -> Option<Use> {
    match name {
        "Next" | "Assign" | "Comment" => Some(Use::Both),
        "Condition" | "Output" => Some(Use::Jsonata),
        "And" | "Or" | "Not" | "Variable" => Some(Use::JsonPath),
        _ => condition::is_operator(name).then_some(Use::JsonPath),
    }
}

/// Checks the condition of the rule `value`, whose fields are `rule`, and that it has no other fields than rules have.
pub(crate) fn check(rule: &Fields<'_, '_>, value: ValueRef<'_>, sink: &mut Sink) {
    rule.allow(field_use, sink);
    match (rule.language, rule.get("Condition")) {
        (QueryLanguage::Jsonata, Some(condition)) => {
            check_expression(condition, &rule.location.field("Condition"), sink);
        }
        (QueryLanguage::Jsonata, None) => rule.require(&["Condition"], sink),
        (QueryLanguage::JsonPath, condition) => {
            let compiled = Condition::compile(&value.to_value());
            if let Ok(condition) = &compiled {
                condition.for_each_path(&mut |path| super::path::note_variable(path, &rule.location, sink));
            }
            for error in compiled.err().into_iter().flatten() {
                // What the rule itself must not have is reported already.
                let reported = condition.is_some() || error.pointer.is_empty() && error.message.starts_with("Field '");
                if !reported {
                    let pointer = error.pointer;
                    let place = std::fmt::from_fn(|out| write!(out, "{}{pointer}", rule.location));
                    sink.schema(error.message, &place);
                }
            }
            look_for_paths(value, &rule.location, sink);
        }
    }
}

/// `Condition`: an expression, or a boolean.
fn check_expression(condition: ValueRef<'_>, location: &Location<'_>, sink: &mut Sink) {
    match condition.view() {
        View::String(text) => jsonata::check_scalar(text, "Boolean", location, sink),
        View::Bool(_) => {}
        _ => sink.schema("Expected value of type Boolean", location),
    }
}

/// Warns of strings that are compared with what looks like a path, at any depth of the rule.
fn look_for_paths(value: ValueRef<'_>, location: &Location<'_>, sink: &mut Sink) {
    match value.view() {
        View::Object(entries) => {
            for (name, value) in entries.iter() {
                let location = location.field(name);
                match value.as_str() {
                    Some(text) if name.starts_with("String") && !name.ends_with("Path") => {
                        lint::looks_like_path(name, text, &location, sink);
                    }
                    _ if matches!(name, "And" | "Or" | "Not") => look_for_paths(value, &location, sink),
                    _ => {}
                }
            }
        }
        View::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                look_for_paths(item, &location.item(index), sink);
            }
        }
        _ => {}
    }
}
