//! Payload templates: `Parameters`, `ItemSelector`, `ResultSelector` and `Assign` of JSONPath states (Amazon States
//! Language, "Payload Template").

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use super::{Environment, Path, QueryError, intrinsic::Intrinsic, members::Members};
use crate::{
    Value,
    value::{ArrayBuilder, Text, ValueRef, View},
};

/// A compiled template: what is constant in it is shared, what is not is a plan.
#[derive(Clone, Debug)]
pub struct PayloadTemplate {
    part: Part,
    /// As it was written, for listings.
    source: Value,
}

/// What is wrong with one field of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// JSON pointer, from the template, to the object that holds the field; empty when that is the template itself. AWS
    /// gives the object's place, not the field's.
    pub pointer: String,
    /// What is wrong, in AWS's words.
    pub message: String,
}

#[derive(Clone, Debug)]
enum Part {
    /// Everything from here down is the same for all inputs.
    Constant(Value),
    Object(Members<Part>),
    Array(Box<[Part]>),
    /// A path, and the field as it was written, with `.$`.
    Path(Box<str>, Box<Path>),
    Intrinsic(Box<Intrinsic>),
}

impl PayloadTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// A [`TemplateError`] for each field ending in `.$` whose value is neither a path nor a call of an intrinsic
    /// function.
    pub fn compile(template: &Value) -> Result<Self, Vec<TemplateError>> {
        let mut errors = Vec::new();
        let part = compile_part(template.as_ref(), "", &mut errors);
        if errors.is_empty() { Ok(Self { part, source: template.clone() }) } else { Err(errors) }
    }

    /// Fills the template in. A constant one costs nothing.
    ///
    /// # Errors
    /// `States.Runtime` when a path finds nothing, and what intrinsic functions fail with.
    pub fn evaluate<E: Environment>(&self, environment: &E) -> Result<Value, QueryError> {
        evaluate_part(&self.part, environment)
    }

    /// Whether it is the same for all inputs.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self.part, Part::Constant(_))
    }
}

impl fmt::Display for PayloadTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(formatter)
    }
}

/// The recursion is bounded by the depth that values can have.
fn compile_part(value: ValueRef<'_>, pointer: &str, errors: &mut Vec<TemplateError>) -> Part {
    match value.view() {
        View::Object(object) => {
            let mut members: Vec<(Text, Part)> = Vec::with_capacity(object.len());
            let mut places: HashMap<&str, usize> = HashMap::new();
            for (key, member) in object.iter() {
                let (key, part) = match key.strip_suffix(".$") {
                    Some(name) => (name, compile_field(key, member, pointer, errors)),
                    None => {
                        let escaped = key.replace('~', "~0").replace('/', "~1");
                        (key, compile_part(member, &format!("{pointer}/{escaped}"), errors))
                    }
                };
                // `a` and `a.$` are one field; as with equal keys, the last counts.
                match places.entry(key) {
                    Entry::Occupied(place) => members[*place.get()].1 = part,
                    Entry::Vacant(place) => {
                        place.insert(members.len());
                        members.push((Text::from(key), part));
                    }
                }
            }
            let replaced = members.len() < object.len();
            if !replaced && members.iter().all(|(_, part)| matches!(part, Part::Constant(_))) {
                return Part::Constant(value.to_value());
            }
            Part::Object(Members::new(members))
        }
        View::Array(array) => {
            let items: Vec<_> = array
                .iter()
                .enumerate()
                .map(|(place, item)| compile_part(item, &format!("{pointer}/{place}"), errors))
                .collect();
            if items.iter().all(|part| matches!(part, Part::Constant(_))) {
                return Part::Constant(value.to_value());
            }
            Part::Array(items.into_boxed_slice())
        }
        _ => Part::Constant(value.to_value()),
    }
}

fn compile_field(field: &str, value: ValueRef<'_>, pointer: &str, errors: &mut Vec<TemplateError>) -> Part {
    let part = match value.as_str() {
        None => Err(format!(
            "The value for the field '{field}' must be a STRING that contains a JSONPath but was an {}",
            value.type_name().to_uppercase()
        )),
        Some(text) => {
            let part = if text.trim_start().starts_with('$') {
                Path::parse(text).map(|path| Part::Path(field.into(), Box::new(path)))
            } else {
                Intrinsic::parse(text).map(|intrinsic| Part::Intrinsic(Box::new(intrinsic)))
            };
            part.map_err(|_| {
                format!("The value for the field '{field}' must be a valid JSONPath or a valid intrinsic function call")
            })
        }
    };
    part.unwrap_or_else(|message| {
        errors.push(TemplateError { pointer: pointer.to_owned(), message });
        Part::Constant(Value::NULL)
    })
}

/// What most members are, a path that finds something or a constant, is looked at where they are put together.
#[inline]
fn evaluate_member<E: Environment>(part: &Part, environment: &E) -> Result<Value, QueryError> {
    match part {
        Part::Constant(value) => return Ok(value.clone()),
        Part::Path(_, path) => {
            if let Some(found) = path.find(environment) {
                return Ok(found.to_value());
            }
        }
        _ => {}
    }
    evaluate_part(part, environment)
}

