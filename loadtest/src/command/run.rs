//! `loadtest run`: one run of load on a server that is already there.

use crate::action::Action;
use crate::cli::Finding;
use crate::client;
use crate::command::load_options::LoadOptions;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{self, LoadPlan, LoadResult};
use crate::machine::Machine;
use crate::process::ProcessId;
use crate::report::{self, LoadReport};
use crate::request;
use crate::socket_owner;
use crate::terminal::{self, Progress};
use crate::workload::{BuiltIn, Workload};
use clap::Args;
use std::path::PathBuf;

/// Drive one workload on a server that is running, and report rate, latency, errors and CPU per request.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest run --endpoint http://127.0.0.1:8083 --workload w1
  loadtest run --endpoint http://127.0.0.1:8083 --workload w2 --action StartSyncExecution --pipeline 16
  loadtest run --endpoint http://127.0.0.1:8083 --workload w1 --mode open --rate 30000 --duration 30 --json report.json
  loadtest run --endpoint http://127.0.0.1:8083 --definition order.asl.json --input order.json

The server's CPU is read from /proc when the server is on this machine. Refused requests (ThrottlingException) are
counted apart and are no error.")]
pub(crate) struct RunArguments {
    /// The server, http://host:port.
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// Load a server on another machine. Only for servers that are yours.
    #[arg(long)]
    allow_remote: bool,
    #[command(flatten)]
    pub(crate) what: WorkloadOptions,
    /// Name of the state machine that is created [default: loadtest- and the workload].
    #[arg(long)]
    name: Option<String>,
    /// Use this state machine instead of creating one.
    #[arg(long, value_name = "ARN", conflicts_with = "name")]
    state_machine_arn: Option<String>,
    #[command(flatten)]
    load: LoadOptions,
    /// The server's process, when it cannot be found by its port.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What the executions are.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkloadOptions {
    /// A workload that comes with this program.
    #[arg(long, value_enum)]
    pub(crate) workload: Option<BuiltIn>,
    /// A definition of your own.
    #[arg(long, value_name = "FILE", conflicts_with = "workload")]
    pub(crate) definition: Option<PathBuf>,
    /// The input of every execution [default: the workload's own, or {}].
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// The action that starts them.
    #[arg(long, value_enum, default_value_t = Action::StartExecution)]
    pub(crate) action: Action,
}

impl WorkloadOptions {
    /// The workload chosen.
    ///
    /// # Errors
    /// As [`Workload::choose`].
    pub(crate) fn choose(&self) -> Result<Workload, Failure> {
        Workload::choose(self.workload, self.definition.as_deref(), self.input.as_deref())
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When the options are wrong or the server cannot be reached.
pub(crate) fn run(arguments: &RunArguments) -> Result<Finding, Failure> {
    let endpoint = Endpoint::parse(&arguments.endpoint, arguments.allow_remote)?;
    let mut workload = arguments.what.choose()?;
    if let Some(name) = &arguments.name {
        workload.name.clone_from(name);
    }
    let action = arguments.what.action;
    // Wrong numbers are told before anything is asked of the server.
    arguments.load.plan(endpoint.address, action, Vec::new())?;
    let state_machine_arn = match &arguments.state_machine_arn {
        Some(arn) => arn.clone(),
        None => client::create_state_machine(&endpoint, &workload)?,
    };
    let request = request::start(&endpoint.authority, action, &state_machine_arn, &workload.input);
    let plan = arguments.load.plan(endpoint.address, action, request)?;
    let server = server_process(&endpoint, arguments.server_pid);
    let title = report::describe(&workload.name, &plan);
    let result = drive_with_progress(&plan, server, &workload.name, arguments.load.quiet)?;
    let report = LoadReport::new(title, &result);
    let machine = Machine::read();
    if arguments.json.as_deref() != Some("-".as_ref()) {
        terminal::print(&format!("{}\n{}", machine.line(), report.to_text()));
    }
    if let Some(path) = &arguments.json {
        report::write_json(path, &machine, report.to_json())?;
    }
    Ok(if report.is_clean() { Finding::Well } else { Finding::Wanting })
}

/// The process whose CPU is read: the one given, or the one that listens on the endpoint's port when it is local.
fn server_process(endpoint: &Endpoint, given: Option<u32>) -> Option<ProcessId> {
    if let Some(process) = given {
        return Some(ProcessId(process));
    }
    if !endpoint.is_local() {
        return None;
    }
    match socket_owner::find(endpoint.address) {
        Ok(process) => Some(process),
        Err(failure) => {
            terminal::remark(&format!("the server's CPU is not measured: {failure}"));
            None
        }
    }
}

/// Drives a plan and shows how far it is.
///
/// # Errors
/// As [`load::drive`].
pub(crate) fn drive_with_progress(
    plan: &LoadPlan,
    server: Option<ProcessId>,
    title: &str,
    is_quiet: bool,
) -> Result<LoadResult, Failure> {
    let mut progress = Progress::start(title, plan.warm_up + plan.duration, is_quiet);
    let mut before = (0.0, 0);
    load::drive(plan, server, &mut |moment| {
        let elapsed_s = moment.elapsed.as_secs_f64();
        let rate = (moment.answered - before.1) as f64 / (elapsed_s - before.0).max(1e-3);
        before = (elapsed_s, moment.answered);
        let phase = if moment.elapsed < plan.warm_up { "warm-up" } else { "measured" };
        progress.show(moment.elapsed, &format!("{phase} {rate:.0}/s, {} failed or refused", moment.refused));
    })
}
