//! Paths: `$`, `$.a.b`, `$$.Execution.Id`, `$variable.c`, in the Jayway dialect of JSONPath.

use super::{Environment, QueryError, SyntaxError};
use crate::{Value, model::error_name, value::ValueRef};

/// A compiled path.
#[derive(Clone, Debug)]
pub struct Path {
    text: String,
    root: Root,
    names: Vec<String>,
}

/// What a path starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `$`.
    Input,
    /// `$$`.
    Context,
    /// `$name`.
    Variable(String),
}

/// What a path found.
#[derive(Clone, Debug)]
pub enum Found<'a> {
    /// The one value of a definite path.
    One(ValueRef<'a>),
    /// The value of an indefinite path (an array of what matched) or of a function.
    Computed(Value),
}

impl Found<'_> {
    /// The value, shared.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self {
            Found::One(value) => value.to_value(),
            Found::Computed(value) => value,
        }
    }
}

/// Why a path found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// What Jayway says, e.g. `No results for path: $['a']` or `Missing property in path $['a']['b']`.
    pub reason: String,
}

impl Path {
    /// Compiles a path.
    ///
    /// # Errors
    /// [`SyntaxError`] when the text is no path.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let invalid = || SyntaxError { message: "Invalid path".into(), offset: 0 };
        let rest = text.strip_prefix('$').ok_or_else(invalid)?;
        let (root, rest) = match rest.strip_prefix('$') {
            Some(rest) => (Root::Context, rest),
            None if rest.is_empty() || rest.starts_with('.') => (Root::Input, rest),
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (Root::Variable(rest[..end].to_owned()), &rest[end..])
            }
        };
        let names = rest.split('.').skip(1).map(str::to_owned).collect();
        Ok(Self { text: text.to_owned(), root, names })
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it starts from.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Whether it can only ever find one value (Jayway: "definite path").
    #[must_use]
    pub fn is_definite(&self) -> bool {
        true
    }

    /// Whether it is `$` alone.
    #[must_use]
    pub fn is_whole_input(&self) -> bool {
        self.root == Root::Input && self.names.is_empty()
    }

    /// Finds what the path refers to.
    ///
    /// # Errors
    /// [`PathError`] when a definite path finds nothing.
    pub fn evaluate<'a, E: Environment>(&self, environment: &'a E) -> Result<Found<'a>, PathError> {
        let missing = || PathError { reason: format!("No results for path: {}", self.text) };
        let mut value = match &self.root {
            Root::Input => environment.input(),
            Root::Context => environment.context(),
            Root::Variable(name) => environment.variable(name).ok_or_else(missing)?,
        }
        .as_ref();
        for name in &self.names {
            value = value.get(name).ok_or_else(missing)?;
        }
        Ok(Found::One(value))
    }

    /// Finds what the path refers to, with the error that `InputPath`, `OutputPath` and the like give:
    /// `Invalid path '$.a' : No results for path: $['a']`.
    ///
    /// # Errors
    /// `States.Runtime`.
    pub fn evaluate_field<'a, E: Environment>(&self, environment: &'a E) -> Result<Found<'a>, QueryError> {
        self.evaluate(environment).map_err(|error| QueryError {
            error: error_name::RUNTIME,
            cause: format!("Invalid path '{}' : {}", self.text, error.reason),
        })
    }
}
