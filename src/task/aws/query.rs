//! The query protocol of SNS, and of SQS before it spoke JSON (Smithy specification, "AWS Query protocol"): parameters as a
//! form, answers in XML.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::{
    Method,
    header::{self, HeaderValue},
};

use super::{
    client::{Client, ServiceRequest, Target},
    error::{ServiceError, not_answered, request_id, unusable_parameters},
    json::operation,
    xml::Element,
};
use crate::{
    Value,
    model::quota::MAX_SERVICE_RESPONSE_BYTES,
    task::{
        TaskResult,
        http::{HttpAnswer, HttpFailure, percent_encode},
    },
    value::{ObjectBuilder, ValueRef, View},
};

/// A service that speaks the protocol.
pub(super) struct QueryService {
    target: Target<'static>,
    /// Version of its API.
    version: &'static str,
    /// Members whose keys are data: their name, what stands for it and before the number of an entry, and the words for key
    /// and value.
    maps: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

pub(super) const SNS: QueryService = QueryService {
    target: Target { names: &["sns"], endpoint_prefix: "sns", signing_name: "sns" },
    version: "2010-03-31",
    maps: &[
        ("Attributes", "Attributes.entry", "key", "value"),
        ("MessageAttributes", "MessageAttributes.entry", "Name", "Value"),
    ],
};

pub(super) const SQS: QueryService = QueryService {
    target: Target { names: &["sqs"], endpoint_prefix: "sqs", signing_name: "sqs" },
    version: "2012-11-05",
    maps: &[
        ("MessageAttributes", "MessageAttribute", "Name", "Value"),
        ("MessageSystemAttributes", "MessageSystemAttribute", "Name", "Value"),
    ],
};

/// Members that are text and often given as JSON, which is then written out.
const TEXT_MEMBERS: [&str; 2] = ["Message", "MessageBody"];

/// Calls an action of a service.
pub(super) async fn call(
    client: &Client,
    service: &QueryService,
    action: &str,
    parameters: &Value,
) -> Result<HttpAnswer, HttpFailure> {
    let mut form = format!("Action={}&Version={}", operation(action), service.version);
    if let View::Object(entries) = parameters.view() {
        for (name, value) in entries.iter() {
            push(service, name, name, value, &mut form);
        }
    }
    let content_type = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
    let request = ServiceRequest {
        method: Method::POST,
        path: "/".into(),
        headers: vec![(header::CONTENT_TYPE, content_type)],
        body: form.into_bytes(),
    };
    client.send(service.target, request, MAX_SERVICE_RESPONSE_BYTES).await
}

/// Appends a parameter. Values nest no deeper than [`MAX_NESTING_DEPTH`](crate::value::MAX_NESTING_DEPTH).
fn push(service: &QueryService, path: &str, member: &str, value: ValueRef<'_>, form: &mut String) {
    match value.view() {
        View::Null => {}
        View::Object(_) | View::Array(_) if TEXT_MEMBERS.contains(&member) => {
            pair(path, &value.to_value().to_json(), form);
        }
        View::Object(entries) => {
            let map = service.maps.iter().find(|(name, ..)| *name == member);
            for (place, (key, value)) in entries.iter().enumerate() {
                match map {
                    Some((_, entry, key_word, value_word)) => {
                        // No service has such a member anywhere but at the top.
                        let entry = format!("{entry}.{}", place + 1);
                        pair(&format!("{entry}.{key_word}"), key, form);
                        push(service, &format!("{entry}.{value_word}"), "", value, form);
                    }
                    None => push(service, &format!("{path}.{key}"), key, value, form),
                }
            }
        }
        View::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                push(service, &format!("{path}.member.{}", place + 1), "", item, form);
            }
        }
        View::String(text) if member == "BinaryValue" => pair(path, &BASE64_STANDARD.encode(text), form),
        View::String(text) => pair(path, text, form),
        View::Bool(_) | View::Number(_) => pair(path, &value.to_value().to_json(), form),
    }
}

fn pair(name: &str, value: &str, form: &mut String) {
    form.push('&');
    percent_encode(name, b"", form);
    form.push('=');
    percent_encode(value, b"", form);
}

