//! The Amazon States Language: text to [`StateMachine`] and [`Diagnostic`]s.
//!
//! ```
//! use expressway::{asl, model::machine_type::MachineType};
//! let checked = asl::check(r#"{"StartAt": "A", "States": {"A": {"Type": "Pass"}}}"#, MachineType::Express);
//! assert_eq!(checked.diagnostics[0].location.as_deref(), Some("/States/A"));
//! ```

pub mod checked;
pub mod code;
pub mod definition;
pub mod diagnostic;
mod duplicate_key;
mod parse;
mod validate;

pub use checked::{Checked, VariableReferences};
pub use definition::StateMachine;
pub use diagnostic::{Diagnostic, Severity};
pub use parse::{MAX_DIAGNOSTICS, MAX_NESTED_MACHINES, check, parse};
