//! Replays executions recorded on AWS through the pure engine, and compares outcome and history.
//!
//! The recordings are no part of this project: where they do not lie beside it there is nothing to compare, and the test
//! says so. `EXPRESSWAY_RECORDING=text` runs only the cases whose id contains it; what differs is printed.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use expressway::{
    Value, asl, compile,
    model::{execution::ExecutionStatus, machine_type::MachineType},
    task::TaskError,
};
use regex::Regex;
use serde_json::Value as Json;
use support::{
    script::value_of,
    simulation::{self, Answer, Call, Ended, World},
};

/// Share of the cases that behave as recorded, in percent: the aim of the project.
const AIM_PERCENT: usize = 97;

/// What only Standard workflows have; such cases do not run here.
const STANDARD_ONLY: [&str; 4] = ["DISTRIBUTED", ".sync", "waitForTaskToken", ":activity:"];

/// The folder `shared/conformance/cases` beside the project or one of the folders around it.
fn folder() -> Option<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    project.ancestors().map(|folder| folder.join("shared/conformance/cases")).find(|folder| folder.is_dir())
}

fn cases(folder: &Path) -> Vec<Json> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("exec-")) {
            let content: Json = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
            cases.extend(content["cases"].as_array().unwrap().iter().cloned());
        }
    }
    cases
}

fn runs_here(case: &Json) -> bool {
    let definition = case["definition"].to_string();
    !case["expect"].is_null()
        && case.get("unresolved_inputs").is_none()
        && case.get("dynamic_input").is_none()
        && !STANDARD_ONLY.iter().any(|word| definition.contains(word))
        // What its tasks answered was not recorded.
        && (case["replay"] == "pure" || case.get("task_script").is_some())
        // The names in the context object are those of a Standard execution.
        && !definition.contains("$$")
        && !definition.contains("$states.context")
        && ["SUCCEEDED", "FAILED", "TIMED_OUT"].iter().any(|status| case["expect"]["status"] == **status)
}

/// `{"$repeat": [text, n]}` is text repeated n times.
fn expand(value: &Json) -> Json {
    match value {
        Json::Object(members) => match members.get("$repeat").and_then(Json::as_array) {
            Some(repeat) => repeat[0].as_str().unwrap().repeat(repeat[1].as_u64().unwrap() as usize).into(),
            None => Json::Object(members.iter().map(|(key, value)| (key.clone(), expand(value))).collect()),
        },
        Json::Array(items) => items.iter().map(expand).collect(),
        other => other.clone(),
    }
}

fn run(case: &Json) -> Result<Ended, String> {
    let definition = match &case["definition"] {
        Json::String(text) => text.clone(),
        definition => definition.to_string(),
    };
    let checked = asl::check(&definition, MachineType::Standard);
    let machine = checked.machine.ok_or_else(|| format!("refused: {:?}", checked.diagnostics))?;
    let program = compile::compile(&machine).map_err(|problems| format!("does not compile: {problems:?}"))?;
    let input = match case.get("input_text") {
        Some(text) => Value::parse(text.as_str().unwrap()).map_err(|error| error.to_string())?,
        None => value_of(&expand(&case["input"])),
    };
    let script = case.get("task_script").and_then(Json::as_array).cloned().unwrap_or_default();
    let mut answers = script.into_iter();
    let tasks = move |_: &Call| {
        let Some(answer) = answers.next() else { return Answer { result: None, after_ms: 0 } };
        let text = |name: &str| match &answer[name] {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        };
        let result = match answer["event"].as_str().unwrap_or_default() {
            kind if kind.ends_with("Succeeded") => Some(Ok(match &answer["output"] {
                // JSON in a string that the recorder did not take apart.
                Json::String(text) => Value::parse(text).unwrap_or_else(|_| Value::from(text.as_str())),
                output => value_of(output),
            })),
            kind if kind.ends_with("TimedOut") => None,
            _ => Some(Err(TaskError::new(text("error"), text("cause")))),
        };
        Answer { result, after_ms: 1 }
    };
    Ok(simulation::run(&program, input, World::new(tasks)))
}

