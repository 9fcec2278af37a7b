//! Task states that call Lambda functions over HTTP, against a stand-in on a socket of this process.

#![cfg(feature = "server")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use expressway::{
    Runtime, Value,
    model::execution::{ExecutionStatus, Outcome},
    task::lambda::Lambda,
};

/// Answers calls: `echo` returns what it gets, `fail` fails, `gone` is not there, `huge` returns too much.
fn answer(path: &str, payload: &[u8]) -> Vec<u8> {
    let name = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let (status, header, body) = match name {
        "echo" => ("200 OK", "X-Amz-Executed-Version: $LATEST", payload.to_vec()),
        "fail" => {
            ("200 OK", "X-Amz-Function-Error: Unhandled", br#"{"errorType": "Boom", "errorMessage": "no"}"#.to_vec())
        }
        "huge" => ("200 OK", "X-A: b", vec![b'1'; 7_000_000]),
        _ => {
            let message = format!(r#"{{"Message":"Function not found: arn:aws:lambda:eu-west-1:1:function:{name}"}}"#);
            ("404 Not Found", "x-amzn-ErrorType: ResourceNotFoundException", message.into_bytes())
        }
    };
    let mut bytes = format!("HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
            if let Some(digits) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = digits.trim().parse().expect("a length");
            }
        }
        let mut payload = vec![0; length];
        reader.read_exact(&mut payload)?;
        reader.get_mut().write_all(&answer(&path, &payload))?;
    }
}

/// A stand-in, and how many connections it was asked for.
fn stand_in() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            thread::spawn(move || serve(stream));
        }
    });
    (address, connections)
}

fn runtime(address: SocketAddr) -> Runtime {
    let lambda = Arc::new(Lambda::new(&format!("http://{address}")).expect("a URL"));
    let handler = Arc::clone(&lambda);
    let builder = Runtime::builder().shards(1);
    builder.handler("arn:aws:lambda:", lambda).handler("arn:aws:states:::lambda:", handler).build().expect("a runtime")
}

fn run(runtime: &Runtime, task: &str, input: &str) -> Outcome {
    let definition = format!(r#"{{"StartAt":"T","States":{{"T":{{"Type":"Task",{task},"End":true}}}}}}"#);
    let name = format!("m{}", runtime.registry().len());
    let machine = runtime.publish(&name, &definition).expect("a definition");
    let completion = runtime.start_sync(&machine, Value::parse(input).expect("JSON")).expect("a start");
    let waiter = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    waiter.block_on(completion).expect("an outcome")
}

fn direct(name: &str) -> String {
    format!(r#""Resource":"arn:aws:lambda:eu-west-1:123456789012:function:{name}""#)
}

fn failure(outcome: &Outcome) -> (String, String) {
    assert_eq!(outcome.status, ExecutionStatus::Failed);
    let text = |text: &Option<expressway::value::Text>| text.as_ref().expect("a text").as_str().to_owned();
    (text(&outcome.error), text(&outcome.cause))
}

#[test]
fn functions_are_called_over_one_connection() {
    let (address, connections) = stand_in();
    let runtime = runtime(address);
    for _ in 0..3 {
        let outcome = run(&runtime, &direct("echo"), r#"{"a": [1, "ä"]}"#);
        assert_eq!(outcome.output.map(|output| output.to_json()), Some(r#"{"a":[1,"ä"]}"#.to_owned()));
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    let invoke = r#""Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"echo","Payload.$":"$.p"},
        "ResultSelector":{"version.$":"$.ExecutedVersion","payload.$":"$.Payload","status.$":"$.StatusCode"}"#;
    let outcome = run(&runtime, invoke, r#"{"p": "{\"b\": 1}"}"#);
    let expected = r#"{"version":"$LATEST","payload":{"b":1},"status":200}"#;
    assert_eq!(outcome.output.map(|output| output.to_json()).as_deref(), Some(expected));
}

#[test]
fn what_goes_wrong_has_the_words_of_aws() {
    let (address, _) = stand_in();
    let runtime = runtime(address);
    let (error, cause) = failure(&run(&runtime, &direct("fail"), "{}"));
    assert_eq!((error.as_str(), cause.as_str()), ("Boom", r#"{"errorType": "Boom", "errorMessage": "no"}"#));
    let (error, cause) = failure(&run(&runtime, &direct("gone"), "{}"));
    assert_eq!(error, "Lambda.ResourceNotFoundException");
    assert!(
        cause.starts_with("Function not found: arn:aws:lambda:eu-west-1:1:function:gone:$LATEST (Service: "),
        "{cause}"
    );
    let (error, _) = failure(&run(&runtime, &direct("huge"), "{}"));
    assert_eq!(error, "Function.ResponseSizeTooLarge");
}

#[test]
fn an_endpoint_that_is_not_there_is_an_sdk_client_exception() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
    let (error, cause) = failure(&run(&runtime(nobody), &direct("echo"), "{}"));
    assert_eq!(error, "Lambda.SdkClientException");
    assert_eq!(cause, format!("Unable to execute HTTP request: Connect to {nobody} failed: Connection refused"));
}
