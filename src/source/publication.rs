//! What is handed on: results, and deliveries that were given up.

use std::rc::Rc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;

use super::Delivery;
use crate::{Value, value::ObjectBuilder};

/// Something for a [`super::Destination`].
#[derive(Clone, Debug)]
pub struct Publication {
    /// What it came from; for a batch its first.
    pub delivery: Rc<Delivery>,
    /// Whether it is of that delivery alone, and not of a batch.
    pub single: bool,
    /// What it says.
    pub body: Body,
}

/// What a publication says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The result of an execution, as JSON.
    Result(Bytes),
    /// The delivery was given up.
    DeadLetter {
        /// The error name of the execution, or what is wrong with the message.
        error: String,
        /// The cause.
        cause: String,
    },
}

impl Publication {
    /// What is the same when the same message leads to a publication again, and for no other: by it a destination recognises
    /// what it has already. `None` for batches, which may be put together differently next time.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        let origin = self.delivery.origin.as_ref().filter(|_| self.single)?;
        let suffix = if matches!(self.body, Body::DeadLetter { .. }) { ":dead" } else { "" };
        Some(format!("{origin}:{}{suffix}", self.delivery.sequence))
    }

    /// The publication as one JSON document: a result itself, or a record with `error`, `cause`, where the message came from,
    /// and the message: `original`, or `originalBase64` when it is not UTF-8.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        match &self.body {
            Body::Result(result) => result.clone(),
            Body::DeadLetter { error, cause } => Bytes::from(dead_letter_record(&self.delivery, error, cause)),
        }
    }
}

fn dead_letter_record(delivery: &Delivery, error: &str, cause: &str) -> String {
    let mut record = ObjectBuilder::with_capacity(8);
    record.insert("error".into(), error.into());
    record.insert("cause".into(), cause.into());
    record.insert("subject".into(), delivery.subject.as_str().into());
    record.insert("sequence".into(), delivery.sequence.as_str().into());
    record.insert("deliveries".into(), delivery.deliveries.into());
    if let Some(key) = &delivery.key {
        record.insert("key".into(), key.as_str().into());
    }
    if !delivery.headers.is_empty() {
        let headers = delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        record.insert("headers".into(), Value::object(headers));
    }
    match std::str::from_utf8(&delivery.payload) {
        Ok(text) => record.insert("original".into(), text.into()),
        Err(_) => record.insert("originalBase64".into(), BASE64.encode(&delivery.payload).into()),
    }
    record.finish().to_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(payload: &'static [u8]) -> String {
        let delivery = Delivery {
            receipt: "r".into(),
            payload: Bytes::from_static(payload),
            headers: vec![("h".into(), "1".into())],
            subject: "orders".into(),
            key: Some("k".into()),
            sequence: "7".into(),
            origin: Some("o".into()),
            deliveries: 3,
            lag: None,
        };
        let body = Body::DeadLetter { error: "E".into(), cause: "c".into() };
        let publication = Publication { delivery: Rc::new(delivery), single: true, body };
        assert_eq!(publication.id().as_deref(), Some("o:7:dead"));
        assert_eq!(Publication { single: false, ..publication.clone() }.id(), None);
        String::from_utf8(publication.to_json().to_vec()).unwrap()
    }

    #[test]
    fn dead_letters_hold_the_original() {
        let facts = r#"{"error":"E","cause":"c","subject":"orders","sequence":"7","deliveries":3,"key":"k","headers":{"h":"1"},"#;
        assert_eq!(record(br#"{"a": 1"#), format!(r#"{facts}"original":"{{\"a\": 1"}}"#));
        assert_eq!(record(b"\xff\x00"), format!(r#"{facts}"originalBase64":"/wA="}}"#));
    }
}
