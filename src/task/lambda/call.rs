//! What is asked of a function: from a Task state's effective input to the request of the Invoke API.

use hyper::header::{HeaderName, HeaderValue};

use crate::{
    Value,
    model::error_name,
    task::{TaskError, TaskRequest, http::percent_encode},
    value::View,
};

/// How a call came about, which decides about the form of its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The resource is the function's ARN: the result is what the function returns.
    Direct,
    /// The resource is `arn:aws:states:::lambda:invoke`: the result is the answer of the Invoke API.
    Integration,
    /// The resource is `arn:aws:states:::aws-sdk:lambda:invoke`: so it is, with a payload that is text, and a function
    /// that failed is an answer like any other.
    Sdk,
}

/// One call of a function.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) form: Form,
    pub(super) function: String,
    pub(super) qualifier: Option<String>,
    pub(super) payload: Vec<u8>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Call {
    /// The call that a task makes.
    ///
    /// # Errors
    /// `States.Runtime` for parameters that the Invoke API does not take.
    pub(super) fn of(request: &TaskRequest) -> Result<Self, TaskError> {
        if !request.resource.contains(":function:") {
            let form = if request.resource.contains(":aws-sdk:") { Form::Sdk } else { Form::Integration };
            return Self::of_parameters(form, &request.input);
        }
        let (function, qualifier) = split_function(&request.resource);
        let payload = request.input.to_json().into_bytes();
        Ok(Self { form: Form::Direct, function, qualifier, payload, headers: Vec::new() })
    }

    fn of_parameters(form: Form, parameters: &Value) -> Result<Self, TaskError> {
        let unusable = |problem: String| {
            let parameters = parameters.to_json();
            TaskError::new(
                error_name::RUNTIME,
                format!("The Parameters '{parameters}' could not be used to start the Task: [{problem}]"),
            )
        };
        let text = |name: &str| match parameters.get(name).map(|value| (value.as_str(), value.is_null())) {
            Some((Some(text), _)) => Ok(Some(text)),
            None | Some((None, true)) => Ok(None),
            Some((None, false)) => Err(unusable(format!("The value for the field '{name}' must be a STRING"))),
        };
        let name = text("FunctionName")?
            .ok_or_else(|| unusable("The field 'FunctionName' is required but was missing".into()))?;
        let (function, mut qualifier) = split_function(name);
        if let Some(given) = text("Qualifier")? {
            qualifier = Some(given.to_owned());
        }
        let mut headers = Vec::new();
        for (field, header) in [
            ("InvocationType", HeaderName::from_static("x-amz-invocation-type")),
            ("LogType", HeaderName::from_static("x-amz-log-type")),
            ("ClientContext", HeaderName::from_static("x-amz-client-context")),
        ] {
            if let Some(value) = text(field)? {
                let value = HeaderValue::from_str(value)
                    .map_err(|_| unusable(format!("The value for the field '{field}' is not valid")))?;
                headers.push((header, value));
            }
        }
        Ok(Self { form, function, qualifier, payload: payload(parameters), headers })
    }

    /// The path of the Invoke API for this function.
    pub(super) fn path_and_query(&self) -> String {
        let mut path = String::from("/2015-03-31/functions/");
        percent_encode(&self.function, b"", &mut path);
        path.push_str("/invocations");
        if let Some(qualifier) = &self.qualifier {
            path.push_str("?Qualifier=");
            percent_encode(qualifier, b"", &mut path);
        }
        path
    }
}

/// `Payload` as the function gets it: a string that holds JSON is sent as that JSON, nothing becomes `{}`.
fn payload(parameters: &Value) -> Vec<u8> {
    match parameters.get("Payload") {
        None => b"{}".to_vec(),
        Some(payload) => match payload.view() {
            View::Null => b"{}".to_vec(),
            View::String(text) if Value::parse(text).is_ok() => text.as_bytes().to_vec(),
            _ => payload.to_json().into_bytes(),
        },
    }
}

/// Name and qualifier of a function that is given by name, `name:qualifier`, partial ARN or ARN (Lambda API reference,
/// Invoke, `FunctionName`).
fn split_function(text: &str) -> (String, Option<String>) {
    let name =
        text.split_once(":function:").map_or_else(|| text.strip_prefix("function:").unwrap_or(text), |(_, it)| it);
    match name.split_once(':') {
        Some((name, qualifier)) => (name.to_owned(), Some(qualifier.to_owned())),
        None => (name.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(resource: &str, input: &str) -> Result<Call, TaskError> {
        let input = Value::parse(input).unwrap();
        Call::of(&TaskRequest::new(resource, input))
    }

    const INVOKE: &str = "arn:aws:states:::lambda:invoke";

    #[test]
    fn functions_are_named_in_many_ways() {
        for (text, name, qualifier) in [
            ("f", "f", None),
            ("f:PROD", "f", Some("PROD")),
            ("1:function:f", "f", None),
            ("arn:aws:lambda:eu-west-1:1:function:f", "f", None),
            ("arn:aws:lambda:eu-west-1:1:function:f:$LATEST", "f", Some("$LATEST")),
        ] {
            assert_eq!(split_function(text), (name.to_owned(), qualifier.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn direct_calls_send_their_input() {
        let direct = call("arn:aws:lambda:eu-west-1:1:function:f:2", r#"{"FunctionName": "g"}"#).unwrap();
        assert_eq!(direct.path_and_query(), "/2015-03-31/functions/f/invocations?Qualifier=2");
        assert_eq!((direct.form, direct.payload), (Form::Direct, br#"{"FunctionName":"g"}"#.to_vec()));
    }

    #[test]
    fn payloads_that_hold_json_are_sent_as_it() {
        for (payload, sent) in [
            (r#""{\"a\":1}""#, r#"{"a":1}"#),
            (r#""1.0""#, "1.0"),
            (r#""no JSON""#, r#""no JSON""#),
            ("null", "{}"),
            (r#"{"a": [1]}"#, r#"{"a":[1]}"#),
        ] {
            let call = call(INVOKE, &format!(r#"{{"FunctionName":"f","Payload":{payload}}}"#)).unwrap();
            assert_eq!(String::from_utf8(call.payload).unwrap(), sent);
        }
        assert_eq!(call(INVOKE, r#"{"FunctionName":"f"}"#).unwrap().payload, b"{}");
    }

    #[test]
    fn parameters_become_headers_and_the_query() {
        let call = call(INVOKE, r#"{"FunctionName":"a b","Qualifier":"$LATEST","InvocationType":"Event"}"#).unwrap();
        assert_eq!(call.path_and_query(), "/2015-03-31/functions/a%20b/invocations?Qualifier=%24LATEST");
        assert_eq!(call.headers, [("x-amz-invocation-type".parse().unwrap(), HeaderValue::from_static("Event"))]);
    }

    #[test]
    fn unusable_parameters_end_the_execution() {
        for parameters in ["{}", r#"{"FunctionName":1}"#, r#"{"FunctionName":"f","LogType":{}}"#, "[]"] {
            assert_eq!(call(INVOKE, parameters).unwrap_err().error.as_str(), "States.Runtime", "{parameters}");
        }
    }
}
