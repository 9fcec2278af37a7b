//! JSONata, the query language of `{% … %}` strings (Amazon States Language, "JSONata"; Developer Guide, "Transforming data
//! with JSONata in Step Functions"): language level 2.0.6 with the functions that Step Functions adds.
//!
//! An [`Expression`] is parsed and checked when its definition is published. What it can see is a [`JsonataEnvironment`]:
//! `$states` and variables. The common subset runs as a program of our own on [`Value`]s ([`fast`](Expression::is_fast));
//! anything else runs in the crate `jsonata-core`, which nothing outside this module knows. Its values are counted by `Rc`,
//! so they live only as long as one call of [`Expression::evaluate`].
//!
//! # Numbers
//! Integers and decimals keep the text they came with while they are only moved. Arithmetic, comparison and functions
//! work on `f64`, as JSONata has no other number: `9007199254740993 + 0` is `9007199254740992`.
//!
//! # Limits
//! No expression holds a thread longer than [`MAX_EVALUATION_MS`], whatever it is; see [`limits`].

mod analyze;
mod base;
mod convert;
mod error;
mod fast;
mod functions;
mod guard;
pub mod limits;
mod syntax;
mod template;
mod words;

use std::{fmt, sync::Arc};

pub use self::{
    analyze::References,
    error::{EvaluationFailure, JsonataError, ResultType},
    limits::MAX_EVALUATION_MS,
    template::{JsonataTemplate, JsonataTemplateError},
};
use super::SyntaxError;
use crate::Value;

/// What an expression can see while it is evaluated (Developer Guide, "Reserved variable: $states").
pub trait JsonataEnvironment {
    /// `$states.input`: the state's input.
    fn input(&self) -> Option<&Value>;
    /// `$states.result`: the result of a Task, Parallel or Map state.
    fn result(&self) -> Option<&Value>;
    /// `$states.errorOutput`: what a Catch caught.
    fn error_output(&self) -> Option<&Value>;
    /// `$states.context`: the context object.
    fn context(&self) -> Option<&Value>;
    /// `$name`: a variable, by its name without `$`.
    fn variable(&self, name: &str) -> Option<&Value>;
    /// The next number of the execution's seeded generator, for `$random`, `$uuid` and `$shuffle`.
    fn random(&self) -> u64;
    /// Milliseconds since 1970, for `$now` and `$millis`.
    fn now_ms(&self) -> u64;
    /// `$` and `$$` at the top level. Step Functions has none there.
    fn document(&self) -> Option<&Value> {
        None
    }
}

/// What an expression evaluated to.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluated {
    /// A value.
    Value(Value),
    /// Nothing.
    Undefined,
    /// Something that is no JSON: a function.
    Unsupported,
}

/// A parsed expression.
#[derive(Clone)]
pub struct Expression {
    text: Box<str>,
    references: References,
    base: base::Program,
    /// When it is of the subset.
    fast: Option<Arc<fast::Program>>,
}

/// The expression in a string that is exactly `{% … %}`, without the delimiters and the space around it; `None` for any
/// other string, which stands for itself.
#[must_use]
pub fn expression_text(string: &str) -> Option<&str> {
    if string.len() < 4 {
        return None;
    }
    Some(string.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

impl Expression {
    /// Parses what stands between `{%` and `%}`.
    ///
    /// # Errors
    /// [`SyntaxError`] when it is no JSONata, uses `??` or `?:` (which came after 2.0.6) or `$eval`, has a regular expression
    /// that is invalid or too large, or nests deeper than [`limits::MAX_EXPRESSION_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let (base, ast, references) = base::Program::parse(text)?;
        let fast = fast::Program::compile(&ast).map(Arc::new);
        Ok(Self { text: text.into(), references, base, fast })
    }

    /// The text it was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it names of its environment.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.references
    }

    /// Whether it runs as a program of our own, without `jsonata-core`.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        self.fast.is_some()
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// [`JsonataError`] when it fails, or goes beyond the [`limits`].
    pub fn evaluate<E: JsonataEnvironment>(&self, environment: &E) -> Result<Evaluated, JsonataError> {
        self.evaluated(environment).map_err(|error| *error)
    }

    #[inline]
    fn evaluated<E: JsonataEnvironment>(&self, environment: &E) -> Result<Evaluated, Box<JsonataError>> {
        let mut spent_ms = 0;
        if let Some(fast) = &self.fast {
            match fast.evaluate(environment) {
                Ok(result) => return Ok(result),
                Err(fast::Stop::Limit(error)) => return Err(error),
                Err(fast::Stop::Base { spent_ms: spent }) => spent_ms = spent,
            }
        }
        self.base.evaluate(&self.references, environment, spent_ms).map_err(Box::new)
    }

    /// Evaluates it in `jsonata-core`, fast or not: for tests and benchmarks.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_in_base<E: JsonataEnvironment>(&self, environment: &E) -> Result<Evaluated, JsonataError> {
        self.base.evaluate(&self.references, environment, 0)
    }

    /// Evaluates it as a program of our own only, for tests: `None` when it has none, or when that leaves this evaluation
    /// to the base.
    ///
    /// # Errors
    /// When it goes beyond the [`limits`].
    pub fn evaluate_fast<E: JsonataEnvironment>(&self, environment: &E) -> Result<Option<Evaluated>, JsonataError> {
        match self.fast.as_ref().map(|fast| fast.evaluate(environment)) {
            Some(Ok(result)) => Ok(Some(result)),
            Some(Err(fast::Stop::Limit(error))) => Err(*error),
            Some(Err(fast::Stop::Base { .. })) | None => Ok(None),
        }
    }

    /// Evaluates it for a field of a state, where nothing and functions are errors.
    ///
    /// # Errors
    /// [`EvaluationFailure`] with AWS's cause, when it fails, gives nothing, or gives a function.
    pub fn evaluate_field<E: JsonataEnvironment>(
        &self,
        field: &str,
        environment: &E,
    ) -> Result<Value, Box<EvaluationFailure>> {
        match self.evaluated(environment) {
            Ok(Evaluated::Value(value)) => Ok(value),
            other => Err(EvaluationFailure::of(self, field, other)),
        }
    }

    /// Evaluates it for `Condition`, which takes a truth value.
    ///
    /// # Errors
    /// As [`Self::evaluate_field`], and when the value is of another type.
    #[inline]
    pub fn evaluate_condition<E: JsonataEnvironment>(
        &self,
        field: &str,
        environment: &E,
    ) -> Result<bool, Box<EvaluationFailure>> {
        match self.evaluated(environment) {
            Ok(Evaluated::Value(value)) => match value.as_ref().as_bool() {
                Some(holds) => Ok(holds),
                None => Err(EvaluationFailure::unexpected_type(self, field, ResultType::Boolean, &value)),
            },
            other => Err(EvaluationFailure::of(self, field, other)),
        }
    }

    /// Evaluates it for a field of a state that takes values of one type.
    ///
    /// # Errors
    /// As [`Self::evaluate_field`], and when the value is of another type.
    pub fn evaluate_as<E: JsonataEnvironment>(
        &self,
        expected: ResultType,
        field: &str,
        environment: &E,
    ) -> Result<Value, Box<EvaluationFailure>> {
        let value = self.evaluate_field(field, environment)?;
        if expected.matches(&value) {
            Ok(value)
        } else {
            Err(EvaluationFailure::unexpected_type(self, field, expected, &value))
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl fmt::Display for Expression {
    /// As it stands in a definition.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{% {} %}}", self.text)
    }
}

#[cfg(test)]
mod tests;
