//! `loadtest http-task`: what an execution that calls an HTTP API costs, beside a bare hyper client that makes the same calls.
//!
//! Both run in this process, on one thread each, in turns, and call the same server in a process of its own. Calls begin by
//! a schedule fixed beforehand, so both make as many in the same time; what is compared is this process's CPU time.

use crate::child_server::ChildServer;
use crate::cli::Finding;
use crate::clock::RunClock;
use crate::command::load_options::{seconds, within};
use crate::failure::{Context, Failure};
use crate::machine::Machine;
use crate::process::ProcessId;
use crate::report;
use crate::schedule::Schedule;
use crate::terminal;
use clap::Args;
use expressway::clock::SystemClock;
use expressway::model::execution::{ExecutionName, ExecutionStart};
use expressway::registry::StateMachineRecord;
use expressway::runtime::Shard;
use expressway::task::http::HttpClient;
use expressway::task::http_task::HttpTask;
use expressway::{Runtime, Value};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// What every call sends.
pub(super) const BODY: &str =
    r#"{"order":{"id":"A-1007","customer":"C-42","lines":[{"sku":"X1","count":2},{"sku":"Y9","count":1}]}}"#;
const RESOURCE: &str = "arn:aws:states:::http:invoke";
/// How often the schedule is looked at.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// How long the last calls may take.
const MAX_REST: Duration = Duration::from_secs(10);
pub(super) const MAX_ROUNDS: usize = 100;

/// Compare executions that each call an HTTP task on loopback with a bare hyper client that makes the same calls.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest http-task
  loadtest http-task --rate 10000 --duration 5 --rounds 5 --limit 1.6

CPU time is that of this process; the server that is called is another one.")]
pub(crate) struct HttpTaskArguments {
    /// Calls a second.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    rate: u64,
    /// Measured time of each turn in seconds.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    duration: f64,
    /// Turns of each of the two.
    #[arg(long, default_value_t = 3, value_name = "N")]
    rounds: usize,
    /// Highest ratio of the two that is well.
    #[arg(long, value_name = "X")]
    limit: Option<f64>,
    /// Write the report as JSON into this file; `-` is stdout, instead of the text.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One turn.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    calls: u64,
    failed: u64,
    /// CPU time of this process for each call.
    microseconds: f64,
}

