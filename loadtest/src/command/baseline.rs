//! `loadtest baseline`: a bare hyper server, the most that a server built on hyper could do on this machine.
//!
//! It is built as the real server is: one tokio current-thread runtime for each shard, connections spread by SO_REUSEPORT
//! or dealt out evenly by one acceptor. It reads the whole body, looks at nothing, and answers a fixed reply with the real
//! reply's headers and size. What the real server takes beyond it is its own work.

use crate::action::Action;
use crate::cli::Finding;
use crate::command::load_options::within;
use crate::failure::{Context, Failure};
use crate::machine;
use crate::terminal;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::sync::mpsc;

/// Connections waiting to be accepted, as the kernel allows.
const LISTEN_BACKLOG: i32 = 1024;
/// Connections on their way from the acceptor to a shard.
const HANDED_OUT: usize = 1024;
/// Most shards.
const MAX_SHARDS: usize = 64;
/// Longest reply body.
const MAX_REPLY_BYTES: usize = 1024 * 1024;
/// A fixed request id, as long as a real one.
const REQUEST_ID: HeaderValue = HeaderValue::from_static("6f2b1d3c-1c5e-4b8e-9d57-2f1f0a9c4e11");
/// The header AWS puts its request id into.
const REQUEST_ID_NAME: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// The protocol's content type.
const AMZ_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

/// A path whose requests are never answered.
const HANG: &str = "/hang";
/// The content type of HTTP APIs.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How connections come to the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accept {
    /// Each shard has a listener of its own on the port; the kernel spreads connections by their hash.
    ReusePort,
    /// One acceptor gives each connection to the shard that has the fewest.
    Even,
}

/// Serve a fixed reply to every request with bare hyper: the limit that the real server is compared with.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  loadtest baseline
  loadtest baseline --listen 127.0.0.1:9000 --shards 2 --action StartSyncExecution --reply-bytes 700

Prints one line with its URL when it is ready, and serves until it is ended. Any server's Lambda tasks can be pointed at
it too: it answers every POST with a JSON object.")]
pub(crate) struct BaselineArguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Threads, each with a runtime of its own [default: cores].
    #[arg(long, value_name = "N")]
    pub(crate) shards: Option<usize>,
    /// How connections are spread over the shards.
    #[arg(long, value_enum, default_value_t = Accept::Even)]
    pub(crate) accept: Accept,
    /// The action whose reply is imitated.
    #[arg(long, value_enum, default_value_t = Action::StartExecution)]
    pub(crate) action: Action,
    /// Size of the reply's body [default: about what the action really answers].
    #[arg(long, value_name = "N")]
    pub(crate) reply_bytes: Option<usize>,
    /// Write pipelined replies one by one instead of together.
    #[arg(long)]
    pub(crate) no_pipeline_flush: bool,
    /// Say that replies are application/json, as HTTP APIs do, instead of the type of AWS's protocol.
    #[arg(long)]
    pub(crate) json_type: bool,
}

/// Runs the subcommand; returns only on failure.
///
/// # Errors
/// When the options are wrong, the address cannot be listened on, or a thread cannot be started.
pub(crate) fn run(arguments: &BaselineArguments) -> Result<Finding, Failure> {
    let shards = arguments.shards.unwrap_or_else(machine::cores);
    within("--shards", shards, MAX_SHARDS)?;
    let reply = Bytes::from(fixed_reply(arguments.action, arguments.reply_bytes)?);
    let mut http = http1::Builder::new();
    http.pipeline_flush(!arguments.no_pipeline_flush);
    let content_type = if arguments.json_type { JSON } else { AMZ_JSON };
    let served = Served { http, reply, content_type };
    match arguments.accept {
        Accept::ReusePort => serve_reuse_port(arguments.listen, shards, &served),
        Accept::Even => serve_even(arguments.listen, shards, &served),
    }
}

/// What every connection is served with.
#[derive(Clone)]
struct Served {
    http: http1::Builder,
    reply: Bytes,
    content_type: HeaderValue,
}

/// A reply that passes for one to CreateStateMachine and to `action` alike, so that nothing has to be looked at to answer.
fn fixed_reply(action: Action, bytes: Option<usize>) -> Result<Vec<u8>, Failure> {
    let mut reply = json!({
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:b",
        "executionArn": "arn:aws:states:us-east-1:123456789012:express:b:b:b",
        "startDate": 1.5,
    });
    if action == Action::StartSyncExecution {
        reply["status"] = Value::from("SUCCEEDED");
        reply["output"] = Value::from("{}");
    }
    let least = reply.to_string().len();
    // What the server answers by default: two ARNs and a date; with names, input, output and billing when synchronous.
    let wanted = bytes.unwrap_or(match action {
        Action::StartExecution => 180,
        Action::StartSyncExecution => 1200,
    });
    if !(least..=MAX_REPLY_BYTES).contains(&wanted) {
        return Err(Failure::new(format!("--reply-bytes is from {least} to {MAX_REPLY_BYTES} for {action}")));
    }
    // White space after the object keeps it JSON.
    let mut text = reply.to_string().into_bytes();
    text.resize(wanted, b' ');
    Ok(text)
}

