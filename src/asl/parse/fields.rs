//! The fields of one object of a definition, read with their types, ranges and exclusions.

use super::{location::Location, sink::Sink};
use crate::{
    Value,
    asl::{
        definition::{PathField, QueryLanguage, Scalar},
        validate::{
            jsonata::{self, Available},
            path,
        },
    },
    value::{Number, ValueRef, View},
};

/// In which query languages a field may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Both,
    JsonPath,
    Jsonata,
}

/// Names of the fields that an object may have.
pub(crate) type Table = &'static [(&'static str, Use)];

/// The values that an integer field takes, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) minimum: i64,
    pub(crate) maximum: Option<i64>,
}

impl Range {
    pub(crate) const fn new(minimum: i64, maximum: i64) -> Self {
        Self { minimum, maximum: Some(maximum) }
    }

    pub(crate) const fn at_least(minimum: i64) -> Self {
        Self { minimum, maximum: None }
    }
}

/// An object of the definition.
pub(crate) struct Fields<'a, 'l> {
    entries: Vec<(&'a str, ValueRef<'a>)>,
    pub(crate) location: Location<'l>,
    pub(crate) language: QueryLanguage,
    /// What of `$states` there is in `Output` and `Assign`.
    pub(crate) available: Available,
}

impl<'a, 'l> Fields<'a, 'l> {
    /// The fields of `value`; `None` with a diagnostic when it is no object.
    pub(crate) fn read(
        value: ValueRef<'a>,
        location: Location<'l>,
        language: QueryLanguage,
        sink: &mut Sink,
    ) -> Option<Self> {
        match value.view() {
            View::Object(object) => {
                Some(Self { entries: object.iter().collect(), location, language, available: Available::default() })
            }
            _ => {
                expected("Object", location, sink);
                None
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<ValueRef<'a>> {
        self.entries.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn is_jsonata(&self) -> bool {
        self.language == QueryLanguage::Jsonata
    }

    /// Reports fields that are in none of `tables`, and those of the other query language.
    pub(crate) fn allow_tables(&self, tables: &[Table], sink: &mut Sink) {
        let find = |name: &str| {
            let mut fields = tables.iter().flat_map(|table| table.iter());
            fields.find(|(allowed, _)| *allowed == name).map(|(_, usage)| *usage)
        };
        self.allow(find, sink);
    }

    /// Reports fields that `field_use` does not know, and those of the other query language.
    pub(crate) fn allow(&self, field_use: impl Fn(&str) -> Option<Use>, sink: &mut Sink) {
        for (name, _) in &self.entries {
            let (set, other) = match (field_use(name), self.language) {
                (None, _) => {
                    sink.schema(format_args!("Field '{name}' is not supported"), &self.location);
                    continue;
                }
                (Some(Use::JsonPath), QueryLanguage::Jsonata) => ("JSONata", "JSONPath"),
                (Some(Use::Jsonata), QueryLanguage::JsonPath) => ("JSONPath", "JSONata"),
                _ => continue,
            };
            sink.schema(
                format_args!(
                    "The QueryLanguage is set to '{set}', but field '{name}' is only supported for the '{other}' \
                     QueryLanguage"
                ),
                &self.location,
            );
        }
    }

    /// Reports which of `names` are missing.
    pub(crate) fn require(&self, names: &[&str], sink: &mut Sink) {
        let missing: Vec<&str> = names.iter().copied().filter(|name| !self.has(name)).collect();
        if !missing.is_empty() {
            sink.schema(format_args!("These fields are required: [{}]", missing.join(", ")), &self.location);
        }
    }

    /// Reports it when more than one of `names` is given; whether that is so.
    pub(crate) fn at_most_one(&self, names: &[&str], sink: &mut Sink) -> bool {
        let many = names.iter().filter(|name| self.has(name)).count() > 1;
        if many {
            sink.schema(
                format_args!("There should only be one of the following fields: [{}]", names.join(", ")),
                &self.location,
            );
        }
        many
    }

    /// Reports it when not exactly one of `names` is given.
    pub(crate) fn exactly_one(&self, names: &[&str], sink: &mut Sink) {
        if !self.at_most_one(names, sink) && !names.iter().any(|name| self.has(name)) {
            sink.schema(
                format_args!("This object should have only one of the following fields: [{}]", names.join(", ")),
                &self.location,
            );
        }
    }

    pub(crate) fn string(&self, name: &str, sink: &mut Sink) -> Option<&'a str> {
        let value = self.get(name)?;
        let text = value.as_str();
        if text.is_none() {
            expected("String", self.location.field(name), sink);
        }
        text
    }

    pub(crate) fn boolean(&self, name: &str, sink: &mut Sink) -> Option<bool> {
        let value = self.get(name)?.as_bool();
        if value.is_none() {
            expected("Boolean", self.location.field(name), sink);
        }
        value
    }

    /// A string that is one of `allowed`.
    pub(crate) fn one_of(&self, name: &str, allowed: &[&str], sink: &mut Sink) -> Option<&'a str> {
        let text = self.string(name, sink)?;
        if allowed.contains(&text) {
            return Some(text);
        }
        sink.schema(
            format_args!("Value should be one of the following: [{}]", allowed.join(", ")),
            &self.location.field(name),
        );
        None
    }

    /// The items of an array; with a diagnostic when it is none, or when it is empty and must not be.
    pub(crate) fn array(&self, name: &str, may_be_empty: bool, sink: &mut Sink) -> Vec<ValueRef<'a>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let View::Array(items) = value.view() else {
            expected("Array", self.location.field(name), sink);
            return Vec::new();
        };
        let items: Vec<_> = items.iter().collect();
        if items.is_empty() && !may_be_empty {
            sink.schema("Value cannot be empty", &self.location.field(name));
        }
        items
    }

    /// An integer in `range`.
    pub(crate) fn integer(&self, name: &str, range: Range, sink: &mut Sink) -> Option<i64> {
        check_integer(self.get(name)?, range, self.location.field(name), sink)
    }

    /// A number, fractions included, of at least `minimum`.
    pub(crate) fn number(&self, name: &str, minimum: f64, sink: &mut Sink) -> Option<f64> {
        let value = self.get(name)?;
        let location = self.location.field(name);
        let Some(number) = value.as_number() else {
            expected("Number", location, sink);
            return None;
        };
        let number = number.as_f64();
        // Not a plain comparison, so that what is no number at all is refused too.
        if number.is_finite() && number >= minimum {
            return Some(number);
        }
        sink.schema(format_args!("Minimum value is {minimum:?}"), &location);
        None
    }

    /// `Name` as an integer in `range` (in JSONata states possibly an expression) or `NamePath` as a path.
    pub(crate) fn integer_or_path(
        &self,
        name: &'static str,
        path_name: &'static str,
        range: Range,
        sink: &mut Sink,
    ) -> Option<Scalar> {
        self.at_most_one(&[name, path_name], sink);
        if let Some(value) = self.get(name) {
            let location = self.location.field(name);
            match value.as_str() {
                Some(text) if self.is_jsonata() => jsonata::check_scalar(text, "Integer", &location, sink),
                _ => {
                    check_integer(value, range, location, sink)?;
                }
            }
            return Some(Scalar::Literal(value.to_value()));
        }
        self.path_scalar(path_name, sink)
    }

    /// A field whose value is a reference path to a scalar.
    pub(crate) fn path_scalar(&self, name: &'static str, sink: &mut Sink) -> Option<Scalar> {
        let text = self.string(name, sink)?;
        if !self.is_jsonata() {
            path::check_reference(text, path::Roots::of_field(name), &self.location.field(name), sink);
        }
        Some(Scalar::Path(text.to_owned()))
    }

    /// `InputPath` and `OutputPath`: any path, or `null`.
    pub(crate) fn path(&self, name: &str, sink: &mut Sink) -> PathField {
        self.path_field(name, sink, path::check)
    }

    /// `ResultPath`: a reference path into the input, or `null`.
    pub(crate) fn result_path(&self, sink: &mut Sink) -> PathField {
        self.path_field("ResultPath", sink, |text, location, sink| {
            path::check_reference(text, path::Roots::Input, location, sink);
        })
    }

    fn path_field(&self, name: &str, sink: &mut Sink, check: fn(&str, &Location<'_>, &mut Sink)) -> PathField {
        match self.get(name) {
            None => PathField::Absent,
            Some(value) if value.is_null() => PathField::Null,
            Some(_) => match self.string(name, sink) {
                Some(text) => {
                    // In a JSONata state the field itself is refused already.
                    if !self.is_jsonata() {
                        check(text, &self.location.field(name), sink);
                    }
                    PathField::Path(text.to_owned())
                }
                None => PathField::Absent,
            },
        }
    }

    /// A field that takes any JSON, expressions of a JSONata state included.
    pub(crate) fn any(&self, name: &str, sink: &mut Sink) -> Option<Value> {
        let value = self.get(name)?;
        if self.is_jsonata() {
            let available = if name == "Output" { self.available } else { Available::default() };
            jsonata::check_template(value, available, &self.location.field(name), sink);
        }
        Some(value.to_value())
    }
}

/// Reports a value of the wrong type.
pub(crate) fn expected(what: &str, location: Location<'_>, sink: &mut Sink) {
    sink.schema(format_args!("Expected value of type {what}"), &location);
}

fn check_integer(value: ValueRef<'_>, range: Range, location: Location<'_>, sink: &mut Sink) -> Option<i64> {
    let integer = match value.as_number() {
        Some(Number::Int(integer)) => integer,
        Some(number) if number.is_integer() => {
            if number.as_f64() < 0.0 {
                i64::MIN
            } else {
                i64::MAX
            }
        }
        _ => {
            expected("Integer", location, sink);
            return None;
        }
    };
    if integer < range.minimum {
        sink.schema(format_args!("Minimum value is {}", range.minimum), &location);
        return None;
    }
    if let Some(maximum) = range.maximum.filter(|maximum| integer > *maximum) {
        sink.schema(format_args!("Maximum value is {maximum}"), &location);
        return None;
    }
    Some(integer)
}