/// Runs the subcommand.
///
/// # Errors
/// When options are wrong, or the server does not start.
pub(crate) fn run(arguments: &HttpTaskArguments) -> Result<Finding, Failure> {
    within("--rounds", arguments.rounds, MAX_ROUNDS)?;
    let duration = seconds("--duration", arguments.duration)?;
    if !(1..=1_000_000).contains(&arguments.rate) {
        return Err(Failure::new("--rate is from 1 to 1000000"));
    }
    let server = own_server()?;
    let address = server.url.trim_start_matches("http://").to_owned();
    let runtime = engine(1)?;
    let machine = publish(&runtime, "http-task", &format!("{}/orders", server.url), None)?;
    // Turns that are not counted: connections are made, and whatever is done once is done.
    let _ = bare(&address, arguments.rate, Duration::from_secs(1))?;
    let _ = executions(&runtime, &machine, arguments.rate, Duration::from_secs(1))?;
    let mut turns = Vec::new();
    for _ in 0..arguments.rounds {
        let own = bare(&address, arguments.rate, duration)?;
        turns.push((own, executions(&runtime, &machine, arguments.rate, duration)?));
    }
    let median = |pick: fn(&(Turn, Turn)) -> f64| {
        let mut all: Vec<f64> = turns.iter().map(pick).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let (hyper, execution) = (median(|turn| turn.0.microseconds), median(|turn| turn.1.microseconds));
    let ratio = median(|turn| turn.1.microseconds / turn.0.microseconds);
    let failed: u64 = turns.iter().map(|(bare, ours)| bare.failed + ours.failed).sum();
    let machine = Machine::read();
    if arguments.json.as_deref() != Some("-".as_ref()) {
        let mut text = format!("{}\nHTTP tasks at {} a second, CPU of one call, µs\n", machine.line(), arguments.rate);
        for (bare, ours) in &turns {
            text.push_str(&format!(
                "  hyper {:6.2} ({} calls)  execution {:6.2} ({} calls)  ratio {:.2}\n",
                bare.microseconds,
                bare.calls,
                ours.microseconds,
                ours.calls,
                ours.microseconds / bare.microseconds
            ));
        }
        text.push_str(&format!(
            "median: hyper {hyper:.2}  execution {execution:.2}  ratio {ratio:.2}  failed {failed}"
        ));
        terminal::print(&text);
    }
    if let Some(path) = &arguments.json {
        let figures = json!({"hyper_us": hyper, "execution_us": execution, "ratio": ratio, "failed": failed});
        report::write_json(path, &machine, figures)?;
    }
    let well = failed == 0 && arguments.limit.is_none_or(|limit| ratio <= limit);
    Ok(if well { Finding::Well } else { Finding::Wanting })
}

/// The server that is called: this program's baseline, in a process of its own.
pub(super) fn own_server() -> Result<ChildServer, Failure> {
    let own_path = std::env::current_exe().context(|| "finding this program's path".to_owned())?;
    let words = [own_path.to_string_lossy().as_ref(), "baseline", "--shards", "1", "--json-type"].map(str::to_owned);
    ChildServer::start(&words)
}

/// A runtime whose tasks call HTTP APIs.
pub(super) fn engine(shards: usize) -> Result<Runtime, Failure> {
    let task = HttpTask::new(HttpClient::default(), Arc::new(SystemClock::new()), "us-east-1", []);
    Runtime::builder()
        .shards(shards)
        .handler(RESOURCE, Arc::new(task))
        .build()
        .context(|| "starting the runtime".to_owned())
}

/// A machine whose only state calls a URL.
pub(super) fn publish(
    runtime: &Runtime,
    name: &str,
    url: &str,
    timeout_s: Option<u64>,
) -> Result<Arc<StateMachineRecord>, Failure> {
    let mut state = json!({"Type": "Task", "Resource": RESOURCE, "End": true,
        "Parameters": {"ApiEndpoint": url, "Method": "POST", "RequestBody.$": "$"}});
    if let Some(seconds) = timeout_s {
        state["TimeoutSeconds"] = seconds.into();
    }
    let definition = json!({"StartAt": "Call", "States": {"Call": state}});
    runtime.publish(name, &definition.to_string()).map_err(|error| Failure::new(error.to_string()))
}

/// What an execution is started with.
pub(super) fn input(shard: &Shard, record: &StateMachineRecord, text: &str) -> ExecutionStart {
    ExecutionStart {
        machine: Arc::clone(&record.identity),
        name: ExecutionName { name: None, id: shard.random() },
        input: Value::parse(text).expect("the text is JSON"),
        synchronous: false,
        depth: 0,
        test_case: None,
        start_time_ms: None,
    }
}

/// One turn of executions. They are started on the shard by the schedule, and counted by the runtime when they end.
fn executions(
    runtime: &Runtime,
    machine: &Arc<StateMachineRecord>,
    rate: u64,
    duration: Duration,
) -> Result<Turn, Failure> {
    let before = (runtime.counts(), ProcessId::own().cpu_time()?);
    let (sender, receiver) = mpsc::channel();
    let record = Arc::clone(machine);
    runtime.spawn_on_shards(move |shard| {
        let (record, sender) = (Arc::clone(&record), sender.clone());
        Box::pin(async move {
            let program = record.program.clone().expect("machines that were published have a program");
            let calls = paced(rate, duration, || {
                // A start that is refused is missing from the counts.
                let _ = shard.start(Arc::clone(&program), input(&shard, &record, BODY));
            })
            .await;
            let runtime = shard.runtime().clone();
            drained(|| runtime.executions_in_flight() == 0).await;
            let _ = sender.send(calls);
        })
    });
    let limit = duration + MAX_REST + MAX_REST;
    let calls = receiver.recv_timeout(limit).map_err(|_| Failure::new("the shard did not end its turn"))?;
    let used = ProcessId::own().cpu_time()? - before.1;
    let succeeded = runtime.counts().succeeded - before.0.succeeded;
    Ok(Turn { calls, failed: calls - succeeded.min(calls), microseconds: per_call(used.total(), calls) })
}

/// One turn of a bare hyper client: one connection for each call under way, kept for the next.
fn bare(address: &str, rate: u64, duration: Duration) -> Result<Turn, Failure> {
    let before = ProcessId::own().cpu_time()?;
    let address = address.to_owned();
    let thread = std::thread::Builder::new().name("bare-hyper".to_owned());
    let joined = thread.spawn(move || -> Result<(u64, u64), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context(|| "starting a runtime".to_owned())?;
        let local = LocalSet::new();
        Ok(local.block_on(&runtime, async move {
            let idle: Rc<RefCell<Vec<SendRequest<Full<Bytes>>>>> = Rc::default();
            let (under_way, succeeded) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0_u64)));
            let calls = paced(rate, duration, || {
                let (idle, under_way, succeeded) = (Rc::clone(&idle), Rc::clone(&under_way), Rc::clone(&succeeded));
                let address = address.clone();
                under_way.set(under_way.get() + 1);
                tokio::task::spawn_local(async move {
                    if call(&address, &idle).await.is_some() {
                        succeeded.set(succeeded.get() + 1);
                    }
                    under_way.set(under_way.get() - 1);
                });
            })
            .await;
            drained(|| under_way.get() == 0).await;
            (calls, succeeded.get())
        }))
    });
    let handle = joined.context(|| "starting a thread".to_owned())?;
    let (calls, succeeded) = handle.join().map_err(|_| Failure::new("the bare client has panicked"))??;
    let used = ProcessId::own().cpu_time()? - before;
    Ok(Turn { calls, failed: calls - succeeded, microseconds: per_call(used.total(), calls) })
}

