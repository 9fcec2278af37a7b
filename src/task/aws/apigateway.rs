//! `arn:aws:states:::apigateway:invoke` (Developer Guide, "Call Amazon API Gateway").

use hyper::{
    Method,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    client::{Client, ServiceRequest, Signing},
    error::{not_answered, unusable_parameters},
};
use crate::{
    Value,
    model::quota::MAX_SERVICE_RESPONSE_BYTES,
    task::{
        TaskError, TaskResult,
        http::{Endpoint, HttpAnswer, displayed, percent_encode, text_of},
    },
    value::{ObjectBuilder, ValueRef, View},
};

/// What errors begin with.
const PREFIX: &str = "ApiGateway";
/// Names by which its endpoint may be set.
const NAMES: [&str; 2] = ["apigateway", "execute-api"];
const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD, Method::OPTIONS];
/// Header fields that a definition cannot set.
const FORBIDDEN: &[&str] = &[
    "authorization",
    "connection",
    "content-md5",
    "expect",
    "host",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
];
const FORBIDDEN_PREFIXES: [&str; 3] = ["x-forwarded", "x-amz", "x-amzn"];

/// Calls an API.
pub(super) async fn invoke(client: &Client, parameters: &Value) -> TaskResult {
    let text = |name: &str| parameters.get(name).and_then(ValueRef::as_str);
    let missing =
        |name: &str| unusable_parameters(parameters, &format!("The field '{name}' is required but was missing"));
    let api = text("ApiEndpoint").ok_or_else(|| missing("ApiEndpoint"))?;
    let name = text("Method").ok_or_else(|| missing("Method"))?;
    let method = METHODS.into_iter().find(|method| method.as_str() == name);
    let method =
        method.ok_or_else(|| unusable_parameters(parameters, "The value of the field 'Method' is not valid"))?;
    let signing = match text("AuthType") {
        Some("IAM_ROLE" | "RESOURCE_POLICY") => Signing::Always,
        _ => Signing::Never,
    };
    let endpoint = match client.own_endpoint(&NAMES) {
        Some(endpoint) => endpoint.clone(),
        None => {
            let url = if api.contains("://") { api.to_owned() } else { format!("https://{api}") };
            Endpoint::parse(&url)
                .map_err(|_| unusable_parameters(parameters, "The value of the field 'ApiEndpoint' is not valid"))?
        }
    };
    let request = ServiceRequest {
        method,
        path: path(parameters),
        headers: headers(parameters)?,
        body: body(parameters).unwrap_or_default(),
    };
    let answer = client
        .send_to(&endpoint, signing, "execute-api", request, MAX_SERVICE_RESPONSE_BYTES)
        .await
        .map_err(|failure| not_answered(PREFIX, &failure))?;
    result(&answer)
}

/// Stage, path and query.
fn path(parameters: &Value) -> String {
    let mut path = String::new();
    for name in ["Stage", "Path"] {
        let part = parameters.get(name).and_then(ValueRef::as_str).unwrap_or_default().trim_matches('/');
        if !part.is_empty() {
            path.push('/');
            percent_encode(part, b"/%:@!$&'()*+,;=", &mut path);
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    let mut separator = '?';
    for (name, value) in lists(parameters, "QueryParameters") {
        path.push(separator);
        separator = '&';
        percent_encode(&name, b"", &mut path);
        path.push('=');
        percent_encode(&value, b"", &mut path);
    }
    path
}

/// The pairs of an object whose members are lists of values, or values.
fn lists(parameters: &Value, field: &str) -> Vec<(String, String)> {
    let Some(View::Object(entries)) = parameters.get(field).map(ValueRef::view) else { return Vec::new() };
    let mut pairs = Vec::new();
    for (name, value) in entries.iter() {
        match value.view() {
            View::Array(items) => pairs.extend(items.iter().map(|item| (name.to_owned(), plain(item)))),
            _ => pairs.push((name.to_owned(), plain(value))),
        }
    }
    pairs
}

fn plain(value: ValueRef<'_>) -> String {
    value.as_str().map_or_else(|| value.to_value().to_json(), str::to_owned)
}

fn headers(parameters: &Value) -> Result<Vec<(HeaderName, HeaderValue)>, TaskError> {
    let mut headers = Vec::new();
    for (name, value) in lists(parameters, "Headers") {
        let lower = name.to_ascii_lowercase();
        let forbidden =
            FORBIDDEN.contains(&lower.as_str()) || FORBIDDEN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
        let field = HeaderName::from_bytes(lower.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
        match field.filter(|_| !forbidden) {
            Some(field) => headers.push(field),
            None => {
                let problem = format!("The header '{name}' is not supported");
                return Err(unusable_parameters(parameters, &problem));
            }
        }
    }
    let has_type = headers.iter().any(|(name, _)| *name == header::CONTENT_TYPE);
    if !has_type && body(parameters).is_some() {
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    }
    Ok(headers)
}

fn body(parameters: &Value) -> Option<Vec<u8>> {
    parameters.get("RequestBody").filter(|body| !body.is_null()).map(|body| plain(body).into_bytes())
}

fn result(answer: &HttpAnswer) -> TaskResult {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if !answer.status.is_success() {
        return Err(TaskError::new(format!("{PREFIX}.{}", answer.status.as_u16()), text));
    }
    let mut headers = ObjectBuilder::with_capacity(answer.headers.len());
    for name in answer.headers.keys() {
        headers.push(displayed(name), Value::array(answer.headers.get_all(name).iter().map(text_of)));
    }
    Ok(Value::object([
        ("Headers", headers.finish()),
        ("ResponseBody", Value::parse(&text).unwrap_or_else(|_| Value::from(text))),
        ("StatusCode", Value::from(i64::from(answer.status.as_u16()))),
        ("StatusText", Value::from(answer.status.canonical_reason().unwrap_or_default())),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_path_and_query_are_the_path() {
        let parameters =
            Value::parse(r#"{"Stage":"prod","Path":"/a b/{x}","QueryParameters":{"q":["1","2"],"r":"&"}}"#);
        assert_eq!(path(&parameters.unwrap()), "/prod/a%20b/%7Bx%7D?q=1&q=2&r=%26");
        assert_eq!(path(&Value::empty_object()), "/");
    }

    #[test]
    fn headers_are_lists() {
        let parameters = Value::parse(r#"{"Headers":{"X-A":["1","2"]},"RequestBody":{"a":1}}"#).unwrap();
        let names: Vec<_> = headers(&parameters).unwrap().iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["x-a", "x-a", "content-type"]);
        let forbidden = Value::parse(r#"{"Headers":{"Authorization":["x"]}}"#).unwrap();
        assert_eq!(headers(&forbidden).unwrap_err().error.as_str(), "States.Runtime");
    }
}
