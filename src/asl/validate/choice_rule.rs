//! Rules of a Choice state (Amazon States Language, "Choice State").

use super::{
    jsonata, lint,
    path::{self, Roots},
};
use crate::{
    asl::{
        definition::QueryLanguage,
        parse::{
            fields::{Fields, Table, Use},
            location::Location,
            sink::Sink,
        },
    },
    query::timestamp::Timestamp,
    value::{ValueRef, View},
};

/// What an operator compares with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    String,
    Number,
    Boolean,
    Timestamp,
    Path,
}

/// The operators, in the order of the specification.
const OPERATORS: &[(&str, Operand)] = &[
    ("StringEquals", Operand::String),
    ("StringEqualsPath", Operand::Path),
    ("StringLessThan", Operand::String),
    ("StringLessThanPath", Operand::Path),
    ("StringGreaterThan", Operand::String),
    ("StringGreaterThanPath", Operand::Path),
    ("StringLessThanEquals", Operand::String),
    ("StringLessThanEqualsPath", Operand::Path),
    ("StringGreaterThanEquals", Operand::String),
    ("StringGreaterThanEqualsPath", Operand::Path),
    ("StringMatches", Operand::String),
    ("NumericEquals", Operand::Number),
    ("NumericEqualsPath", Operand::Path),
    ("NumericLessThan", Operand::Number),
    ("NumericLessThanPath", Operand::Path),
    ("NumericGreaterThan", Operand::Number),
    ("NumericGreaterThanPath", Operand::Path),
    ("NumericLessThanEquals", Operand::Number),
    ("NumericLessThanEqualsPath", Operand::Path),
    ("NumericGreaterThanEquals", Operand::Number),
    ("NumericGreaterThanEqualsPath", Operand::Path),
    ("BooleanEquals", Operand::Boolean),
    ("BooleanEqualsPath", Operand::Path),
    ("TimestampEquals", Operand::Timestamp),
    ("TimestampEqualsPath", Operand::Path),
    ("TimestampLessThan", Operand::Timestamp),
    ("TimestampLessThanPath", Operand::Path),
    ("TimestampGreaterThan", Operand::Timestamp),
    ("TimestampGreaterThanPath", Operand::Path),
    ("TimestampLessThanEquals", Operand::Timestamp),
    ("TimestampLessThanEqualsPath", Operand::Path),
    ("TimestampGreaterThanEquals", Operand::Timestamp),
    ("TimestampGreaterThanEqualsPath", Operand::Path),
    ("IsNull", Operand::Boolean),
    ("IsPresent", Operand::Boolean),
    ("IsNumeric", Operand::Boolean),
    ("IsString", Operand::Boolean),
    ("IsBoolean", Operand::Boolean),
    ("IsTimestamp", Operand::Boolean),
];

/// What makes a rule what it is: exactly one of them.
const KINDS: [&str; 5] = ["And", "Or", "Not", "Variable", "Condition"];

/// The fields of a rule at any depth.
const FIELDS: Table = &{
    let mut table = [("Comment", Use::Both); OPERATORS.len() + 1 + KINDS.len()];
    let mut index = 0;
    while index < KINDS.len() {
        table[1 + index] = (KINDS[index], Use::JsonPath);
        index += 1;
    }
    table[KINDS.len()] = ("Condition", Use::Jsonata);
    index = 0;
    while index < OPERATORS.len() {
        table[1 + KINDS.len() + index] = (OPERATORS[index].0, Use::JsonPath);
        index += 1;
    }
    table
};

/// Checks a rule and those inside it. `more` are the fields that it has for standing in `Choices` itself.
pub(crate) fn check(rule: &Fields<'_, '_>, more: Table, sink: &mut Sink) {
    rule.allow(&[FIELDS, more], sink);
    if KINDS.iter().filter(|kind| rule.has(kind)).count() != 1 {
        let kinds = KINDS.join(", ");
        sink.schema(format_args!("The object must have only one of the following fields, [{kinds}]"), &rule.location);
    }
    match (rule.language, rule.get("Condition")) {
        (QueryLanguage::Jsonata, Some(condition)) => {
            check_condition(condition, &rule.location.field("Condition"), sink);
        }
        (QueryLanguage::Jsonata, None) => {}
        (QueryLanguage::JsonPath, _) => {
            for name in ["And", "Or"] {
                let location = rule.location.field(name);
                for (index, item) in rule.array(name, false, sink).into_iter().enumerate() {
                    inner(item, location.item(index), sink);
                }
            }
            if let Some(item) = rule.get("Not") {
                inner(item, rule.location.field("Not"), sink);
            }
            if rule.has("Variable") {
                check_comparison(rule, sink);
            }
        }
    }
}

/// A rule inside `And`, `Or` or `Not`. Depth is bounded by what texts can nest.
fn inner(value: ValueRef<'_>, location: Location<'_>, sink: &mut Sink) {
    if let Some(rule) = Fields::read(value, location, QueryLanguage::JsonPath, sink) {
        check(&rule, &[], sink);
    }
}

/// `Condition`: an expression, or a boolean.
fn check_condition(condition: ValueRef<'_>, location: &Location<'_>, sink: &mut Sink) {
    match condition.view() {
        View::String(text) => jsonata::check_scalar(text, "Boolean", location, sink),
        View::Bool(_) => {}
        _ => sink.schema("Expected value of type Boolean", location),
    }
}

/// `Variable` with exactly one operator.
fn check_comparison(rule: &Fields<'_, '_>, sink: &mut Sink) {
    if let Some(variable) = rule.string("Variable", sink) {
        path::check_reference(variable, Roots::Any, &rule.location.field("Variable"), sink);
    }
    let names: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
    rule.exactly_one(&names, sink);
    for (name, value) in rule.entries() {
        let Some((_, operand)) = OPERATORS.iter().find(|(operator, _)| *operator == name) else { continue };
        let location = rule.location.field(name);
        let is_boolean = value.as_bool().is_some();
        match (operand, value.as_str()) {
            (Operand::Path, _) => {
                if let Some(text) = rule.string(name, sink) {
                    path::check_reference(text, Roots::Any, &location, sink);
                }
            }
            (Operand::String, Some(text)) => lint::looks_like_path(name, text, &location, sink),
            (Operand::String, None) => sink.schema("Expected value of type String", &location),
            (Operand::Timestamp, Some(text)) if Timestamp::parse(text).is_some() => {}
            (Operand::Timestamp, _) => sink.schema("String does not match RFC3339 timestamp", &location),
            (Operand::Number, _) if value.as_number().is_none() => {
                sink.schema("Expected value of type Number", &location);
            }
            (Operand::Boolean, _) if !is_boolean => sink.schema("Expected value of type Boolean", &location),
            (Operand::Number | Operand::Boolean, _) => {}
        }
    }
}
