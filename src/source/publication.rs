//! What is handed on: results, and deliveries that were given up.

use std::rc::Rc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;

use super::Delivery;
use crate::{Value, value::ObjectBuilder};

/// Bytes of the cause in a dead letter that is as small as can be.
const MAX_BARE_CAUSE: usize = 256;

/// Something for a [`super::Destination`].
#[derive(Clone, Debug)]
pub struct Publication {
    /// What it came from; for a batch its first.
    pub delivery: Rc<Delivery>,
    /// Whether it is of that delivery alone, and not of a batch.
    pub single: bool,
    /// What it says.
    pub body: Body,
    /// How many bytes of the original a dead letter holds at most; `None` for all of them. With 0 its headers are left out
    /// too.
    pub cut_to: Option<usize>,
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
    /// What a dead letter holds of the original message, and whether that is all of it. A text is not cut within a
    /// character.
    #[must_use]
    pub fn original(&self) -> (Bytes, bool) {
        let payload = &self.delivery.payload;
        let Some(most) = self.cut_to.filter(|most| *most < payload.len()) else { return (payload.clone(), true) };
        // In UTF-8 all bytes of a character but the first begin with 10, and it has four at most.
        let boundary = (0..=most).rev().take(4).find(|end| payload[*end] & 0b1100_0000 != 0b1000_0000);
        (payload.slice(..boundary.unwrap_or(most)), false)
    }

    /// Whether a dead letter holds the headers of the original, and the whole cause.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.cut_to != Some(0)
    }

    /// A dead letter with half as much of the original, as its destination takes no such large ones; with little left, one
    /// without it and its headers. `None` after that, or when it is no dead letter.
    pub(super) fn cut(&self) -> Option<Self> {
        /// So much of the original is not worth a further attempt.
        const LEAST: usize = 64;
        let (original, _) = self.original();
        let cut_to = if original.len() <= LEAST { 0 } else { original.len() / 2 };
        let shorter = matches!(self.body, Body::DeadLetter { .. }) && self.has_headers();
        shorter.then(|| Self { cut_to: Some(cut_to), ..self.clone() })
    }
    /// What is the same when the same message leads to a publication again, and for no other: by it a destination recognises
    /// what it has already. `None` for batches, which may be put together differently next time.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        let origin = self.delivery.origin.as_ref().filter(|_| self.single)?;
        let suffix = if matches!(self.body, Body::DeadLetter { .. }) { ":dead" } else { "" };
        Some(format!("{origin}:{}{suffix}", self.delivery.sequence))
    }

    /// The publication as one JSON document: a result itself, or a record with `error`, `cause`, where the message came from,
    /// and the message: `original`, or `originalBase64` when it is not UTF-8. Of a message that was cut, `originalBytes` is how
    /// many bytes it had.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        match &self.body {
            Body::Result(result) => result.clone(),
            Body::DeadLetter { error, cause } => Bytes::from(self.dead_letter_record(error, cause)),
        }
    }

    fn dead_letter_record(&self, error: &str, cause: &str) -> String {
        let delivery = &self.delivery;
        let mut record = ObjectBuilder::with_capacity(9);
        record.insert("error".into(), error.into());
        let cause = if self.has_headers() { cause } else { &cause[..cause.floor_char_boundary(MAX_BARE_CAUSE)] };
        record.insert("cause".into(), cause.into());
        record.insert("subject".into(), (&*delivery.subject).into());
        record.insert("sequence".into(), delivery.sequence.as_str().into());
        record.insert("deliveries".into(), delivery.deliveries.into());
        if let Some(key) = &delivery.key {
            record.insert("key".into(), key.as_str().into());
        }
        if !delivery.headers.is_empty() && self.has_headers() {
            let headers = delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            record.insert("headers".into(), Value::object(headers));
        }
        let (original, whole) = self.original();
        match std::str::from_utf8(&original) {
            Ok(text) => record.insert("original".into(), text.into()),
            Err(_) => record.insert("originalBase64".into(), BASE64.encode(&original).into()),
        }
        if !whole {
            record.insert("originalBytes".into(), (delivery.payload.len() as u64).into());
        }
        record.finish().to_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead_letter(payload: &'static [u8]) -> Publication {
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
        Publication { delivery: Rc::new(delivery), single: true, body, cut_to: None }
    }

    fn record(payload: &'static [u8]) -> String {
        let publication = dead_letter(payload);
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

    #[test]
    fn dead_letters_become_smaller_until_nothing_can_be_left_out() {
        let whole = dead_letter("ü".repeat(100).leak().as_bytes());
        assert_eq!(whole.original().0.len(), 200);
        let mut lengths = Vec::new();
        let mut last = whole;
        while let Some(cut) = last.cut() {
            let (original, all) = cut.original();
            assert!(std::str::from_utf8(&original).is_ok() && !all);
            lengths.push(original.len());
            last = cut;
        }
        assert_eq!(lengths, [100, 50, 0]);
        let bare = r#"{"error":"E","cause":"c","subject":"orders","sequence":"7","deliveries":3,"key":"k","original":"","originalBytes":200}"#;
        assert_eq!(last.to_json(), bare);
        let result = Publication { body: Body::Result(Bytes::new()), ..last };
        assert!(result.cut().is_none());
    }
}
