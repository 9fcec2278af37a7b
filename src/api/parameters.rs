//! Parameters of a request, checked against the constraints of the API's model.
//!
//! A value of the wrong type is a `SerializationException` at once; values that break constraints are collected and
//! reported together, in the words of AWS's validator.

use std::ops::RangeInclusive;

use super::error::ApiError;
use crate::{
    Value,
    value::{ValueRef, View},
};

/// Whether a broken constraint may show the value: AWS keeps definitions, inputs and descriptions to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Value,
    Nothing,
}

/// Most violations that one message lists: a request may hold many thousand bad tags.
const MAX_VIOLATIONS: usize = 16;

/// The body of a request with the violations found so far.
pub(super) struct Parameters {
    body: Value,
    violations: Violations,
}

/// Broken constraints.
#[derive(Default)]
pub(super) struct Violations(Vec<String>);

impl Violations {
    fn push(&mut self, shown: Option<&str>, place: &str, constraint: &str) {
        if self.0.len() < MAX_VIOLATIONS {
            let value = shown.map_or_else(|| "Value".into(), |value| format!("Value '{value}'"));
            self.0.push(format!("{value} at '{place}' failed to satisfy constraint: Member must {constraint}"));
        }
    }

    fn missing(&mut self, place: &str) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(format!("Value null at '{place}' failed to satisfy constraint: Member must not be null"));
        }
    }

    /// Checks the length of a text, in characters.
    fn length(&mut self, text: &str, place: &str, length: &RangeInclusive<usize>, show: Show) {
        let shown = (show == Show::Value).then_some(text);
        let too_long = text.len() > *length.end() && text.chars().count() > *length.end();
        if too_long {
            self.push(shown, place, &format!("have length less than or equal to {}", length.end()));
        } else if text.chars().take(*length.start()).count() < *length.start() {
            self.push(shown, place, &format!("have length greater than or equal to {}", length.start()));
        }
    }

    /// What is wrong, or nothing.
    ///
    /// # Errors
    /// `ValidationException` that lists all violations.
    fn finish(self) -> Result<(), ApiError> {
        let count = self.0.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        Err(ApiError::validation(format!("{count} validation {errors} detected: {}", self.0.join("; "))))
    }
}

