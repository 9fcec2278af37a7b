//! The architecture, held by a test: which module may know which, and what every file looks like.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

use std::{
    fs,
    iter::Peekable,
    path::{Path, PathBuf},
    str::Chars,
};

/// The modules of the library by floor, lowest first. A module knows only those on floors below its own, so that the map in
/// ARCHITECTURE.md cannot become untrue.
const FLOORS: [&[&str]; 9] = [
    &["value", "clock", "allocator"],
    &["model"],
    &["query", "task", "observe"],
    &["asl", "program", "mock"],
    &["compile", "engine", "throttle"],
    &["registry"],
    &["runtime"],
    &["api", "source", "console"],
    &["cli"],
];

/// What a module must not know although it is on a lower floor.
const NEVER: [(&str, &[&str]); 7] = [
    // Plain values have no clocks, and definitions are not about time that passes.
    ("model", &["clock"]),
    // Definitions are checked and compiled without running anything.
    ("asl", &["task", "observe"]),
    ("compile", &["task", "observe"]),
    // Programs run without their definitions, and call whatever handler they are given.
    ("engine", &["asl", "task::in_process", "task::lambda", "task::aws", "task::http", "task::state_machines", "mock"]),
    // Simulated services are given to it, like any other handler.
    ("runtime", &["mock"]),
    ("registry", &["engine", "task"]),
    // The edges go through the runtime.
    ("api", &["engine"]),
];

/// Modules that only compute: no files, no sockets, no runtime, no clocks.
const PURE: [&str; 6] = ["value", "model", "query", "asl", "program", "compile"];
const IMPURE: [&str; 7] =
    ["std::fs", "std::net", "std::io", "std::thread", "std::time::Instant", "std::time::SystemTime", "tokio::"];

/// Names at the root of the crate, and the modules they come from.
const ROOT_NAMES: [(&str, &str); 3] = [("Value", "value"), ("Runtime", "runtime"), ("RuntimeBuilder", "runtime")];

const MOST_LINES: usize = 700;

struct File {
    path: PathBuf,
    text: String,
}

impl File {
    /// The text without its tests, which stand at the end.
    fn code(&self) -> &str {
        if self.path.ends_with("tests.rs") {
            return "";
        }
        self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// Its lines of code, numbered from 1, without comments.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code().lines().enumerate().map(|(place, line)| (place + 1, line.trim_start()));
        lines.filter(|(_, line)| !line.starts_with("//"))
    }

    /// The module of the library that it belongs to, and how deep in it the file is.
    fn module(&self) -> (String, usize) {
        let parts: Vec<_> = self.path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let module = parts[1].trim_end_matches(".rs").to_owned();
        let depth = parts.len() - 1 - usize::from(parts.len() > 2 && parts[parts.len() - 1] == "mod.rs");
        (module, depth)
    }
}

fn files(folder: &str) -> Vec<File> {
    fn visit(folder: &Path, root: &Path, files: &mut Vec<File>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, root, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push(File { path: path.strip_prefix(root).unwrap().to_owned(), text });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    visit(&root.join(folder), root, &mut files);
    files
}

fn all_files() -> Vec<File> {
    ["src", "tests", "benches", "examples", "loadtest"].iter().flat_map(|folder| files(folder)).collect()
}

#[track_caller]
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// The paths behind every `crate::` of a text, groups taken apart: `crate::{a::{b, c}, d}` is `a::b`, `a::c` and `d`.
fn crate_paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices("crate::") {
        let named_otherwise =
            text[..place].ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == '$');
        if !named_otherwise {
            expand(&mut text[place + "crate::".len()..].chars().peekable(), "", false, &mut found);
        }
    }
    found
}