fn outcome(ended: &Ended) -> Json {
    let outcome = &ended.outcome;
    let mut is = serde_json::Map::new();
    is.insert("status".into(), outcome.status.as_str().into());
    if let Some(output) = &outcome.output {
        is.insert("output".into(), serde_json::from_str(&output.to_json()).unwrap());
    }
    if outcome.status == ExecutionStatus::Failed {
        is.extend(outcome.error.as_ref().map(|error| ("error".to_owned(), error.as_str().into())));
        is.extend(outcome.cause.as_ref().map(|cause| ("cause".to_owned(), cause.as_str().into())));
    }
    Json::Object(is)
}

/// Whether a value is as recorded, where placeholders stand for any text (the README of the recordings, "Placeholders").
fn same(expected: &Json, is: &Json, masks: &[String]) -> bool {
    match (expected, is) {
        (Json::String(expected), _) if masks.contains(expected) => true,
        (Json::String(expected), Json::String(is)) => {
            let placeholder = Regex::new("<[A-Za-z_][A-Za-z0-9_:. -]{0,60}>").unwrap();
            let literals: Vec<_> = placeholder.split(expected).map(regex::escape).collect();
            Regex::new(&format!("(?s)^{}$", literals.join(".+"))).is_ok_and(|pattern| pattern.is_match(is))
        }
        // The recorder took JSON in strings apart.
        (Json::Object(_) | Json::Array(_), Json::String(text)) => {
            serde_json::from_str::<Json>(text).is_ok_and(|is| same(expected, &is, masks))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|is| same(value, is, masks)))
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right, masks))
        }
        (Json::Number(left), Json::Number(right)) => left.as_f64() == right.as_f64(),
        _ => expected == is,
    }
}

fn masks(case: &Json) -> Vec<String> {
    let masks = case.get("masks").and_then(Json::as_array).cloned().unwrap_or_default();
    let words = masks.iter().filter_map(|mask| mask[1][1].as_str());
    words.chain(["date", "datetime", "timestamp"]).map(str::to_owned).collect()
}

fn differences(case: &Json) -> Vec<String> {
    let ended = match run(case) {
        Ok(ended) => ended,
        Err(problem) => return vec![problem],
    };
    let mut found = Vec::new();
    let is = outcome(&ended);
    let mut expected = expand(&case["expect"]);
    let members = expected.as_object_mut().unwrap();
    members.retain(|key, value| ["status", "output", "error", "cause"].contains(&key.as_str()) && !value.is_null());
    if !same(&expected, &is, &masks(case)) {
        found.push(format!("expected {expected}\n        is {is}"));
    }
    if let Some(history) =
        case.get("history").and_then(Json::as_array).filter(|_| case.get("events_reordered").is_none())
    {
        let expected: Vec<_> = history
            .iter()
            .map(|event| format!("{}<{} {}", event["id"], event["previousEventId"], event["type"].as_str().unwrap()))
            .collect();
        let is: Vec<_> = ended
            .events
            .iter()
            .map(|event| format!("{}<{} {}", event.id, event.previous_event_id, event.kind))
            .collect();
        if expected != is {
            found.push(format!("expected {}\n        is {}", expected.join(", "), is.join(", ")));
        }
    }
    found
}

#[test]
fn executions_behave_as_recorded() {
    let Some(folder) = folder() else {
        println!("no recordings here: nothing was compared");
        return;
    };
    let only = std::env::var("EXPRESSWAY_RECORDING").ok();
    let (mut count, mut same) = (0, 0);
    for case in cases(&folder).iter().filter(|case| runs_here(case)) {
        let id = case["id"].as_str().unwrap();
        if only.as_ref().is_some_and(|only| !id.contains(only)) {
            continue;
        }
        count += 1;
        let found = differences(case);
        if found.is_empty() {
            same += 1;
        } else {
            println!("── {id}\n{}", found.join("\n"));
        }
    }
    println!("{same} of {count} executions behave as recorded");
    assert!(only.is_some() || same * 100 >= count * AIM_PERCENT, "{same} of {count} executions behave as recorded");
}
