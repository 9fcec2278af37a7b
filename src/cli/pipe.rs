//! `expressway pipe`: executions from event streams.

mod pipes;
mod place;
#[cfg(feature = "sqs")]
mod queue;
mod settings;
#[cfg(feature = "kafka")]
mod topic;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use self::settings::Settings;
pub(super) use self::{
    pipes::{Pipes, load},
    settings::{IntakeEntry, PipeSettings, pipes_beside_serve},
};
use super::{
    EXIT_SOME_FAILED, EXIT_USAGE,
    serve::{Definitions, Signals},
    services::with_services,
    simulation::SimulationArguments,
};
use crate::{Runtime, model::arn::Home};

/// Run one execution for each event of a stream, and acknowledge the event once its result was accepted.
///
/// An event whose execution fails is delivered again after a wait that doubles, and becomes a dead letter after
/// --max-deliveries. SIGTERM stops fetching, lets what runs end, acknowledges it and hands back the rest. Nodes that name
/// the same consumer share its events.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:
  expressway pipe --from nats://127.0.0.1:4222/ORDERS --machine order.asl.json --to nats://127.0.0.1:4222/orders.done
  expressway pipe --from nats://127.0.0.1:4222/ORDERS/billing --machine bill.asl.json --to file:bills.ndjson \\
      --max-in-flight 5000 --max-deliveries 3 --dead-letter nats://127.0.0.1:4222/orders.dead
  expressway pipe --from redis://127.0.0.1:6379/orders --machine order.asl.json --to redis://127.0.0.1:6379/orders.done
  expressway pipe --from sqs://orders --machine order.asl.json --to sqs://orders-done
  expressway pipe --config pipe.toml

pipe.toml has a [[pipe]] for each pipe, with the flags' names, _ for -, and also: input, filter, order_by, machine_by, batch,
burst, on_failure, result. See docs/sources/.")]
pub(super) struct PipeArguments {
    /// Where events come from: nats://HOST:PORT/STREAM[/CONSUMER], redis://HOST:PORT/STREAM[/GROUP], a queue of SQS (its URL,
    /// its ARN or sqs://NAME), kafka://HOST:PORT/TOPIC[/GROUP] (in builds with the feature kafka) or - for lines of standard
    /// input.
    #[arg(long, value_name = "SOURCE", required_unless_present = "config", conflicts_with = "config")]
    from: Option<String>,
    /// Amazon States Language, as JSON; or the name of one of --definitions.
    #[arg(long, value_name = "FILE|NAME", required_unless_present = "config", conflicts_with = "config")]
    machine: Option<PathBuf>,
    /// Where results go: nats://HOST:PORT/SUBJECT, redis://HOST:PORT/STREAM, a queue of SQS, kafka://HOST:PORT/TOPIC,
    /// file:PATH, stdout, or none [default: none].
    #[arg(long, value_name = "DESTINATION", conflicts_with = "config")]
    to: Option<String>,
    /// Where events go that are given up [default: file:NAME.dead-letters.ndjson].
    #[arg(long, value_name = "DESTINATION", conflicts_with = "config")]
    dead_letter: Option<String>,
    /// Most events that are delivered and not settled [default: 1000].
    #[arg(long, value_name = "N", conflicts_with = "config")]
    max_in_flight: Option<usize>,
    /// Deliveries after which a failing event is given up [default: 5].
    #[arg(long, value_name = "N", conflicts_with = "config")]
    max_deliveries: Option<u64>,
    /// Seconds without a sign after which the stream delivers an event to another node [default: 30].
    #[arg(long, value_name = "S", conflicts_with = "config")]
    ack_wait: Option<f64>,
    /// Most executions started in a second [default: no limit].
    #[arg(long, value_name = "N", conflicts_with = "config")]
    max_starts_per_second: Option<f64>,
    /// Publish the output of executions that succeed, or the outcome of all that end [default: output].
    #[arg(long, value_name = "output|outcome", conflicts_with = "config")]
    result: Option<String>,
    /// TOML file with one or more pipes.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory with definitions: each NAME.asl.json is a state machine that pipes can name, and follows its file.
    #[arg(long, value_name = "DIR")]
    definitions: Option<PathBuf>,
    /// Threads that run executions [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    shards: Option<u16>,
    /// Seconds that running executions get to end after SIGTERM or SIGINT [default: 30].
    #[arg(long, value_name = "S")]
    drain_timeout: Option<u64>,
    /// Seconds between lines with the counters on standard error; 0 for none [default: 10].
    #[arg(long, value_name = "S")]
    progress: Option<u64>,
    /// Endpoint of a Lambda service for Task states that call functions.
    #[arg(long, value_name = "URL", env = "LAMBDA_ENDPOINT")]
    lambda_endpoint: Option<String>,
    #[command(flatten)]
    simulation: SimulationArguments,
}

/// Runs pipes until SIGTERM or SIGINT, or until their sources end. Exit code 0 after a clean end, 1 when events were handed
/// back because they had not ended in time, 2 when it could not start.
pub(super) fn pipe(arguments: PipeArguments) -> ExitCode {
    match Settings::resolve(arguments).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_SOME_FAILED),
        Err(message) => {
            report(&message);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Writes one line for the operator.
#[allow(clippy::print_stderr, reason = "the command line talks to its user")]
fn report(message: &str) {
    eprintln!("expressway: {message}");
}

fn run(settings: Settings) -> Result<bool, String> {
    let mut builder = Runtime::builder();
    if let Some(shards) = settings.shards {
        builder = builder.shards(shards);
    }
    let region = std::env::var("AWS_DEFAULT_REGION").unwrap_or_else(|_| Home::default().region);
    let (builder, services) = with_services(builder, &settings.services, &region, settings.lambda_endpoint.as_deref())?;
    let machines = load(settings.pipes, &settings.simulation)?;
    let simulation = settings.simulation;
    let builder = simulation.clone().apply(builder);
    let runtime = builder.build().map_err(|error| format!("the runtime does not start: {error}"))?;
    services.attach(&runtime);
    let definitions =
        settings.definitions.map(|directory| Definitions::load(runtime.clone(), directory, simulation)).transpose()?;
    let supervisor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot wait for signals: {error}"))?;
    supervisor.block_on(async {
        let mut signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
        let _watching = definitions.map(Definitions::watch);
        let mut pipes = Pipes::start(&runtime, machines, settings.drain_timeout, settings.progress)?;
        loop {
            tokio::select! {
                ended = pipes.ended() => {
                    ended?;
                    break;
                }
                signal = signals.next() => {
                    let in_flight = pipes.in_flight();
                    if pipes.stop() {
                        report(&format!("{signal} again: not waiting any longer"));
                        return Ok(false);
                    }
                    report(&format!("{signal}: finishing {in_flight} events"));
                }
            }
        }
        Ok(pipes.last_words())
    })
}
