//! Collects what the walk finds: diagnostics, within bounds, and variables.

use std::fmt::Display;

use super::variables::Variables;
use crate::asl::{Diagnostic, Severity, VariableReferences, code, code::Code};

/// The most problems that are reported for one definition; AWS reports 100.
pub const MAX_DIAGNOSTICS: usize = 1000;

/// The most text that diagnostics hold together, in bytes: a definition of one long name and many problems would
/// otherwise repeat that name for each of them.
const MAX_DIAGNOSTIC_BYTES: usize = 4 << 20;

/// The diagnostics and variables so far.
#[derive(Default)]
pub(crate) struct Sink {
    pub(super) variables: Variables,
    diagnostics: Vec<Diagnostic>,
    bytes: usize,
    full: bool,
    errors: usize,
}

impl Sink {
    /// Adds a problem. Message and location are written only if there is room for them.
    pub(crate) fn add(&mut self, code: Code, message: impl Display, location: Option<&dyn Display>) {
        self.add_at(code, message, location, None);
    }

    /// Adds a problem with a part of the string at `location`, which begins `offset` bytes into it.
    pub(crate) fn add_at(
        &mut self,
        code: Code,
        message: impl Display,
        location: Option<&dyn Display>,
        offset: Option<usize>,
    ) {
        self.errors += usize::from(code.severity == Severity::Error);
        // Warnings get half of the room, so that an error among them is never left out.
        let share = if code.severity == Severity::Error { 1 } else { 2 };
        if self.diagnostics.len() >= MAX_DIAGNOSTICS / share || self.bytes >= MAX_DIAGNOSTIC_BYTES / share {
            self.full = true;
            return;
        }
        let diagnostic = diagnostic(code, message.to_string(), location.map(ToString::to_string), offset);
        self.bytes += diagnostic.message.len() + diagnostic.location.as_ref().map_or(0, String::len);
        self.diagnostics.push(diagnostic);
    }

    /// Adds `SCHEMA_VALIDATION_FAILED`, what AWS says about most problems.
    pub(crate) fn schema(&mut self, message: impl Display, location: &dyn Display) {
        self.add(code::SCHEMA_VALIDATION_FAILED, message, Some(location));
    }

    /// Notes that the state being read names a variable.
    pub(crate) fn variable(&mut self, name: &str, location: &dyn Display) {
        if !self.variables.refer(name) {
            let message = format_args!("Variable '{name}' is possibly not defined.");
            self.add(code::POSSIBLY_UNDEFINED_VARIABLE, message, Some(location));
        }
    }

    /// Notes that the state being read assigns a variable.
    pub(crate) fn assigned(&mut self, name: &str, location: &dyn Display) {
        if self.variables.is_outer(name) {
            let message = format_args!("The variable name '{name}' was already defined in a parent scope.");
            self.add(code::DUPLICATE_VARIABLE_NAME, message, Some(location));
        }
    }

    /// Errors so far, those without room included.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Diagnostics and variables.
    pub(super) fn finish(mut self) -> (Vec<Diagnostic>, VariableReferences) {
        if self.full {
            let message = "There are more problems than these".to_owned();
            self.diagnostics.push(diagnostic(code::TOO_MANY_DIAGNOSTICS, message, None, None));
        }
        (self.diagnostics, self.variables.into_references())
    }
}

fn diagnostic(code: Code, message: String, location: Option<String>, offset: Option<usize>) -> Diagnostic {
    Diagnostic { code: code.name, severity: code.severity, message, location, offset }
}
