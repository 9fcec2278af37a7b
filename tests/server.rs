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

    fn start(&self) -> TcpStream {
        let body = r#"{"stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:slow"}"#;
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

#[test]
fn an_execution_goes_on_when_its_client_goes_away() {
    let slow = Slow::new();
    drop(slow.start());
    // Another connection shows that the server has noticed: both end on one shard or the other, and it goes on serving.
    let mut client = connect(slow.server.address()).expect("a connection");
    client.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
    client.read_to_end(&mut Vec::new()).expect("an answer");
    assert_eq!(slow.runtime.executions_in_flight(), 1);
    slow.gate.add_permits(1);
    slow.ended.recv_timeout(PATIENCE).expect("the task ends all the same");
}

#[test]
fn a_draining_server_answers_what_it_has_begun_and_nothing_more() {
    let slow = Slow::new();
    let mut waiting = slow.start();
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
