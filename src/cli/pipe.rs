//! `expressway pipe`: executions from event streams.

mod place;
#[cfg(feature = "sqs")]
mod queue;
mod settings;
#[cfg(feature = "kafka")]
mod topic;

use std::{path::PathBuf, process::ExitCode, rc::Rc, sync::Arc, time::Duration};

use clap::Args;
use tokio::sync::{mpsc, watch};

use self::settings::{PipeSettings, Settings};
use super::{
    EXIT_SOME_FAILED, EXIT_USAGE, load,
    serve::Signals,
    services::{ServicesFile, with_services},
};
use crate::{
    Runtime,
    model::{arn::Home, execution::MachineIdentity},
    source::{CountersSnapshot, Ends, Lane, LaneParts, PipeCounters, ShardExecutor},
};

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

pipe.toml has a [[pipe]] for each pipe, with the flags' names, _ for -, and also: input, filter, order_by, batch,
on_failure, result. See docs/sources/.")]
pub(super) struct PipeArguments {
    /// Where events come from: nats://HOST:PORT/STREAM[/CONSUMER], redis://HOST:PORT/STREAM[/GROUP], a queue of SQS (its URL,
    /// its ARN or sqs://NAME), kafka://HOST:PORT/TOPIC[/GROUP] (in builds with the feature kafka) or - for lines of standard
    /// input.
    #[arg(long, value_name = "SOURCE", required_unless_present = "config", conflicts_with = "config")]
    from: Option<String>,
    /// Amazon States Language, as JSON.
    #[arg(long, value_name = "FILE", required_unless_present = "config", conflicts_with = "config")]
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
    /// Publish the output of executions that succeed, or the outcome of all that end [default: output].
    #[arg(long, value_name = "output|outcome", conflicts_with = "config")]
    result: Option<String>,
    /// TOML file with one or more pipes.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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

/// A pipe that runs.
struct Running {
    name: String,
    counters: Arc<PipeCounters>,
    lanes: usize,
}

fn run(settings: Settings) -> Result<bool, String> {
    let mut builder = Runtime::builder();
    if let Some(shards) = settings.shards {
        builder = builder.shards(shards);
    }
    let region = std::env::var("AWS_DEFAULT_REGION").unwrap_or_else(|_| Home::default().region);
    let (builder, services) = with_services(builder, &settings.services, &region, settings.lambda_endpoint.as_deref())?;
    let runtime = builder.build().map_err(|error| format!("the runtime does not start: {error}"))?;
    services.attach(&runtime);
    let supervisor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot wait for signals: {error}"))?;
    supervisor.block_on(async {
        let mut signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
        let (stop, stopped) = watch::channel(false);
        let (ended, mut ends) = mpsc::unbounded_channel();
        let mut running = Vec::new();
        for pipe in settings.pipes {
            running.push(start(&runtime, pipe, &settings.services, settings.drain_timeout, &stopped, &ended)?);
        }
        drop(ended);
        let mut lanes: usize = running.iter().map(|pipe| pipe.lanes).sum();
        let mut handed_back = 0;
        let mut progress = Progress::new(settings.progress, &running);
        while lanes > 0 {
            tokio::select! {
                end = ends.recv() => match end {
                    Some(Ends { handed_back: count }) => {
                        lanes -= 1;
                        handed_back += count;
                    }
                    None => return Err("a shard failed".into()),
                },
                signal = signals.next() => {
                    if stop.send_replace(true) {
                        report(&format!("{signal} again: not waiting any longer"));
                        return Ok(false);
                    }
                    let in_flight: u64 = running.iter().map(|pipe| pipe.counters.snapshot().in_flight).sum();
                    report(&format!("{signal}: finishing {in_flight} events"));
                }
                () = progress.next() => {}
            }
        }
        progress.last();
        if handed_back > 0 {
            report(&format!("{handed_back} events had not ended in time and were handed back"));
        }
        Ok(handed_back == 0)
    })
}

/// Starts the lanes of a pipe, each on a shard of its own.
fn start(
    runtime: &Runtime,
    pipe: PipeSettings,
    services: &ServicesFile,
    drain_timeout: Duration,
    stopped: &watch::Receiver<bool>,
    ended: &mpsc::UnboundedSender<Ends>,
) -> Result<Running, String> {
    let program = Arc::new(load::program(&pipe.machine)?);
    let home = Home::default();
    let machine_name = pipe.machine_name();
    let machine = Arc::new(MachineIdentity {
        arn: home.state_machine_arn(&machine_name),
        execution_arn_prefix: home.express_execution_arn_prefix(&machine_name),
        name: machine_name,
        role_arn: String::new(),
    });
    let lanes = pipe.lanes(runtime.shards());
    let counters = Arc::new(PipeCounters::new(lanes));
    let running = Running { name: pipe.name.clone(), counters: Arc::clone(&counters), lanes };
    let places = pipe.places(services)?;
    let (stopped, ended) = (stopped.clone(), ended.clone());
    let pipe = Arc::new(pipe);
    let spawned = runtime.spawn_on_shards(move |shard| {
        let (program, machine, counters) = (Arc::clone(&program), Arc::clone(&machine), Arc::clone(&counters));
        let (pipe, places) = (Arc::clone(&pipe), places.clone());
        let (stopped, ended) = (stopped.clone(), ended.clone());
        Box::pin(async move {
            let index = shard.index();
            if index >= lanes {
                return;
            }
            let name = pipe.name.clone();
            let say: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(move |message| report(&format!("{name}: {message}")));
            let open = match places.open(&pipe, index, lanes, &say) {
                Ok(open) => open,
                Err(error) => {
                    say(&error);
                    let _ = ended.send(Ends { handed_back: 0 });
                    return;
                }
            };
            let parts = LaneParts {
                index,
                executor: Box::new(ShardExecutor { shard, program, machine }),
                acknowledger: open.acknowledger,
                results: open.results,
                dead_letters: open.dead_letters,
                counters,
                report: Box::new(move |message| say(message)),
            };
            let lane: Rc<Lane> = Lane::new(pipe.lane_settings(lanes, drain_timeout), parts);
            // Nobody waits any more after a second signal.
            let _ = ended.send(lane.run(open.source, stopped).await);
        })
    });
    if spawned { Ok(running) } else { Err("a shard is too busy to take a pipe".into()) }
}

/// Lines with the counters, once in a while.
struct Progress<'a> {
    every: Option<Duration>,
    pipes: &'a [Running],
    last: Vec<CountersSnapshot>,
}

