//! From the parameters of an HTTP Task to the request that is sent.

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    form::{self, ArrayFormat},
    split,
};
use crate::{
    Value,
    model::error_name,
    task::{TaskError, http::Origin},
    value::{ObjectBuilder, Text, ValueRef, View},
};

/// What AWS asks for, so that no more than a result can hold is sent.
const RANGE: HeaderValue = HeaderValue::from_static("bytes=0-262144");
const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::HEAD];
/// Header fields that a definition cannot set (Developer Guide, HTTP Task fields, `Headers`).
const FORBIDDEN: &[&str] = &[
    "a-im",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-md5",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "referer",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
];
const FORBIDDEN_PREFIXES: [&str; 3] = ["x-forwarded-", "x-amz-", "x-amzn-"];

/// What a task asks for.
pub(super) struct Invocation {
    endpoint: String,
    method: Method,
    pub(super) connection_arn: Option<String>,
    headers: HeaderMap,
    query: String,
    body: Option<Value>,
    form: Option<ArrayFormat>,
}

/// Parameters that no request can be made of.
fn unusable(problem: impl std::fmt::Display) -> TaskError {
    TaskError::new(error_name::RUNTIME, format!("The parameters of the HTTP Task could not be used: {problem}"))
}

impl Invocation {
    /// Reads the parameters.
    ///
    /// # Errors
    /// `States.Runtime` for what no request can be made of.
    pub(super) fn of(parameters: &Value) -> Result<Self, TaskError> {
        let text = |name: &str| {
            parameters
                .get(name)
                .and_then(ValueRef::as_str)
                .ok_or_else(|| unusable(format_args!("The field '{name}' is required and must be a STRING")))
        };
        let endpoint = text("ApiEndpoint")?.to_owned();
        let name = text("Method")?;
        let method = METHODS
            .into_iter()
            .find(|method| method.as_str() == name)
            .ok_or_else(|| unusable(format_args!("'{name}' is no method of an HTTP Task")))?;
        let connection_arn = ["Authentication", "InvocationConfig"].iter().find_map(|field| {
            parameters.get(field)?.get("ConnectionArn").and_then(ValueRef::as_str).map(str::to_owned)
        });
        let mut invocation = Self {
            endpoint,
            method,
            connection_arn,
            headers: HeaderMap::new(),
            query: String::new(),
            body: parameters.get("RequestBody").filter(|body| !body.is_null()).map(ValueRef::to_value),
            form: transform(parameters)?,
        };
        invocation.read_headers(parameters)?;
        match parameters.get("QueryParameters").map(ValueRef::view) {
            None | Some(View::Null) => {}
            Some(View::String(query)) => invocation.query.push_str(query),
            Some(View::Object(entries)) => {
                for (name, value) in entries.iter() {
                    match value.view() {
                        View::Array(items) => {
                            items.iter().for_each(|item| form::pair(name, &form::scalar(item), &mut invocation.query));
                        }
                        _ => form::pair(name, &form::scalar(value), &mut invocation.query),
                    }
                }
            }
            Some(_) => return Err(unusable("The field 'QueryParameters' must be an OBJECT or a STRING")),
        }
        Ok(invocation)
    }

    fn read_headers(&mut self, parameters: &Value) -> Result<(), TaskError> {
        match parameters.get("Headers").map(ValueRef::view) {
            None | Some(View::Null) => Ok(()),
            Some(View::Object(entries)) => {
                for (name, value) in entries.iter() {
                    let lower = name.to_ascii_lowercase();
                    let is_forbidden = FORBIDDEN.contains(&lower.as_str())
                        || FORBIDDEN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
                    if is_forbidden {
                        return Err(unusable(format_args!("The header '{name}' cannot be set")));
                    }
                    let text = match value.view() {
                        View::Array(items) => items.iter().map(form::scalar).collect::<Vec<_>>().join(","),
                        _ => form::scalar(value),
                    };
                    self.set_header(name, &text)?;
                }
                Ok(())
            }
            Some(_) => Err(unusable("The field 'Headers' must be an OBJECT")),
        }
    }

    /// Sets a header field, whatever it was.
    ///
    /// # Errors
    /// `States.Runtime` for a name or value that no header can have; the value is not shown.
    pub(super) fn set_header(&mut self, name: &str, value: &str) -> Result<(), TaskError> {
        let field = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        let (field, value) = field.ok_or_else(|| unusable(format_args!("The header '{name}' is not valid")))?;
        self.headers.insert(field, value);
        Ok(())
    }

    /// Sets a header field that holds a secret: no library prints it.
    ///
    /// # Errors
    /// As [`Invocation::set_header`].
    pub(super) fn set_secret_header(&mut self, name: &str, value: &str) -> Result<(), TaskError> {
        self.set_header(name, value)?;
        if let Some(value) = self.headers.get_mut(name) {
            value.set_sensitive(true);
        }
        Ok(())
    }

    /// Adds a parameter to the query.
    pub(super) fn add_query(&mut self, name: &str, value: &str) {
        form::pair(name, value, &mut self.query);
    }

