//! S3's REST protocol, for the actions on objects that definitions use.

use hyper::{
    Method,
    header::{HeaderName, HeaderValue},
};

use super::{
    Action,
    client::{Client, ServiceRequest, Signing, Target},
    error::{ServiceError, header, not_answered, request_id, unusable_parameters},
    members::instant,
    xml::Element,
};
use crate::{
    Value,
    model::{error_name, quota::MAX_SERVICE_RESPONSE_BYTES, time::parse_http_date_ms},
    task::{
        TaskError, TaskResult,
        http::{Endpoint, HttpAnswer, HttpFailure, percent_encode, text_of},
    },
    value::{ArrayBuilder, ObjectBuilder, ValueRef, View},
};

const S3: Target<'static> = Target { names: &["s3"], endpoint_prefix: "s3", signing_name: "s3" };
/// What errors begin with.
const PREFIX: &str = "S3";
/// Header fields of a user's own metadata.
const METADATA_PREFIX: &str = "x-amz-meta-";
/// Codes that the SDK has a class for.
const MODELLED: &[&str] = &[
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "EncryptionTypeMismatch",
    "InvalidObjectState",
    "InvalidRequest",
    "InvalidWriteOffset",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "ObjectAlreadyInActiveTierError",
    "ObjectNotInActiveTierError",
    "TooManyParts",
];

/// How a member reads in a result.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Bool,
    Time,
}

/// Members that are header fields, of requests, of answers or of both.
#[rustfmt::skip]
const HEADERS: &[(&str, &str, Kind)] = &[
    ("AcceptRanges", "accept-ranges", Kind::Text),
    ("ACL", "x-amz-acl", Kind::Text),
    ("BucketKeyEnabled", "x-amz-server-side-encryption-bucket-key-enabled", Kind::Bool),
    ("CacheControl", "cache-control", Kind::Text),
    ("ChecksumCRC32", "x-amz-checksum-crc32", Kind::Text),
    ("ChecksumCRC32C", "x-amz-checksum-crc32c", Kind::Text),
    ("ChecksumCRC64NVME", "x-amz-checksum-crc64nvme", Kind::Text),
    ("ChecksumSHA1", "x-amz-checksum-sha1", Kind::Text),
    ("ChecksumSHA256", "x-amz-checksum-sha256", Kind::Text),
    ("ChecksumType", "x-amz-checksum-type", Kind::Text),
    ("ContentDisposition", "content-disposition", Kind::Text),
    ("ContentEncoding", "content-encoding", Kind::Text),
    ("ContentLanguage", "content-language", Kind::Text),
    ("ContentLength", "content-length", Kind::Number),
    ("ContentRange", "content-range", Kind::Text),
    ("ContentType", "content-type", Kind::Text),
    ("CopySource", "x-amz-copy-source", Kind::Text),
    ("DeleteMarker", "x-amz-delete-marker", Kind::Bool),
    ("ETag", "etag", Kind::Text),
    ("ExpectedBucketOwner", "x-amz-expected-bucket-owner", Kind::Text),
    ("Expiration", "x-amz-expiration", Kind::Text),
    ("IfMatch", "if-match", Kind::Text),
    ("IfNoneMatch", "if-none-match", Kind::Text),
    ("LastModified", "last-modified", Kind::Time),
    ("MetadataDirective", "x-amz-metadata-directive", Kind::Text),
    ("Range", "range", Kind::Text),
    ("RequestPayer", "x-amz-request-payer", Kind::Text),
    ("ServerSideEncryption", "x-amz-server-side-encryption", Kind::Text),
    ("SSEKMSKeyId", "x-amz-server-side-encryption-aws-kms-key-id", Kind::Text),
    ("StorageClass", "x-amz-storage-class", Kind::Text),
    ("Tagging", "x-amz-tagging", Kind::Text),
    ("TagCount", "x-amz-tagging-count", Kind::Number),
    ("VersionId", "x-amz-version-id", Kind::Text),
];

