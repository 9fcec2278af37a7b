//! The client of all services: endpoint, credentials, signature, connection.

use std::{borrow::Cow, sync::Arc};

use hyper::{
    Method, Request,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};

use super::{credentials::Provider, settings::AwsSettings, sign};
use crate::{
    clock::Clock,
    task::http::{Endpoint, HttpAnswer, HttpClient, HttpFailure},
};

/// What the SDKs say when they find no credentials.
const NO_CREDENTIALS: &str = "Unable to load AWS credentials from any provider in the chain";

pub(crate) struct Client {
    settings: AwsSettings,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    credentials: Provider,
}

/// A service to send a request to.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Names by which its endpoint may have been set.
    pub(crate) names: &'a [&'a str],
    /// First part of its host at AWS.
    pub(crate) endpoint_prefix: &'a str,
    pub(crate) signing_name: &'a str,
}

/// Whether a request is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    Never,
    /// When there are credentials: stand-ins of AWS seldom ask for any.
    WhenPossible,
    /// AWS itself is not called without.
    Always,
}

/// A request of a service.
pub(crate) struct ServiceRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(super) fn new(settings: AwsSettings, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        let credentials = Provider::new(settings.credentials.clone());
        Self { settings, http, clock, credentials }
    }

    pub(super) fn region(&self) -> &str {
        &self.settings.region
    }

    /// Whether SQS is spoken to as it was before it spoke JSON.
    pub(super) fn sqs_by_query(&self) -> bool {
        self.settings.sqs_by_query
    }

    /// The endpoint that the operator has set for a service.
    pub(super) fn own_endpoint(&self, names: &[&str]) -> Option<&Endpoint> {
        self.settings.endpoint_of(names)
    }

    /// Sends a request to a service: to the endpoint that is set for it, else to AWS.
    pub(super) async fn send(
        &self,
        target: Target<'_>,
        request: ServiceRequest,
        max_bytes: usize,
    ) -> Result<HttpAnswer, HttpFailure> {
        match self.settings.endpoint_of(target.names) {
            Some(endpoint) => {
                self.send_to(endpoint, Signing::WhenPossible, target.signing_name, request, max_bytes).await
            }
            None => {
                let endpoint = self
                    .settings
                    .public_endpoint(target.endpoint_prefix)
                    .map_err(|error| HttpFailure::Unusable(error.to_string().into()))?;
                self.send_to(&endpoint, Signing::Always, target.signing_name, request, max_bytes).await
            }
        }
    }

    /// Sends a request to an endpoint.
    pub(super) async fn send_to(
        &self,
        endpoint: &Endpoint,
        signing: Signing,
        signing_name: &str,
        request: ServiceRequest,
        max_bytes: usize,
    ) -> Result<HttpAnswer, HttpFailure> {
        let now_ms = self.clock.epoch_ms();
        let body = Bytes::from(request.body);
        let mut built = Request::builder().method(request.method).uri(endpoint.path(&request.path));
        for (name, value) in request.headers {
            built = built.header(name, value);
        }
        let mut built = built.body(body.clone().into()).map_err(|error| unusable(error.to_string()))?;
        let credentials = match signing {
            Signing::Never => None,
            Signing::WhenPossible | Signing::Always => self.credentials.get(&self.http, now_ms).await,
        };
        match credentials {
            Some(credentials) => {
                let scope = sign::Scope { region: &self.settings.region, signing_name, now_ms };
                sign::add_signature(&mut built, &body, &endpoint.origin, &credentials, scope).map_err(unusable)?;
            }
            None if signing == Signing::Always => return Err(HttpFailure::Unusable(Cow::Borrowed(NO_CREDENTIALS))),
            None => {}
        }
        self.http.send(&endpoint.origin, built, max_bytes).await
    }
}

fn unusable(reason: String) -> HttpFailure {
    HttpFailure::Unusable(Cow::Owned(reason))
}