/// One call of the bare client: the request that an HTTP task sends, and its whole answer.
async fn call(address: &str, idle: &RefCell<Vec<SendRequest<Full<Bytes>>>>) -> Option<usize> {
    let kept = idle.borrow_mut().pop();
    let mut sender = match kept {
        Some(sender) => sender,
        None => {
            let stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            sender
        }
    };
    sender.ready().await.ok()?;
    let request = Request::post("/orders")
        .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
        .header(header::USER_AGENT, "Amazon|StepFunctions|HttpInvoke|us-east-1")
        .header(header::RANGE, "bytes=0-262144")
        .header(header::HOST, address)
        .body(Full::new(Bytes::from_static(BODY.as_bytes())))
        .ok()?;
    let answer = sender.send_request(request).await.ok()?;
    let well = answer.status().is_success();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    idle.borrow_mut().push(sender);
    well.then_some(body.len())
}

/// Calls `begin` by the schedule for that time. How often it did.
async fn paced(rate: u64, duration: Duration, mut begin: impl FnMut()) -> u64 {
    let schedule = Schedule::new(rate, 0, 1);
    let clock = RunClock::start();
    let end_ns = crate::clock::duration_ns(duration);
    let mut begun = 0;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let now_ns = clock.elapsed_ns().min(end_ns);
        while begun < schedule.due_before(now_ns) {
            begin();
            begun += 1;
        }
        if now_ns == end_ns {
            return begun;
        }
        ticks.tick().await;
    }
}

/// Waits until `done`, for a bounded time.
pub(super) async fn drained(done: impl Fn() -> bool) {
    let waited = async {
        while !done() {
            tokio::time::sleep(TICK).await;
        }
    };
    // What has not ended by then counts as failed.
    let _ = tokio::time::timeout(MAX_REST, waited).await;
}

fn per_call(used: Duration, calls: u64) -> f64 {
    used.as_secs_f64() * 1e6 / calls.max(1) as f64
}
