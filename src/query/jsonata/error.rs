//! What goes wrong with an expression, in JSONata's codes and in AWS's words.

use std::borrow::Cow;

use super::{Evaluated, Expression, limits, words};
use crate::{Value, model::error_name};

/// Why an expression could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct JsonataError {
    /// JSONata's code, e.g. `T2001`; empty where there is none.
    pub code: Cow<'static, str>,
    /// What is wrong.
    pub message: Cow<'static, str>,
}

impl JsonataError {
    pub(super) const fn new(code: &'static str, message: &'static str) -> Self {
        Self { code: Cow::Borrowed(code), message: Cow::Borrowed(message) }
    }

    /// From `T2001: message`, as `jsonata-core` words errors.
    pub(super) fn from_coded(text: &str) -> Self {
        match text.split_once(": ") {
            // Time and depth have the code that they had in JSONata 2.0.6.
            Some(("D1011", _)) => Self::new(
                "U1001",
                "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive.",
            ),
            Some(("D1012", _)) => limits::timeout(),
            Some((code, message)) if is_code(code) => {
                let message = words::spoken(code, message).into_owned();
                Self { code: code.to_owned().into(), message: message.into() }
            }
            _ => Self { code: "".into(), message: text.to_owned().into() },
        }
    }

    fn sentence(&self) -> String {
        if self.code.is_empty() { self.message.to_string() } else { format!("{}: {}", self.code, self.message) }
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 5 && text.as_bytes()[0].is_ascii_uppercase() && text.bytes().skip(1).all(|byte| byte.is_ascii_digit())
}

/// The type that a field wants (Amazon States Language, by field).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// `Items`.
    Array,
    /// `Condition`.
    Boolean,
    /// `Seconds`, `TimeoutSeconds`, `MaxConcurrency`, `ToleratedFailureCount` …
    Number,
    /// `Timestamp`, `Error`, `Cause`, …
    String,
    /// Fields that hold an object.
    Object,
}

impl ResultType {
    /// As AWS names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResultType::Array => "array",
            ResultType::Boolean => "boolean",
            ResultType::Number => "number",
            ResultType::String => "string",
            ResultType::Object => "object",
        }
    }

    /// Whether a value is of this type.
    #[must_use]
    pub fn matches(self, value: &Value) -> bool {
        value.as_ref().type_name() == self.as_str()
    }
}

/// A failed `{% … %}` of a state: what the `EvaluationFailed` event and the cause of `States.QueryEvaluationError` say. The
/// engine puts `An error occurred while executing the state '…' (entered at the event id #…). ` before the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationFailure {
    /// The field, e.g. `Output/result`: the event's `location`.
    pub location: Box<str>,
    /// The cause, without the engine's prefix.
    pub cause: String,
}

impl EvaluationFailure {
    /// The error name of all of them.
    pub const ERROR: &'static str = error_name::QUERY_EVALUATION_ERROR;

    fn new(expression: &Expression, field: &str, what: &str) -> Box<Self> {
        let cause = format!("The JSONata expression '{}' specified for the field '{field}' {what}", expression.text());
        Box::new(Self { location: field.into(), cause })
    }

    /// What is wrong with an evaluation that did not give a value.
    #[cold]
    pub(super) fn of(expression: &Expression, field: &str, outcome: Result<Evaluated, Box<JsonataError>>) -> Box<Self> {
        match outcome {
            Ok(Evaluated::Undefined) => Self::undefined(expression, field),
            Ok(Evaluated::Unsupported | Evaluated::Value(_)) => Self::unsupported(expression, field),
            Err(error) => Self::error(expression, field, &error),
        }
    }

    fn undefined(expression: &Expression, field: &str) -> Box<Self> {
        Self::new(expression, field, "returned nothing (undefined).")
    }

    fn unsupported(expression: &Expression, field: &str) -> Box<Self> {
        Self::new(expression, field, "returned an unsupported result type.")
    }

    fn error(expression: &Expression, field: &str, error: &JsonataError) -> Box<Self> {
        // Going beyond a limit has no code of JSONata's, and another sentence (measured on the service by its users).
        let what = match &*error.code {
            "U1001" => format!("threw an error during evaluation: {}", error.message),
            _ => format!("threw an error during evaluation. {error}"),
        };
        Self::new(expression, field, &what)
    }

    /// The value is not of the type that the field takes. Public, for fields whose demands are more than a type.
    #[cold]
    #[must_use]
    pub fn unexpected_type(expression: &Expression, field: &str, expected: ResultType, value: &Value) -> Box<Self> {
        let what = format!(
            "returned an unexpected result type. Expected '{}', but was '{}' for value: {value}",
            expected.as_str(),
            value.as_ref().type_name()
        );
        Self::new(expression, field, &what)
    }
}
