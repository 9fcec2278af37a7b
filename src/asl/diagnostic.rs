//! What is wrong with a definition, for its author.

/// A problem in a definition. Problems are collected, not thrown: all of them are reported at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// AWS's code, such as `SCHEMA_VALIDATION_FAILED` (API reference, ValidateStateMachineDefinitionDiagnostic).
    pub code: &'static str,
    /// Whether the definition can be published all the same.
    pub severity: Severity,
    /// What is wrong, in AWS's words where they are known.
    pub message: String,
    /// JSON pointer to the place, as AWS gives it; `None` where AWS gives none.
    pub location: Option<String>,
    /// Where in the string that stands there, in bytes from its start; `None` for what is about all of it.
    pub offset: Option<usize>,
}

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The definition cannot be published.
    Error,
    /// The definition can be published, and probably does not do what its author meant.
    Warning,
}
