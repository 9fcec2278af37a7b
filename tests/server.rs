//! What a server does when clients go away and when it is told to end.

#![cfg(feature = "server")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use expressway::{
    Runtime, Value,
    api::{Accept, Server, ServerSettings},
    throttle::{Throttle, ThrottleTable},
};
use tokio::sync::Semaphore;

const PATIENCE: Duration = Duration::from_secs(20);
const SLOW: &str = r#"{"StartAt":"T","States":{"T":{"Type":"Task",
    "Resource":"arn:aws:lambda:us-east-1:123456789012:function:slow","End":true}}}"#;

/// A server with one machine, whose task says when it is called and ends when it is let go.
struct Slow {
    server: Server,
    runtime: Runtime,
    called: mpsc::Receiver<()>,
    ended: mpsc::Receiver<()>,
    gate: Arc<Semaphore>,
}

impl Slow {
    fn new() -> Self {
        let (call, called) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let (call, end) = (Arc::new(Mutex::new(call)), Arc::new(Mutex::new(end)));
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let task = move |input: Value| {
            let (call, end, held) = (Arc::clone(&call), Arc::clone(&end), Arc::clone(&held));
            async move {
                call.lock().expect("no test panics with it").send(()).expect("the test listens");
                let _permit = held.acquire().await.expect("it is never closed");
                end.lock().expect("no test panics with it").send(()).expect("the test listens");
                Ok(input)
            }
        };
        let runtime = Runtime::builder().shards(2).task("slow", task).build().expect("a runtime");
        runtime.publish("slow", SLOW).expect("a machine");
        let throttle = Arc::new(Throttle::new(ThrottleTable::off(), Arc::clone(runtime.clock())));
        let settings = ServerSettings { listen: "127.0.0.1:0".parse().expect("an address"), accept: Accept::Balanced };
        let server = Server::start(&runtime, settings, throttle).expect("a server");
        Self { server, runtime, called, ended, gate }
    }

    /// Starts an execution whose input is so many bytes.
    fn start(&self, input_bytes: usize) -> TcpStream {
        let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:slow";
        let body = format!(r#"{{"stateMachineArn":"{arn}","input":"[{}]"}}"#, " ".repeat(input_bytes - 2));
        let length = body.len();
        let mut client = connect(self.server.address()).expect("a connection");
        write!(
            client,
            "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AWSStepFunctions.StartSyncExecution\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .expect("a request");
        self.called.recv_timeout(PATIENCE).expect("the task is called");
        client
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    Ok(client)
}

/// Bytes of inputs that are read on the shard of the connection, and in the background.
const INPUTS: [usize; 2] = [2, 100_000];

#[test]
fn an_execution_goes_on_when_its_client_goes_away() {
    for input_bytes in INPUTS {
        goes_on_when_its_client_goes_away(input_bytes);
    }
}

fn goes_on_when_its_client_goes_away(input_bytes: usize) {
    let slow = Slow::new();
    drop(slow.start(input_bytes));
    // Another connection shows that the server has noticed: both end on one shard or the other, and it goes on serving.
    let mut client = connect(slow.server.address()).expect("a connection");
    client.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
    client.read_to_end(&mut Vec::new()).expect("an answer");
    // It is counted behind its first step, in which the task was called; a thread of the background may not be there yet.
    let is_counted = || {
        std::thread::yield_now();
        slow.runtime.executions_in_flight() == 1
    };
    assert!((0..10_000_000).any(|_| is_counted()), "it goes on");
    slow.gate.add_permits(1);
    slow.ended.recv_timeout(PATIENCE).expect("the task ends all the same");
}

#[test]
fn a_draining_server_answers_what_it_has_begun_and_nothing_more() {
    for input_bytes in INPUTS {
        answers_what_it_has_begun_and_nothing_more(input_bytes);
    }
}

fn answers_what_it_has_begun_and_nothing_more(input_bytes: usize) {
    let slow = Slow::new();
    let mut waiting = slow.start(input_bytes);
    let mut idle = connect(slow.server.address()).expect("a connection");
    idle.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let mut first = [0; 12];
    idle.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");

    slow.server.drain();
    idle.read_to_end(&mut Vec::new()).expect("an idle connection is closed");
    // Shards end in any order, so that the listening one may do so later than the one of the idle connection.
    let refused = (0..100_000).any(|_| connect(slow.server.address()).is_err());
    assert!(refused, "nothing more is accepted");

    slow.gate.add_permits(1);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).expect("an answer, and then the end of the connection");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""status":"SUCCEEDED""#), "{answer}");
    let drained = slow.runtime.drain(PATIENCE);
    let waiter = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert!(waiter.block_on(drained));
}

#[test]
fn large_requests_are_answered_like_small_ones() {
    let runtime = Runtime::builder().shards(1).build().expect("a runtime");
    let pass = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","Result":"passed","End":true}}}"#;
    runtime.publish("pass", pass).expect("a machine");
    let throttle = Arc::new(Throttle::new(ThrottleTable::off(), Arc::clone(runtime.clock())));
    let settings = ServerSettings { listen: "127.0.0.1:0".parse().expect("an address"), accept: Accept::Balanced };
    let server = Server::start(&runtime, settings, throttle).expect("a server");
    let mut client = connect(server.address()).expect("a connection");
    // Small, large, and again, all at once on one connection: answers come in the order of the requests.
    let lengths = [1, 50_000, 2, 200_000, 3];
    for length in lengths {
        let body = format!(
            r#"{{"stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:pass","name":"of-{length}","input":"\"{}\""}}"#,
            "x".repeat(length)
        );
        let head = "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AWSStepFunctions.StartSyncExecution";
        write!(client, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("a request");
    }
    let large = format!(r#"{{"stateMachineArn":"no ARN","input":"{}"}}"#, "x".repeat(50_000));
    write!(
        client,
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Amz-Target: AWSStepFunctions.StartSyncExecution\r\n\
         Content-Length: {}\r\n\r\n{large}",
        large.len()
    )
    .expect("a request");
    let mut answers = String::new();
    client.read_to_string(&mut answers).expect("answers, and then the end of the connection");
    let answers: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(answers.len(), lengths.len() + 1);
    for (answer, length) in answers.iter().zip(lengths) {
        assert!(answer.starts_with("200 OK\r\n"), "{answer}");
        let parts = [format!(r#""name":"of-{length}","#), r#""output":"\"passed\"""#.to_owned(), "x".repeat(length)];
        assert!(parts.iter().all(|part| answer.contains(part)), "{length}: {}", &answer[..500]);
    }
    let refused = answers[lengths.len()];
    assert!(refused.starts_with("400 ") && refused.contains("InvalidArn"), "{refused}");
}
