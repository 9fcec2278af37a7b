//! From the answer of the Invoke API to the result of a task, or to the error that `Retry` and `Catch` see.

use hyper::{HeaderMap, StatusCode};

use super::call::{Call, Form};
use crate::{
    Value,
    task::{
        TaskError, TaskResult,
        http::{sdk_http_metadata, sdk_response_metadata},
    },
    value::{ObjectBuilder, ValueRef},
};

/// What stands before the ARN in the message about a function that is not there.
const FUNCTION_NOT_FOUND: &str = "Function not found: ";

/// An answer of the Invoke API.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// What the task comes to.
    pub(super) fn into_result(self, call: &Call) -> TaskResult {
        if !self.status.is_success() {
            return Err(self.service_error(call));
        }
        if call.form == Form::Sdk {
            return Ok(self.sdk_result());
        }
        if self.headers.contains_key("x-amz-function-error") {
            return Err(function_error(&self.body, call.form));
        }
        Ok(match call.form {
            Form::Direct => payload_of(&self.body, Value::NULL),
            Form::Integration | Form::Sdk => self.integration_result(),
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The error of a call that Lambda itself refused, as the Java SDK words it.
    fn service_error(&self, call: &Call) -> TaskError {
        let body = Value::parse_bytes(self.body.clone()).unwrap_or_default();
        let field = |names: &[&str]| names.iter().find_map(|name| body.get(name).and_then(ValueRef::as_str));
        // The header may hold more behind a colon, the body more before a number sign.
        let code = self.header("x-amzn-errortype").or_else(|| field(&["__type", "code"])).unwrap_or("Unknown");
        let code = code.rsplit('#').next().unwrap_or(code).split(':').next().unwrap_or(code);
        let mut message = field(&["Message", "message", "errorMessage"]).unwrap_or("null").to_owned();
        if let Some(arn) = message.strip_prefix(FUNCTION_NOT_FOUND) {
            // Lambda names the version that it looked for; its stand-ins often name the function only.
            if arn.split(':').count() == 7 {
                message.push(':');
                message.push_str(call.qualifier.as_deref().unwrap_or("$LATEST"));
            }
        }
        let status = self.status.as_u16();
        let request_id = self.header("x-amzn-requestid").unwrap_or("null");
        if call.form == Form::Sdk {
            let cause = format!(
                "{message} (Service: Lambda, Status Code: {status}, Request ID: {request_id}) (SDK Attempt Count: 1)"
            );
            return TaskError::new(format!("Lambda.{code}"), cause);
        }
        TaskError::new(
            format!("Lambda.{code}"),
            format!(
                "{message} (Service: AWSLambda; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; \
                 Proxy: null)"
            ),
        )
    }

    /// The result of `arn:aws:states:::aws-sdk:lambda:invoke`.
    fn sdk_result(&self) -> Value {
        let mut result = ObjectBuilder::with_capacity(5);
        for (member, name) in [
            ("ExecutedVersion", "x-amz-executed-version"),
            ("FunctionError", "x-amz-function-error"),
            ("LogResult", "x-amz-log-result"),
        ] {
            if let Some(text) = self.header(name) {
                result.push(member.into(), text.into());
            }
        }
        result.push("Payload".into(), String::from_utf8_lossy(&self.body).into_owned().into());
        result.push("StatusCode".into(), i64::from(self.status.as_u16()).into());
        result.finish()
    }

    /// The result of `arn:aws:states:::lambda:invoke`.
    fn integration_result(&self) -> Value {
        let mut result = ObjectBuilder::with_capacity(6);
        if let Some(version) = self.header("x-amz-executed-version") {
            result.push("ExecutedVersion".into(), version.into());
        }
        if let Some(log) = self.header("x-amz-log-result") {
            result.push("LogResult".into(), log.into());
        }
        result.push("Payload".into(), payload_of(&self.body, Value::from("")));
        result.push("SdkHttpMetadata".into(), sdk_http_metadata(self.status, &self.headers));
        let request_id = self.header("x-amzn-requestid");
        result.push("SdkResponseMetadata".into(), sdk_response_metadata(request_id));
        result.push("StatusCode".into(), i64::from(self.status.as_u16()).into());
        result.finish()
    }
}

/// What a function returned: JSON, or a string when it is none; `empty` when there is nothing.
fn payload_of(body: &[u8], empty: Value) -> Value {
    if body.is_empty() {
        return empty;
    }
    match std::str::from_utf8(body).map(Value::parse) {
        Ok(Ok(value)) => value,
        _ => Value::from(String::from_utf8_lossy(body).into_owned()),
    }
}

/// The error of a function that failed: its `errorType`; the cause is the payload, for `lambda:invoke` made compact.
fn function_error(body: &[u8], form: Form) -> TaskError {
    let text = String::from_utf8_lossy(body).into_owned();
    let payload = Value::parse(&text).ok();
    let compact = |text: String| match (&payload, form) {
        (Some(payload), Form::Integration) => payload.to_json(),
        _ => text,
    };
    match payload.as_ref().and_then(|payload| payload.get("errorType")).and_then(ValueRef::as_str) {
        Some(error_type) => TaskError::new(error_type, compact(text)),
        None => TaskError::new(
            "Lambda.Unknown",
            format!(
                "The cause could not be determined because Lambda did not return an error type. Returned payload: {}",
                compact(text)
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn call(form: Form) -> Call {
        Call { form, function: "f".into(), qualifier: None, payload: Vec::new(), headers: Vec::new() }
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Answer { status: StatusCode::from_u16(status).unwrap(), headers: map, body: body.into() }
    }

    #[test]
    fn direct_results_are_what_the_function_returns() {
        for (body, result) in [(r#"{"a": 1}"#, r#"{"a":1}"#), ("", "null"), ("plain", "\"plain\"")] {
            assert_eq!(answer(200, &[], body).into_result(&call(Form::Direct)).unwrap().to_json(), result);
        }
    }

    #[test]
    fn integration_results_have_the_whole_answer() {
        let headers = [("X-Amz-Executed-Version", "$LATEST"), ("x-amzn-RequestId", "r"), ("content-type", "a/b")];
        let result = answer(200, &headers, r#"{"a": 1}"#).into_result(&call(Form::Integration)).unwrap();
        assert_eq!(
            result.to_json(),
            concat!(
                r#"{"ExecutedVersion":"$LATEST","Payload":{"a":1},"SdkHttpMetadata":{"AllHttpHeaders":"#,
                r#"{"X-Amz-Executed-Version":["$LATEST"],"x-amzn-RequestId":["r"],"Content-Type":["a/b"]},"HttpHeaders":"#,
                r#"{"X-Amz-Executed-Version":"$LATEST","x-amzn-RequestId":"r","Content-Type":"a/b"},"HttpStatusCode":200},"#,
                r#""SdkResponseMetadata":{"RequestId":"r"},"StatusCode":200}"#
            )
        );
    }

    #[test]
    fn failed_functions_name_their_error() {
        let body = r#"{"errorMessage": "no", "errorType": "ValueError"}"#;
        let failed = |form, body| {
            answer(200, &[("X-Amz-Function-Error", "Unhandled")], body).into_result(&call(form)).unwrap_err()
        };
        assert_eq!(failed(Form::Direct, body), TaskError::new("ValueError", body));
        let compact = r#"{"errorMessage":"no","errorType":"ValueError"}"#;
        assert_eq!(failed(Form::Integration, body), TaskError::new("ValueError", compact));
        let unknown = failed(Form::Direct, r#"{"errorMessage":"late"}"#);
        assert_eq!(unknown.error.as_str(), "Lambda.Unknown");
        assert!(unknown.cause.as_str().ends_with(r#"Returned payload: {"errorMessage":"late"}"#));
    }

    #[test]
    fn refused_calls_have_the_words_of_the_java_sdk() {
        let headers = [("X-Amzn-ErrorType", "ResourceNotFoundException:http://x"), ("x-amzn-RequestId", "r")];
        let body = r#"{"Type":"User","Message":"Function not found: arn:aws:lambda:eu-west-1:1:function:f"}"#;
        let error = answer(404, &headers, body).into_result(&call(Form::Integration)).unwrap_err();
        assert_eq!(error.error.as_str(), "Lambda.ResourceNotFoundException");
        assert_eq!(
            error.cause.as_str(),
            "Function not found: arn:aws:lambda:eu-west-1:1:function:f:$LATEST (Service: AWSLambda; Status Code: 404; \
             Error Code: ResourceNotFoundException; Request ID: r; Proxy: null)"
        );
    }
}
