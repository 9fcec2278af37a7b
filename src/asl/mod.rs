//! The Amazon States Language: text to [`StateMachine`] and [`Diagnostic`]s.

pub mod definition;
pub mod diagnostic;

pub use definition::StateMachine;
pub use diagnostic::{Diagnostic, Severity};
