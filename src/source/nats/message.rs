//! From a message of a pull consumer to a delivery.

use std::sync::Arc;

use async_nats::{Message, Subject};

use crate::source::{BrokerError, Delivery};

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
        /// Parts before that which has the number of deliveries, when there is neither domain nor account.
        const BEFORE_DELIVERED: usize = 2;
        let rest = subject.strip_prefix("$JS.ACK.")?;
        let more = if rest.bytes().filter(|byte| *byte == b'.').count() >= 8 { 2 } else { 0 };
        let mut parts = rest.split('.').skip(BEFORE_DELIVERED + more);
        let delivered = parts.next()?.parse().ok()?;
        let stream_sequence = parts.next()?;
        let pending = parts.nth(2)?.parse().ok()?;
        Some(Self { delivered, stream_sequence, pending })
    }
}

/// The delivery of a message of the consumer that `origin` names.
pub(super) fn delivery(message: Message, origin: &Arc<str>) -> Result<Delivery, BrokerError> {
    let receipt = message.reply.map(Subject::into_string).unwrap_or_default();
    let Some(AckSubject { delivered, stream_sequence, pending }) = AckSubject::parse(&receipt) else {
        return Err(BrokerError::new(format!("a message has no subject to be acknowledged at, but '{receipt}'")));
    };
    let headers = message.headers.iter().flat_map(|headers| headers.iter());
    let headers = headers
        .flat_map(|(name, values)| values.iter().map(|value| (name.to_string(), value.as_str().to_owned())))
        .collect();
    Ok(Delivery {
        sequence: stream_sequence.to_owned(),
        deliveries: delivered,
        lag: Some(pending),
        receipt: receipt.into_boxed_str(),
        payload: message.payload,
        headers,
        subject: message.subject.into_string(),
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
}
