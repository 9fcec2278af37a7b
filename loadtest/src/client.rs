//! One request at a time, for everything that is not load: creating the state machine, probing, timing one reply.

use crate::endpoint::Endpoint;
use crate::failure::{Context, Failure};
use crate::reply::{self, MAX_BODY_BYTES, MAX_HEAD_BYTES, Parsed};
use crate::request;
use crate::workload::Workload;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a connection, and then each part of the reply, may take unless something else is known.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes read at a time.
const READ_BYTES: usize = 16 * 1024;
/// A role for CreateStateMachine; Step Functions wants one, nothing here assumes it.
const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/loadtest";

/// A whole reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; `null` when it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Sends one request on a connection of its own and reads the reply.
///
/// # Errors
/// When the server cannot be reached, or does not answer with an HTTP reply in time. An error reply is a reply.
pub(crate) fn send(endpoint: &Endpoint, request: &[u8]) -> Result<Reply, Failure> {
    send_within(endpoint, request, TIMEOUT)
}

/// As [`send`], with a time of its own for each part of the reply.
///
/// # Errors
/// As [`send`].
pub(crate) fn send_within(endpoint: &Endpoint, request: &[u8], timeout: Duration) -> Result<Reply, Failure> {
    let doing = || format!("request to {}", endpoint.authority);
    let mut stream = TcpStream::connect_timeout(&endpoint.address, TIMEOUT).context(doing)?;
    stream.set_nodelay(true).context(doing)?;
    stream.set_read_timeout(Some(timeout)).context(doing)?;
    stream.write_all(request).context(doing)?;
    let mut received = Vec::new();
    let mut buffer = [0; READ_BYTES];
    while received.len() <= MAX_HEAD_BYTES + MAX_BODY_BYTES {
        let read = stream.read(&mut buffer).context(doing)?;
        received.extend_from_slice(&buffer[..read]);
        match reply::parse(&received) {
            Parsed::Complete { status, head_bytes, body_bytes } => {
                return Ok(Reply { status, body: received[head_bytes..head_bytes + body_bytes].to_vec() });
            }
            Parsed::Incomplete if read > 0 => {}
            Parsed::Incomplete => break,
            Parsed::Invalid(code) => return Err(Failure::new(format!("{}: {code}", doing()))),
        }
    }
    Err(Failure::new(format!("{}: the reply is not whole", doing())))
}

/// Calls an action and wants a 200.
///
/// # Errors
/// As [`send`], and the server's own error with its text.
pub(crate) fn call(endpoint: &Endpoint, action: &str, body: &Value) -> Result<Value, Failure> {
    let reply = send(endpoint, &request::post(&endpoint.authority, action, body))?;
    if reply.status != 200 {
        let text = String::from_utf8_lossy(&reply.body).chars().take(400).collect::<String>();
        return Err(Failure::new(format!("{action} answered {}: {text}", reply.status)));
    }
    Ok(reply.json())
}

/// Creates the workload's state machine as EXPRESS and returns its ARN. AWS answers the same again when the same machine is
/// there already, so this can be repeated.
///
/// # Errors
/// As [`call`]; when another definition is there under the name, the message says how to choose another name.
pub(crate) fn create_state_machine(endpoint: &Endpoint, workload: &Workload) -> Result<String, Failure> {
    let body = json!({
        "name": workload.name,
        "definition": workload.definition,
        "roleArn": ROLE_ARN,
        "type": "EXPRESS",
    });
    let reply = call(endpoint, "CreateStateMachine", &body).map_err(|failure| {
        let text = failure.to_string();
        let is_taken = text.contains("StateMachineAlreadyExists");
        Failure::new(if is_taken { format!("{text}\nanother name can be given with --name") } else { text })
    })?;
    match reply["stateMachineArn"].as_str() {
        Some(arn) => Ok(arn.to_owned()),
        None => Err(Failure::new("CreateStateMachine answered without a stateMachineArn")),
    }
}
