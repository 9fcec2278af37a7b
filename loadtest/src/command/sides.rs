//! The two that are compared: the server under test, and bare hyper with replies of the same size.

use crate::action::Action;
use crate::child_server::ChildServer;
use crate::client;
use crate::command::baseline::Accept;
use crate::command::load_options::LoadOptions;
use crate::command::server_command::ServerCommand;
use crate::endpoint::Endpoint;
use crate::failure::{Context, Failure};
use crate::load::LoadPlan;
use crate::process::ProcessId;
use crate::reply::{self, Verdict};
use crate::request;
use crate::workload::Workload;
use clap::{Args, ValueEnum};

/// How the baseline is run.
#[derive(Clone, Debug, Args)]
pub(crate) struct BaselineOptions {
    /// Shards of the baseline [default: cores].
    #[arg(long, value_name = "N")]
    baseline_shards: Option<usize>,
    /// How connections are spread over the baseline's shards.
    #[arg(long, value_enum, default_value_t = Accept::Even)]
    baseline_accept: Accept,
}

/// One of the two, ready to be loaded.
pub(crate) struct Side {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Its process.
    pub(crate) process: ProcessId,
    /// Where it is.
    pub(crate) endpoint: Endpoint,
    /// What it is loaded with.
    pub(crate) plan: LoadPlan,
    /// Kept so that the process lives as long as it is needed.
    _child: ChildServer,
}

/// Both, running at the same time.
pub(crate) struct Sides {
    /// The server under test.
    pub(crate) server: Side,
    /// Bare hyper.
    pub(crate) baseline: Side,
    /// The length of the body that both reply with, in bytes.
    pub(crate) reply_bytes: usize,
}

impl Sides {
    /// Starts both.
    ///
    /// # Errors
    /// When one cannot be started, the workload is refused, or the options are wrong.
    pub(crate) fn start(
        server: &ServerCommand,
        baseline: &BaselineOptions,
        workload: &Workload,
        action: Action,
        load: &LoadOptions,
    ) -> Result<Self, Failure> {
        let (server, state_machine_arn, reply_bytes) = start_server(server, workload, action, load)?;
        let request =
            |endpoint: &Endpoint| request::start(&endpoint.authority, action, &state_machine_arn, &workload.input);
        let baseline = start_baseline(baseline, action, reply_bytes, load, &request)?;
        Ok(Self { server, baseline, reply_bytes })
    }
}

/// Starts the server under test, creates the state machine, and tries one request to learn the size of its reply.
///
/// # Errors
/// When it cannot be started, or refuses the workload.
pub(crate) fn start_server(
    server: &ServerCommand,
    workload: &Workload,
    action: Action,
    load: &LoadOptions,
) -> Result<(Side, String, usize), Failure> {
    let child = server.start(&[])?;
    let endpoint = Endpoint::parse(&child.url, false)?;
    let state_machine_arn = client::create_state_machine(&endpoint, workload)?;
    let request = request::start(&endpoint.authority, action, &state_machine_arn, &workload.input);
    let probe = client::send(&endpoint, &request)?;
    if reply::judge(action, probe.status, &probe.body, true) != Verdict::Succeeded {
        let text = String::from_utf8_lossy(&probe.body).chars().take(400).collect::<String>();
        return Err(Failure::new(format!("{action} answered {}: {text}", probe.status)));
    }
    let plan = load.plan(endpoint.address, action, request)?;
    let side = Side { name: "server", process: child.process(), endpoint, plan, _child: child };
    Ok((side, state_machine_arn, probe.body.len()))
}

/// Starts the baseline and gives it the very request that the server gets.
fn start_baseline(
    options: &BaselineOptions,
    action: Action,
    reply_bytes: usize,
    load: &LoadOptions,
    request: &dyn Fn(&Endpoint) -> Vec<u8>,
) -> Result<Side, Failure> {
    let own_path = std::env::current_exe().context(|| "finding this program's path".to_owned())?;
    let accept = options.baseline_accept.to_possible_value().expect("no way of accepting is hidden");
    let mut command = vec![own_path.to_string_lossy().into_owned(), "baseline".to_owned()];
    command.extend(["--action".to_owned(), action.to_string(), "--reply-bytes".to_owned(), reply_bytes.to_string()]);
    command.extend(["--accept".to_owned(), accept.get_name().to_owned()]);
    if let Some(shards) = options.baseline_shards {
        command.extend(["--shards".to_owned(), shards.to_string()]);
    }
    let child = ChildServer::start(&command)?;
    let endpoint = Endpoint::parse(&child.url, false)?;
    let plan = load.plan(endpoint.address, action, request(&endpoint))?;
    Ok(Side { name: "hyper", process: child.process(), endpoint, plan, _child: child })
}
