//! What a receive brings, as deliveries.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Value,
    source::Delivery,
    value::{ArrayView, ObjectView, ValueRef},
};

/// The deliveries in the answer to a receive. `queue` is the queue's name, `origin` its URL.
pub(super) fn deliveries(answer: &Value, queue: &str, origin: &Arc<str>, lag: Option<u64>) -> Vec<Delivery> {
    let messages = answer.get("Messages").and_then(ValueRef::as_array);
    let messages = messages.into_iter().flat_map(ArrayView::iter);
    messages.filter_map(|message| delivery(message, queue, origin, lag)).collect()
}

/// A message; nothing for one without receipt handle, which could not be settled.
fn delivery(message: ValueRef<'_>, queue: &str, origin: &Arc<str>, lag: Option<u64>) -> Option<Delivery> {
    let text = |name: &str| message.get(name).and_then(ValueRef::as_str);
    let attribute = |name: &str| message.get("Attributes")?.get(name)?.as_str();
    let attributes = message.get("MessageAttributes").and_then(ValueRef::as_object);
    let headers = attributes.into_iter().flat_map(ObjectView::iter).filter_map(|(name, attribute)| {
        // Bytes stay in Base64, as they came.
        let value = ["StringValue", "BinaryValue"].iter().find_map(|member| attribute.get(member)?.as_str())?;
        Some((name.to_owned(), value.to_owned()))
    });
    Some(Delivery {
        receipt: text("ReceiptHandle")?.into(),
        payload: Bytes::from(text("Body").unwrap_or_default().to_owned()),
        headers: headers.collect(),
        subject: queue.into(),
        key: attribute("MessageGroupId").map(str::to_owned),
        sequence: text("MessageId").unwrap_or_default().to_owned(),
        origin: Some(Arc::clone(origin)),
        deliveries: attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
        lag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_deliveries() {
        let answer = r#"{"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": "{}",
            "Attributes": {"ApproximateReceiveCount": "3", "MessageGroupId": "g"},
            "MessageAttributes": {"a": {"DataType": "Number", "StringValue": "5"},
                                  "b": {"DataType": "Binary", "BinaryValue": "AAE="}}}, {"MessageId": "n"}]}"#;
        let origin: Arc<str> = "url".into();
        let expected = Delivery {
            receipt: "r".into(),
            payload: Bytes::from_static(b"{}"),
            headers: vec![("a".into(), "5".into()), ("b".into(), "AAE=".into())],
            subject: "orders".into(),
            key: Some("g".into()),
            sequence: "m".into(),
            origin: Some(Arc::clone(&origin)),
            deliveries: 3,
            lag: Some(4),
        };
        assert_eq!(deliveries(&Value::parse(answer).unwrap(), "orders", &origin, Some(4)), [expected]);
        assert_eq!(deliveries(&Value::empty_object(), "orders", &origin, None), []);
    }
}
