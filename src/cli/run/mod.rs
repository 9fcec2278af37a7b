//! `expressway run`: one execution for each line of a file or pipe.
//!
//! A reader thread cuts the input into batches of lines and hands them to the shards in turn; each shard runs its lines and
//! hands finished records to a writer thread. The reader never runs more than `--max-in-flight` lines ahead of what is done
//! (with `--ordered`: of what is written), so an endless pipe runs in flat memory.

mod lines;
mod record;
mod summary;
mod trace;
mod worker;
mod writer;

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    thread,
};

use clap::Args;

use self::{
    lines::{Batch, LineReader},
    summary::{Progress, Summary},
    worker::{Machine, Worker},
    writer::{Written, write_records},
};
use super::{EXIT_SOME_FAILED, EXIT_USAGE, load, services::with_services, simulation::SimulationArguments};
use crate::{Runtime, model::execution::MachineIdentity, registry::ThreadMachine};

/// Batches that wait for one shard.
const QUEUED_BATCHES: usize = 4;
/// Finished pieces of output that wait for the writer.
const QUEUED_PIECES: usize = 64;

/// Run one execution for each line of input, and write one line for each.
///
/// Input is one JSON document a line. Output is one record a line: `{"input":<line number>,"status":"SUCCEEDED",
/// "output":…}`, or `"error"` and `"cause"` for an execution that failed. A line that is not JSON becomes a FAILED record.
/// Exit code 0 when all succeeded, 1 when some did not, 2 for a bad definition or usage.
#[derive(Args)]
#[command(after_help = "Examples:\n  expressway run order.asl.json --input events.ndjson --output results.ndjson\n  \
                  tail -f events.ndjson | expressway run order.asl.json --ordered\n  \
                  expressway run order.asl.json --input events.ndjson --trace 1\n  \
                  expressway run order.asl.json --input events.ndjson --mock mock.json --mock-case Load --wait-time-scale 0.01")]
pub(super) struct RunArguments {
    /// Amazon States Language, as JSON.
    definition: PathBuf,
    /// Where the input comes from; `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where the records go; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Most lines read ahead of what is done; what bounds memory.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    max_in_flight: u64,
    /// Write records in the order of the input instead of as executions end.
    #[arg(long)]
    ordered: bool,
    /// Threads that run executions; default one for each core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    shards: Option<u16>,
    /// Print the history events of the execution of this input line on stderr.
    #[arg(long, value_name = "LINE", num_args = 0..=1, default_missing_value = "1")]
    trace: Option<u64>,
    /// Endpoint of a Lambda service for Task states that call functions.
    #[arg(long, value_name = "URL", env = "LAMBDA_ENDPOINT")]
    lambda_endpoint: Option<String>,
    /// TOML file whose table `services` says what tasks reach: the one that `serve` takes.
    #[arg(long, value_name = "FILE", env = "EXPRESSWAY_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    simulation: SimulationArguments,
}

