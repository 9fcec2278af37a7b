//! Messages, and from one of a pull consumer to a delivery.

use std::sync::Arc;

use bytes::Bytes;

use crate::source::{BrokerError, Delivery};

/// A message as it came.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) subject: Arc<str>,
    pub(super) reply: Option<Box<str>>,
    /// The block of headers, where there is one.
    pub(super) headers: Option<Bytes>,
    pub(super) payload: Bytes,
}

/// What a server says with a message that is none: codes as those of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) description: String,
    /// How many messages a pull that ends had left.
    pub(super) left: Option<usize>,
}

impl Status {
    /// A pull has lasted long enough, or found nothing that it was to wait for.
    pub(super) const NOT_FOUND: u16 = 404;
    /// The same.
    pub(super) const TIMEOUT: u16 = 408;
    /// A sign of life.
    pub(super) const IDLE_HEARTBEAT: u16 = 100;
    /// Nobody listens to the subject.
    pub(super) const NO_RESPONDERS: u16 = 503;
}

impl Message {
    /// The status in the first line of the headers (`NATS/1.0 404 No Messages`).
    pub(super) fn status(&self) -> Option<Status> {
        const LEFT: &str = "Nats-Pending-Messages";
        let headers = self.headers.as_ref()?;
        let end = memchr::memchr(b'\r', headers).unwrap_or(headers.len());
        let line = String::from_utf8_lossy(&headers[..end]);
        let rest = line.strip_prefix("NATS/1.0")?.trim();
        let (code, description) = rest.split_once(' ').unwrap_or((rest, ""));
        let code = code.parse().ok()?;
        let left =
            self.header_texts().into_iter().find(|(name, _)| name == LEFT).and_then(|(_, left)| left.parse().ok());
        Some(Status { code, description: description.trim().to_owned(), left })
    }

    /// Names and values, in their order. What is not UTF-8 has replacement characters.
    fn header_texts(&self) -> Vec<(String, String)> {
        let Some(headers) = &self.headers else { return Vec::new() };
        let text = String::from_utf8_lossy(headers);
        let lines = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }
}

/// What the subject says that a message is acknowledged at (JetStream wire API, ADR-15):
/// `$JS.ACK.[DOMAIN.ACCOUNT.]STREAM.CONSUMER.DELIVERED.STREAM_SEQUENCE.CONSUMER_SEQUENCE.TIMESTAMP.PENDING[.RANDOM]`.
#[derive(Debug, PartialEq, Eq)]
struct AckSubject<'a> {
    delivered: u64,
    stream_sequence: &'a str,
    pending: u64,
}

impl<'a> AckSubject<'a> {
    fn parse(subject: &'a str) -> Option<Self> {
        /// Parts behind `$JS.ACK.` when there is neither domain nor account.
        const FEWEST: usize = 7;
        /// Parts behind it that mean something.
        const MOST: usize = 9;
        let rest = subject.strip_prefix("$JS.ACK.")?;
        let mut parts = [""; MOST];
        let (mut begin, mut count) = (0, 0);
        for end in memchr::memchr_iter(b'.', rest.as_bytes()).chain([rest.len()]) {
            if let Some(part) = parts.get_mut(count) {
                *part = &rest[begin..end];
            }
            (begin, count) = (end + 1, count + 1);
        }
        if count < FEWEST {
            return None;
        }
        let from = if count > FEWEST + 1 { 4 } else { 2 };
        let delivered = parts[from].parse().ok()?;
        let pending = parts.get(from + 4)?.parse().ok()?;
        Some(Self { delivered, stream_sequence: parts[from + 1], pending })
    }
}

/// The delivery of a message of the consumer that `origin` names.
pub(super) fn delivery(message: Message, origin: &Arc<str>) -> Result<Delivery, BrokerError> {
    let headers = message.header_texts();
    let receipt = message.reply.unwrap_or_default();
    let Some(AckSubject { delivered, stream_sequence, pending }) = AckSubject::parse(&receipt) else {
        return Err(BrokerError::new(format!("a message has no subject to be acknowledged at, but '{receipt}'")));
    };
    Ok(Delivery {
        sequence: stream_sequence.to_owned(),
        deliveries: delivered,
        lag: Some(pending),
        receipt,
        payload: message.payload,
        headers,
        subject: message.subject,
        key: None,
        origin: Some(Arc::clone(origin)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_both_forms_are_read() {
        let short = "$JS.ACK.ORDERS.billing.3.100.7.1790230470084404000.42";
        let expected = AckSubject { delivered: 3, stream_sequence: "100", pending: 42 };
        assert_eq!(AckSubject::parse(short), Some(expected));
        for more in ["", ".random", ".random.future"] {
            let long = format!("$JS.ACK.hub.hash.ORDERS.billing.2.50.9.1790230470084404000.0{more}");
            let expected = AckSubject { delivered: 2, stream_sequence: "50", pending: 0 };
            assert_eq!(AckSubject::parse(&long), Some(expected));
        }
        assert_eq!(AckSubject::parse("$JS.ACK.ORDERS.billing.3"), None);
        assert_eq!(AckSubject::parse("_INBOX.x"), None);
    }

    #[test]
    fn headers_and_states_are_read() {
        let message = |headers: &'static str| Message {
            subject: "a".into(),
            reply: None,
            headers: (!headers.is_empty()).then(|| Bytes::from_static(headers.as_bytes())),
            payload: Bytes::new(),
        };
        let texts = message("NATS/1.0\r\nB: 1\r\nA:  x: y \r\nB:2\r\n\r\n").header_texts();
        let texts: Vec<_> = texts.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(texts, [("B", "1"), ("A", "x: y"), ("B", "2")]);
        let status = |headers| message(headers).status().map(|status| (status.code, status.description, status.left));
        assert_eq!(status("NATS/1.0 404 No Messages\r\n\r\n"), Some((404, "No Messages".into(), None)));
        assert_eq!(status("NATS/1.0 503\r\n\r\n"), Some((503, String::new(), None)));
        let timeout = "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 7\r\nNats-Pending-Bytes: 0\r\n\r\n";
        assert_eq!(status(timeout), Some((408, "Request Timeout".into(), Some(7))));
        assert_eq!((status("NATS/1.0\r\nA: 1\r\n\r\n"), status(""), status("HTTP 404\r\n")), (None, None, None));
        assert!(message("").header_texts().is_empty());
    }
}
