//! From the answer of an HTTP API to the result of a task.

use hyper::{StatusCode, header};

use crate::{
    Value,
    model::error_name,
    task::{
        TaskError, TaskResult,
        http::{HttpAnswer, text_of},
    },
    value::ObjectBuilder,
};

/// Kinds of content that are not text (Developer Guide, "Unsupported HTTP Task responses").
const UNSUPPORTED: [&str; 4] = ["application/octet-stream", "image/", "video/", "audio/"];

/// The result of an answer.
///
/// # Errors
/// `States.Http.StatusCode.<n>` with the status text as its cause, `States.Runtime` for a body that is not text.
pub(super) fn into_result(answer: &HttpAnswer) -> TaskResult {
    let status_text = status_text(answer.status);
    if !answer.status.is_success() {
        return Err(TaskError::new(format!("States.Http.StatusCode.{}", answer.status.as_u16()), status_text));
    }
    let content_type = answer.headers.get(header::CONTENT_TYPE).map(text_of).unwrap_or_default().to_ascii_lowercase();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if !answer.body.is_empty() && UNSUPPORTED.iter().any(|unsupported| media.starts_with(unsupported)) {
        return Err(unsupported(&format!("responses of type {media}")));
    }
    let Ok(text) = std::str::from_utf8(&answer.body) else { return Err(unsupported("responses that are not text")) };
    let is_json = media == "application/json" || media.ends_with("+json");
    let body = if is_json { Value::parse(text).ok() } else { None };
    let mut headers = ObjectBuilder::with_capacity(answer.headers.len());
    for name in answer.headers.keys() {
        let values = answer.headers.get_all(name).iter().map(text_of);
        headers.push(name.as_str().into(), Value::array(values));
    }
    Ok(Value::object([
        ("Headers", headers.finish()),
        ("ResponseBody", body.unwrap_or_else(|| Value::from(text))),
        ("StatusCode", Value::from(i64::from(answer.status.as_u16()))),
        ("StatusText", Value::from(status_text)),
    ]))
}

/// `Not Found` for 404.
fn status_text(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_default()
}

fn unsupported(what: &str) -> TaskError {
    TaskError::new(error_name::RUNTIME, format!("HTTP Tasks do not support {what}"))
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn result(status: u16, content_type: &str, body: &[u8]) -> TaskResult {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        into_result(&HttpAnswer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_vec() })
    }

    #[test]
    fn json_is_a_value_and_the_rest_text() {
        assert_eq!(
            result(200, "application/json; charset=utf-8", b"{\"a\": 1}").unwrap().to_json(),
            concat!(
                r#"{"Headers":{"content-type":["application/json; charset=utf-8"]},"ResponseBody":{"a":1},"#,
                r#""StatusCode":200,"StatusText":"OK"}"#
            )
        );
        let text = result(201, "text/plain", b"{}").unwrap();
        assert_eq!(text.get("ResponseBody").unwrap().as_str(), Some("{}"));
    }

    #[test]
    fn refusals_are_errors() {
        assert_eq!(
            result(404, "text/plain", b"why").unwrap_err(),
            TaskError::new("States.Http.StatusCode.404", "Not Found")
        );
        for (content_type, body) in [("image/png", &b"x"[..]), ("text/plain", &b"\xff"[..])] {
            assert_eq!(result(200, content_type, body).unwrap_err().error.as_str(), "States.Runtime");
        }
    }
}
