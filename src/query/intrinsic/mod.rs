//! Intrinsic functions: `States.Format('{} of {}', $.done, $.total)`, compiled once.
//!
//! Amazon States Language, "Intrinsic Functions"; AWS Step Functions Developer Guide, "Intrinsic functions for JSONPath
//! states". Where the service is known to do otherwise than the guide says, the function's comment says so.

mod array;
mod encoding;
mod function;
mod java;
mod math;
mod parse;
mod template;
#[cfg(test)]
mod tests;
mod text;

use self::{function::Function, template::Template};
use super::{
    Environment, Path, QueryError, SyntaxError,
    path::{Found, PathError, PathErrorKind, Root},
};
use crate::{
    Value,
    model::{error_name, quota},
};

/// Deepest nesting of function calls (Developer Guide: "You can nest up to 10 intrinsic functions within a field").
pub const MAX_INTRINSIC_DEPTH: usize = 10;

/// A compiled call of an intrinsic function.
#[derive(Clone, Debug)]
pub struct Intrinsic {
    text: String,
    call: Call,
}

/// A function with its arguments, whose number is known to be right.
#[derive(Clone, Debug)]
struct Call {
    function: Function,
    arguments: Box<[Argument]>,
}

#[derive(Clone, Debug)]
enum Argument {
    /// A string, number, boolean or `null`.
    Literal(Value),
    /// A string in the first place of `States.Format`.
    Template(Template),
    Path(Path),
    Call(Call),
}

/// Why a call failed.
#[derive(Debug)]
struct Failure {
    error: &'static str,
    reason: String,
}

impl Failure {
    /// The function cannot do anything with its arguments. The service calls this `States.Runtime`, not
    /// `States.IntrinsicFailure` as the guide has it.
    fn invalid_arguments(function: Function) -> Self {
        Self { error: error_name::RUNTIME, reason: format!("Invalid arguments in States.{}", function.name()) }
    }

    /// The result would be larger or deeper than any payload may be: ours, so that nothing grows without bound.
    fn too_large(function: Function) -> Self {
        Self {
            error: error_name::INTRINSIC_FAILURE,
            reason: format!(
                "The result of States.{} exceeds the maximum of {} bytes or {} levels",
                function.name(),
                quota::MAX_PAYLOAD_BYTES,
                quota::MAX_VALUE_DEPTH
            ),
        }
    }
}

impl Intrinsic {
    /// Compiles a call.
    ///
    /// # Errors
    /// [`SyntaxError`] when the text is no call of a known function, has the wrong number of arguments, a literal of a type
    /// that the function never takes, or nests deeper than [`MAX_INTRINSIC_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parse::parse(text).map(|call| Self { text: text.to_owned(), call })
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Calls the function.
    ///
    /// # Errors
    /// `States.Runtime` when a path finds nothing or a function cannot take its arguments; `States.IntrinsicFailure` when
    /// the result would exceed [`quota::MAX_PAYLOAD_BYTES`] or [`quota::MAX_VALUE_DEPTH`].
    pub fn evaluate<E: Environment>(&self, environment: &E) -> Result<Value, QueryError> {
        self.call.evaluate(environment).map_err(|failure| QueryError {
            error: failure.error,
            cause: format!("The function '{}' had the following error: {}", self.text, failure.reason),
        })
    }

    /// Shows `visit` each path among the arguments, in order.
    pub fn for_each_path(&self, visit: &mut dyn FnMut(&Path)) {
        self.call.for_each_path(visit);
    }
}

impl Call {
    /// The recursion is bounded by [`MAX_INTRINSIC_DEPTH`].
    fn evaluate<E: Environment>(&self, environment: &E) -> Result<Value, Failure> {
        // Only `States.Format` has a template, and only in the first place.
        let (template, arguments) = match self.arguments.split_first() {
            Some((Argument::Template(template), rest)) => (Some(template), rest),
            _ => (None, &*self.arguments),
        };
        let result = match template {
            Some(template) => template.fill(arguments, |argument, text| argument.write_text(environment, text)),
            None => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(argument.evaluate(environment)?);
                }
                self.function.call(values, &|| environment.random())
            }
        }?;
        if result.json_size() > quota::MAX_PAYLOAD_BYTES || result.depth() > quota::MAX_VALUE_DEPTH {
            return Err(Failure::too_large(self.function));
        }
        Ok(result)
    }

    fn for_each_path(&self, visit: &mut dyn FnMut(&Path)) {
        for argument in &self.arguments {
            match argument {
                Argument::Path(path) => visit(path),
                Argument::Call(call) => call.for_each_path(visit),
                Argument::Literal(_) | Argument::Template(_) => {}
            }
        }
    }
}

impl Argument {
    fn evaluate<E: Environment>(&self, environment: &E) -> Result<Value, Failure> {
        match self {
            Argument::Literal(value) => Ok(value.clone()),
            Argument::Template(template) => template.fill::<()>(&[], |(), _| Ok(())),
            Argument::Call(call) => call.evaluate(environment),
            Argument::Path(path) => find(path, environment).map(Found::into_value),
        }
    }

    /// Appends the value as Java prints it, without taking hold of it first.
    fn write_text<E: Environment>(&self, environment: &E, text: &mut String) -> Result<(), Failure> {
        match self {
            Argument::Path(path) => match path.find(environment) {
                Some(value) => java::write_text(value, text),
                None => java::write_text(find(path, environment)?.as_ref(), text),
            },
            _ => java::write_text(self.evaluate(environment)?.as_ref(), text),
        }
        Ok(())
    }
}

fn find<'a, E: Environment>(path: &Path, environment: &'a E) -> Result<Found<'a>, Failure> {
    path.evaluate(environment)
        .map_err(|error| Failure { error: error_name::RUNTIME, reason: missing(path, error, environment.input()) })
}

/// What the service says of an argument that finds nothing. It names a path into the context object as if it were one into
/// the input, and shows the input in either case; where a path does not fit the data, its JSONPath library has the word.
fn missing(path: &Path, error: PathError, input: &Value) -> String {
    match error.kind {
        PathErrorKind::Inapplicable | PathErrorKind::TooManyNodes => error.reason,
        PathErrorKind::Missing | PathErrorKind::IndexOutOfBounds => {
            let text = match path.root() {
                Root::Context => &path.text()[1..],
                _ => path.text(),
            };
            format!("The JsonPath argument for the field '{text}' could not be found in the input '{input}'")
        }
    }
}
