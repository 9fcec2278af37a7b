//! Templates: values of `Arguments`, `Output`, `Assign`, `ItemSelector` and the like, in which any string may be an
//! expression (Amazon States Language, "JSONata").

use std::fmt;

use super::{Evaluated, EvaluationFailure, Expression, JsonataEnvironment, expression_text};
use crate::{
    Value,
    query::{SyntaxError, members::Members},
    value::{ArrayBuilder, Text, ValueRef, View},
};

/// A compiled template: what is constant in it is shared.
#[derive(Clone, Debug)]
pub struct JsonataTemplate {
    part: Part,
    /// As it was written, for listings.
    source: Value,
}

/// What is wrong with one expression of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonataTemplateError {
    /// JSON pointer from the template to the string; empty when that is the template itself.
    pub pointer: String,
    /// What is wrong; its offset counts from the start of the expression's own text, without `{%` and space.
    pub error: SyntaxError,
}

#[derive(Clone, Debug)]
enum Part {
    /// Everything from here down is the same for all inputs.
    Constant(Value),
    /// Keys are unique.
    Object(Members<Part>),
    Array(Box<[Part]>),
    Expression(Box<Expression>),
}

impl JsonataTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// One [`JsonataTemplateError`] for each string whose expression is none.
    pub fn compile(template: &Value) -> Result<Self, Vec<JsonataTemplateError>> {
        let mut errors = Vec::new();
        let part = compile_part(template.as_ref(), &mut String::new(), &mut errors);
        if errors.is_empty() { Ok(Self { part, source: template.clone() }) } else { Err(errors) }
    }

    /// Fills the template in, for the field `field` (`Output`, `Arguments`, `Choices[0]/Assign` …). A constant one costs
    /// nothing.
    ///
    /// # Errors
    /// The [`EvaluationFailure`] of the first expression that fails, gives nothing, or gives a function. Its place is named
    /// as AWS names it: `Output/orders[0]/id`.
    pub fn evaluate<E: JsonataEnvironment>(
        &self,
        field: &str,
        environment: &E,
    ) -> Result<Value, Box<EvaluationFailure>> {
        evaluate_part(&self.part, &Place::Field(field), environment)
    }

    /// Whether it is the same for all inputs.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self.part, Part::Constant(_))
    }

    /// Shows `visit` each expression, in order.
    pub fn for_each_expression(&self, visit: &mut dyn FnMut(&Expression)) {
        self.part.for_each_expression(visit);
    }
}

impl fmt::Display for JsonataTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(formatter)
    }
}

impl Part {
    fn for_each_expression(&self, visit: &mut dyn FnMut(&Expression)) {
        match self {
            Part::Constant(_) => {}
            Part::Object(members) => members.iter().for_each(|(_, part)| part.for_each_expression(visit)),
            Part::Array(items) => items.iter().for_each(|part| part.for_each_expression(visit)),
            Part::Expression(expression) => visit(expression),
        }
    }
}

/// Calls `visit` with `pointer` one level further down.
fn below<T>(pointer: &mut String, step: fmt::Arguments<'_>, visit: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    pointer.push_str(&format!("/{step}"));
    let result = visit(pointer);
    pointer.truncate(length);
    result
}

/// The recursion is bounded by the depth that values can have.
fn compile_part(value: ValueRef<'_>, pointer: &mut String, errors: &mut Vec<JsonataTemplateError>) -> Part {
    match value.view() {
        View::Object(object) => {
            let members: Vec<_> = object
                .iter()
                .map(|(key, member)| {
                    let escaped = key.replace('~', "~0").replace('/', "~1");
                    let part =
                        below(pointer, format_args!("{escaped}"), |pointer| compile_part(member, pointer, errors));
                    (Text::from(key), part)
                })
                .collect();
            if members.iter().all(|(_, part)| matches!(part, Part::Constant(_))) {
                return Part::Constant(value.to_value());
            }
            Part::Object(Members::new(members))
        }
        View::Array(array) => {
            let items: Vec<_> = array
                .iter()
                .enumerate()
                .map(|(place, item)| {
                    below(pointer, format_args!("{place}"), |pointer| compile_part(item, pointer, errors))
                })
                .collect();
            if items.iter().all(|part| matches!(part, Part::Constant(_))) {
                return Part::Constant(value.to_value());
            }
            Part::Array(items.into_boxed_slice())
        }
        View::String(text) => match expression_text(text).map(Expression::parse) {
            None => Part::Constant(value.to_value()),
            Some(Ok(expression)) => Part::Expression(Box::new(expression)),
            Some(Err(error)) => {
                errors.push(JsonataTemplateError { pointer: pointer.clone(), error });
                Part::Constant(Value::NULL)
            }
        },
        _ => Part::Constant(value.to_value()),
    }
}

/// Where in a state a part stands. Only written out when something fails there.
enum Place<'a> {
    Field(&'a str),
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Field(field) => formatter.write_str(field),
            Place::Member(parent, name) => write!(formatter, "{parent}/{name}"),
            Place::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// The recursion is bounded by the depth that values can have.
fn evaluate_part<E: JsonataEnvironment>(
    part: &Part,
    place: &Place<'_>,
    environment: &E,
) -> Result<Value, Box<EvaluationFailure>> {
    match part {
        Part::Constant(value) => Ok(value.clone()),
        Part::Object(members) => {
            members.fill(|key, part| evaluate_part(part, &Place::Member(place, key.as_str()), environment))
        }
        Part::Array(items) => {
            let mut array = ArrayBuilder::with_capacity(items.len());
            for (index, part) in items.iter().enumerate() {
                array.push(evaluate_part(part, &Place::Item(place, index), environment)?);
            }
            Ok(array.finish())
        }
        Part::Expression(expression) => match expression.evaluated(environment) {
            Ok(Evaluated::Value(value)) => Ok(value),
            other => Err(EvaluationFailure::of(expression, &place.to_string(), other)),
        },
    }
}