impl Parameters {
    /// Reads a body.
    ///
    /// # Errors
    /// `SerializationException` when it is not a JSON object.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Value::parse_bytes(body.to_vec())
            .map_err(|error| ApiError::serialization(error.full_message(&String::from_utf8_lossy(body))))?;
        match body.view() {
            View::Object(_) => Ok(Self { body, violations: Violations::default() }),
            View::Array(_) => Err(ApiError::serialization("Start of list found where not expected")),
            _ => Err(ApiError::serialization("Unexpected value type in payload")),
        }
    }

    /// The parameter of that name; `null` is the same as none.
    fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        self.body.get(name).filter(|value| !value.is_null())
    }

    /// A string.
    pub(super) fn string(
        &mut self,
        name: &str,
        length: &RangeInclusive<usize>,
        show: Show,
    ) -> Result<Option<String>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = text_of(value)?.to_owned();
        self.violations.length(&text, name, length, show);
        Ok(Some(text))
    }

    /// A string that must be there.
    pub(super) fn required_string(
        &mut self,
        name: &str,
        length: &RangeInclusive<usize>,
        show: Show,
    ) -> Result<String, ApiError> {
        let text = self.string(name, length, show)?;
        if text.is_none() {
            self.violations.missing(name);
        }
        Ok(text.unwrap_or_default())
    }

    /// A payload: a string whose length counts in UTF-8 bytes, and which errors do not show.
    pub(super) fn bytes(&mut self, name: &str, most: usize) -> Result<Option<String>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = text_of(value)?.to_owned();
        if text.len() > most {
            self.violations.push(None, name, &format!("have length less than or equal to {most}"));
        }
        Ok(Some(text))
    }

    /// An ARN that must be there.
    pub(super) fn required_arn(&mut self, name: &str) -> Result<String, ApiError> {
        self.required_string(name, &(1..=crate::model::quota::MAX_ARN_CHARACTERS), Show::Value)
    }

    /// One of some words.
    pub(super) fn word(&mut self, name: &str, words: &[&str]) -> Result<Option<String>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = text_of(value)?.to_owned();
        self.one_of(&text, name, words);
        Ok(Some(text))
    }

    fn one_of(&mut self, text: &str, place: &str, words: &[&str]) {
        if !words.contains(&text) {
            self.violations.push(Some(text), place, &format!("satisfy enum value set: [{}]", words.join(", ")));
        }
    }

    /// A boolean.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.get(name).map(boolean_of).transpose()
    }

    /// An integer.
    pub(super) fn integer(&mut self, name: &str, range: &RangeInclusive<i64>) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Some(number) = value.as_number() else { return Err(wrong_type(value, "Integer")) };
        let integer = number.as_i64().unwrap_or(number.as_f64() as i64);
        if integer > *range.end() {
            let constraint = format!("have value less than or equal to {}", range.end());
            self.violations.push(Some(&integer.to_string()), name, &constraint);
        } else if integer < *range.start() {
            let constraint = format!("have value greater than or equal to {}", range.start());
            self.violations.push(Some(&integer.to_string()), name, &constraint);
        }
        Ok(Some(integer))
    }

    /// A structure.
    pub(super) fn structure(&self, name: &str) -> Result<Option<Value>, ApiError> {
        self.get(name).map(structure_of).transpose()
    }

    /// A list, item by item.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        self.get(name).map(list_of).transpose()
    }

    /// A list that must be there.
    pub(super) fn required_list(&mut self, name: &str) -> Result<Vec<Value>, ApiError> {
        let list = self.list(name)?;
        if list.is_none() {
            self.violations.missing(name);
        }
        Ok(list.unwrap_or_default())
    }

    /// A string inside of another parameter, which must be there; `place` is the path to it.
    pub(super) fn member(
        &mut self,
        value: Option<ValueRef<'_>>,
        place: &str,
        length: &RangeInclusive<usize>,
    ) -> Result<String, ApiError> {
        let text = self.optional_member(value, place, length)?;
        if text.is_none() {
            self.violations.missing(place);
        }
        Ok(text.unwrap_or_default())
    }

    /// A string inside of another parameter; `place` is the path to it.
    pub(super) fn optional_member(
        &mut self,
        value: Option<ValueRef<'_>>,
        place: &str,
        length: &RangeInclusive<usize>,
    ) -> Result<Option<String>, ApiError> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
        let text = text_of(value)?;
        self.violations.length(text, place, length, Show::Value);
        Ok(Some(text.to_owned()))
    }

    /// One of some words inside of another parameter; `place` is the path to it.
    pub(super) fn member_word(
        &mut self,
        value: Option<ValueRef<'_>>,
        place: &str,
        words: &[&str],
    ) -> Result<Option<String>, ApiError> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
        let text = text_of(value)?;
        self.one_of(text, place, words);
        Ok(Some(text.to_owned()))
    }

    /// Notes that a text does not match the pattern of the API's model.
    pub(super) fn pattern_violation(&mut self, text: &str, name: &str, pattern: &str) {
        self.violations.push(Some(text), name, &format!("satisfy regular expression pattern: {pattern}"));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `ValidationException` that lists all violations.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        self.violations.finish()
    }
}

/// A boolean.
pub(super) fn boolean_of(value: ValueRef<'_>) -> Result<bool, ApiError> {
    value.as_bool().ok_or_else(|| wrong_type(value, "Boolean"))
}

/// An object.
pub(super) fn structure_of(value: ValueRef<'_>) -> Result<Value, ApiError> {
    match value.view() {
        View::Object(_) => Ok(value.to_value()),
        View::Array(_) => Err(ApiError::serialization("Start of list found where not expected")),
        _ => Err(ApiError::serialization("Unexpected field type")),
    }
}

