//! Paths: `$`, `$.a.b`, `$$.Execution.Id`, `$variable.c[0]`, in the Jayway dialect of JSONPath that AWS runs.
//!
//! What recordings and documentation show, AWS's library is an old Jayway (names in quotes keep their backslashes, the
//! right side of a comparison may go without quotes); its functions, the logical operators and the word operators are
//! those of later ones, which only accept more.

mod evaluate;
mod filter;
mod function;
mod parse;
mod parse_filter;
mod step;
#[cfg(test)]
mod tests;

use self::step::{Chain, Step};
use super::{Environment, QueryError, SyntaxError};
use crate::{
    Value,
    model::error_name,
    value::{Text, ValueRef},
};

/// What AWS says when a path is applied to `null`.
const NULL_INPUT: &str = "Unable to apply Path transformation to null or empty input.";

/// A compiled path.
#[derive(Clone, Debug)]
pub struct Path {
    text: Box<str>,
    root: Root,
    chain: Chain,
    /// The `$…` operands of filters and parameters of functions, inner ones first: the same for all values that a path
    /// visits, and so evaluated once, before the path.
    absolutes: Box<[Chain]>,
    /// Names and indexes only: no need for anything but a loop.
    simple: bool,
    /// `$.name`, as most are.
    is_member: bool,
    definite: bool,
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

    /// The value, to look at.
    #[must_use]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Found::One(value) => *value,
            Found::Computed(value) => value.as_ref(),
        }
    }
}

/// Why a path found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// What Jayway says, e.g. `No results for path: $['a']` or `Missing property in path $['a']['b']`.
    pub reason: String,
    /// What kind of failure it is.
    pub kind: PathErrorKind,
}

/// The kinds of [`PathError`], which AWS treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathErrorKind {
    /// What the path names is not there.
    Missing,
    /// A definite path indexes an array behind its end: `null` in payload templates.
    IndexOutOfBounds,
    /// The path does not apply to such a value, e.g. a slice to an object.
    Inapplicable,
    /// It would visit more than [`crate::model::quota::MAX_PATH_NODES`] nodes.
    TooManyNodes,
}

