//! The services of the AWS JSON protocol: one row of `services.tsv` each, written by
//! `tests/services/write_service_table.py` from the public API models.

use std::{collections::HashMap, sync::OnceLock};

/// What the AWS JSON protocol and the SDK's class names need to know about a service.
#[derive(Debug)]
pub(super) struct Service {
    /// As in `aws-sdk:<id>:<action>`.
    pub(super) id: &'static str,
    /// What its error names begin with, as the Java SDK spells it: `DynamoDb`.
    pub(super) prefix: &'static str,
    /// First part of its host.
    pub(super) endpoint_prefix: &'static str,
    pub(super) signing_name: &'static str,
    /// What stands before the operation in `X-Amz-Target`.
    pub(super) target_prefix: &'static str,
    /// `1.0` or `1.1`.
    pub(super) json_version: &'static str,
    /// Whether its members begin with a small letter on the wire; in definitions they never do.
    pub(super) camel: bool,
    /// Which of the codes that any service may answer with have a class of their own in this service's SDK.
    modelled: &'static str,
    /// Members that hold a time, wherever they occur.
    timestamps: &'static str,
    /// Members whose keys are data.
    maps: &'static str,
    /// Members that hold bytes.
    blobs: &'static str,
    names: [&'static str; 2],
}

const ROWS: &str = include_str!("services.tsv");

/// Codes that any service may answer with (Common Error Types of the services' API references).
const COMMON_CODES: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "InvalidAction",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MalformedHttpRequestException",
    "MissingAction",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "MissingParameter",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeoutException",
    "SerializationException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SignatureDoesNotMatch",
    "SignatureDoesNotMatchException",
    "Throttling",
    "ThrottlingException",
    // What stands for a code in an answer that has none.
    "Unknown",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
];

fn listed(list: &str, name: &str) -> bool {
    list.split(',').any(|entry| entry == name)
}

impl Service {
    /// The service of that id.
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        static SERVICES: OnceLock<HashMap<&'static str, Service>> = OnceLock::new();
        SERVICES
            .get_or_init(|| ROWS.lines().filter_map(Self::read).map(|service| (service.id, service)).collect())
            .get(id)
    }

    fn read(row: &'static str) -> Option<Self> {
        let mut columns = row.split('\t');
        let mut next = || columns.next();
        let (id, prefix, endpoint_prefix) = (next()?, next()?, next()?);
        Some(Self {
            id,
            prefix,
            endpoint_prefix,
            names: [id, endpoint_prefix],
            signing_name: next()?,
            target_prefix: next()?,
            json_version: next()?,
            camel: next()? == "camel",
            modelled: next()?,
            timestamps: next()?,
            maps: next()?,
            blobs: next()?,
        })
    }

    /// The names by which its endpoint may be set.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Whether the SDK has a class for a code; for the others it throws the service's base exception.
    pub(super) fn models(&self, code: &str) -> bool {
        !is_common(code) || listed(self.modelled, code)
    }

    pub(super) fn is_timestamp(&self, member: &str) -> bool {
        listed(self.timestamps, member)
    }

    pub(super) fn is_map(&self, member: &str) -> bool {
        listed(self.maps, member)
    }

    pub(super) fn is_blob(&self, member: &str) -> bool {
        listed(self.blobs, member)
    }
}

/// Whether any service may answer with this code.
pub(super) fn is_common(code: &str) -> bool {
    COMMON_CODES.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_service() {
        for row in ROWS.lines() {
            let service = Service::read(row).unwrap();
            assert!(Service::find(service.id).is_some(), "{row}");
            assert!(matches!(service.json_version, "1.0" | "1.1"), "{row}");
        }
        assert!(ROWS.lines().count() > 100);
    }

    #[test]
    fn codes_have_classes_or_not() {
        let dynamodb = Service::find("dynamodb").unwrap();
        assert!(!dynamodb.models("ValidationException"));
        assert!(dynamodb.models("ConditionalCheckFailedException"));
        assert!(Service::find("glue").unwrap().models("ValidationException"));
    }
}
