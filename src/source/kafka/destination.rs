//! A topic as destination.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::{
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
};

use super::KafkaClient;
use crate::source::{Body, BrokerError, Destination, LocalBoxFuture, Publication};

/// Longest error or cause in a header, in characters.
const MAX_HEADER_CHARACTERS: usize = 1024;

/// Produces to a topic, with the event's key. A publication is accepted once all in-sync replicas have it. Clones share one
/// producer.
///
/// Results have the header `Expressway-Id`, equal for all results of one event. Dead letters are the original message, with
/// headers that say what happened.
#[derive(Clone)]
pub struct KafkaDestination {
    client: KafkaClient,
    topic: String,
    producer: Arc<Mutex<Option<FutureProducer>>>,
}

impl KafkaDestination {
    /// A destination that connects at its first publication.
    #[must_use]
    pub fn new(client: KafkaClient, topic: String) -> Self {
        Self { client, topic, producer: Arc::default() }
    }

    /// The producer; made anew when it has failed for good.
    fn producer(&self) -> KafkaResult<FutureProducer> {
        let known = &mut *self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(producer) if producer.client().fatal_error().is_none() => Ok(producer.clone()),
            _ => Ok(known.insert(self.client.producer().create()?).clone()),
        }
    }

    fn send(&self, producer: &FutureProducer, publication: &Publication) -> Result<DeliveryFuture, BrokerError> {
        let delivery = &publication.delivery;
        let (payload, headers) = match &publication.body {
            Body::Result(result) => (result.clone(), OwnedHeaders::new_with_capacity(1)),
            Body::DeadLetter { error, cause } => {
                let (original, whole) = publication.original();
                let mut headers = OwnedHeaders::new_with_capacity(7 + delivery.headers.len());
                let theirs = delivery.headers.iter().filter(|(name, _)| !name.starts_with("Expressway-"));
                for (name, value) in theirs.filter(|_| publication.has_headers()) {
                    headers = headers.insert(Header { key: name, value: Some(value) });
                }
                let deliveries = delivery.deliveries.to_string();
                for (key, value) in [
                    ("Expressway-Error", error.as_str()),
                    ("Expressway-Cause", if publication.has_headers() { cause } else { "" }),
                    ("Expressway-Subject", &delivery.subject),
                    ("Expressway-Sequence", &delivery.sequence),
                    ("Expressway-Deliveries", &deliveries),
                ] {
                    let value: String = value.chars().take(MAX_HEADER_CHARACTERS).collect();
                    headers = headers.insert(Header { key, value: Some(&value) });
                }
                if !whole {
                    let bytes = delivery.payload.len().to_string();
                    headers = headers.insert(Header { key: "Expressway-Original-Bytes", value: Some(&bytes) });
                }
                (original, headers)
            }
        };
        let headers = match &publication.id() {
            Some(id) => headers.insert(Header { key: "Expressway-Id", value: Some(id) }),
            None => headers,
        };
        let mut record = FutureRecord::to(&self.topic).payload(&payload[..]).headers(headers);
        // A batch has the keys of all its events, and so none.
        if let Some(key) = delivery.key.as_ref().filter(|_| publication.single) {
            record = record.key(key.as_bytes());
        }
        producer.send_result(record).map_err(|(error, _)| refused(&error))
    }

    async fn publish_all(&self, publications: &[Publication]) -> Vec<Result<(), BrokerError>> {
        let producer = match self.producer() {
            Ok(producer) => producer,
            Err(error) => return vec![Err(BrokerError::new(error)); publications.len()],
        };
        let sent: Vec<_> = publications.iter().map(|publication| self.send(&producer, publication)).collect();
        let mut answers = Vec::with_capacity(sent.len());
        for sent in sent {
            answers.push(match sent {
                Ok(accepted) => match accepted.await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err((error, _))) => Err(refused(&error)),
                    Err(_) => Err(BrokerError::new("the producer has ended")),
                },
                Err(error) => Err(error),
            });
        }
        answers
    }
}

fn refused(error: &KafkaError) -> BrokerError {
    match error {
        KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => BrokerError::too_large(error),
        _ => BrokerError::new(error),
    }
}

impl Destination for KafkaDestination {
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(self.publish_all(publications))
    }
}
