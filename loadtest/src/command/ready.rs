//! `loadtest ready`: how long after its start a server with many definitions answers its first request.

use crate::child_server::ChildServer;
use crate::cli::Finding;
use crate::client;
use crate::command::load_options::within;
use crate::command::server_command::ServerCommand;
use crate::endpoint::Endpoint;
use crate::failure::{Context, Failure};
use crate::machine::Machine;
use crate::report::{self, median};
use crate::terminal;
use crate::workload::BuiltIn;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Most definitions; one page of ListStateMachines tells that they are all there.
const MAX_DEFINITIONS: usize = 1000;
/// Most starts of the server.
const MAX_RUNS: usize = 100;

/// Start a server on a directory of definitions and measure the time from process start to the first answered request.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest ready --definitions 100
  loadtest ready --definitions 1000 --runs 11 --max-ms 30
  loadtest ready --server-command 'target/release/expressway serve --listen 127.0.0.1:0'

`--definitions DIR` is added to the server's command. The first request is ListStateMachines; how many state machines it
names is shown, so that a server that answers before it has read them is seen.")]
pub(crate) struct ReadyArguments {
    #[command(flatten)]
    server: ServerCommand,
    /// Definitions in the directory, all different.
    #[arg(long, default_value_t = 100, value_name = "N")]
    definitions: usize,
    /// How many times the server is started.
    #[arg(long, default_value_t = 7, value_name = "N")]
    runs: usize,
    /// Exit with 1 when the median is above this many milliseconds.
    #[arg(long, value_name = "N")]
    max_ms: Option<f64>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One start of the server.
struct Start {
    url_ms: f64,
    answer_ms: f64,
    /// State machines named by the first reply; `None` when it is not a reply to ListStateMachines.
    listed: Option<usize>,
}

/// A directory that is removed again.
struct TemporaryDirectory(PathBuf);

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's directory for temporary files, where it belongs.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When the directory cannot be written, the server cannot be started or does not answer.
pub(crate) fn run(arguments: &ReadyArguments) -> Result<Finding, Failure> {
    within("--definitions", arguments.definitions, MAX_DEFINITIONS)?;
    within("--runs", arguments.runs, MAX_RUNS)?;
    let mut command = arguments.server.words(&[])?;
    let directory = write_definitions(arguments.definitions)?;
    command.extend(["--definitions".to_owned(), directory.0.to_string_lossy().into_owned()]);
    let machine = Machine::read();
    let is_json_only = arguments.json.as_deref() == Some("-".as_ref());
    let print = |text: &str| if is_json_only { terminal::remark(text) } else { terminal::print(text) };
    print(&format!("{}\n run   URL printed  first answer  machines listed", machine.line()));
    let mut starts = Vec::new();
    for number in 1..=arguments.runs {
        let start = start_once(&command)?;
        let listed = start.listed.map_or_else(|| "unknown".to_owned(), |listed| listed.to_string());
        print(&format!("{number:>4} {:>10.1} ms {:>10.1} ms  {listed}", start.url_ms, start.answer_ms));
        starts.push(start);
    }
    let answers: Vec<f64> = starts.iter().map(|start| start.answer_ms).collect();
    let middle = median(&answers).unwrap_or(f64::NAN);
    print(&format!("median {middle:.1} ms from process start to first answer, {} definitions", arguments.definitions));
    let has_all = starts.iter().all(|start| start.listed == Some(arguments.definitions));
    if !has_all {
        terminal::remark("not every first answer named all definitions");
    }
    if let Some(path) = &arguments.json {
        let runs: Vec<Value> = starts
            .iter()
            .map(|start| json!({ "url_ms": start.url_ms, "answer_ms": start.answer_ms, "listed": start.listed }))
            .collect();
        let whole = json!({
            "definitions": arguments.definitions,
            "runs": runs,
            "median_first_answer_ms": middle,
            "all_listed": has_all,
        });
        report::write_json(path, &machine, whole)?;
    }
    let is_quick = arguments.max_ms.is_none_or(|most| middle <= most);
    Ok(if has_all && is_quick { Finding::Well } else { Finding::Wanting })
}

/// Starts the server, asks its first question, and ends it.
fn start_once(command: &[String]) -> Result<Start, Failure> {
    let server = ChildServer::start(command)?;
    let url_ms = server.started.elapsed().as_secs_f64() * 1e3;
    let endpoint = Endpoint::parse(&server.url, false)?;
    let reply = client::call(&endpoint, "ListStateMachines", &json!({ "maxResults": MAX_DEFINITIONS }))?;
    let answer_ms = server.started.elapsed().as_secs_f64() * 1e3;
    Ok(Start { url_ms, answer_ms, listed: reply["stateMachines"].as_array().map(Vec::len) })
}

/// Writes definitions that are ordinary and all different: the built-in workloads in turn, each with its own comment.
fn write_definitions(count: usize) -> Result<TemporaryDirectory, Failure> {
    let path = std::env::temp_dir().join(format!("loadtest-ready-{}", std::process::id()));
    std::fs::create_dir(&path).context(|| format!("creating {}", path.display()))?;
    let directory = TemporaryDirectory(path);
    let kinds = [BuiltIn::W1, BuiltIn::W2, BuiltIn::W3, BuiltIn::W4, BuiltIn::W5];
    for number in 0..count {
        write_definition(&directory.0, number, kinds[number % kinds.len()])?;
    }
    Ok(directory)
}

/// Writes one definition.
fn write_definition(directory: &Path, number: usize, kind: BuiltIn) -> Result<(), Failure> {
    let mut definition: Value =
        serde_json::from_str(&kind.workload().definition).expect("a test reads every built-in definition as JSON");
    definition["Comment"] = Value::from(format!("Order pipeline number {number}"));
    let path = directory.join(format!("order-{number:04}.asl.json"));
    std::fs::write(&path, format!("{definition:#}\n")).context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_written_and_removed() {
        let directory = write_definitions(7).unwrap();
        let path = directory.0.clone();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 7);
        let text = std::fs::read_to_string(path.join("order-0006.asl.json")).unwrap();
        let definition: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(definition["Comment"], "Order pipeline number 6");
        drop(directory);
        assert!(!path.exists());
    }
}
