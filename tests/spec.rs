//! Behaviour as data: each folder `tests/spec/<area>/<case>` holds a definition, an input and what is expected of them.
//!
//! A new case needs no Rust. `definition.asl.json` and `input.json` are what they say; `tasks.json` scripts the answers of
//! tasks (see [`support::script`]); `expected.json` has `status`, then `output`, or `error` and `cause` (absent: there is
//! none), and where they matter `milliseconds` (virtual time), `calls` (the inputs of tasks, in order) and `events`
//! (`"<id><<previous id> <type>"` in order). `"truncated": true` with a `cause` compares its beginning only.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use expressway::{
    asl, compile,
    model::{history_event::HistoryEvent, machine_type::MachineType},
    program::Program,
};
use support::{
    script::{Script, value_of},
    simulation::{self, Ended, World},
};

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).unwrap_or_else(|error| panic!("{}: {error}", of.display()));
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn json(path: &Path) -> serde_json::Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn program(case: &Path) -> Result<Program, String> {
    let text = fs::read_to_string(case.join("definition.asl.json")).map_err(|error| error.to_string())?;
    let checked = asl::check(&text, MachineType::Express);
    let machine = checked.machine.ok_or_else(|| format!("not valid: {:?}", checked.diagnostics))?;
    compile::compile(&machine).map_err(|diagnostics| format!("does not compile: {diagnostics:?}"))
}

fn event_text(event: &HistoryEvent) -> String {
    format!("{}<{} {}", event.id, event.previous_event_id, event.kind)
}

/// What is not as expected, in words.
fn differences(expected: &serde_json::Value, ended: &Ended) -> Vec<String> {
    let mut found = Vec::new();
    let outcome = &ended.outcome;
    let fields = expected.as_object().expect("expected.json is an object");
    let mut differ = |what: &str, expected: String, is: String| {
        if expected != is {
            found.push(format!("{what}\n  expected {expected}\n        is {is}"));
        }
    };
    differ("status", fields["status"].as_str().unwrap_or("?").into(), outcome.status.to_string());
    let text = |value: Option<&serde_json::Value>| value.map_or("none".into(), ToString::to_string);
    let output = outcome.output.as_ref().map(|output| serde_json::from_str(&output.to_json()).unwrap());
    if fields.get("output") != output.as_ref() {
        differ("output", text(fields.get("output")), text(output.as_ref()));
    }
    let string = |value: Option<&expressway::value::Text>| value.map(|value| serde_json::Value::from(value.as_str()));
    differ("error", text(fields.get("error")), text(string(outcome.error.as_ref()).as_ref()));
    let mut cause = string(outcome.cause.as_ref());
    if let (Some(true), Some(expected), Some(is)) =
        (fields.get("truncated").and_then(serde_json::Value::as_bool), fields.get("cause"), &cause)
        && is.as_str().unwrap().starts_with(expected.as_str().unwrap())
    {
        cause = Some(expected.clone());
    }
    differ("cause", text(fields.get("cause")), text(cause.as_ref()));
    if let Some(milliseconds) = fields.get("milliseconds") {
        differ("milliseconds", milliseconds.to_string(), ended.milliseconds.to_string());
    }
    if let Some(calls) = fields.get("calls") {
        let is: Vec<serde_json::Value> =
            ended.calls.iter().map(|call| serde_json::from_str(&call.input.to_json()).unwrap()).collect();
        differ("calls", calls.to_string(), serde_json::Value::from(is).to_string());
    }
    if let Some(events) = fields.get("events") {
        let expected: Vec<_> = events.as_array().unwrap().iter().map(|event| event.as_str().unwrap()).collect();
        let is: Vec<_> = ended.events.iter().map(event_text).collect();
        differ("events", expected.join("\n           "), is.join("\n           "));
    }
    found
}

/// Runs a case, and once more parked wherever it waits. How often it was.
fn check(case: &Path) -> Result<usize, String> {
    let program = program(case)?;
    let input = value_of(&json(&case.join("input.json")));
    let expected = json(&case.join("expected.json"));
    let mut parked = 0;
    for parks in [false, true] {
        let script = match fs::read_to_string(case.join("tasks.json")) {
            Ok(text) => Script::parse(&text),
            Err(_) => Script::default(),
        };
        let ended = simulation::run(&program, input.clone(), World { parks, ..World::new(script) });
        parked += ended.parked;
        let found = differences(&expected, &ended);
        if !found.is_empty() {
            return Err(format!("{}{}", if parks { "parked\n" } else { "" }, found.join("\n")));
        }
    }
    Ok(parked)
}

/// `EXPRESSWAY_SPEC=choice/` runs only the cases whose path contains that.
#[test]
fn cases_behave_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let only = std::env::var("EXPRESSWAY_SPEC").unwrap_or_default();
    let (mut count, mut parked, mut failed) = (0, 0, Vec::new());
    for case in folders(&root).iter().flat_map(|area| folders(area)) {
        let name = case.strip_prefix(&root).unwrap().display().to_string();
        if !case.join("expected.json").exists() || !name.contains(&only) {
            continue;
        }
        count += 1;
        match check(&case) {
            Ok(times) => parked += times,
            Err(problem) => failed.push(format!("── {name}\n{problem}")),
        }
    }
    assert!(parked > 0 || !only.is_empty(), "nothing was parked");
    assert!(count > 0, "no case matches {only:?}");
    assert!(failed.is_empty(), "{} of {count} cases differ\n{}", failed.len(), failed.join("\n"));
}

/// What `disassemble` calls the instructions.
const INSTRUCTIONS: [&str; 23] = [
    "EnterState",
    "Arguments",
    "Output",
    "InputPath",
    "EmptyInput",
    "TimeLimit",
    "Parameters",
    "Result",
    "Task",
    "Wait",
    "Choose",
    "Parallel",
    "Map",
    "Fail",
    "ResultSelector",
    "Assign",
    "ResultPath",
    "DiscardResult",
    "OutputPath",
    "EmptyOutput",
    "Next",
    "End",
    "",
];

#[test]
fn cases_have_every_instruction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let cases = folders(&root).into_iter().flat_map(|area| folders(&area));
    let cases = cases.filter(|case| case.join("expected.json").exists());
    let listings: String = cases.map(|case| program(&case).unwrap().disassemble()).collect();
    let names: BTreeSet<_> = listings.lines().map(|line| line.split_whitespace().nth(1).unwrap_or_default()).collect();
    assert_eq!(names, INSTRUCTIONS.into_iter().collect());
}
