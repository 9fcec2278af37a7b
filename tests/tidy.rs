//! The shape of the sources, held by a test: which module may know which, and what a file looks like.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The floors of ARCHITECTURE.md: a module may use only modules of floors below its own.
const FLOORS: [&[&str]; 9] = [
    &["value", "clock"],
    &["model"],
    &["query", "task", "observe"],
    &["asl", "program"],
    &["compile", "engine", "throttle"],
    &["registry"],
    &["runtime"],
    &["api", "source", "console"],
    &["cli"],
];

/// What a module may not use although it stands below, and why.
const NEVER: [(&str, &[&str], &str); 5] = [
    ("registry", &["engine", "task"], "it keeps definitions and runs nothing"),
    ("engine", &["registry"], "a start brings its program along"),
    ("program", &["asl"], "it stands below compiler and engine alike"),
    ("api", &["engine"], "it reaches executions through the runtime's shards"),
    ("query", &["asl", "engine"], "expressions know no states"),
];

/// Names at the crate's root, and the modules that they come from.
const ROOT_NAMES: [(&str, &str); 2] = [("Value", "value"), ("Runtime", "runtime")];

const MAX_LINES: usize = 700;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file below these folders of the project: its path from the root, and its text.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        sources(&root.join(folder), &mut paths);
    }
    assert!(paths.len() > 20, "the sources have moved");
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The module of `src/` that a file belongs to; none for `lib.rs` and `main.rs`.
fn module(file: &str) -> Option<&str> {
    let first = file.strip_prefix("src/")?.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first)).filter(|name| !matches!(*name, "lib" | "main"))
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// The modules behind every `crate::` outside of comments, those in `crate::{…}` included.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => used.extend(names_in_list(list)),
            None => used.extend([leading_name(rest)]),
        }
    }
    used.into_iter()
        .filter(|name| !name.is_empty())
        .map(|name| match ROOT_NAMES.iter().find(|(root, _)| *root == name) {
            Some((_, module)) => (*module).to_owned(),
            None => name,
        })
        .collect()
}

fn leading_name(text: &str) -> String {
    text.trim_start().chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// The first name of each entry of a `{…}` list, of which the opening brace is passed.
fn names_in_list(list: &str) -> Vec<String> {
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (place, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(leading_name(&list[start..place]));
                start = place + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

#[test]
fn modules_know_only_floors_below_them() {
    let mut wrong = Vec::new();
    for (file, text) in files(&["src"]) {
        let Some(module) = module(&file) else { continue };
        let own = floor(module).unwrap_or_else(|| panic!("{file}: {module} stands on no floor of tests/tidy.rs"));
        for used in used_modules(&text).iter().filter(|used| *used != module) {
            match floor(used) {
                Some(below) if below < own => {}
                Some(_) => wrong.push(format!("{file}: {module} is not above {used}")),
                None => wrong.push(format!("{file}: {used} stands on no floor")),
            }
            for (_, _, why) in NEVER.iter().filter(|(who, whom, _)| *who == module && whom.contains(&used.as_str())) {
                wrong.push(format!("{file}: {module} never uses {used}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Concrete handlers are for those who put a runtime together; the in-process adapter is the builder's own.
#[test]
fn only_the_edges_know_task_handlers() {
    for (file, text) in files(&["src"]) {
        if matches!(module(&file), Some("engine" | "compile" | "registry" | "runtime")) {
            assert!(!text.contains("task::lambda"), "{file} knows a concrete handler");
        }
    }
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut wrong = Vec::new();
    for (file, text) in files(&["src", "tests", "benches", "examples", "loadtest/src"]) {
        if !text.starts_with("//!") {
            wrong.push(format!("{file}: does not begin with what it is"));
        }
        if text.lines().count() > MAX_LINES {
            wrong.push(format!("{file}: {} lines, split it by noun", text.lines().count()));
        }
        let name = file.rsplit('/').next().unwrap();
        if matches!(name, "util.rs" | "utils.rs" | "helpers.rs" | "common.rs" | "misc.rs") {
            wrong.push(format!("{file}: says nothing of what is in it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn uses_are_found() {
    let text = "use crate::{\n    Value,\n    model::{arn::Home, quota},\n    clock::Clock,\n};\n// crate::cli\nlet x = crate::query::parse();";
    let used: Vec<_> = used_modules(text).into_iter().collect();
    assert_eq!(used, ["clock", "model", "query", "value"]);
}