/// The items of an array.
pub(super) fn list_of(value: ValueRef<'_>) -> Result<Vec<Value>, ApiError> {
    match value.view() {
        View::Array(items) => Ok(items.iter().map(ValueRef::to_value).collect()),
        View::Object(_) => Err(ApiError::serialization("Start of structure or map found where not expected.")),
        _ => Err(ApiError::serialization("Expected list or null")),
    }
}

fn text_of(value: ValueRef<'_>) -> Result<&str, ApiError> {
    value.as_str().ok_or_else(|| wrong_type(value, "String"))
}

fn wrong_type(value: ValueRef<'_>, wanted: &str) -> ApiError {
    let token = match value.view() {
        View::Object(_) => return ApiError::serialization("Start of structure or map found where not expected."),
        View::Array(_) => return ApiError::serialization("Start of list found where not expected"),
        View::Null => "NULL_VALUE",
        View::Bool(true) => "TRUE_VALUE",
        View::Bool(false) => "FALSE_VALUE",
        View::Number(number) if number.is_integer() => "NUMBER_VALUE",
        View::Number(_) => "DECIMAL_VALUE",
        View::String(_) => "STRING_VALUE",
    };
    ApiError::serialization(format!("{token} can not be converted to {article} {wanted}", article = article(wanted)))
}

fn article(word: &str) -> &'static str {
    if word.starts_with('I') { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(body: &str) -> Parameters {
        Parameters::parse(body.as_bytes()).map_err(|error| error.message).unwrap()
    }

    fn message(parameters: Parameters) -> String {
        let error = parameters.finish().unwrap_err();
        assert_eq!(error.code, "ValidationException");
        error.message.into_owned()
    }

    #[test]
    fn bodies_must_be_objects() {
        for body in ["", "x", "[]", "1", "{\"a\":"] {
            let Err(error) = Parameters::parse(body.as_bytes()) else { panic!("{body}") };
            assert_eq!(error.code, "SerializationException", "{body}");
        }
    }

    #[test]
    fn violations_are_listed_in_order() {
        let mut one = parameters(r#"{"a":""}"#);
        one.required_string("a", &(1..=3), Show::Value).unwrap();
        assert_eq!(
            message(one),
            "1 validation error detected: Value '' at 'a' failed to satisfy constraint: Member must have length greater \
             than or equal to 1"
        );
        let mut two = parameters(r#"{"b":"äöüß","d":1001}"#);
        two.required_string("a", &(1..=3), Show::Value).unwrap();
        two.string("b", &(1..=3), Show::Nothing).unwrap();
        two.integer("d", &(0..=1000)).unwrap();
        assert_eq!(
            message(two),
            "3 validation errors detected: Value null at 'a' failed to satisfy constraint: Member must not be null; \
             Value at 'b' failed to satisfy constraint: Member must have length less than or equal to 3; Value '1001' \
             at 'd' failed to satisfy constraint: Member must have value less than or equal to 1000"
        );
    }

    #[test]
    fn words_are_checked() {
        let mut read = parameters(r#"{"type":"express"}"#);
        read.word("type", &["STANDARD", "EXPRESS"]).unwrap();
        assert!(message(read).ends_with("Member must satisfy enum value set: [STANDARD, EXPRESS]"));
    }

    #[test]
    fn types_are_checked_at_once() {
        let read = |value: &str| {
            parameters(&format!(r#"{{"a":{value}}}"#)).string("a", &(0..=9), Show::Value).unwrap_err().message
        };
        assert_eq!(read("1"), "NUMBER_VALUE can not be converted to a String");
        assert_eq!(read("{}"), "Start of structure or map found where not expected.");
        assert!(parameters(r#"{"a":null}"#).string("a", &(1..=9), Show::Value).unwrap().is_none());
    }
}
