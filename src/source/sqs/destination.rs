//! A queue as destination.

use std::fmt::Write as _;

use futures_util::stream::{self, StreamExt as _};
use sha2::{Digest as _, Sha256};

use super::{
    SqsQueue,
    queue::{MOST_OF_A_BATCH, MOST_REQUESTS, Refusal},
};
use crate::{
    Value,
    source::{Body, BrokerError, Destination, LocalBoxFuture, Publication},
    value::ObjectBuilder,
};

/// Most bytes of one request: what SQS took before it took 1 MiB, and some stand-ins still do. A single message may be longer.
const MAX_BATCH_BYTES: usize = 262_144;
/// Longest body of a dead letter that is sent as it came, in bytes (SQS Developer Guide, "Message quotas": 1 MiB with its
/// attributes).
const MAX_BODY_BYTES: usize = 1_000_000;
/// Most attributes of a message (same page).
const MAX_ATTRIBUTES: usize = 10;
/// Longest error or cause in an attribute, in characters.
const MAX_ATTRIBUTE_CHARACTERS: usize = 1024;
/// What SQS says of messages that are longer than their queue takes.
const TOO_LARGE: [&str; 2] = ["BatchRequestTooLong", "must be shorter than"];
/// Longest `MessageDeduplicationId` and `MessageGroupId`, in characters.
const MAX_ID_CHARACTERS: usize = 128;

/// Sends to a queue. A publication is accepted once the queue has stored it.
///
/// Results have the attribute `Expressway-Id`, equal for all results of one event. Dead letters are the original message with
/// attributes that say what happened. In a FIFO queue the group is the event's key, else each message is a group of its own,
/// and the deduplication id is that `Expressway-Id`.
pub struct SqsDestination {
    queue: SqsQueue,
}

/// A message to be sent.
struct Message {
    body: String,
    attributes: Vec<(String, String)>,
    /// By which FIFO queues recognise it.
    id: String,
    /// Whose order FIFO queues keep.
    group: String,
}

impl SqsDestination {
    /// A destination that calls the queue at its first publication.
    #[must_use]
    pub fn new(queue: SqsQueue) -> Self {
        Self { queue }
    }

    async fn send(&self, publications: &[Publication]) -> Vec<Result<(), BrokerError>> {
        let is_fifo = self.queue.address().is_fifo();
        let mut batches: Vec<Vec<Message>> = Vec::new();
        let mut bytes = 0;
        for publication in publications {
            let message = Message::of(publication);
            bytes += message.size();
            match batches.last_mut() {
                Some(batch) if batch.len() < MOST_OF_A_BATCH && bytes <= MAX_BATCH_BYTES => {
                    batch.push(message);
                }
                _ => {
                    bytes = message.size();
                    batches.push(vec![message]);
                }
            }
        }
        let sent = stream::iter(batches).map(|batch| self.send_batch(batch));
        // One after the other where there is an order to keep.
        sent.buffered(if is_fifo { 1 } else { MOST_REQUESTS }).concat().await
    }

    async fn send_batch(&self, batch: Vec<Message>) -> Vec<Result<(), BrokerError>> {
        let whole = self.send_entries(&batch).await;
        let none = |answer: &Result<(), BrokerError>| answer.as_ref().is_err_and(BrokerError::is_too_large);
        if batch.len() == 1 || !whole.iter().all(none) {
            return whole;
        }
        // One of them is longer than the queue takes, which has taken none.
        let mut answers = Vec::with_capacity(batch.len());
        for message in batch.chunks(1) {
            answers.extend(self.send_entries(message).await);
        }
        answers
    }

    async fn send_entries(&self, batch: &[Message]) -> Vec<Result<(), BrokerError>> {
        let is_fifo = self.queue.address().is_fifo();
        let entries = batch.iter().map(|message| message.entry(is_fifo)).collect();
        match self.queue.batch("sendMessageBatch", entries).await {
            Ok(results) => {
                let refused = |refusal: Refusal| refused(&refusal.reason);
                results.into_iter().map(|result| result.map_err(refused)).collect()
            }
            Err(error) => vec![Err(refused(&error.to_string())); batch.len()],
        }
    }
}

impl Message {
    fn of(publication: &Publication) -> Self {
        let known = publication.id();
        let mut attributes: Vec<_> = known.iter().map(|id| ("Expressway-Id".to_owned(), id.clone())).collect();
        // What has no id may be told apart from what has the same content: a new id each time.
        let id = known.unwrap_or_else(|| format!("{:032x}", fastrand::u128(..)));
        let group = publication.delivery.key.as_ref().filter(|key| !key.is_empty()).unwrap_or(&id).clone();
        let body = Self::original(publication, &mut attributes);
        let body = body.unwrap_or_else(|| sendable(&publication.to_json()));
        Self { body, attributes, id, group }
    }

    /// The body of a dead letter that is the original, with attributes that say what happened. `None` for a record, which can
    /// hold any bytes and says by itself what the attributes would, and for a result.
    fn original(publication: &Publication, attributes: &mut Vec<(String, String)>) -> Option<String> {
        let Body::DeadLetter { error, cause } = &publication.body else { return None };
        let delivery = &publication.delivery;
        let (original, whole) = publication.original();
        let original = std::str::from_utf8(&original).ok();
        let original =
            original.filter(|text| (1..=MAX_BODY_BYTES).contains(&text.len()) && text.chars().all(is_sendable));
        let original = original?.to_owned();
        let length = if whole { String::new() } else { delivery.payload.len().to_string() };
        let deliveries = delivery.deliveries.to_string();
        let facts = [
            ("Error", error.as_str()),
            ("Cause", cause),
            ("Subject", &delivery.subject),
            ("Sequence", &delivery.sequence),
            ("Deliveries", &deliveries),
            ("Original-Bytes", &length),
        ];
        // An empty attribute would be refused.
        let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
        attributes.extend(facts.map(|(name, value)| (format!("Expressway-{name}"), attribute(value))));
        let headers = delivery.headers.iter().filter(|(name, value)| is_attribute_name(name) && !value.is_empty());
        let room = MAX_ATTRIBUTES - attributes.len();
        attributes.extend(headers.take(room).map(|(name, value)| (name.clone(), attribute(value))));
        Some(original)
    }