/// The recursion is bounded by the depth of the template.
fn evaluate_part<E: Environment>(part: &Part, environment: &E) -> Result<Value, QueryError> {
    match part {
        Part::Constant(value) => Ok(value.clone()),
        Part::Object(members) => members.fill(|_, part| evaluate_member(part, environment)),
        Part::Array(items) => {
            let mut array = ArrayBuilder::with_capacity(items.len());
            for part in items {
                array.push(evaluate_member(part, environment)?);
            }
            Ok(array.finish())
        }
        Part::Path(field, path) => Ok(path.evaluate_named(field, environment)?.into_value()),
        Part::Intrinsic(intrinsic) => intrinsic.evaluate(environment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Data {
        input: Value,
        context: Value,
        variable: Value,
    }

    impl Environment for Data {
        fn input(&self) -> &Value {
            &self.input
        }
        fn context(&self) -> &Value {
            &self.context
        }
        fn variable(&self, name: &str) -> Option<&Value> {
            (name == "v").then_some(&self.variable)
        }
        fn random(&self) -> u64 {
            4
        }
    }

    fn value(text: &str) -> Value {
        Value::parse(text).unwrap()
    }

    /// What the template gives for the input; after `!` what it fails with.
    #[track_caller]
    fn filled(template: &str, input: &str, expected: &str) {
        let data = Data { input: value(input), context: value(r#"{"State":{"Name":"S"}}"#), variable: value("[7,8]") };
        let outcome = PayloadTemplate::compile(&value(template)).unwrap().evaluate(&data);
        assert_eq!(
            outcome.map_or_else(|error| format!("!{}: {}", error.error, error.cause), |v| v.to_json()),
            expected
        );
    }

    #[track_caller]
    fn refused(template: &str, pointer: &str, message: &str) {
        let errors = PayloadTemplate::compile(&value(template)).unwrap_err();
        assert_eq!(errors, [TemplateError { pointer: pointer.into(), message: message.into() }]);
    }

    #[test]
    fn fields_are_filled_in() {
        filled(
            r#"{"a.$":"$.x","b":"$.x","c":{"d.$":"$$.State.Name"}}"#,
            r#"{"x":[1]}"#,
            r#"{"a":[1],"b":"$.x","c":{"d":"S"}}"#,
        );
        filled(r#"{"a.$":"$","v.$":"$v","w.$":"$v[1]"}"#, "{}", r#"{"a":{},"v":[7,8],"w":8}"#);
        filled(r#"{"l":[1,{"a.$":"$.x"},["$.x"]]}"#, r#"{"x":true}"#, r#"{"l":[1,{"a":true},["$.x"]]}"#);
        filled(r#"{"a.$":"$.x[*].y","b.$":"$[1:].z"}"#, "[{}]", r#"{"a":[],"b":[]}"#);
        filled(r#"{"a.$":"$.x","a":1}"#, r#"{"x":2}"#, r#"{"a":1}"#);
        filled(r#"{"a":1,"a.$":"$.x"}"#, r#"{"x":2}"#, r#"{"a":2}"#);
        filled(r#"{"a.$":"$.x[5]"}"#, r#"{"x":[1]}"#, r#"{"a":null}"#);
        filled(r#"{"a.$":"States.Array($.x, 'y')"}"#, r#"{"x":1}"#, r#"{"a":[1,"y"]}"#);
        filled("[]", "1", "[]");
        filled(r#""$.x""#, "1", r#""$.x""#);
    }

    #[test]
    fn paths_that_find_nothing_fail() {
        filled(
            r#"{"o":{"a.$":"$.x.y"}}"#,
            r#"{"z":1}"#,
            r#"!States.Runtime: The JSONPath '$.x.y' specified for the field 'a.$' could not be found in the input '{"z":1}'"#,
        );
        filled(
            r#"{"a.$":"$$.Task.Token"}"#,
            "{}",
            r#"!States.Runtime: The JSONPath '$$.Task.Token' specified for the field 'a.$' could not be found in the input '{"State":{"Name":"S"}}'"#,
        );
        filled(
            r#"{"a.$":"$[1:5]"}"#,
            r#"{"k":"v"}"#,
            "!States.Runtime: Invalid path '$[1:5]' : Filter: [1:5] can only be applied to arrays. Current context is: {k=v}",
        );
        filled(
            r#"{"a.$":"$"}"#,
            "null",
            "!States.Runtime: Unable to apply Path transformation to null or empty input.",
        );
    }

    #[test]
    fn what_is_constant_is_shared() {
        let template = value(r#"{"a":{"b":[1,2]},"c.$":"$"}"#);
        let compiled = PayloadTemplate::compile(&template).unwrap();
        assert!(!compiled.is_constant());
        let Part::Object(members) = &compiled.part else { panic!("an object") };
        assert!(members.iter().next().is_some_and(|(_, part)| matches!(part, Part::Constant(_))));
        assert!(PayloadTemplate::compile(&value(r#"{"a":["$.x",{}]}"#)).unwrap().is_constant());
    }

    #[test]
    fn fields_that_are_no_paths_are_refused() {
        let message = "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call";
        refused(r#"{"a.$":"text"}"#, "", message);
        refused(r#"{"a.$":"$."}"#, "", message);
        refused(r#"{"x/y":[{"a.$":"$x y"}]}"#, "/x~1y/0", message);
        refused(
            r#"{"a.$":["$.x"]}"#,
            "",
            "The value for the field 'a.$' must be a STRING that contains a JSONPath but was an ARRAY",
        );
        assert_eq!(PayloadTemplate::compile(&value(r#"{"a.$":"1","b.$":2}"#)).unwrap_err().len(), 2);
    }
}
