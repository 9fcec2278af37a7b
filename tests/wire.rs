//! The API as clients see it: every file of `tests/wire/` is a conversation with a server of its own.
//!
//! A file has one line for each thing said:
//!
//! - `> ACTION BODY` sends a request of that action; `>> TEXT` sends raw bytes (`\r`, `\n`, `\\` and `\xHH` are escapes).
//! - `< STATUS BODY` is the reply that must follow. `<any>` in it stands for any text.
//! - `< closed` means that the server then closes the connection.
//! - `@throttle ACTION BUCKET REFILL`, `@throttle-machines BUCKET REFILL`, `@max-in-flight N` and `@mock JSON` set the server
//!   up.
//! - `<TEXT*N>` anywhere is TEXT, N times. Lines that begin with `#` are remarks.

#![cfg(feature = "server")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use expressway::{
    Runtime,
    api::{Accept, Server, ServerSettings},
    clock::SimClock,
    mock::MockConfiguration,
    model::action::Action,
    throttle::{BucketSize, Throttle, ThrottleTable},
};

/// Longer than any answer takes; a server that says nothing fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

struct Conversation {
    server: Server,
    /// Ends the shards when the conversation does.
    _runtime: Runtime,
    connection: Option<TcpStream>,
}

impl Conversation {
    fn new(settings: &[&str], accept: Accept) -> Self {
        let mut table = ThrottleTable::off();
        let mut builder = Runtime::builder().shards(2).seed(1);
        for line in settings {
            let words: Vec<&str> = line.split_whitespace().collect();
            let bucket = |bucket: &str, refill: &str| {
                BucketSize::new(bucket.parse().expect("a number"), refill.parse().expect("a number")).expect("a bucket")
            };
            match *words {
                ["@throttle", action, size, refill] => {
                    table.set(Action::from_name(action.as_bytes()).expect("an action"), bucket(size, refill));
                }
                ["@throttle-machines", size, refill] => table.state_machine = Some(bucket(size, refill)),
                ["@mock", ..] => {
                    let file = line.trim_start_matches("@mock ").into();
                    let mocked = MockConfiguration::parse("mock.json", file, Arc::new(SimClock::default()));
                    builder = builder.mocked_integrations(Arc::new(mocked.expect("a mock configuration")));
                }
                ["@max-in-flight", count] => builder = builder.max_in_flight(count.parse().expect("a number")),
                _ => panic!("{line}: no such setting"),
            }
        }
        let runtime = builder.build().expect("a runtime");
        let throttle = Arc::new(Throttle::new(table, Arc::clone(runtime.clock())));
        let settings = ServerSettings { listen: "127.0.0.1:0".parse().expect("an address"), accept };
        let server = Server::start(&runtime, settings, throttle).expect("a server");
        Self { server, _runtime: runtime, connection: None }
    }

    fn send(&mut self, bytes: &[u8]) {
        let connection = TcpStream::connect(self.server.address()).expect("a connection");
        connection.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        // The server may close before it has read all that is sent.
        let _ = (&connection).write_all(bytes);
        self.connection = Some(connection);
    }

    fn request(&mut self, line: &str) {
        let (action, body) = line.split_once(' ').unwrap_or((line, ""));
        let length = body.len();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: sync-localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
             X-Amz-Target: AWSStepFunctions.{action}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.send(format!("{head}{body}").as_bytes());
    }

    /// Status and body of the next reply.
    fn reply(&mut self) -> String {
        let connection = self.connection.as_mut().expect("a request was sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match connection.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                other => return format!("no reply: {other:?} {}", String::from_utf8_lossy(&head)),
            }
        }
        let head = String::from_utf8(head).expect("heads are ASCII");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        connection.read_exact(&mut body).expect("a body");
        let status = head.split(' ').nth(1).expect("a status");
        let has_id = head.contains("\r\nx-amzn-requestid: ");
        let is_api = head.contains("\r\ncontent-type: application/x-amz-json-1.0\r\n");
        assert_eq!(has_id, is_api, "each reply of the API has an id: {head}");
        format!("{status} {}", String::from_utf8(body).expect("bodies are UTF-8")).trim_end().to_owned()
    }

    fn is_closed(&mut self) -> bool {
        let connection = self.connection.as_mut().expect("a request was sent");
        // A connection that is closed with bytes unread is reset.
        matches!(connection.read(&mut [0]), Ok(0) | Err(_))
    }
}

/// Whether a text is as expected; `<any>` stands for any text.
fn matches(expected: &str, text: &str) -> bool {
    let Some((first, others)) = expected.split_once("<any>") else { return expected == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let (middle, last) = others.rsplit_once("<any>").unwrap_or(("", others));
    for piece in middle.split("<any>") {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// Undoes `<TEXT*N>`.
fn expand(line: &str) -> String {
    let mut expanded = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('<') {
        let repeated = rest[start + 1..].split_once('>').and_then(|(inner, behind)| {
            let (text, count) = inner.rsplit_once('*').filter(|(text, _)| !text.contains('<'))?;
            Some((text.repeat(count.parse().ok()?), behind))
        });
        match repeated {
            Some((text, behind)) => {
                expanded.push_str(&rest[..start]);
                expanded.push_str(&text);
                rest = behind;
            }
            None => {
                expanded.push_str(&rest[..=start]);
                rest = &rest[start + 1..];
            }
        }
    }
    expanded + rest
}

/// Undoes the escapes of raw requests.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'r') => bytes.push(b'\r'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b'\\') => bytes.push(b'\\'),
            Some(b'x') => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8(digits).expect("digits");
                bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
            }
            other => panic!("no such escape: {other:?}"),
        }
    }
    bytes
}

fn shortened(text: &str) -> String {
    text.chars().take(500).collect()
}

fn hold(path: &Path, accept: Accept) {
    let text = fs::read_to_string(path).expect("a case");
    let settings: Vec<&str> = text.lines().filter(|line| line.starts_with('@')).collect();
    let mut conversation = Conversation::new(&settings, accept);
    for (place, line) in text.lines().enumerate() {
        let line = expand(line);
        let here = format!("{}:{}", path.display(), place + 1);
        match line.split_once(' ') {
            Some((">", request)) => conversation.request(request),
            Some((">>", raw)) => conversation.send(&unescape(raw)),
            Some(("<", "closed")) => assert!(conversation.is_closed(), "{here}: still open"),
            Some(("<", expected)) => {
                let reply = conversation.reply();
                assert!(
                    matches(expected, &reply),
                    "{here}\nexpected: {}\n     got: {}",
                    shortened(expected),
                    shortened(&reply)
                );
            }
            _ => assert!(line.is_empty() || line.starts_with(['#', '@']), "{here}: what is this?"),
        }
    }
}

fn hold_all(accept: Accept) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the cases").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are cases");
    for path in paths {
        hold(&path, accept);
    }
}

#[test]
fn conversations_go_as_written() {
    hold_all(Accept::Balanced);
}

#[test]
fn conversations_go_the_same_when_every_shard_accepts() {
    hold_all(Accept::ReusePort);
}

#[test]
fn patterns_match_whole_texts() {
    assert!(matches("a<any>c", "abc") && matches("<any>", "") && matches("a", "a"));
    assert!(!matches("a<any>c", "abcd") && !matches("a", "ab") && !matches("<any>x", "y"));
    assert_eq!(expand("< 200 {\"a\":\"<xy*2>\"<any>"), "< 200 {\"a\":\"xyxy\"<any>");
}
