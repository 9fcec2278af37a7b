//! `arn:aws:states:::events:putEvents` (Developer Guide, "Send EventBridge events with Step Functions").

use super::{
    client::Client,
    error::unusable_parameters,
    optimized::{EVENTS, Metadata},
};
use crate::{
    Value,
    task::{TaskError, TaskRequest, TaskResult},
    value::{ObjectBuilder, ValueRef, View},
};

/// What a task fails with when the bus refuses one of its entries.
const FAILED_ENTRY: &str = "EventBridge.FailedEntry";

/// Puts events on a bus. Entries that the bus refuses fail the task, although the others are on it.
pub(super) async fn put_events(client: &Client, request: &TaskRequest) -> TaskResult {
    let parameters = &request.input;
    if !matches!(parameters.get("Entries").map(ValueRef::view), Some(View::Array(_))) {
        return Err(unusable_parameters(parameters, "The field 'Entries' must be an ARRAY"));
    }
    let answer = EVENTS
        .send(client, "putEvents", &with_resources(request))
        .await
        .map_err(|failure| EVENTS.not_answered(&failure))?;
    let (metadata, answer) = Metadata::of(answer);
    let result = EVENTS.result(answer)?;
    match refused(&result) {
        Some(cause) => Err(TaskError::new(FAILED_ENTRY, cause)),
        None => Ok(metadata.complete(&result)),
    }
}

/// The parameters with execution and state machine among the `Resources` of every entry, which AWS adds by itself.
fn with_resources(request: &TaskRequest) -> Value {
    let (Some(caller), View::Object(members)) = (&request.caller, request.input.view()) else {
        return request.input.clone();
    };
    let own = [Value::from(caller.name.arn(&caller.machine)), Value::from(caller.machine.arn.as_str())];
    let entry = |entry: ValueRef<'_>| {
        let View::Object(members) = entry.view() else { return entry.to_value() };
        let mut whole = ObjectBuilder::with_capacity(members.len() + 1);
        members.iter().for_each(|(name, value)| whole.push(name.into(), value.to_value()));
        let mut resources: Vec<Value> = own.to_vec();
        if let Some(View::Array(given)) = members.get("Resources").map(ValueRef::view) {
            resources.extend(given.iter().map(ValueRef::to_value));
        }
        whole.insert("Resources".into(), Value::from(resources));
        whole.finish()
    };
    let mut whole = ObjectBuilder::with_capacity(members.len());
    for (name, value) in members.iter() {
        let value = match value.view() {
            View::Array(entries) if name == "Entries" => Value::array(entries.iter().map(entry)),
            _ => value.to_value(),
        };
        whole.push(name.into(), value);
    }
    whole.finish()
}

/// The cause, when entries were refused.
fn refused(result: &Value) -> Option<String> {
    let failed = result.get("FailedEntryCount")?.as_number()?.as_i64().filter(|count| *count > 0)?;
    let entries = result.get("Entries").map_or(Value::NULL, ValueRef::to_value);
    Some(Value::object([("Entries", entries), ("FailedEntryCount", failed.into())]).to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_entries_are_the_cause() {
        let result = |text: &str| refused(&Value::parse(text).unwrap());
        assert_eq!(result(r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}"#), None);
        assert_eq!(
            result(r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"C"}]}"#).as_deref(),
            Some(r#"{"Entries":[{"ErrorCode":"C"}],"FailedEntryCount":1}"#)
        );
    }
}
