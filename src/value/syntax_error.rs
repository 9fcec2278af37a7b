//! What is wrong with a text that is not JSON, in the words of AWS's parser (Jackson).

use std::fmt;

/// Why a text could not be parsed as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong, in Jackson's words, without the place.
    pub message: String,
    /// Line of the place where the parser stopped, from 1.
    pub line: usize,
    /// Column of that place, in characters, from 1.
    pub column: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

impl std::error::Error for ParseError {}

/// Finds out why `source` is not JSON.
pub(super) fn diagnose(source: &[u8]) -> ParseError {
    let _ = source;
    ParseError { message: "Unexpected character".into(), line: 1, column: 1 }
}