#[allow(clippy::print_stderr, reason = "errors of the command line")]
pub(super) fn run(arguments: &RunArguments) -> ExitCode {
    match execute(arguments) {
        Ok(summary) => {
            eprintln!("{summary}");
            if summary.all_succeeded() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_SOME_FAILED) }
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

#[allow(clippy::print_stderr, reason = "warnings of the command line")]
fn execute(arguments: &RunArguments) -> Result<Summary, String> {
    let (program, definition) = load::program(&arguments.definition)?;
    let input = open_input(&arguments.input)?;
    let output = open_output(&arguments.output)?;
    let mut builder = Runtime::builder();
    if let Some(shards) = arguments.shards {
        builder = builder.shards(usize::from(shards));
    }
    let services = arguments.config.as_deref().map(super::serve::read_services).transpose()?.unwrap_or_default();
    let region = std::env::var("AWS_DEFAULT_REGION").unwrap_or_else(|_| crate::model::arn::Home::default().region);
    let (builder, services) = with_services(builder, &services, &region, arguments.lambda_endpoint.as_deref())?;
    let name = machine_name(&arguments.definition);
    let simulation = arguments.simulation.load()?;
    let test_case = simulation.test_case_of(&name)?;
    if let Some(warning) = test_case.as_ref().and_then(|test_case| simulation.warning(&name, test_case, &program)) {
        eprintln!("{warning}");
    }
    let runtime = simulation.apply(builder).build().map_err(|error| format!("the runtime does not start: {error}"))?;
    services.attach(&runtime);
    let home = crate::model::arn::Home::default();
    let identity = Arc::new(MachineIdentity {
        arn: home.state_machine_arn(&name),
        execution_arn_prefix: home.express_execution_arn_prefix(&name),
        name,
        role_arn: String::new(),
    });
    let thread = ThreadMachine { program: Arc::new(program), identity };
    run_lines(&runtime, Machine { thread, definition: definition.into(), test_case }, input, output, arguments)
}

fn run_lines(
    runtime: &Runtime,
    machine: Machine,
    input: Input,
    output: Box<dyn Write + Send>,
    arguments: &RunArguments,
) -> Result<Summary, String> {
    let progress = Arc::new(Progress::new(input.length, Arc::clone(runtime.clock())));
    let (pieces, finished) = tokio::sync::mpsc::channel(QUEUED_PIECES);
    let mut queues = Vec::new();
    let mut receivers = Vec::new();
    for _ in 0..runtime.shards() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Batch>(QUEUED_BATCHES);
        queues.push(sender);
        receivers.push(std::sync::Mutex::new(Some(receiver)));
    }
    let worker = Worker { machine, progress: Arc::clone(&progress), pieces, trace: arguments.trace };
    let started = runtime.spawn_on_shards(move |shard| {
        let receiver = receivers[shard.index()].lock().ok().and_then(|mut receiver| receiver.take());
        let worker = worker.clone();
        Box::pin(async move {
            if let Some(receiver) = receiver {
                worker.run(shard, receiver).await;
            }
        })
    });
    debug_assert!(started, "shards that were just started have empty mailboxes");
    let ordered = arguments.ordered;
    let writer_progress = Arc::clone(&progress);
    let writer = thread::spawn(move || write_records(finished, output, ordered, &writer_progress));
    let read = read_lines(input, &queues, arguments, &progress);
    drop(queues);
    let Written { failure } = writer.join().map_err(|_| "the writer failed".to_owned())?;
    progress.finish();
    read?;
    match failure {
        Some(error) => Err(format!("{}: {error}", arguments.output.display())),
        None => Ok(progress.summary()),
    }
}

fn read_lines(
    input: Input,
    queues: &[tokio::sync::mpsc::Sender<Batch>],
    arguments: &RunArguments,
    progress: &Progress,
) -> Result<(), String> {
    let mut reader = LineReader::new(input.source, arguments.max_in_flight);
    let mut turn = 0;
    loop {
        let batch = reader.next_batch().map_err(|error| format!("{}: {error}", arguments.input.display()))?;
        let Some(batch) = batch else { return Ok(()) };
        if !progress.wait_for_room(batch.lines.len() as u64, arguments.max_in_flight, arguments.ordered) {
            return Ok(());
        }
        progress.read(&batch);
        // A shard with room, else the one whose turn it is.
        let mut batch = Some(batch);
        for _ in 0..queues.len() {
            turn = (turn + 1) % queues.len();
            match queues[turn].try_send(batch.take().expect("a batch that was refused is given back")) {
                Ok(()) => break,
                Err(refused) => batch = Some(refused.into_inner()),
            }
        }
        if let Some(batch) = batch
            && queues[turn].blocking_send(batch).is_err()
        {
            return Err("a shard failed".into());
        }
    }
}

struct Input {
    source: Box<dyn Read + Send>,
    /// Bytes, where they are known.
    length: Option<u64>,
}

fn open_input(path: &Path) -> Result<Input, String> {
    if path.as_os_str() == "-" {
        return Ok(Input { source: Box::new(io::stdin()), length: None });
    }
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    Ok(Input { source: Box::new(file), length })
}

fn open_output(path: &Path) -> Result<Box<dyn Write + Send>, String> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdout()));
    }
    let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Box::new(file))
}

/// `order` for `examples/order.asl.json`.
fn machine_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.trim_end_matches(".json").trim_end_matches(".asl").to_owned()
}
