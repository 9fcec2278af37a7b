//! Signatures of requests (IAM User Guide, "AWS Signature Version 4 for API requests").

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use http_body_util::Full;
use hyper::{
    Request,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};

use crate::task::http::Origin;

/// What a signature is made for.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) signing_name: &'a str,
    pub(super) now_ms: u64,
}

/// Adds the signature's header fields to a request whose URI is its path and query.
///
/// # Errors
/// What cannot be signed, such as a header that is not text.
pub(super) fn add_signature(
    request: &mut Request<Full<Bytes>>,
    body: &Bytes,
    origin: &Origin,
    credentials: &Credentials,
    scope: Scope<'_>,
) -> Result<(), String> {
    let mut settings = SigningSettings::default();
    if scope.signing_name == "s3" {
        // S3 decodes a path once only, takes it as it is, and wants the hash of the body in a header.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.signing_name)
        .time(UNIX_EPOCH + Duration::from_millis(scope.now_ms))
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let scheme = if origin.https { "https" } else { "http" };
    let uri = format!("{scheme}://{}{}", origin.host_header(), request.uri());
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, SignableBody::Bytes(body))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &parameters).map_err(|error| error.to_string())?.into_parts();
    for (name, value) in instructions.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        let mut value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
        value.set_sensitive(matches!(name.as_str(), "authorization" | "x-amz-security-token"));
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_signed() {
        let body = Bytes::from_static(b"{}");
        let mut request = Request::post("/").header("x-amz-target", "A.B").body(Full::new(body.clone())).unwrap();
        let origin = Origin { https: true, host: "sqs.eu-west-1.amazonaws.com".into(), port: 443 };
        let credentials = Credentials::new("ID", "secret", Some("token".into()), None, "test");
        let scope = Scope { region: "eu-west-1", signing_name: "sqs", now_ms: 1_767_225_600_000 };
        add_signature(&mut request, &body, &origin, &credentials, scope).unwrap();
        let text = |name| request.headers().get(name).unwrap().to_str().unwrap();
        assert!(text("authorization").starts_with(
            "AWS4-HMAC-SHA256 Credential=ID/20260101/eu-west-1/sqs/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target, Signature="
        ));
        assert_eq!((text("x-amz-date"), text("x-amz-security-token")), ("20260101T000000Z", "token"));
    }
}