/// Parameters that are part of the query.
#[rustfmt::skip]
const QUERY: &[(&str, &str)] = &[
    ("ContinuationToken", "continuation-token"), ("Delimiter", "delimiter"), ("EncodingType", "encoding-type"),
    ("FetchOwner", "fetch-owner"), ("Marker", "marker"), ("MaxKeys", "max-keys"), ("PartNumber", "partNumber"),
    ("Prefix", "prefix"), ("StartAfter", "start-after"), ("VersionId", "versionId"),
];

/// An action: its name, its method, what its query begins with, whether it is about an object, and whether its answer has
/// an object in its body.
struct Operation {
    name: &'static str,
    method: Method,
    query: &'static str,
    object: bool,
    body: bool,
}

#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    Operation { name: "getObject", method: Method::GET, query: "", object: true, body: true },
    Operation { name: "headObject", method: Method::HEAD, query: "", object: true, body: false },
    Operation { name: "putObject", method: Method::PUT, query: "", object: true, body: false },
    Operation { name: "copyObject", method: Method::PUT, query: "", object: true, body: false },
    Operation { name: "deleteObject", method: Method::DELETE, query: "", object: true, body: false },
    Operation { name: "listObjectsV2", method: Method::GET, query: "list-type=2", object: false, body: false },
    Operation { name: "listObjects", method: Method::GET, query: "", object: false, body: false },
    Operation { name: "headBucket", method: Method::HEAD, query: "", object: false, body: false },
    Operation { name: "createBucket", method: Method::PUT, query: "", object: false, body: false },
    Operation { name: "deleteBucket", method: Method::DELETE, query: "", object: false, body: false },
];

/// Calls an action of S3.
pub(super) async fn perform(client: &Client, action: Action<'_>, parameters: &Value) -> TaskResult {
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.name == action.name) else {
        let cause = format!("The action '{}' of S3 is none that can be called.", action.name);
        return Err(TaskError::new(error_name::RUNTIME, cause));
    };
    let text = |name: &str| {
        let text = parameters.get(name).and_then(ValueRef::as_str).filter(|text| !text.is_empty());
        text.ok_or_else(|| unusable_parameters(parameters, &format!("The field '{name}' is required but was missing")))
    };
    let bucket = text("Bucket")?;
    let key = if operation.object { text("Key")? } else { "" };
    let request = request(operation, key, parameters)?;
    let answer = send(client, bucket, request).await.map_err(|failure| not_answered(PREFIX, &failure))?;
    if !answer.status.is_success() {
        let error = error(&answer);
        let modelled = MODELLED.contains(&error.code.as_str());
        return Err(error.sdk(PREFIX, modelled));
    }
    Ok(result(operation, &answer))
}

/// Sends a request to a bucket: by its path where an endpoint is set, by its host at AWS.
async fn send(client: &Client, bucket: &str, mut request: ServiceRequest) -> Result<HttpAnswer, HttpFailure> {
    let by_host = client.own_endpoint(S3.names).is_none() && !bucket.contains('.');
    if by_host {
        let domain = if client.region().starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = Endpoint::parse(&format!("https://{bucket}.s3.{}.{domain}", client.region()))
            .map_err(|error| HttpFailure::Unusable(error.to_string().into()))?;
        return client.send_to(&endpoint, Signing::Always, S3.signing_name, request, MAX_SERVICE_RESPONSE_BYTES).await;
    }
    let mut path = String::from("/");
    percent_encode(bucket, b"", &mut path);
    path.push_str(&request.path);
    request.path = path;
    client.send(S3, request, MAX_SERVICE_RESPONSE_BYTES).await
}