/// Reads one path or group; the recursion is as deep as braces are nested.
fn expand(text: &mut Peekable<Chars<'_>>, prefix: &str, in_group: bool, found: &mut Vec<String>) {
    let mut path = prefix.to_owned();
    while let Some(next) = text.peek().copied() {
        match next {
            '{' => {
                text.next();
                loop {
                    while text.peek().is_some_and(|next| next.is_whitespace() || *next == ',') {
                        text.next();
                    }
                    if text.peek().is_none_or(|next| *next == '}') {
                        text.next();
                        return;
                    }
                    expand(text, &path, true, found);
                }
            }
            _ if next.is_alphanumeric() || next == '_' || next == ':' => {
                path.push(next);
                text.next();
            }
            _ => break,
        }
    }
    // What follows a name inside a group, such as `as other`, is not part of the path.
    while in_group && text.peek().is_some_and(|next| !matches!(next, ',' | '}')) {
        text.next();
    }
    found.push(path);
}

#[test]
fn paths_are_taken_apart() {
    let text = "use crate::{Value, a::{b, c::d}, e as f};\ncrate::g::h(x); my_crate::i";
    assert_eq!(crate_paths(text), ["Value", "a::b", "a::c::d", "e", "g::h"]);
}

#[test]
fn modules_know_only_the_floors_below() {
    let mut problems = Vec::new();
    for file in files("src") {
        let (module, depth) = file.module();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let path = file.path.display();
        let Some(own) = floor(&module) else {
            problems.push(format!("{path}: the module `{module}` has no floor"));
            continue;
        };
        let code: String = file.lines().map(|(_, line)| format!("{line}\n")).collect();
        for used in crate_paths(&code) {
            let first = used.split("::").next().unwrap_or_default();
            let other = ROOT_NAMES.iter().find(|(name, _)| *name == first).map_or(first, |(_, module)| module);
            let forbidden = NEVER.iter().filter(|(name, _)| *name == module).flat_map(|(_, never)| *never);
            if other == module {
                continue;
            }
            if floor(other).is_none_or(|floor| floor >= own) {
                problems.push(format!("{path}: `{module}` knows `{used}`, which is not on a floor below"));
            } else if forbidden.clone().any(|never| used == *never || used.starts_with(&format!("{never}::"))) {
                problems.push(format!("{path}: `{module}` must not know `{used}`"));
            }
        }
        // `super` must not lead out of the module, past this test.
        let most = "super::".repeat(depth);
        if code.contains(&most) {
            problems.push(format!("{path}: `{most}` leads out of `{module}`"));
        }
    }
    none(&problems);
}

#[test]
fn what_only_computes_does_nothing_else() {
    let mut problems = Vec::new();
    for file in files("src").iter().filter(|file| PURE.contains(&file.module().0.as_str())) {
        for (place, line) in file.lines() {
            problems.extend(
                IMPURE
                    .iter()
                    .filter(|impure| line.contains(**impure))
                    .map(|impure| format!("{}:{place}: {impure} in a module that only computes", file.path.display())),
            );
        }
    }
    none(&problems);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut problems = Vec::new();
    for file in all_files() {
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            problems.push(format!("{}: {lines} lines are more than {MOST_LINES}", file.path.display()));
        }
        if !file.text.starts_with("//!") {
            problems.push(format!("{}: does not begin with `//!` and what it is", file.path.display()));
        }
    }
    none(&problems);
}

#[test]
fn nothing_is_left_for_later_or_unwrapped() {
    // Put together here, so that this file does not find itself.
    let later =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["unimplemented", "!"], ["todo", "!"]].map(|parts| parts.concat());
    let mut problems = Vec::new();
    for file in all_files() {
        for (place, line) in file.text.lines().enumerate() {
            problems.extend(
                later
                    .iter()
                    .filter(|word| line.contains(word.as_str()))
                    .map(|word| format!("{}:{}: {word}", file.path.display(), place + 1)),
            );
        }
    }
    for file in files("src") {
        for (place, line) in file.lines().filter(|(_, line)| line.contains(".unwrap()")) {
            problems.push(format!("{}:{place}: {line}", file.path.display()));
        }
    }
    none(&problems);
}
