//! The outcome of checking a definition.

use std::collections::{BTreeMap, BTreeSet};

use super::{Diagnostic, Severity, StateMachine};

/// The names of the variables that states name, by the names of the states. States that name none are left out.
pub type VariableReferences = BTreeMap<String, BTreeSet<String>>;

/// A checked definition: its syntax tree when it can be published, and all that is to say about it.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The syntax tree; `Some` only when no diagnostic is an error.
    pub machine: Option<StateMachine>,
    /// All problems, in the order of the definition; those of the transitions come last.
    pub diagnostics: Vec<Diagnostic>,
    /// `variableReferences` of DescribeStateMachine: states of all machines, inner ones included.
    pub variable_references: VariableReferences,
}

impl Checked {
    /// The problems that keep the definition from being published.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The message of the `InvalidDefinition` error with which CreateStateMachine and UpdateStateMachine refuse the
    /// definition; `None` when they take it. Where a diagnostic has no location AWS writes `null`.
    #[must_use]
    pub fn invalid_definition_message(&self) -> Option<String> {
        let problems: Vec<_> = self
            .errors()
            .map(|error| {
                format!("{}: {} at {}", error.code, error.message, error.location.as_deref().unwrap_or("null"))
            })
            .collect();
        (!problems.is_empty()).then(|| format!("Invalid State Machine Definition: '{}'", problems.join(", ")))
    }
}
