//! `expressway serve`: the AWS-compatible API over HTTP.

mod definitions;
#[cfg(feature = "nats")]
mod intake;
mod settings;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;

use self::settings::Settings;
pub(super) use self::{definitions::Definitions, settings::read_services};
use super::{
    pipe::{Pipes, load},
    services::with_services,
    simulation::SimulationArguments,
};
use crate::{
    api::{Accept, MakeIntake, Server, ServerSettings},
    runtime::Runtime,
    throttle::Throttle,
};

/// Answer the Step Functions API over HTTP.
///
/// What is not given as a flag is taken from the environment, then from the file of --config, then from the defaults.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Example:
  expressway serve --definitions machines/ --lambda-endpoint http://127.0.0.1:3001
  AWS_ENDPOINT_URL_SFN=http://127.0.0.1:8083 aws stepfunctions list-state-machines

The AWS command line and boto3 send StartSyncExecution to the host sync-127.0.0.1 unless
AWS_DISABLE_HOST_PREFIX_INJECTION=true is set.")]
pub struct ServeArguments {
    /// Address to listen at [default: 127.0.0.1:8083]; port 0 takes any free one.
    #[arg(long, env = "EXPRESSWAY_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Directory with definitions: each NAME.asl.json becomes the EXPRESS state machine NAME, and follows its file.
    #[arg(long, env = "EXPRESSWAY_DEFINITIONS", value_name = "DIR")]
    pub definitions: Option<PathBuf>,
    /// Account of the ARNs [default: 123456789012].
    #[arg(long, env = "AWS_ACCOUNT_ID", value_name = "ID")]
    pub account: Option<String>,
    /// Region of the ARNs [default: us-east-1].
    #[arg(long, env = "AWS_DEFAULT_REGION", value_name = "NAME")]
    pub region: Option<String>,
    /// Threads that serve and run executions [default: one for each core].
    #[arg(long, env = "EXPRESSWAY_SHARDS", value_name = "N")]
    pub shards: Option<usize>,
    /// Where Lambda functions are called, such as http://127.0.0.1:3001.
    #[arg(long, env = "LAMBDA_ENDPOINT", value_name = "URL")]
    pub lambda_endpoint: Option<String>,
    /// Token buckets of the API's actions: off, aws (what AWS publishes) or a TOML file [default: off].
    #[arg(long, env = "EXPRESSWAY_THROTTLE", value_name = "off|aws|FILE")]
    pub throttle: Option<String>,
    /// Most executions at once; starts beyond are refused with a ThrottlingException [default: 1000000].
    #[arg(long, env = "EXPRESSWAY_MAX_IN_FLIGHT", value_name = "N")]
    pub max_in_flight: Option<usize>,
    /// Seconds that running executions get to end after SIGTERM or SIGINT [default: 30].
    #[arg(long, env = "EXPRESSWAY_DRAIN_TIMEOUT", value_name = "S")]
    pub drain_timeout: Option<u64>,
    /// How connections are spread over the shards: balanced (the shard with the fewest) or reuseport (the kernel's hash)
    /// [default: balanced].
    #[arg(long, env = "EXPRESSWAY_ACCEPT", value_name = "balanced|reuseport")]
    pub accept: Option<Accept>,
    /// Stream of starts, such as nats://127.0.0.1:4222/STARTS: StartExecution answers once the stream has stored the start, and
    /// any node with the same stream runs it.
    #[arg(long, env = "EXPRESSWAY_INTAKE", value_name = "SOURCE")]
    pub intake: Option<String>,
    /// TOML file with pipes to run beside the API, as for `expressway pipe`.
    #[arg(long, env = "EXPRESSWAY_PIPE", value_name = "FILE")]
    pub pipe: Option<PathBuf>,
    #[command(flatten)]
    pub simulation: SimulationArguments,
    /// TOML file with any of these settings, named as the flags are with _ for -.
    #[arg(long, env = "EXPRESSWAY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Serves until SIGTERM or SIGINT. Exit code 0 after a clean end, 1 when executions were cut off by the drain timeout, 2
/// when it could not start.
pub fn serve(arguments: ServeArguments) -> ExitCode {
    match Settings::resolve(arguments).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            report(&message);
            ExitCode::from(2)
        }
    }
}

