//! Reference Paths: `$.a['b'][0]`, where `ResultPath` puts a result (Amazon States Language, "Reference Paths").

use super::{Path, QueryError, SyntaxError, path::ReferenceStep};
use crate::{
    Value,
    model::error_name,
    value::{ArrayBuilder, ObjectBuilder, Text, ValueRef, View},
};

/// A path that names one place: `$`, then names and indexes only.
#[derive(Clone, Debug)]
pub struct ReferencePath {
    text: Box<str>,
    steps: Box<[ReferenceStep]>,
}

impl ReferencePath {
    /// Compiles a Reference Path.
    ///
    /// # Errors
    /// [`SyntaxError`] when the text is no path, or one that could find several values or starts elsewhere than at `$`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let steps = Path::parse(text)?.reference_steps().ok_or_else(|| SyntaxError {
            message: "A Reference Path must name one place by names and indexes".into(),
            offset: 0,
        })?;
        Ok(Self { text: text.into(), steps: steps.into_boxed_slice() })
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is `$` alone, so that the result takes the place of the input.
    #[must_use]
    pub fn is_whole_input(&self) -> bool {
        self.steps.is_empty()
    }

    /// Puts `result` into `input` at this place, over what is there; objects that are missing on the way are made. Of an
    /// input that nobody else holds, nothing is copied (Developer Guide, "Specifying state output using ResultPath").
    ///
    /// # Errors
    /// `States.ResultPathMatchFailure` when the way leads through something that is no object or no array, or to an item
    /// that the array does not have.
    pub fn apply(&self, input: Value, result: Value) -> Result<Value, QueryError> {
        if !fits(&self.steps, input.as_ref()) {
            return Err(QueryError {
                error: error_name::RESULT_PATH_MATCH_FAILURE,
                cause: format!("Unable to apply ReferencePath {} to input {input}", self.text),
            });
        }
        Ok(place(&self.steps, input, result))
    }
}

/// Whether there is, or can be made, a place at the end of `steps`.
fn fits(steps: &[ReferenceStep], input: ValueRef<'_>) -> bool {
    let mut value = input;
    for (done, step) in steps.iter().enumerate() {
        let next = match (step, value.view()) {
            (ReferenceStep::Name(name), View::Object(object)) => match object.get(name.as_str()) {
                Some(member) => member,
                None => return are_names(&steps[done + 1..]),
            },
            (ReferenceStep::Index(index), View::Array(items)) => match items.get(*index) {
                Some(item) => item,
                None => return false,
            },
            _ => return false,
        };
        value = next;
    }
    true
}

fn are_names(steps: &[ReferenceStep]) -> bool {
    steps.iter().all(|step| matches!(step, ReferenceStep::Name(_)))
}

/// Replaces what is at the end of `steps`, which are known to fit. The recursion is bounded by the steps of a path.
fn place(steps: &[ReferenceStep], value: Value, result: Value) -> Value {
    let Some((step, rest)) = steps.split_first() else { return result };
    match step {
        ReferenceStep::Name(name) => {
            let mut object = ObjectBuilder::from_value(value).unwrap_or_default();
            object.update(name, |member| match member {
                Some(member) => place(rest, member, result),
                None => made(rest, result),
            });
            object.finish()
        }
        ReferenceStep::Index(index) => {
            let mut array = ArrayBuilder::from_value(value).unwrap_or_default();
            if let Some(item) = array.items_mut().get_mut(*index) {
                *item = place(rest, std::mem::take(item), result);
            }
            array.finish()
        }
    }
}

/// Objects in objects, with `result` in the innermost.
fn made(steps: &[ReferenceStep], result: Value) -> Value {
    steps.iter().rev().fold(result, |value, step| match step {
        ReferenceStep::Name(name) => Value::object::<Text, Value>([(name.clone(), value)]),
        ReferenceStep::Index(_) => value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn applied(path: &str, input: &str, expected: &str) {
        let path = ReferencePath::parse(path).unwrap();
        let outcome = path.apply(Value::parse(input).unwrap(), Value::from("r"));
        assert_eq!(outcome.map_or_else(|error| format!("{}: {}", error.error, error.cause), |v| v.to_json()), expected);
    }

    #[test]
    fn results_are_placed() {
        applied("$", r#"{"a":1}"#, r#""r""#);
        applied("$.b", r#"{"a":1}"#, r#"{"a":1,"b":"r"}"#);
        applied("$.a", r#"{"a":{"b":1},"c":2}"#, r#"{"a":"r","c":2}"#);
        applied("$.a.b", r#"{"a":{"b":1,"c":[]}}"#, r#"{"a":{"b":"r","c":[]}}"#);
        applied("$.x.y['z w']", "{}", r#"{"x":{"y":{"z w":"r"}}}"#);
        applied("$.a[1]", r#"{"a":[1,2,3]}"#, r#"{"a":[1,"r",3]}"#);
        applied("$[1].b.c", r#"[0,{"a":0}]"#, r#"[0,{"a":0,"b":{"c":"r"}}]"#);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        const FAILURE: &str = "States.ResultPathMatchFailure: Unable to apply ReferencePath";
        applied("$.a", r#""text""#, &format!(r#"{FAILURE} $.a to input "text""#));
        applied("$.a", "[1]", &format!("{FAILURE} $.a to input [1]"));
        applied("$.a.b", r#"{"a":1}"#, &format!(r#"{FAILURE} $.a.b to input {{"a":1}}"#));
        applied("$.a[2]", r#"{"a":[1,2]}"#, &format!(r#"{FAILURE} $.a[2] to input {{"a":[1,2]}}"#));
        applied("$.a[0]", "{}", &format!("{FAILURE} $.a[0] to input {{}}"));
        applied("$[0]", "{}", &format!("{FAILURE} $[0] to input {{}}"));
    }

    #[test]
    fn only_definite_paths_from_the_input_are_reference_paths() {
        for text in
            ["", "a", "$$", "$x", "$.a[*]", "$.a[-1]", "$..a", "$.a[0,1]", "$.a[1:]", "$['a','b']", "$.a.length()"]
        {
            assert!(ReferencePath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_input_that_is_not_shared_is_changed_in_place() {
        let path = ReferencePath::parse("$.b").unwrap();
        let input = Value::object([("a", Value::from("a text that is too long to be held in place"))]);
        let kept = input.clone();
        let output = path.apply(input, Value::from(1)).unwrap();
        assert_eq!(kept.get("b"), None);
        assert_eq!(output.get("b"), Some(Value::from(1).as_ref()));
    }
}
