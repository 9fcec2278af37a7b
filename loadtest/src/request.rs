//! Requests as bytes, built once before the load begins (AWS JSON 1.0: `POST /`, the action in `X-Amz-Target`).

use crate::action::Action;
use serde_json::{Value, json};

/// One HTTP/1.1 request of the AWS JSON 1.0 protocol.
pub(crate) fn post(authority: &str, action: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST / HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: AWSStepFunctions.{action}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The request that starts one execution; it bears no name, so the server makes one up, as in ordinary use.
pub(crate) fn start(authority: &str, action: Action, state_machine_arn: &str, input: &str) -> Vec<u8> {
    post(authority, action.name(), &json!({ "stateMachineArn": state_machine_arn, "input": input }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_counts_bytes() {
        let bytes = start("127.0.0.1:1", Action::StartExecution, "arn", "{\"name\":\"Zoë\"}");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"), "{head}");
        assert!(head.contains("X-Amz-Target: AWSStepFunctions.StartExecution\r\n"), "{head}");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["input"], "{\"name\":\"Zoë\"}");
    }
}
