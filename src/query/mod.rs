//! What definitions ask of data: paths, payload templates, intrinsic functions, choice rules.
//!
//! Everything here is compiled once, when a definition is published, and evaluated against an [`Environment`].

pub mod condition;
pub mod intrinsic;
pub mod jsonata;
mod members;
pub mod path;
pub mod payload_template;
pub mod reference_path;
pub mod timestamp;

use crate::Value;

pub use condition::{Condition, ConditionError};
pub use intrinsic::Intrinsic;
pub use path::Path;
pub use payload_template::PayloadTemplate;
pub use reference_path::ReferencePath;
pub use timestamp::Timestamp;

/// What an expression can see while it is evaluated.
pub trait Environment {
    /// `$`: the data that the expression is about.
    fn input(&self) -> &Value;
    /// `$$`: the context object.
    fn context(&self) -> &Value;
    /// `$name`: a variable, by its name without `$`.
    fn variable(&self, name: &str) -> Option<&Value>;
    /// The next number of the execution's seeded generator, for `States.UUID` and `States.MathRandom`.
    fn random(&self) -> u64;
}

/// Why an expression could not be evaluated. The engine puts `An error occurred while executing the state '…' …` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// One of [`crate::model::error_name`].
    pub error: &'static str,
    /// The cause in AWS's words, without the engine's prefix.
    pub cause: String,
}

/// Why the text of an expression is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}
