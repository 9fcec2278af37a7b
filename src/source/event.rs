//! From an event to the input of an execution.

use std::rc::Rc;

use super::{Delivery, Start};
use crate::{
    Value,
    model::{error_name, quota::MAX_PAYLOAD_BYTES},
    query::{Condition, Environment, Path, PayloadTemplate},
    value::{ObjectBuilder, ValueRef},
};

/// Error name of a message that cannot be an event: the API's name for an input that is not JSON.
const INVALID_INPUT: &str = "InvalidExecutionInput";
/// Longest payload that is looked at: an input may have white space and escapes beyond its 262,144 bytes.
const MAX_EVENT_BYTES: usize = 4 * MAX_PAYLOAD_BYTES;

/// Bytes that a stored start has besides its input, at most.
const MAX_NAMES_BYTES: usize = 4096;

/// Which events start executions, and with what input.
#[derive(Clone, Debug, Default)]
pub struct EventRule {
    /// Events for which this does not hold are skipped and acknowledged.
    pub filter: Option<Condition>,
    /// The input, made from the event; without it the payload is the input.
    pub input: Option<PayloadTemplate>,
    /// Gives the name or ARN of the event's state machine.
    pub machine: Option<Path>,
    /// Whether events are starts that an intake has stored.
    pub is_intake: bool,
}

/// What an event is to be.
#[derive(Debug)]
pub(super) enum Prepared {
    /// An execution, with the text of its order.
    Start {
        start: Start,
        /// What `order_by` gives, as JSON.
        order: Option<String>,
    },
    /// Nothing.
    Skip,
    /// A dead letter.
    Poison { error: &'static str, cause: String },
}

/// What the expressions of a pipe see: `$` is the event.
struct Event(Value);

impl Environment for Event {
    fn input(&self) -> &Value {
        &self.0
    }

    fn context(&self) -> &Value {
        &Value::NULL
    }

    fn variable(&self, _: &str) -> Option<&Value> {
        None
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}

impl EventRule {
    pub(super) fn prepare(&self, delivery: &Delivery, order_by: Option<&Path>) -> Prepared {
        if delivery.payload.len() > MAX_EVENT_BYTES {
            return too_large(delivery.payload.len());
        }
        let payload = match Value::parse_bytes(delivery.payload.to_vec()) {
            Ok(payload) => payload,
            Err(error) => {
                return Prepared::Poison { error: INVALID_INPUT, cause: format!("The payload is not JSON: {error}") };
            }
        };
        let plain = self.filter.is_none() && self.input.is_none() && self.machine.is_none() && order_by.is_none();
        let prepared = if plain {
            Ok(Some((Start { machine: None, input: payload }, None)))
        } else {
            self.evaluate(event(delivery, payload), order_by)
        };
        // A stored start is an input and some names around it.
        let most_bytes = MAX_PAYLOAD_BYTES + if self.is_intake { MAX_NAMES_BYTES } else { 0 };
        match prepared {
            Ok(Some((start, _))) if start.input.json_size() > most_bytes => too_large(start.input.json_size()),
            Ok(Some((start, order))) => Prepared::Start { start, order },
            Ok(None) => Prepared::Skip,
            Err(error) => Prepared::Poison { error: error.error, cause: error.cause },
        }
    }