fn request(operation: &Operation, key: &str, parameters: &Value) -> Result<ServiceRequest, TaskError> {
    let mut path = String::from("/");
    percent_encode(key, b"/", &mut path);
    let mut separator = '?';
    if !operation.query.is_empty() {
        path.push(separator);
        path.push_str(operation.query);
        separator = '&';
    }
    let mut headers = Vec::new();
    let mut push = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        match name.zip(HeaderValue::from_str(value).ok()) {
            Some(pair) => headers.push(pair),
            None => return Err(unusable_parameters(parameters, "The value of a header is not valid")),
        }
        Ok(())
    };
    let View::Object(entries) = parameters.view() else {
        return Err(unusable_parameters(parameters, "The parameters must be an OBJECT"));
    };
    for (name, value) in entries.iter() {
        let text = value.as_str().map_or_else(|| value.to_value().to_json(), str::to_owned);
        if let Some((_, word)) = QUERY.iter().find(|(member, _)| *member == name) {
            path.push(separator);
            separator = '&';
            path.push_str(word);
            path.push('=');
            percent_encode(&text, b"", &mut path);
        } else if let Some((_, word, _)) = HEADERS.iter().find(|(member, ..)| *member == name) {
            push(word, &text)?;
        } else if let (true, View::Object(own)) = (name == "Metadata", value.view()) {
            for (name, value) in own.iter() {
                push(&format!("{METADATA_PREFIX}{name}"), value.as_str().unwrap_or_default())?;
            }
        }
    }
    let mut body = Vec::new();
    if operation.name == "putObject" {
        // A body is stored as JSON, whatever it is: a text has its quotes.
        body = parameters.get("Body").map_or_else(Vec::new, |body| body.to_value().to_json().into_bytes());
        push("x-amz-sdk-checksum-algorithm", "CRC32")?;
        push("x-amz-checksum-crc32", &checksum(&body))?;
    }
    Ok(ServiceRequest { method: operation.method.clone(), path, headers, body })
}

fn result(operation: &Operation, answer: &HttpAnswer) -> Value {
    let mut result = ObjectBuilder::with_capacity(12);
    if operation.object {
        for (member, name, kind) in HEADERS {
            let of_body = matches!(*member, "AcceptRanges" | "ContentLength" | "ContentType" | "LastModified");
            if of_body && !matches!(operation.name, "getObject" | "headObject") {
                continue;
            }
            if let Some(text) = answer.headers.get(*name).map(text_of) {
                result.push((*member).into(), member_of(&text, *kind));
            }
        }
    }
    if matches!(operation.name, "getObject" | "headObject") {
        let own = answer.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix(METADATA_PREFIX)?.to_owned(), Value::from(text_of(value))))
        });
        result.push("Metadata".into(), Value::object(own));
    }
    if operation.body {
        result.push("Body".into(), String::from_utf8_lossy(&answer.body).into_owned().into());
    } else if let Some(root) = std::str::from_utf8(&answer.body).ok().and_then(Element::parse) {
        if operation.name == "copyObject" {
            result.push("CopyObjectResult".into(), listed(&root));
        } else {
            return listed(&root);
        }
    }
    result.finish()
}

fn member_of(text: &str, kind: Kind) -> Value {
    let read = match kind {
        Kind::Text => None,
        Kind::Number => text.parse::<i64>().ok().map(Value::from),
        Kind::Bool => text.parse::<bool>().ok().map(Value::from),
        Kind::Time => parse_http_date_ms(text).map(|time| Value::from(instant(time))),
    };
    read.unwrap_or_else(|| Value::from(text))
}

/// Elements that may be there several times.
const LISTS: &[&str] = &["ChecksumAlgorithm", "CommonPrefixes", "Contents"];

