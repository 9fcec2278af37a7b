//! A subject that a JetStream stream listens to.

use std::{error::Error as _, rc::Rc};

use async_nats::{
    HeaderMap,
    jetstream::{
        self,
        context::{PublishError, PublishErrorKind},
        message::PublishMessage,
    },
};
use tokio::sync::OnceCell;

use super::NatsConnection;
use crate::source::{Body, BrokerError, Destination, LocalBoxFuture, Publication};

/// Publications whose acceptance is awaited at once.
const MAX_UNACCEPTED: usize = 65_536;
/// Longest error or cause in a header, in characters.
const MAX_HEADER_CHARACTERS: usize = 1024;

/// Publishes to a subject. A publication is accepted once a stream has stored it; a subject without a stream refuses it.
///
/// Each has a `Nats-Msg-Id`, by which the stream drops what it has stored within its duplicate window. Dead letters are the
/// original message, with headers that say what happened.
pub struct NatsDestination {
    connection: Rc<NatsConnection>,
    subject: String,
    context: OnceCell<jetstream::Context>,
}

impl NatsDestination {
    /// A destination that connects at its first publication.
    #[must_use]
    pub fn new(connection: Rc<NatsConnection>, subject: String) -> Self {
        Self { connection, subject, context: OnceCell::new() }
    }

    async fn context(&self) -> Result<&jetstream::Context, BrokerError> {
        self.context
            .get_or_try_init(|| async {
                let client = self.connection.client().await?.clone();
                Ok(jetstream::context::ContextBuilder::new().max_ack_inflight(MAX_UNACCEPTED).build(client))
            })
            .await
    }

    async fn publish_all(&self, publications: &[Publication]) -> Vec<Result<(), BrokerError>> {
        let context = match self.context().await {
            Ok(context) => context,
            Err(error) => return vec![Err(error); publications.len()],
        };
        let mut sent = Vec::with_capacity(publications.len());
        for publication in publications {
            sent.push(context.send_publish(self.subject.clone(), message(publication)).await);
        }
        let mut answers = Vec::with_capacity(sent.len());
        for sent in sent {
            answers.push(match sent {
                Ok(accepted) => accepted.await.map(drop).map_err(|error| refusal(&error)),
                Err(error) => Err(refusal(&error)),
            });
        }
        answers
    }
}

impl Destination for NatsDestination {
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(self.publish_all(publications))
    }
}

fn message(publication: &Publication) -> PublishMessage {
    let delivery = &publication.delivery;
    let message = match &publication.body {
        Body::Result(result) => PublishMessage::build().payload(result.clone()),
        Body::DeadLetter { error, cause } => {
            let mut headers = HeaderMap::new();
            for (name, value) in &delivery.headers {
                // The stream's own, such as the first one's Nats-Msg-Id, mean something else here.
                if publication.has_headers() && !name.starts_with("Nats-") {
                    headers.append(name.as_str(), header(value).as_str());
                }
            }
            headers.insert("Expressway-Error", header(error).as_str());
            let cause = if publication.has_headers() { cause } else { "" };
            headers.insert("Expressway-Cause", header(cause).as_str());
            headers.insert("Expressway-Subject", header(&delivery.subject).as_str());
            headers.insert("Expressway-Sequence", header(&delivery.sequence).as_str());
            headers.insert("Expressway-Deliveries", delivery.deliveries.to_string().as_str());
            let (original, whole) = publication.original();
            if !whole {
                headers.insert("Expressway-Original-Bytes", delivery.payload.len().to_string().as_str());
            }
            PublishMessage::build().payload(original).headers(headers)
        }
    };
    match publication.id() {
        Some(id) => message.message_id(id),
        None => message,
    }
}

/// Why a publication was not accepted.
fn refusal(error: &PublishError) -> BrokerError {
    /// Code of JetStream's error for a message that is longer than its stream takes (nats-server, `JSStreamMessageExceedsMaximumErr`).
    const MESSAGE_EXCEEDS_MAXIMUM: u64 = 10054;
    let code = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    let too_large = code.is_some_and(|error| error.error_code().0 == MESSAGE_EXCEEDS_MAXIMUM)
        || error.kind() == PublishErrorKind::MaxPayloadExceeded;
    if too_large { BrokerError::too_large(error) } else { BrokerError::new(error) }
}

/// What a header can hold of a text: one line of bounded length.
fn header(text: &str) -> String {
    text.chars().take(MAX_HEADER_CHARACTERS).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
