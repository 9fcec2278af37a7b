//! Stands in for the intrinsic functions until they are merged.

use super::{Environment, QueryError, SyntaxError};
use crate::Value;

/// A compiled call of an intrinsic function: none can be made.
#[derive(Clone, Debug)]
pub enum Intrinsic {}

impl Intrinsic {
    /// Compiles a call.
    ///
    /// # Errors
    /// Always: intrinsic functions are not compiled in.
    pub fn parse(_text: &str) -> Result<Self, SyntaxError> {
        Err(SyntaxError { message: "Intrinsic functions are not compiled in".into(), offset: 0 })
    }

    /// Calls the function.
    ///
    /// # Errors
    /// Never: there is no such value.
    pub fn evaluate<E: Environment>(&self, _environment: &E) -> Result<Value, QueryError> {
        match *self {}
    }
}
