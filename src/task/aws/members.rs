//! Parameters and results between a definition, where members begin with a capital letter and times are text, and the
//! wire, where each service has its ways.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::service::Service;
use crate::{
    Value,
    model::time::{iso8601_ms, parse_iso8601_ms},
    value::{ArrayBuilder, Number, ObjectBuilder, Text, ValueRef, View},
};

/// Members that are text and often given as JSON, which is then written out (Developer Guide, "AWS SDK integrations").
const TEXT_MEMBERS: &[(&str, &str)] = &[
    ("eventbridge", "Detail"),
    ("secretsmanager", "SecretString"),
    ("sfn", "Input"),
    ("sfn", "Output"),
    ("sqs", "MessageBody"),
    ("ssm", "Value"),
];

/// Parameters as the service wants them.
pub(super) fn to_wire(service: &Service, value: ValueRef<'_>) -> Value {
    walk(service, value, false, &|member, value| {
        if service.is_blob(member) {
            let bytes = value.as_str().map_or_else(|| value.to_value().to_json(), str::to_owned);
            return Some(Value::from(BASE64_STANDARD.encode(bytes)));
        }
        if service.is_timestamp(member) {
            let epoch_ms = parse_iso8601_ms(value.as_str()?)?;
            return Some(seconds(epoch_ms));
        }
        let given_as_json = matches!(value.view(), View::Object(_) | View::Array(_));
        let text = given_as_json && TEXT_MEMBERS.iter().any(|(of, name)| *of == service.id && same(name, member));
        text.then(|| Value::from(value.to_value().to_json()))
    })
}

/// A result as a definition sees it.
pub(super) fn from_wire(service: &Service, value: ValueRef<'_>) -> Value {
    walk(service, value, true, &|member, value| {
        if service.is_blob(member) {
            let bytes = BASE64_STANDARD.decode(value.as_str()?).ok()?;
            return String::from_utf8(bytes).ok().map(Value::from);
        }
        if service.is_timestamp(member) {
            let epoch_seconds = Number::as_f64(value.as_number()?);
            return (epoch_seconds >= 0.0).then(|| Value::from(instant((epoch_seconds * 1000.0).round() as u64)));
        }
        None
    })
}

/// A time as the Java SDK writes it: without a fraction of nothing.
pub(super) fn instant(epoch_ms: u64) -> String {
    let text = iso8601_ms(epoch_ms);
    if epoch_ms.is_multiple_of(1000) { text.replace(".000Z", "Z") } else { text }
}

fn seconds(epoch_ms: u64) -> Value {
    if epoch_ms.is_multiple_of(1000) { Value::from(epoch_ms / 1000) } else { Value::from(epoch_ms as f64 / 1000.0) }
}

/// Whether two names of a member differ in the case of their first letter at most.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one[1..] == other[1..] && one[..1].eq_ignore_ascii_case(&other[..1])
}

/// Copies a value with its members renamed and those that `special` knows replaced. Values nest no deeper than
/// [`MAX_NESTING_DEPTH`](crate::value::MAX_NESTING_DEPTH), so this ends.
fn walk(
    service: &Service,
    value: ValueRef<'_>,
    capital: bool,
    special: &dyn Fn(&str, ValueRef<'_>) -> Option<Value>,
) -> Value {
    match value.view() {
        View::Object(entries) => {
            let mut built = ObjectBuilder::with_capacity(entries.len());
            // The SDK leaves out what a service sends as null.
            for (key, value) in entries.iter().filter(|(_, value)| !(capital && value.is_null())) {
                let wire = if service.camel { with_first(key, false) } else { key.into() };
                let name = if service.camel && capital { with_first(key, true) } else { wire.clone() };
                let value = match special(wire.as_str(), value) {
                    Some(value) => value,
                    None if service.is_map(wire.as_str()) => walk_map(service, value, capital, special),
                    None => walk(service, value, capital, special),
                };
                built.insert(name, value);
            }
            built.finish()
        }
        View::Array(items) => {
            let mut built = ArrayBuilder::default();
            for item in items.iter() {
                built.push(walk(service, item, capital, special));
            }
            built.finish()
        }
        _ => value.to_value(),
    }
}

/// A map's keys are data and stay as they are.
fn walk_map(
    service: &Service,
    value: ValueRef<'_>,
    capital: bool,
    special: &dyn Fn(&str, ValueRef<'_>) -> Option<Value>,
) -> Value {
    let View::Object(entries) = value.view() else { return walk(service, value, capital, special) };
    let mut built = ObjectBuilder::with_capacity(entries.len());
    for (key, value) in entries.iter() {
        built.insert(key.into(), walk(service, value, capital, special));
    }
    built.finish()
}

fn with_first(name: &str, capital: bool) -> Text {
    let mut letters = name.chars();
    let Some(first) = letters.next() else { return name.into() };
    let first = if capital { first.to_ascii_uppercase() } else { first.to_ascii_lowercase() };
    let mut renamed = String::with_capacity(name.len());
    renamed.push(first);
    renamed.push_str(letters.as_str());
    renamed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(id: &str) -> &'static Service {
        Service::find(id).unwrap()
    }

    fn sent(id: &str, text: &str) -> String {
        to_wire(service(id), Value::parse(text).unwrap().as_ref()).to_json()
    }

    fn received(id: &str, text: &str) -> String {
        from_wire(service(id), Value::parse(text).unwrap().as_ref()).to_json()
    }

    #[test]
    fn members_are_spelled_as_the_service_does() {
        assert_eq!(
            sent("sfn", r#"{"StateMachineArn":"a","Input":{"B":1}}"#),
            r#"{"stateMachineArn":"a","input":"{\"B\":1}"}"#
        );
        assert_eq!(
            received("sfn", r#"{"executionArn":"e","startDate":1709210096.789,"billingDetails":{"x":1}}"#),
            r#"{"ExecutionArn":"e","StartDate":"2024-02-29T12:34:56.789Z","BillingDetails":{"X":1}}"#
        );
    }

    #[test]
    fn keys_of_maps_are_data() {
        assert_eq!(sent("dynamodb", r#"{"Item":{"id":{"S":"1"}}}"#), r#"{"Item":{"id":{"S":"1"}}}"#);
        let item = r#"{"Items":[{"id":{"S":"1"}}],"TableName":"t"}"#;
        assert_eq!(received("dynamodb", item), item);
        assert_eq!(received("sqs", r#"{"MessageId":"m","SequenceNumber":null}"#), r#"{"MessageId":"m"}"#);
    }

    #[test]
    fn bytes_are_text_and_times_are_instants() {
        assert_eq!(sent("kinesis", r#"{"Data":{"a":1}}"#), r#"{"Data":"eyJhIjoxfQ=="}"#);
        assert_eq!(received("kinesis", r#"{"Data":"eyJhIjoxfQ=="}"#), r#"{"Data":"{\"a\":1}"}"#);
        assert_eq!(
            sent("eventbridge", r#"{"Time":"2024-02-29T12:34:56Z","Detail":{}}"#),
            r#"{"Time":1709210096,"Detail":"{}"}"#
        );
        assert_eq!(
            received("dynamodb", r#"{"CreationDateTime":1709210096}"#),
            r#"{"CreationDateTime":"2024-02-29T12:34:56Z"}"#
        );
    }
}
