//! The built-in workloads W1 to W5, W1 at length, W2 in both languages, and those read from a user's files.

use crate::failure::{Context, Failure};
use clap::ValueEnum;
use std::path::Path;

/// Largest definition that AWS takes, 1 MiB; nothing larger is worth sending.
const MAX_DEFINITION_BYTES: u64 = 1024 * 1024;
/// Largest input that AWS takes.
const MAX_INPUT_BYTES: u64 = 262_144;
/// Pass states of W1 at length.
const CHAIN_STATES: usize = 101;
/// Longest state machine name that AWS takes, in characters.
const MAX_NAME_CHARACTERS: usize = 80;

/// A workload that comes with this program; the files are in `benches/definitions/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuiltIn {
    /// One Pass state.
    W1,
    /// 101 Pass states, one after the other.
    #[value(name = "w1-chain")]
    W1Chain,
    /// Pass with template and intrinsic, Choice, Pass, Pass with ResultPath, Succeed.
    W2,
    /// W2 in JSONata.
    #[value(name = "w2-jsonata")]
    W2Jsonata,
    /// An inline Map over ten items.
    W3,
    /// One Task, the Lambda function `echo`; the server needs a Lambda endpoint, for example `loadtest baseline`.
    W4,
    /// One Wait of `$.paymentTermSeconds` (1 s).
    W5,
}

/// A state machine and the input of its executions.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// Name of the state machine.
    pub(crate) name: String,
    /// The definition's text.
    pub(crate) definition: String,
    /// The input's text, without surrounding white space.
    pub(crate) input: String,
}

impl BuiltIn {
    /// The workload with its own definition and input.
    pub(crate) fn workload(self) -> Workload {
        let (name, definition, input) = match self {
            Self::W1Chain => {
                return Workload { name: "loadtest-w1-chain".to_owned(), definition: chain(), ..Self::W1.workload() };
            }
            Self::W1 => (
                "loadtest-w1",
                include_str!("../../benches/definitions/w1.asl.json"),
                include_str!("../../benches/definitions/w1.input.json"),
            ),
            Self::W2 => (
                "loadtest-w2",
                include_str!("../../benches/definitions/w2.asl.json"),
                include_str!("../../benches/definitions/w2.input.json"),
            ),
            Self::W2Jsonata => (
                "loadtest-w2-jsonata",
                include_str!("../../benches/definitions/w2-jsonata.asl.json"),
                include_str!("../../benches/definitions/w2.input.json"),
            ),
            Self::W3 => (
                "loadtest-w3",
                include_str!("../../benches/definitions/w3.asl.json"),
                include_str!("../../benches/definitions/w3.input.json"),
            ),
            Self::W4 => (
                "loadtest-w4",
                include_str!("../../benches/definitions/w4.asl.json"),
                include_str!("../../benches/definitions/w4.input.json"),
            ),
            Self::W5 => (
                "loadtest-w5",
                include_str!("../../benches/definitions/w5.asl.json"),
                include_str!("../../benches/definitions/w5.input.json"),
            ),
        };
        Workload { name: name.to_owned(), definition: definition.to_owned(), input: input.trim().to_owned() }
    }
}

/// The definition of W1 at length.
fn chain() -> String {
    let last = CHAIN_STATES - 1;
    let states: String = (0..last)
        .map(|place| format!(r#""Accept order {place}": {{"Type": "Pass", "Next": "Accept order {}"}}, "#, place + 1))
        .collect();
    format!(
        r#"{{"StartAt": "Accept order 0", "States": {{{states}"Accept order {last}": {{"Type": "Pass", "End": true}}}}}}"#
    )
}

impl Workload {
    /// The workload chosen on the command line: a built-in one or a definition file, and an input file over either.
    ///
    /// # Errors
    /// When a file cannot be read, is too large for AWS, or is not UTF-8; when neither or both of the first two are given.
    pub(crate) fn choose(
        built_in: Option<BuiltIn>,
        definition: Option<&Path>,
        input: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut workload = match (built_in, definition) {
            (Some(built_in), None) => built_in.workload(),
            (None, Some(path)) => Self {
                name: name_of(path),
                definition: read_bounded(path, MAX_DEFINITION_BYTES)?,
                input: "{}".to_owned(),
            },
            _ => return Err(Failure::new("give one of --workload and --definition")),
        };
        if let Some(path) = input {
            read_bounded(path, MAX_INPUT_BYTES)?.trim().clone_into(&mut workload.input);
        }
        Ok(workload)
    }
}

/// A state machine name from a file's: `order.asl.json` is `loadtest-order`.
fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split('.').next().unwrap_or_default();
    let name: String = format!("loadtest-{stem}")
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || "-_".contains(character) { character } else { '-' })
        .take(MAX_NAME_CHARACTERS)
        .collect();
    name
}

/// A file's text, refused before it is read when it is larger than `max_bytes`.
fn read_bounded(path: &Path, max_bytes: u64) -> Result<String, Failure> {
    let metadata = std::fs::metadata(path).context(|| format!("reading {}", path.display()))?;
    if metadata.len() > max_bytes {
        return Err(Failure::new(format!("{} is {} bytes, over {max_bytes}", path.display(), metadata.len())));
    }
    std::fs::read_to_string(path).context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_workloads_are_json_of_an_order_size() {
        for built_in in BuiltIn::value_variants() {
            let workload = built_in.workload();
            let definition: serde_json::Value = serde_json::from_str(&workload.definition).unwrap();
            assert!(definition["States"][definition["StartAt"].as_str().unwrap()].is_object(), "{}", workload.name);
            let input: serde_json::Value = serde_json::from_str(&workload.input).unwrap();
            assert!(input["orderId"].is_string(), "{}", workload.name);
            assert!((250..=350).contains(&workload.input.len()), "{}: {}", workload.name, workload.input.len());
        }
    }

    #[test]
    fn names_are_what_aws_accepts() {
        assert_eq!(name_of(Path::new("/tmp/order.asl.json")), "loadtest-order");
        assert_eq!(name_of(Path::new("a b*c.json")), "loadtest-a-b-c");
        assert_eq!(name_of(Path::new(&"x".repeat(200))).len(), 80);
    }

    #[test]
    fn exactly_one_definition_is_chosen() {
        assert!(Workload::choose(None, None, None).is_err());
        assert!(Workload::choose(Some(BuiltIn::W1), Some(Path::new("x")), None).is_err());
        assert!(Workload::choose(None, Some(Path::new("/nonexistent")), None).is_err());
    }
}
