//! What the expressions of a bench can see.

use expressway::{Value, query::Environment};

/// An input, and nothing else.
pub(crate) struct View {
    input: Value,
}

impl View {
    /// Of an input's text.
    pub(crate) fn of(input: &str) -> Self {
        Self { input: Value::parse(input).unwrap() }
    }
}

impl Environment for View {
    fn input(&self) -> &Value {
        &self.input
    }

    fn context(&self) -> &Value {
        &Value::NULL
    }

    fn variable(&self, _: &str) -> Option<&Value> {
        None
    }

    fn random(&self) -> u64 {
        0
    }
}