impl<'a> Progress<'a> {
    fn new(every: Option<Duration>, pipes: &'a [Running]) -> Self {
        Self { every, pipes, last: vec![CountersSnapshot::default(); pipes.len()] }
    }

    async fn next(&mut self) {
        match self.every {
            Some(every) => tokio::time::sleep(every).await,
            None => std::future::pending().await,
        }
        for (pipe, last) in self.pipes.iter().zip(&mut self.last) {
            let now = pipe.counters.snapshot();
            // A pipe that has nothing to do says nothing.
            if now != std::mem::replace(last, now) {
                report(&line(&pipe.name, &now));
            }
        }
    }

    fn last(&self) {
        for pipe in self.pipes {
            report(&line(&pipe.name, &pipe.counters.snapshot()));
        }
    }
}

fn line(name: &str, counters: &CountersSnapshot) -> String {
    let CountersSnapshot {
        received,
        redelivered,
        filtered,
        started,
        succeeded,
        failed,
        published,
        acknowledged,
        handed_back,
        dead_lettered,
        in_flight,
        lag,
        oldest_ms,
    } = counters;
    format!(
        "{name}: received={received} redelivered={redelivered} filtered={filtered} started={started} \
         succeeded={succeeded} failed={failed} published={published} acknowledged={acknowledged} \
         handed_back={handed_back} dead_lettered={dead_lettered} in_flight={in_flight} lag={lag} oldest_ms={oldest_ms}"
    )
}