/// A list of objects: elements that may be there several times are arrays. Elements nest no deeper than their parser lets
/// them.
fn listed(element: &Element) -> Value {
    let mut object = ObjectBuilder::with_capacity(element.children.len());
    for name in LISTS {
        let mut items = ArrayBuilder::default();
        let mut any = false;
        for child in element.children.iter().filter(|child| child.name == *name) {
            items.push(if child.children.is_empty() { child.text.as_str().into() } else { listed(child) });
            any = true;
        }
        if any {
            object.push((*name).into(), items.finish());
        }
    }
    for child in element.children.iter().filter(|child| !LISTS.contains(&child.name.as_str())) {
        let value = match child.name.as_str() {
            _ if !child.children.is_empty() => listed(child),
            "IsTruncated" => member_of(&child.text, Kind::Bool),
            "KeyCount" | "MaxKeys" | "Size" => member_of(&child.text, Kind::Number),
            "LastModified" => Value::from(child.text.replace(".000Z", "Z")),
            _ => Value::from(child.text.as_str()),
        };
        object.insert(child.name.as_str().into(), value);
    }
    object.finish()
}

fn error(answer: &HttpAnswer) -> ServiceError {
    let root = std::str::from_utf8(&answer.body).ok().and_then(Element::parse).unwrap_or_default();
    // An answer to HEAD has no body to tell the code in.
    let code = root.text_of("Code").map_or_else(
        || if answer.status.as_u16() == 404 { "NoSuchKey".to_owned() } else { answer.status.as_u16().to_string() },
        str::to_owned,
    );
    let extended = header(&answer.headers, "x-amz-id-2").or_else(|| root.text_of("HostId")).unwrap_or("null");
    ServiceError {
        status: answer.status,
        code,
        message: root.text_of("Message").map(str::to_owned),
        request_id: root.text_of("RequestId").map_or_else(|| request_id(&answer.headers), str::to_owned),
        query_code: None,
        extended_request_id: Some(extended.to_owned()),
    }
}

/// CRC-32 of a body as S3 takes it: big-endian, in Base64. The SDK sends it with every object.
fn checksum(body: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut crc = u32::MAX;
    for byte in body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
        }
    }
    BASE64_STANDARD.encode((!crc).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, parameters: &str) -> ServiceRequest {
        let operation = OPERATIONS.iter().find(|operation| operation.name == name).unwrap();
        let parameters = Value::parse(parameters).unwrap();
        let key = parameters.get("Key").and_then(ValueRef::as_str).unwrap_or_default();
        request(operation, key, &parameters).ok().unwrap()
    }

    #[test]
    fn parameters_are_path_query_headers_and_body() {
        let list = of("listObjectsV2", r#"{"Bucket":"b","Prefix":"a/b","MaxKeys":2}"#);
        assert_eq!(list.path, "/?list-type=2&prefix=a%2Fb&max-keys=2");
        let put =
            of("putObject", r#"{"Bucket":"b","Key":"a b/c","Body":{"x":1},"ContentType":"t/u","Metadata":{"k":"v"}}"#);
        assert_eq!((put.path.as_str(), put.body.as_slice()), ("/a%20b/c", &br#"{"x":1}"#[..]));
        let names: Vec<_> = put.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"content-type") && names.contains(&"x-amz-meta-k"), "{names:?}");
    }

    #[test]
    fn checksums_are_those_of_the_sdk() {
        // The check value of CRC-32, 0xCBF43926, of the digits 1 to 9.
        assert_eq!(checksum(b"123456789"), "y/Q5Jg==");
    }

    #[test]
    fn lists_have_their_types() {
        let text = "<ListBucketResult><Name>b</Name><MaxKeys>2</MaxKeys><IsTruncated>false</IsTruncated>\
                    <Contents><Key>k</Key><Size>3</Size><LastModified>2024-02-29T12:34:56.000Z</LastModified></Contents>\
                    </ListBucketResult>";
        assert_eq!(
            listed(&Element::parse(text).unwrap()).to_json(),
            r#"{"Contents":[{"Key":"k","Size":3,"LastModified":"2024-02-29T12:34:56Z"}],"Name":"b","MaxKeys":2,"IsTruncated":false}"#
        );
    }
}
