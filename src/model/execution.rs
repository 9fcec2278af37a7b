//! Executions as the API names them: what one is started with, and how it ended.

use std::{fmt, sync::Arc};

use crate::{Value, value::Text};

/// `status` of an execution that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutionStatus {
    /// It reached an end.
    Succeeded,
    /// A state failed and nothing caught it.
    Failed,
    /// `TimeoutSeconds` of the machine or the five minutes of an Express execution ran out.
    TimedOut,
    /// It was stopped from outside.
    Aborted,
}

impl ExecutionStatus {
    /// The API's word: `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether it went well, and if not, how.
    pub status: ExecutionStatus,
    /// The output, when it succeeded.
    pub output: Option<Value>,
    /// The error name, when it failed.
    pub error: Option<Text>,
    /// The cause, when it failed and there is one.
    pub cause: Option<Text>,
    /// When it started, in milliseconds since 1970.
    pub start_time_ms: u64,
    /// When it ended, in milliseconds since 1970.
    pub stop_time_ms: u64,
}

/// What executions of a state machine know about it: the names in the context object and in ARNs.
#[derive(Clone, Debug)]
pub struct MachineIdentity {
    /// `$$.StateMachine.Id`.
    pub arn: String,
    /// `$$.StateMachine.Name`.
    pub name: String,
    /// `$$.Execution.RoleArn`.
    pub role_arn: String,
    /// What execution ARNs begin with: `arn:aws:states:<region>:<account>:express:<machine>:`.
    pub execution_arn_prefix: String,
}

/// The name of one execution: `<name>:<uuid>` behind the machine's prefix.
#[derive(Clone, Debug)]
pub struct ExecutionName {
    /// The name given by the caller; none means that it is named by [`ExecutionName::id`].
    pub name: Option<Text>,
    /// A random number that makes the ARN unique.
    pub id: u128,
}

impl ExecutionName {
    /// The name: the caller's, or one made from the random number, formed like a UUID.
    #[must_use]
    pub fn name(&self) -> String {
        // A generated name and the unique part of the ARN differ on AWS, so one of them is the other rotated.
        self.name.as_ref().map_or_else(|| uuid_text(self.id.rotate_left(64)), |name| name.as_str().to_owned())
    }

    /// Appends [`ExecutionName::name`].
    pub fn write_name(&self, out: &mut Vec<u8>) {
        match &self.name {
            Some(name) => out.extend_from_slice(name.as_str().as_bytes()),
            None => out.extend_from_slice(&uuid_digits(self.id.rotate_left(64))),
        }
    }

    /// Appends [`ExecutionName::arn`].
    pub fn write_arn(&self, machine: &MachineIdentity, out: &mut Vec<u8>) {
        out.extend_from_slice(machine.execution_arn_prefix.as_bytes());
        self.write_name(out);
        out.push(b':');
        out.extend_from_slice(&uuid_digits(self.id));
    }

    /// The execution's ARN.
    #[must_use]
    pub fn arn(&self, machine: &MachineIdentity) -> String {
        let mut arn = String::with_capacity(machine.execution_arn_prefix.len() + 80);
        arn.push_str(&machine.execution_arn_prefix);
        match &self.name {
            Some(name) => arn.push_str(name.as_str()),
            None => push_uuid(self.id.rotate_left(64), &mut arn),
        }
        arn.push(':');
        push_uuid(self.id, &mut arn);
        arn
    }
}

/// The 36 characters of a number in the form of a version-4 UUID.
#[must_use]
pub fn uuid_digits(id: u128) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    /// Where the two digits of each byte stand: hyphens stand in between.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let id = (id & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
    let mut text = [b'-'; 36];
    for (byte, place) in id.to_be_bytes().into_iter().zip(PLACES) {
        text[place] = HEX[usize::from(byte >> 4)];
        text[place + 1] = HEX[usize::from(byte & 15)];
    }
    text
}

/// Appends a number in the form of a version-4 UUID.
pub fn push_uuid(id: u128, out: &mut String) {
    out.push_str(std::str::from_utf8(&uuid_digits(id)).expect("hexadecimal digits and hyphens are ASCII"));
}

/// A number in the form of a version-4 UUID.
#[must_use]
pub fn uuid_text(id: u128) -> String {
    let mut text = String::with_capacity(36);
    push_uuid(id, &mut text);
    text
}

/// What an execution is started with.
#[derive(Clone, Debug)]
pub struct ExecutionStart {
    /// The machine's names.
    pub machine: Arc<MachineIdentity>,
    /// The execution's name.
    pub name: ExecutionName,
    /// Its input.
    pub input: Value,
    /// Whether somebody waits for the answer (StartSyncExecution); the context object tells.
    pub synchronous: bool,
    /// How many executions this one was started by, one inside the other: 0 when it was started from outside.
    pub depth: u32,
    /// The test case of the mock configuration that answers its calls; none means that handlers do.
    pub test_case: Option<Arc<str>>,
    /// When it was started, in milliseconds since 1970, where that was said before it begins; none means when it begins.
    pub start_time_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_version_and_variant() {
        assert_eq!(uuid_text(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_text(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn generated_names_and_unique_parts_differ() {
        let machine = MachineIdentity {
            arn: String::new(),
            name: "m".into(),
            role_arn: String::new(),
            execution_arn_prefix: "p:m:".into(),
        };
        let name = ExecutionName { name: None, id: 1 };
        assert_eq!(name.arn(&machine), format!("p:m:{}:{}", name.name(), uuid_text(1)));
        assert_ne!(name.name(), uuid_text(1));
        let named = ExecutionName { name: Some("order".into()), id: 1 };
        for name in [name, named] {
            let mut written = Vec::new();
            name.write_arn(&machine, &mut written);
            name.write_name(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), name.arn(&machine) + &name.name());
        }
    }
}