    fn evaluate(
        &self,
        event: Value,
        order_by: Option<&Path>,
    ) -> Result<Option<(Start, Option<String>)>, crate::query::QueryError> {
        let event = Event(event);
        if let Some(filter) = &self.filter
            && !filter.evaluate(&event)?
        {
            return Ok(None);
        }
        let order = order_by.map(|path| path.evaluate_named("order_by", &event).map(|found| found.as_ref().to_json()));
        let machine = self
            .machine
            .as_ref()
            .map(|path| path.evaluate_named("machine_by", &event).map(|found| text(found.as_ref())));
        let input = match &self.input {
            Some(template) => template.evaluate(&event)?,
            None => event.0.get("payload").map(Value::from).unwrap_or_default(),
        };
        Ok(Some((Start { machine: machine.transpose()?, input }, order.transpose()?)))
    }
}

/// A text as it is, anything else as JSON.
fn text(value: ValueRef<'_>) -> Rc<str> {
    value.as_str().map_or_else(|| value.to_json().into(), Rc::from)
}

fn too_large(bytes: usize) -> Prepared {
    let cause = format!("The event has {bytes} bytes; an input has {MAX_PAYLOAD_BYTES} at most.");
    Prepared::Poison { error: error_name::DATA_LIMIT_EXCEEDED, cause }
}

/// The event as `input`, `filter` and `order_by` see it.
fn event(delivery: &Delivery, payload: Value) -> Value {
    let mut event = ObjectBuilder::with_capacity(6);
    event.push("payload".into(), payload);
    let headers = delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    event.push("headers".into(), Value::object(headers));
    event.push("subject".into(), (&*delivery.subject).into());
    event.push("key".into(), delivery.key.as_deref().map_or(Value::NULL, Value::from));
    event.push("sequence".into(), delivery.sequence.as_str().into());
    event.push("deliveries".into(), delivery.deliveries.into());
    event.finish()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn prepare(rule: &EventRule, payload: &[u8]) -> Prepared {
        let delivery = Delivery {
            receipt: "r".into(),
            payload: Bytes::copy_from_slice(payload),
            headers: vec![("kind".into(), "new".into())],
            subject: "orders".into(),
            key: None,
            sequence: "7".into(),
            origin: None,
            deliveries: 2,
            lag: None,
        };
        rule.prepare(&delivery, Some(&Path::parse("$.payload.customer").unwrap()))
    }

    fn shown(prepared: Prepared) -> String {
        match prepared {
            Prepared::Start { start, order } => format!("{} {}", start.input, order.unwrap_or_default()),
            Prepared::Skip => "skip".into(),
            Prepared::Poison { error, .. } => format!("!{error}"),
        }
    }

    #[test]
    fn payloads_are_inputs_unless_a_template_says_otherwise() {
        let mut rule = EventRule::default();
        assert_eq!(shown(prepare(&rule, br#"{"customer": 5}"#)), r#"{"customer":5} 5"#);
        let template = r#"{"order.$":"$.payload","from.$":"$.subject","kind.$":"$.headers.kind","n.$":"$.deliveries"}"#;
        rule.input = Some(PayloadTemplate::compile(&Value::parse(template).unwrap()).unwrap());
        assert_eq!(
            shown(prepare(&rule, br#"{"customer":"c"}"#)),
            r#"{"order":{"customer":"c"},"from":"orders","kind":"new","n":2} "c""#
        );
        let filter = r#"{"Variable": "$.payload.customer", "NumericGreaterThan": 3}"#;
        rule.filter = Some(Condition::compile(&Value::parse(filter).unwrap()).unwrap());
        assert_eq!(shown(prepare(&rule, br#"{"customer":3}"#)), "skip");
        assert!(shown(prepare(&rule, br#"{"customer":4}"#)).starts_with("{\"order\""));
    }

    #[test]
    fn what_cannot_be_an_input_is_poison() {
        let rule = EventRule::default();
        for payload in [&b"{"[..], b"", b"\"\xff\""] {
            assert_eq!(shown(prepare(&rule, payload)), "!InvalidExecutionInput");
        }
        assert_eq!(shown(prepare(&rule, b"{}")), "!States.Runtime", "order_by finds nothing");
        let long = format!("{{\"customer\":\"{}\"}}", "x".repeat(MAX_PAYLOAD_BYTES));
        assert_eq!(shown(prepare(&rule, long.as_bytes())), "!States.DataLimitExceeded");
        assert_eq!(shown(prepare(&rule, &vec![b' '; MAX_EVENT_BYTES + 1])), "!States.DataLimitExceeded");
    }
}
