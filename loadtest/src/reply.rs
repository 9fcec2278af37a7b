//! Replies: the least parsing that still knows where one ends, and what one means.

use crate::action::Action;
use memchr::{memchr, memmem};
use serde_json::Value;

/// Longest head that is read; a server that sends more is reported as broken.
pub(crate) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Longest body that is read: an output of 262,144 bytes, every byte escaped, and the rest of the reply.
pub(crate) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Longest error code that is kept.
const MAX_CODE_CHARACTERS: usize = 80;

/// Where a reply begins and ends in the bytes received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// More bytes are needed.
    Incomplete,
    /// A whole reply: `head_bytes` of head, then `body_bytes` of body.
    Complete {
        /// HTTP status.
        status: u16,
        /// Length of status line and headers with the empty line after them.
        head_bytes: usize,
        /// Length of the body.
        body_bytes: usize,
    },
    /// Not a reply that this client can read; the connection is of no more use.
    Invalid(&'static str),
}

/// Finds the first reply in `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let searched = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    let Some(end) = memmem::find(searched, b"\r\n\r\n") else {
        return if bytes.len() >= MAX_HEAD_BYTES { Parsed::Invalid("HeadTooLong") } else { Parsed::Incomplete };
    };
    let head_bytes = end + 4;
    // "HTTP/1.1 200 OK": the version is 8 bytes, the status stands at 9 to 12.
    let head = &bytes[..end];
    if head.len() < 12 || !head.starts_with(b"HTTP/1.") {
        return Parsed::Invalid("NotHttp");
    }
    let Some(status) = digits(&head[9..12]).and_then(|status| u16::try_from(status).ok()) else {
        return Parsed::Invalid("BadStatusLine");
    };
    let body_bytes = match content_length(head) {
        Ok(length) => length,
        Err(reason) => return Parsed::Invalid(reason),
    };
    if bytes.len() < head_bytes + body_bytes {
        return Parsed::Incomplete;
    }
    Parsed::Complete { status, head_bytes, body_bytes }
}

/// The value of Content-Length; its absence is an error, as the reply's end could not be known.
fn content_length(head: &[u8]) -> Result<usize, &'static str> {
    const NAME: &[u8] = b"content-length:";
    let mut rest = head;
    while let Some(line_end) = memchr(b'\n', rest) {
        rest = &rest[line_end + 1..];
        if rest.len() >= NAME.len() && rest[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let line = &rest[NAME.len()..memchr(b'\r', rest).unwrap_or(rest.len())];
            let length = digits(line.trim_ascii()).ok_or("BadContentLength")?;
            return if length > MAX_BODY_BYTES { Err("BodyTooLong") } else { Ok(length) };
        }
    }
    Err("NoContentLength")
}

/// A short run of decimal digits as a number.
fn digits(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 12 {
        return None;
    }
    text.iter().try_fold(0_usize, |number, &byte| byte.is_ascii_digit().then(|| number * 10 + usize::from(byte - b'0')))
}

/// What a reply says about its request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200 with the body that the action answers.
    Succeeded,
    /// The server refused for its load; SDKs retry this code.
    Throttled,
    /// Anything else, with a code to count it under.
    Failed(String),
}

/// Judges a reply.
///
/// A synchronous execution answers 200 even when it failed, so its status is looked at every time; that the rest of a body
/// is as it should be is looked at only when `sampled`, because the client shares its cores with the server.
pub(crate) fn judge(action: Action, status: u16, body: &[u8], sampled: bool) -> Verdict {
    if status != 200 {
        return judge_error(status, body);
    }
    match action {
        Action::StartExecution if !sampled => Verdict::Succeeded,
        Action::StartSyncExecution if !sampled && memmem::find(body, b"\"status\":\"SUCCEEDED\"").is_some() => {
            Verdict::Succeeded
        }
        _ => judge_whole(action, body),
    }
}

/// Judges the body of a 200 as JSON.
fn judge_whole(action: Action, body: &[u8]) -> Verdict {
    let Ok(reply) = serde_json::from_slice::<Value>(body) else {
        return Verdict::Failed("BodyNotJson".to_owned());
    };
    let has_arn = reply["executionArn"].as_str().is_some_and(|arn| arn.starts_with("arn:"));
    if !has_arn || !reply["startDate"].is_number() {
        return Verdict::Failed("BodyIncomplete".to_owned());
    }
    if action == Action::StartExecution {
        return Verdict::Succeeded;
    }
    match reply["status"].as_str() {
        Some("SUCCEEDED") if reply["output"].is_string() => Verdict::Succeeded,
        Some("SUCCEEDED") | None => Verdict::Failed("BodyIncomplete".to_owned()),
        Some(status) => {
            let error = reply["error"].as_str().unwrap_or("no error name");
            Verdict::Failed(shortened(&format!("{status} {error}")))
        }
    }
}

