//! The type of a state machine: `STANDARD` or `EXPRESS` (API reference, CreateStateMachine).

use std::fmt;

/// Whether a state machine is a Standard or an Express workflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MachineType {
    /// `STANDARD`, what AWS takes when a request does not say.
    #[default]
    Standard,
    /// `EXPRESS`: at most five minutes, no history, no callbacks.
    Express,
}

impl MachineType {
    /// AWS's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MachineType::Standard => "STANDARD",
            MachineType::Express => "EXPRESS",
        }
    }

    /// The type of that name; `None` for anything that AWS does not know.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "STANDARD" => Some(MachineType::Standard),
            "EXPRESS" => Some(MachineType::Express),
            _ => None,
        }
    }
}

impl fmt::Display for MachineType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