    /// What it counts for in a batch.
    fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + "String".len());
        self.body.len() + attributes.sum::<usize>()
    }

    fn entry(&self, is_fifo: bool) -> ObjectBuilder {
        let mut entry = ObjectBuilder::with_capacity(5);
        entry.push("MessageBody".into(), self.body.as_str().into());
        if !self.attributes.is_empty() {
            let attributes = self.attributes.iter().map(|(name, value)| {
                let value = Value::from(value.as_str());
                (name.as_str(), Value::object([("DataType", Value::from("String")), ("StringValue", value)]))
            });
            entry.push("MessageAttributes".into(), Value::object(attributes));
        }
        if is_fifo {
            entry.push("MessageGroupId".into(), identifier(&self.group).into());
            entry.push("MessageDeduplicationId".into(), identifier(&self.id).into());
        }
        entry
    }
}

fn refused(reason: &str) -> BrokerError {
    if TOO_LARGE.iter().any(|words| reason.contains(words)) {
        BrokerError::too_large(reason)
    } else {
        BrokerError::new(reason)
    }
}

/// JSON without the two characters that JSON allows as they are and SQS does not.
fn sendable(json: &[u8]) -> String {
    let text = String::from_utf8_lossy(json);
    if text.contains(['\u{fffe}', '\u{ffff}']) {
        text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    } else {
        text.into_owned()
    }
}

/// Whether a body may have this character (SQS API Reference, "SendMessage").
fn is_sendable(char: char) -> bool {
    !matches!(char, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// What an attribute can hold of a text.
fn attribute(text: &str) -> String {
    text.chars().take(MAX_ATTRIBUTE_CHARACTERS).map(|char| if is_sendable(char) { char } else { ' ' }).collect()
}

/// Whether a header can be an attribute, and is none of ours or AWS's (SQS Developer Guide, "Message attributes").
fn is_attribute_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let reserved = ["aws.", "amazon.", "expressway-"].iter().any(|prefix| lower.starts_with(prefix));
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    let valid = name.chars().all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char));
    !reserved && !dots && valid && !name.is_empty() && name.len() <= 256
}

/// A text as a group or a deduplication id: itself where it can be one, else its hash.
fn identifier(text: &str) -> String {
    let valid = !text.is_empty() && text.len() <= MAX_ID_CHARACTERS && text.chars().all(|char| char.is_ascii_graphic());
    if valid {
        return text.to_owned();
    }
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Destination for SqsDestination {
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(self.send(publications))
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use bytes::Bytes;

    use super::*;
    use crate::source::Delivery;

    fn publication(payload: &[u8], body: Body) -> Publication {
        let delivery = Delivery {
            receipt: "r".into(),
            payload: Bytes::copy_from_slice(payload),
            headers: vec![("kind".into(), "new".into()), ("AWS.x".into(), "1".into()), ("empty".into(), String::new())],
            subject: "orders".into(),
            key: Some("customer 7".into()),
            sequence: "m".into(),
            origin: Some("url".into()),
            deliveries: 3,
            lag: None,
        };
        Publication { delivery: Rc::new(delivery), single: true, body, cut_to: None }
    }

    fn sent(publication: &Publication, is_fifo: bool) -> String {
        Message::of(publication).entry(is_fifo).finish().to_json()
    }

    #[test]
    fn results_are_bodies() {
        let result = publication(b"{}", Body::Result(Bytes::from_static("{\"a\":\"\u{ffff}\"}".as_bytes())));
        let body = r#"{"MessageBody":"{\"a\":\"\\uffff\"}","MessageAttributes":{"Expressway-Id":{"DataType":"String","StringValue":"url:m"}}"#;
        assert_eq!(sent(&result, false), format!("{body}}}"));
        let group = identifier("customer 7");
        assert_eq!(group.len(), 64, "a blank is not allowed");
        assert_eq!(
            sent(&result, true),
            format!(r#"{body},"MessageGroupId":"{group}","MessageDeduplicationId":"url:m"}}"#)
        );
    }

    #[test]
    fn dead_letters_are_the_original_where_that_can_be_sent() {
        let dead = |payload| publication(payload, Body::DeadLetter { error: "E".into(), cause: "a\u{1}b".into() });
        let message = Message::of(&dead(b"{"));
        assert_eq!(message.body, "{");
        let expected = [
            ("Expressway-Id", "url:m:dead"),
            ("Expressway-Error", "E"),
            ("Expressway-Cause", "a b"),
            ("Expressway-Subject", "orders"),
            ("Expressway-Sequence", "m"),
            ("Expressway-Deliveries", "3"),
            ("kind", "new"),
        ];
        assert_eq!(message.attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for payload in [&b"\xff"[..], b"", b"a\0"] {
            assert!(Message::of(&dead(payload)).body.starts_with(r#"{"error":"E","#));
        }
    }
}