/// Judges a reply that is not a 200: `{"__type": "namespace#Code", "message": …}`.
fn judge_error(status: u16, body: &[u8]) -> Verdict {
    let reply = serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
    let code = reply["__type"].as_str().map(|code| code.rsplit('#').next().unwrap_or(code));
    match code {
        Some("ThrottlingException") => Verdict::Throttled,
        Some(code) => Verdict::Failed(shortened(code)),
        None => Verdict::Failed(format!("HTTP {status}")),
    }
}

/// A code cut to a length worth printing.
fn shortened(code: &str) -> String {
    code.chars().take(MAX_CODE_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: &[u8] =
        b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nContent-Length: 5\r\ndate: x\r\n\r\nhelloHTTP/1.1 400";

    #[test]
    fn finds_the_end_of_a_pipelined_reply() {
        assert_eq!(parse(REPLY), Parsed::Complete { status: 200, head_bytes: 68, body_bytes: 5 });
        assert_eq!(parse(&REPLY[73..]), Parsed::Incomplete);
    }

    #[test]
    fn every_cut_is_incomplete() {
        for end in 0..73 {
            assert_eq!(parse(&REPLY[..end]), Parsed::Incomplete, "{end}");
        }
    }

    #[test]
    fn header_names_are_of_any_case() {
        assert_eq!(
            parse(b"HTTP/1.1 400 Bad Request\r\ncontent-length:0\r\n\r\n"),
            Parsed::Complete { status: 400, head_bytes: 46, body_bytes: 0 }
        );
    }

    #[test]
    fn unreadable_replies_are_named() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), Parsed::Invalid("NoContentLength"));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), Parsed::Invalid("BadContentLength"));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"), Parsed::Invalid("BodyTooLong"));
        assert_eq!(parse(b"SSH-2.0-OpenSSH\r\n\r\n"), Parsed::Invalid("NotHttp"));
        assert_eq!(parse(b"HTTP/1.1 abc\r\n\r\n"), Parsed::Invalid("BadStatusLine"));
        assert_eq!(parse(&[b'x'; MAX_HEAD_BYTES]), Parsed::Invalid("HeadTooLong"));
    }

    #[test]
    fn a_start_is_judged_by_its_status_and_a_sampled_body() {
        let good = br#"{"executionArn":"arn:aws:states:::x","startDate":1.5}"#;
        assert_eq!(judge(Action::StartExecution, 200, good, true), Verdict::Succeeded);
        assert_eq!(judge(Action::StartExecution, 200, b"{}", false), Verdict::Succeeded);
        assert_eq!(judge(Action::StartExecution, 200, b"{}", true), Verdict::Failed("BodyIncomplete".into()));
        assert_eq!(judge(Action::StartExecution, 200, b"oops", true), Verdict::Failed("BodyNotJson".into()));
    }

    #[test]
    fn a_synchronous_failure_is_never_taken_for_success() {
        let failed = br#"{"executionArn":"arn:a","startDate":1,"status":"FAILED","error":"States.Runtime"}"#;
        let verdict = judge(Action::StartSyncExecution, 200, failed, false);
        assert_eq!(verdict, Verdict::Failed("FAILED States.Runtime".into()));
        let spaced = br#"{"executionArn":"arn:a","startDate":1,"status": "SUCCEEDED","output":"{}"}"#;
        assert_eq!(judge(Action::StartSyncExecution, 200, spaced, false), Verdict::Succeeded);
    }

    #[test]
    fn errors_are_counted_by_code() {
        let throttled = br#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
        assert_eq!(judge(Action::StartExecution, 400, throttled, false), Verdict::Throttled);
        let missing = br#"{"__type":"com.amazonaws#StateMachineDoesNotExist"}"#;
        assert_eq!(
            judge(Action::StartExecution, 400, missing, false),
            Verdict::Failed("StateMachineDoesNotExist".into())
        );
        assert_eq!(judge(Action::StartExecution, 502, b"<html>", false), Verdict::Failed("HTTP 502".into()));
    }
}
