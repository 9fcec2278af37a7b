//! Collects diagnostics, within bounds.

use std::fmt::Display;

use crate::asl::{Diagnostic, Severity, code, code::Code};

/// The most problems that are reported for one definition; AWS reports 100.
pub const MAX_DIAGNOSTICS: usize = 1000;

/// The most text that diagnostics hold together, in bytes: a definition of one long name and many problems would
/// otherwise repeat that name for each of them.
const MAX_DIAGNOSTIC_BYTES: usize = 4 << 20;

/// The diagnostics so far.
#[derive(Default)]
pub(crate) struct Sink {
    diagnostics: Vec<Diagnostic>,
    bytes: usize,
    full: bool,
    errors: usize,
}

impl Sink {
    /// Adds a problem. Message and location are written only if there is room for them.
    pub(crate) fn add(&mut self, code: Code, message: impl Display, location: Option<&dyn Display>) {
        self.errors += usize::from(code.severity == Severity::Error);
        // Warnings get half of the room, so that an error among them is never left out.
        let share = if code.severity == Severity::Error { 1 } else { 2 };
        if self.diagnostics.len() >= MAX_DIAGNOSTICS / share || self.bytes >= MAX_DIAGNOSTIC_BYTES / share {
            self.full = true;
            return;
        }
        let diagnostic = diagnostic(code, message.to_string(), location.map(ToString::to_string));
        self.bytes += diagnostic.message.len() + diagnostic.location.as_ref().map_or(0, String::len);
        self.diagnostics.push(diagnostic);
    }

    /// Adds `SCHEMA_VALIDATION_FAILED`, what AWS says about most problems.
    pub(crate) fn schema(&mut self, message: impl Display, location: &dyn Display) {
        self.add(code::SCHEMA_VALIDATION_FAILED, message, Some(location));
    }

    /// Errors so far, those without room included.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        if self.full {
            let message = "There are more problems than these".to_owned();
            self.diagnostics.push(diagnostic(code::TOO_MANY_DIAGNOSTICS, message, None));
        }
        self.diagnostics
    }
}

fn diagnostic(code: Code, message: String, location: Option<String>) -> Diagnostic {
    Diagnostic { code: code.name, severity: code.severity, message, location }
}
