//! What results of optimised integrations tell about the answer that they are made of.

use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};

use crate::{
    Value,
    value::{ObjectBuilder, Text},
};

/// `SdkHttpMetadata` of an answer.
pub(crate) fn sdk_http_metadata(status: StatusCode, headers: &HeaderMap) -> Value {
    let mut all = ObjectBuilder::with_capacity(headers.len());
    let mut first = ObjectBuilder::with_capacity(headers.len());
    for name in headers.keys() {
        let key = displayed(name);
        all.insert(key.clone(), Value::array(headers.get_all(name).iter().map(text_of)));
        first.insert(key, headers.get(name).map(text_of).unwrap_or_default().into());
    }
    Value::object([
        ("AllHttpHeaders", all.finish()),
        ("HttpHeaders", first.finish()),
        ("HttpStatusCode", i64::from(status.as_u16()).into()),
    ])
}

/// `SdkResponseMetadata` of an answer.
pub(crate) fn sdk_response_metadata(request_id: Option<&str>) -> Value {
    Value::object([("RequestId", request_id.map_or(Value::NULL, Value::from))])
}

/// The text of a header field, whatever its bytes.
pub(crate) fn text_of(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The name of a header field as AWS shows it: HTTP libraries make all of them lower case.
pub(crate) fn displayed(name: &HeaderName) -> Text {
    match name.as_str() {
        "x-amzn-requestid" => "x-amzn-RequestId".into(),
        "x-amzn-remapped-content-length" => "x-amzn-Remapped-Content-Length".into(),
        "x-amz-crc32" => "x-amz-crc32".into(),
        name => {
            let mut upper = true;
            let cased = name.chars().map(|character| {
                let cased = if upper { character.to_ascii_uppercase() } else { character };
                upper = character == '-';
                cased
            });
            cased.collect::<String>().into()
        }
    }
}