/// The result in an answer, or the error that it tells.
pub(super) fn result(answer: &HttpAnswer) -> Result<Value, Box<ServiceError>> {
    let root = std::str::from_utf8(&answer.body).ok().and_then(Element::parse).unwrap_or_default();
    if !answer.status.is_success() {
        return Err(Box::new(error(answer, &root)));
    }
    let result = root.children.iter().find(|child| child.name.ends_with("Result"));
    Ok(result.map_or_else(Value::empty_object, value_of))
}

fn error(answer: &HttpAnswer, root: &Element) -> ServiceError {
    let told = root.child("Error").unwrap_or(root);
    ServiceError {
        status: answer.status,
        code: told.text_of("Code").unwrap_or("Unknown").to_owned(),
        message: told.text_of("Message").map(str::to_owned),
        request_id: root.text_of("RequestId").map_or_else(|| request_id(&answer.headers), str::to_owned),
        query_code: None,
        extended_request_id: None,
    }
}

/// An element as a value: lists have elements named `member`, maps have elements named `entry`. Elements nest no deeper
/// than their parser lets them.
fn value_of(element: &Element) -> Value {
    if element.children.is_empty() {
        return Value::from(element.text.as_str());
    }
    if element.children.iter().all(|child| child.name == "member") {
        return Value::array(element.children.iter().map(value_of));
    }
    let mut object = ObjectBuilder::with_capacity(element.children.len());
    for child in &element.children {
        if child.name == "entry" {
            let (Some(key), Some(value)) = (child.text_of("key"), child.child("value")) else { continue };
            object.insert(key.into(), value_of(value));
        } else {
            object.insert(child.name.as_str().into(), value_of(child));
        }
    }
    object.finish()
}

/// An SDK integration of SNS.
pub(super) async fn perform_sdk(client: &Client, action: &str, parameters: &Value) -> TaskResult {
    if !matches!(parameters.view(), View::Object(_)) {
        return Err(unusable_parameters(parameters, "The parameters must be an OBJECT"));
    }
    let answer = call(client, &SNS, action, parameters).await.map_err(|failure| not_answered("Sns", &failure))?;
    result(&answer).map_err(|error| {
        let modelled = error.is_modelled_by_default();
        error.sdk("Sns", modelled)
    })
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, StatusCode};

    use super::*;

    fn form(service: &QueryService, parameters: &str) -> String {
        let mut form = String::new();
        let value = Value::parse(parameters).unwrap();
        if let View::Object(entries) = value.view() {
            for (name, value) in entries.iter() {
                push(service, name, name, value, &mut form);
            }
        }
        form
    }

    fn answer(status: u16, body: &str) -> HttpAnswer {
        let status = StatusCode::from_u16(status).unwrap();
        HttpAnswer { status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn parameters_are_a_form() {
        assert_eq!(
            form(
                &SNS,
                r#"{"TopicArn":"a:b","Message":{"x":1},"MessageAttributes":{"k":{"DataType":"String","StringValue":"v"}}}"#
            ),
            "&TopicArn=a%3Ab&Message=%7B%22x%22%3A1%7D&MessageAttributes.entry.1.Name=k\
             &MessageAttributes.entry.1.Value.DataType=String&MessageAttributes.entry.1.Value.StringValue=v"
        );
        assert_eq!(
            form(&SNS, r#"{"TagKeys":["a","b"],"N":1,"No":null}"#),
            "&TagKeys.member.1=a&TagKeys.member.2=b&N=1"
        );
        assert_eq!(
            form(&SQS, r#"{"MessageBody":{"x":1},"MessageAttributes":{"k":{"DataType":"String"}}}"#),
            "&MessageBody=%7B%22x%22%3A1%7D&MessageAttribute.1.Name=k&MessageAttribute.1.Value.DataType=String"
        );
    }

    #[test]
    fn results_and_errors_are_elements() {
        let body = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult><ResponseMetadata/>\
                    </PublishResponse>";
        assert_eq!(result(&answer(200, body)).ok().unwrap().to_json(), r#"{"MessageId":"m"}"#);
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>No topic</Message></Error>\
                    <RequestId>r</RequestId></ErrorResponse>";
        let error = result(&answer(404, body)).err().unwrap().optimized("SNS", "AmazonSNS", "AmazonSNSException", true);
        assert_eq!(error.error.as_str(), "SNS.NotFoundException");
        assert!(
            error.cause.as_str().starts_with("No topic (Service: AmazonSNS; Status Code: 404; Error Code: NotFound; ")
        );
    }
}
