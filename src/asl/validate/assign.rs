//! `Assign`: the names of variables, and what is assigned (Developer Guide, "Passing data between states with variables").

use super::{
    jsonata::{self, Available},
    template,
};
use crate::{
    asl::{
        code,
        definition::QueryLanguage,
        parse::{location::Location, sink::Sink, variables::variable_name},
    },
    model::quota::MAX_NAME_CHARACTERS,
    value::{ValueRef, View},
};

/// The variable that JSONata expressions find the state's data in.
const RESERVED: &str = "states";

/// Checks an `Assign` field.
pub(crate) fn check(
    value: ValueRef<'_>,
    language: QueryLanguage,
    available: Available,
    location: &Location<'_>,
    sink: &mut Sink,
) {
    let View::Object(entries) = value.view() else {
        sink.schema("Expected value of type Object", location);
        return;
    };
    for (key, _) in entries.iter() {
        let name = variable_name(key, language == QueryLanguage::Jsonata);
        check_name(name, location, sink);
        sink.assigned(name, &location.field(key));
    }
    match language {
        QueryLanguage::JsonPath => template::check(value, location, sink),
        QueryLanguage::Jsonata => jsonata::check_template(value, available, location, sink),
    }
}

/// A name begins with a letter and goes on with letters, digits and underscores (Unicode's identifiers), 80 characters
/// at most.
fn check_name(name: &str, location: &Location<'_>, sink: &mut Sink) {
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(char::is_alphabetic);
    let problem = if name == RESERVED {
        sink.add(code::RESERVED_VARIABLE_NAME, "Cannot assign to reserved variable '$states'.", Some(location));
        return;
    } else if name.chars().count() > MAX_NAME_CHARACTERS {
        "the variable name exceeds the 80-character limit."
    } else if !starts_well || !characters.all(|character| character.is_alphanumeric() || character == '_') {
        "the variable name contains invalid characters."
    } else {
        return;
    };
    let message = format_args!("Invalid variable name '{name}': {problem}");
    sink.add(code::INVALID_VARIABLE_NAME, message, Some(location));
}