/// One listener for each shard, all on one port.
fn serve_reuse_port(address: SocketAddr, shards: usize, served: &Served) -> Result<Finding, Failure> {
    let mut listeners = vec![listen(address, true)?];
    let bound = listeners[0].local_addr().context(|| "reading the bound address".to_owned())?;
    for _ in 1..shards {
        listeners.push(listen(bound, true)?);
    }
    let mut threads = Vec::new();
    for (shard, listener) in listeners.into_iter().enumerate() {
        let served = served.clone();
        threads.push(spawn_shard(shard, move |runtime| {
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).context(|| "listening".to_owned())?;
                loop {
                    // A connection that fails before it is accepted is the peer's affair.
                    if let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve_connection(stream, served.clone()));
                    }
                }
            })
        })?);
    }
    terminal::print(&format!("baseline listening on http://{bound}"));
    wait_for(threads)
}

/// One acceptor, which gives each connection to the shard with the fewest.
fn serve_even(address: SocketAddr, shards: usize, served: &Served) -> Result<Finding, Failure> {
    let listener = listen(address, false)?;
    listener.set_nonblocking(false).context(|| "making the listener block".to_owned())?;
    let bound = listener.local_addr().context(|| "reading the bound address".to_owned())?;
    let mut mailboxes = Vec::new();
    for shard in 0..shards {
        let (sender, mut receiver) = mpsc::channel::<TcpStream>(HANDED_OUT);
        let open = Arc::new(AtomicUsize::new(0));
        mailboxes.push((sender, Arc::clone(&open)));
        let served = served.clone();
        spawn_shard(shard, move |runtime| {
            runtime.block_on(async move {
                while let Some(stream) = receiver.recv().await {
                    let (served, open) = (served.clone(), Arc::clone(&open));
                    tokio::spawn(async move {
                        if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                            serve_connection(stream, served).await;
                        }
                        open.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                Ok(())
            })
        })?;
    }
    terminal::print(&format!("baseline listening on http://{bound}"));
    for stream in listener.incoming() {
        let fewest = mailboxes.iter().min_by_key(|(_, open)| open.load(Ordering::Relaxed));
        let (sender, open) = fewest.expect("there is at least one shard");
        if let Ok(stream) = stream.and_then(|stream| stream.set_nonblocking(true).map(|()| stream)) {
            open.fetch_add(1, Ordering::Relaxed);
            sender.blocking_send(stream).context(|| "a shard has ended".to_owned())?;
        }
    }
    Err(Failure::new("the acceptor has ended"))
}

/// A thread with a current-thread runtime.
fn spawn_shard(
    shard: usize,
    body: impl FnOnce(tokio::runtime::Runtime) -> Result<(), Failure> + Send + 'static,
) -> Result<thread::JoinHandle<Result<(), Failure>>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context(|| "starting a runtime".to_owned())?;
    thread::Builder::new()
        .name(format!("shard-{shard}"))
        .spawn(move || body(runtime))
        .context(|| "starting a shard".to_owned())
}

/// Waits for threads that only end when they fail.
fn wait_for(threads: Vec<thread::JoinHandle<Result<(), Failure>>>) -> Result<Finding, Failure> {
    for handle in threads {
        handle.join().map_err(|_| Failure::new("a shard has panicked"))??;
    }
    Ok(Finding::Well)
}

/// A listening socket.
fn listen(address: SocketAddr, reuse_port: bool) -> Result<TcpListener, Failure> {
    let doing = || format!("listening on {address}");
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).context(doing)?;
    socket.set_reuse_address(true).context(doing)?;
    socket.set_reuse_port(reuse_port).context(doing)?;
    socket.set_nonblocking(true).context(doing)?;
    socket.bind(&address.into()).context(doing)?;
    socket.listen(LISTEN_BACKLOG).context(doing)?;
    Ok(socket.into())
}

/// Serves one connection to its end.
async fn serve_connection(stream: tokio::net::TcpStream, served: Served) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Served { http, reply, content_type } = served;
    let service = service_fn(move |request: Request<Incoming>| answer(request, reply.clone(), content_type.clone()));
    // How a connection ends is the client's affair.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// Reads the body to its end and answers the fixed reply.
async fn answer(
    request: Request<Incoming>,
    reply: Bytes,
    content_type: HeaderValue,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == HANG {
        return std::future::pending().await;
    }
    let mut body = request.into_body();
    // A body that breaks off ends the connection by itself.
    while let Some(Ok(_)) = body.frame().await {}
    let mut response = Response::new(Full::new(reply));
    response.headers_mut().insert(REQUEST_ID_NAME, REQUEST_ID);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Verdict, judge};

    #[test]
    fn the_fixed_reply_is_right_for_its_action_and_of_the_size() {
        for (action, bytes) in [(Action::StartExecution, 180), (Action::StartSyncExecution, 700)] {
            let reply = fixed_reply(action, Some(bytes)).unwrap();
            assert_eq!(reply.len(), bytes);
            assert_eq!(judge(action, 200, &reply, true), Verdict::Succeeded);
        }
        assert!(fixed_reply(Action::StartExecution, Some(10)).is_err());
    }
}
