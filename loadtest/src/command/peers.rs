//! `loadtest peers`: the same workloads on several endpoints, side by side.

use crate::action::Action;
use crate::cli::Finding;
use crate::client;
use crate::command::load_options::LoadOptions;
use crate::command::run::drive_with_progress;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::reply::{self, Verdict};
use crate::report::{self, LoadReport, duration_text};
use crate::request;
use crate::terminal;
use crate::workload::BuiltIn;
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Most endpoints.
const MAX_PEERS: usize = 16;

/// Run the same workloads against any endpoints of the Step Functions API, and put the figures side by side.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest peers --peer expressway=http://127.0.0.1:8083 --peer emulator=http://127.0.0.1:4566
  loadtest peers --peer a=http://127.0.0.1:8083 --peer b=http://127.0.0.1:8084 --workload w1 --workload w3 --json peers.json

What an endpoint does not support, or answers with an error, is left blank; the reason is said on stderr. Requests are not
signed: AWS itself is reached through a proxy that signs them.")]
pub(crate) struct PeersArguments {
    /// A name and an endpoint; give one for each.
    #[arg(long = "peer", value_name = "NAME=URL", required = true)]
    peers: Vec<String>,
    /// Endpoints may be on other machines. Only for servers that are yours.
    #[arg(long)]
    allow_remote: bool,
    /// A workload; give one for each [default: w1, w2, w2-jsonata, w3].
    #[arg(long, value_enum)]
    workload: Vec<BuiltIn>,
    /// The action that starts them.
    #[arg(long, value_enum, default_value_t = Action::StartSyncExecution)]
    action: Action,
    #[command(flatten)]
    load: LoadOptions,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the subcommand.
///
/// # Errors
/// When the options are wrong. An endpoint that cannot be reached is a blank.
pub(crate) fn run(arguments: &PeersArguments) -> Result<Finding, Failure> {
    if arguments.peers.len() > MAX_PEERS {
        return Err(Failure::new(format!("--peer is given {MAX_PEERS} times at most")));
    }
    let peers: Vec<(&str, Endpoint)> =
        arguments.peers.iter().map(|peer| named(peer, arguments.allow_remote)).collect::<Result<_, _>>()?;
    let workloads = match &arguments.workload[..] {
        [] => &[BuiltIn::W1, BuiltIn::W2, BuiltIn::W2Jsonata, BuiltIn::W3],
        given => given,
    };
    let machine = Machine::read();
    let is_json_only = arguments.json.as_deref() == Some("-".as_ref());
    let print = |text: &str| if is_json_only { terminal::remark(text) } else { terminal::print(text) };
    print(&machine.line());
    let width = peers.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(22);
    let header: String = peers.iter().map(|(name, _)| format!("  {name:>width$}")).collect();
    print(&format!("{:<20}{header}", "requests/s, p50"));
    let mut figures = Map::new();
    let mut is_any_measured = false;
    for workload in workloads {
        let name = workload.workload().name;
        let (mut line, mut of_workload) = (format!("{name:<20}"), Map::new());
        for (peer, endpoint) in &peers {
            let measured = measure(endpoint, *workload, arguments).map_err(|failure| {
                terminal::remark(&format!("{peer}, {name}: {failure}"));
            });
            let cell = measured.as_ref().map_or_else(|()| String::new(), cell);
            line.push_str(&format!("  {cell:>width$}"));
            is_any_measured |= measured.is_ok();
            of_workload.insert((*peer).to_owned(), measured.map_or(Value::Null, |report| report.to_json()));
        }
        print(line.trim_end());
        figures.insert(name, Value::Object(of_workload));
    }
    if let Some(path) = &arguments.json {
        report::write_json(path, &machine, json!({ "action": arguments.action.to_string(), "peers": figures }))?;
    }
    Ok(if is_any_measured { Finding::Well } else { Finding::Wanting })
}

fn cell(report: &LoadReport) -> String {
    format!("{:.0}/s, {}", report.requests_per_second, duration_text(report.latency_us("p50").unwrap_or(f64::NAN)))
}

/// A peer's name and endpoint.
fn named(peer: &str, allow_remote: bool) -> Result<(&str, Endpoint), Failure> {
    let (name, url) = peer.split_once('=').ok_or_else(|| Failure::new("--peer is NAME=URL"))?;
    Ok((name, Endpoint::parse(url, allow_remote)?))
}

/// Loads one endpoint with one workload.
fn measure(endpoint: &Endpoint, workload: BuiltIn, arguments: &PeersArguments) -> Result<LoadReport, Failure> {
    let workload = workload.workload();
    let action = arguments.action;
    let state_machine_arn = client::create_state_machine(endpoint, &workload)?;
    let request = request::start(&endpoint.authority, action, &state_machine_arn, &workload.input);
    // A peer that does not run the workload is not loaded with it.
    let probe = client::send(endpoint, &request)?;
    if reply::judge(action, probe.status, &probe.body, true) != Verdict::Succeeded {
        let text: String = String::from_utf8_lossy(&probe.body).chars().take(200).collect();
        return Err(Failure::new(format!("{action} answered {}: {text}", probe.status)));
    }
    let plan = arguments.load.plan(endpoint.address, action, request)?;
    let result = drive_with_progress(&plan, None, &workload.name, arguments.load.quiet)?;
    let report = LoadReport::new(report::describe(&workload.name, &plan), &result);
    if report.is_clean() { Ok(report) } else { Err(Failure::new(report.troubles())) }
}