/// Writes one line for the operator.
#[allow(clippy::print_stderr, reason = "the command line talks to its user")]
fn report(message: &str) {
    eprintln!("expressway: {message}");
}

/// Runs the server. True when everything had ended before the drain timeout.
fn run(settings: Settings) -> Result<bool, String> {
    let region = settings.home.region.clone();
    let builder = Runtime::builder().home(settings.home).shards(settings.shards).max_in_flight(settings.max_in_flight);
    let lambda_endpoint = settings.lambda_endpoint.as_deref();
    let (builder, services) = with_services(builder, &settings.services, &region, lambda_endpoint)?;
    settings.simulation.check_default()?;
    let pipes = load(settings.pipes, &settings.simulation)?;
    let simulation = settings.simulation;
    let runtime =
        simulation.clone().apply(builder).build().map_err(|error| format!("the runtime does not start: {error}"))?;
    services.attach(&runtime);
    let throttle = Arc::new(Throttle::new(settings.throttle, Arc::clone(runtime.clock())));
    let definitions =
        settings.definitions.map(|directory| Definitions::load(runtime.clone(), directory, simulation)).transpose()?;
    let server_settings = ServerSettings { listen: settings.listen, accept: settings.accept };
    let server =
        Server::start_with_intake(&runtime, server_settings, throttle, make_intake(settings.intake.as_deref())?)
            .map_err(|error| format!("cannot listen at {}: {error}", settings.listen))?;
    let supervisor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot wait for signals: {error}"))?;
    supervisor.block_on(async {
        // Signals are caught before the line is out: whoever reads it may send one.
        let mut signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
        let mut pipes = Pipes::start(&runtime, pipes, settings.drain_timeout, settings.progress)?;
        announce(&server);
        let watching = definitions.map(Definitions::watch);
        // Pipes end when they are told to, or when the input of one is read to its end: the API goes on.
        let signal = tokio::select! {
            signal = signals.next() => signal,
            failed = async {
                match pipes.ended().await {
                    Ok(()) => std::future::pending().await,
                    Err(error) => error,
                }
            } => return Err(failed),
        };
        report(&format!("{signal}: finishing {} executions", runtime.executions_in_flight()));
        drop(watching);
        server.drain();
        pipes.stop();
        let all = async {
            // A start of a pipe that is refused from now on is handed back to its source.
            let (ended, drained) = tokio::join!(pipes.ended(), drain(&runtime, &server, settings.drain_timeout));
            pipes.last_words() && drained && ended.is_ok()
        };
        let drained = tokio::select! {
            drained = all => drained,
            signal = signals.next() => {
                report(&format!("{signal} again: not waiting any longer"));
                false
            }
        };
        if !drained {
            report(&format!("{} executions were cut off", runtime.executions_in_flight()));
        }
        Ok(drained)
    })
}

/// The intake of an address.
#[cfg(feature = "nats")]
fn make_intake(address: Option<&str>) -> Result<Option<MakeIntake>, String> {
    address.map(intake::make).transpose()
}

#[cfg(not(feature = "nats"))]
fn make_intake(address: Option<&str>) -> Result<Option<MakeIntake>, String> {
    match address {
        Some(_) => Err("--intake needs a build with NATS".into()),
        None => Ok(None),
    }
}

/// Waits for executions to end and for their answers to be sent.
async fn drain(runtime: &Runtime, server: &Server, timeout: Duration) -> bool {
    /// How long answers may take to leave once their executions have ended.
    const LAST_ANSWERS: Duration = Duration::from_secs(1);
    const LOOK_EVERY: Duration = Duration::from_millis(2);
    let ended = runtime.drain(timeout).await;
    let closed = async {
        while server.connections() > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // A client that does not read its answer does not keep the server from ending.
    let _ = tokio::time::timeout(LAST_ANSWERS, closed).await;
    ended
}

/// The one line on standard output: it says that requests are answered, and where.
#[allow(clippy::print_stdout, reason = "the line that says that the server is ready")]
fn announce(server: &Server) {
    use std::io::Write as _;
    println!("expressway is ready at http://{}", server.address());
    // Whoever waits for the line reads it through a pipe, which is not flushed by the line's end. A reader that has gone
    // does not keep the server from serving.
    let _ = std::io::stdout().flush();
}

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}