impl Path {
    /// Compiles a path.
    ///
    /// # Errors
    /// [`SyntaxError`] when the text is no path.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let (root, chain, absolutes) = parse::parse(text)?;
        let simple = chain.is_simple();
        let is_member = simple && root == Root::Input && matches!(*chain.steps, [Step::Name(_)]);
        let definite = chain.is_definite();
        Ok(Self { text: text.into(), root, chain, absolutes, simple, is_member, definite })
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
        self.definite
    }

    /// Whether it is `$` alone.
    #[must_use]
    pub fn is_whole_input(&self) -> bool {
        self.root == Root::Input && self.chain.is_empty()
    }

    /// The names and indexes that it consists of, when it is a Reference Path with root `$` (Amazon States Language,
    /// "Reference Paths").
    pub(super) fn reference_steps(&self) -> Option<Vec<ReferenceStep>> {
        let steps = self.chain.steps.iter().map(|step| match step {
            Step::Name(name) => Some(ReferenceStep::Name(Text::from(&**name))),
            Step::Index(index) => usize::try_from(*index).ok().map(ReferenceStep::Index),
            _ => None,
        });
        if self.simple && self.root == Root::Input { steps.collect() } else { None }
    }

    /// Finds what the path refers to.
    ///
    /// # Errors
    /// [`PathError`] when a definite path finds nothing, when a path does not apply to what it meets, and when it would
    /// visit too many nodes.
    #[inline]
    pub fn evaluate<'a, E: Environment>(&self, environment: &'a E) -> Result<Found<'a>, PathError> {
        if let Some(found) = self.find(environment) {
            return Ok(Found::One(found));
        }
        let Some(root) = self.root_in(environment) else { return self.undefined_variable() };
        evaluate::evaluate(&self.chain, &self.absolutes, self.definite, root)
    }

    #[inline]
    fn root_in<'a, E: Environment>(&self, environment: &'a E) -> Option<ValueRef<'a>> {
        let root = match &self.root {
            Root::Input => environment.input(),
            Root::Context => environment.context(),
            Root::Variable(name) => environment.variable(name)?,
        };
        Some(root.as_ref())
    }

    /// What a path of names and indexes finds in something else than `null`. This is what nearly all paths do, and costs them
    /// nothing for those that fail: `None` means that [`Path::evaluate`] and its kin have to say what there is, or is not.
    #[inline]
    pub(super) fn find<'a, E: Environment>(&self, environment: &'a E) -> Option<ValueRef<'a>> {
        if self.is_member
            && let [Step::Name(name)] = &*self.chain.steps
        {
            return environment.input().as_object()?.get(name);
        }
        if !self.simple {
            return None;
        }
        let mut value = self.root_in(environment)?;
        for step in &self.chain.steps {
            value = match step {
                Step::Name(name) => value.get(name)?,
                Step::Index(index) => value.index(usize::try_from(*index).ok()?)?,
                _ => return None,
            };
        }
        (!self.chain.steps.is_empty() || !value.is_null()).then_some(value)
    }

    #[cold]
    fn undefined_variable<'a>(&self) -> Result<Found<'a>, PathError> {
        if self.definite {
            let reason = format!("No results for path: {}", self.text);
            Err(PathError { reason, kind: PathErrorKind::Missing })
        } else {
            Ok(Found::Computed(Value::array::<Value>([])))
        }
    }

    /// Finds what the path refers to, with the error that `InputPath`, `OutputPath` and the like give:
    /// `Invalid path '$.a' : No results for path: $['a']`.
    ///
    /// # Errors
    /// `States.Runtime`.
    #[inline]
    pub fn evaluate_field<'a, E: Environment>(&self, environment: &'a E) -> Result<Found<'a>, QueryError> {
        if let Some(found) = self.find(environment) {
            return Ok(Found::One(found));
        }
        self.evaluate(environment).map_err(|error| {
            if !self.is_whole_input() && self.root == Root::Input && environment.input().is_null() {
                return runtime_error(NULL_INPUT.into());
            }
            self.invalid_path(&error)
        })
    }

    /// Finds what the path refers to, with the error that payload templates, `ErrorPath` and `CausePath` give: `The
    /// JSONPath '$.a' specified for the field 'a.$' could not be found in the input '{}'`. An array index behind the end
    /// gives `null` there.
    ///
    /// # Errors
    /// `States.Runtime`.
    #[inline]
    pub fn evaluate_named<'a, E: Environment>(&self, field: &str, environment: &'a E) -> Result<Found<'a>, QueryError> {
        if let Some(found) = self.find(environment) {
            return Ok(Found::One(found));
        }
        if self.root == Root::Input && environment.input().is_null() {
            return Err(runtime_error(NULL_INPUT.into()));
        }
        match self.evaluate(environment) {
            Ok(found) => Ok(found),
            Err(error) => self.not_found(field, environment, &error),
        }
    }

    #[cold]
    fn not_found<'a, E: Environment>(
        &self,
        field: &str,
        environment: &'a E,
        error: &PathError,
    ) -> Result<Found<'a>, QueryError> {
        match error.kind {
            PathErrorKind::IndexOutOfBounds => Ok(Found::Computed(Value::NULL)),
            PathErrorKind::Missing => {
                let searched = match &self.root {
                    Root::Input => environment.input(),
                    Root::Context => environment.context(),
                    Root::Variable(name) => environment.variable(name).unwrap_or_else(|| environment.input()),
                };
                Err(runtime_error(format!(
                    "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{searched}'",
                    self.text
                )))
            }
            PathErrorKind::Inapplicable | PathErrorKind::TooManyNodes => Err(self.invalid_path(error)),
        }
    }

    fn invalid_path(&self, error: &PathError) -> QueryError {
        runtime_error(format!("Invalid path '{}' : {}", self.text, error.reason))
    }
}

/// One step of a Reference Path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReferenceStep {
    /// `.name` or `['name']`.
    Name(Text),
    /// `[0]`.
    Index(usize),
}

fn runtime_error(cause: String) -> QueryError {
    QueryError { error: error_name::RUNTIME, cause }
}