    /// Sets a member of the body.
    ///
    /// # Errors
    /// `States.Runtime` when the body is no object.
    pub(super) fn set_body_member(&mut self, name: &str, value: &str) -> Result<(), TaskError> {
        let mut merged = ObjectBuilder::with_capacity(4);
        match self.body.as_ref().map(Value::view) {
            None => {}
            Some(View::Object(entries)) => {
                for (key, old) in entries.iter() {
                    merged.insert(key.into(), old.to_value());
                }
            }
            Some(_) => {
                return Err(unusable(
                    "The body parameters of the connection cannot be added to a RequestBody that is no OBJECT",
                ));
            }
        }
        merged.insert(Text::from(name), Value::from(value));
        self.body = Some(merged.finish());
        Ok(())
    }

    /// The request, and where it goes.
    ///
    /// # Errors
    /// `States.Runtime` for an endpoint that is no URL.
    pub(super) fn into_request(
        mut self,
        user_agent: &HeaderValue,
    ) -> Result<(Origin, Request<Full<Bytes>>), TaskError> {
        let (origin, uri) = split(&self.endpoint)
            .ok_or_else(|| unusable(format_args!("The ApiEndpoint '{}' is no URL", self.endpoint)))?;
        let mut path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        if !self.query.is_empty() {
            path.push(if uri.query().is_some() { '&' } else { '?' });
            path.push_str(&self.query);
        }
        let (content_type, body) = match (&self.body, self.form) {
            (None, _) => (None, Vec::new()),
            (Some(body), Some(format)) if matches!(body.view(), View::Object(_)) => {
                (Some("application/x-www-form-urlencoded"), form::encode(body.as_ref(), format).into_bytes())
            }
            (Some(body), _) => {
                let bytes = body.as_str().map_or_else(|| body.to_json().into_bytes(), |text| text.as_bytes().to_vec());
                (Some("application/json; charset=UTF-8"), bytes)
            }
        };
        if let Some(content_type) = content_type {
            self.headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        }
        self.headers.insert(header::USER_AGENT, user_agent.clone());
        self.headers.insert(header::RANGE, RANGE);
        let mut request = Request::builder()
            .method(self.method)
            .uri(path)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| unusable("The query is not valid"))?;
        *request.headers_mut() = self.headers;
        Ok((origin, request))
    }
}

/// `Transform`: how the body is encoded; `None` for as it is.
fn transform(parameters: &Value) -> Result<Option<ArrayFormat>, TaskError> {
    let Some(transform) = parameters.get("Transform") else { return Ok(None) };
    match transform.get("RequestBodyEncoding").and_then(ValueRef::as_str) {
        None | Some("NONE") => return Ok(None),
        Some("URL_ENCODED") => {}
        Some(other) => return Err(unusable(format_args!("'{other}' is no RequestBodyEncoding"))),
    }
    match transform
        .get("RequestEncodingOptions")
        .and_then(|options| options.get("ArrayFormat"))
        .and_then(ValueRef::as_str)
    {
        None => Ok(Some(ArrayFormat::default())),
        Some(name) => match ArrayFormat::parse(name) {
            Some(format) => Ok(Some(format)),
            None => Err(unusable(format_args!("'{name}' is no ArrayFormat"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(parameters: &str) -> Result<(Origin, Request<Full<Bytes>>), TaskError> {
        Invocation::of(&Value::parse(parameters).unwrap())?.into_request(&HeaderValue::from_static("us"))
    }

    #[test]
    fn parameters_become_a_request() {
        let (origin, request) = request(
            r#"{"ApiEndpoint":"https://api.example.com/v1?x=1","Method":"POST","Headers":{"X-A":["b","c"]},
                "QueryParameters":{"q":["1","2"],"r":"a b"},"RequestBody":{"k":1}}"#,
        )
        .unwrap();
        assert_eq!(origin.authority(), "api.example.com:443");
        assert_eq!(request.uri(), "/v1?x=1&q=1&q=2&r=a+b");
        assert_eq!(request.headers()["x-a"], "b,c");
        assert_eq!(request.headers()["content-type"], "application/json; charset=UTF-8");
        assert_eq!(request.headers()["range"], "bytes=0-262144");
    }

    #[test]
    fn forms_have_their_content_type() {
        let (_, request) = request(
            r#"{"ApiEndpoint":"http://h","Method":"PUT","RequestBody":{"a":[1]},
                "Transform":{"RequestBodyEncoding":"URL_ENCODED","RequestEncodingOptions":{"ArrayFormat":"BRACKETS"}}}"#,
        )
        .unwrap();
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    }

    #[test]
    fn what_no_request_can_be_made_of() {
        for parameters in [
            "[]",
            r#"{"ApiEndpoint":"http://h"}"#,
            r#"{"ApiEndpoint":"no URL","Method":"GET"}"#,
            r#"{"ApiEndpoint":"http://h","Method":"CONNECT"}"#,
            r#"{"ApiEndpoint":"http://h","Method":"GET","Headers":{"Authorization":"x"}}"#,
            r#"{"ApiEndpoint":"http://h","Method":"GET","Headers":{"X-Amz-A":"x"}}"#,
            r#"{"ApiEndpoint":"http://h","Method":"GET","Headers":{"a":"x\ny"}}"#,
            r#"{"ApiEndpoint":"http://h","Method":"GET","QueryParameters":1}"#,
            r#"{"ApiEndpoint":"http://h","Method":"GET","Transform":{"RequestBodyEncoding":"GZIP"}}"#,
        ] {
            let error = request(parameters).err().unwrap();
            assert_eq!(error.error.as_str(), "States.Runtime", "{parameters}");
        }
    }
}
