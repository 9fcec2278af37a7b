//! `States.Format`, `States.StringSplit`, and the functions that go between text and JSON.

use super::{Failure, function::Function, java, template::Template};
use crate::{
    Value,
    model::{error_name, quota},
    value::{ArrayBuilder, ObjectBuilder, Text, View},
};

/// `States.Format(template, …)` with a template that is known only now.
pub(super) fn format(template: &Value, values: &[Value]) -> Result<Value, Failure> {
    let template = template.as_str().ok_or_else(|| Failure::invalid_arguments(Function::Format))?;
    let template = Template::parse(template).map_err(|error| Failure {
        error: error_name::RUNTIME,
        reason: format!("Invalid template in States.Format: {}", error.message),
    })?;
    template.fill(values, |value, text| {
        java::write_text(value.as_ref(), text);
        Ok(())
    })
}

/// `States.StringSplit(text, delimiters)`: each character of `delimiters` separates, and what is empty is left out.
pub(super) fn string_split(text: &Value, delimiters: &Value) -> Result<Option<Value>, Failure> {
    let (Some(text), Some(delimiters)) = (text.as_str(), delimiters.as_str()) else { return Ok(None) };
    // Sorted, so that many delimiters cost little more than one.
    let mut delimiters: Vec<char> = delimiters.chars().collect();
    delimiters.sort_unstable();
    let mut parts = ArrayBuilder::default();
    let mut size = 2;
    for part in text.split(|character| delimiters.binary_search(&character).is_ok()).filter(|part| !part.is_empty()) {
        // Quotes and a comma for each part, so that many short ones may be more than the text was.
        size += part.len() + 3;
        if size > quota::MAX_PAYLOAD_BYTES {
            return Err(Failure::too_large(Function::StringSplit));
        }
        parts.push(Value::from(part));
    }
    Ok(Some(parts.finish()))
}

/// `States.StringToJson(text)`; of an empty text it is `null`.
pub(super) fn string_to_json(text: &Value) -> Result<Option<Value>, Failure> {
    let Some(text) = text.as_str() else { return Ok(None) };
    if text.len() > quota::MAX_PAYLOAD_BYTES {
        return Err(Failure::too_large(Function::StringToJson));
    }
    if text.trim_ascii().is_empty() {
        return Ok(Some(Value::NULL));
    }
    Ok(Value::parse(text).ok())
}

/// `States.JsonToString(value)`, compact.
pub(super) fn json_to_string(value: &Value) -> Result<Option<Value>, Failure> {
    if value.json_size() > quota::MAX_PAYLOAD_BYTES {
        return Err(Failure::too_large(Function::JsonToString));
    }
    Ok(Some(Value::from(value.to_json())))
}

/// `States.JsonMerge(first, second, deep)`: the entries of both, those of `second` where both have one. The service merges
/// one level only and refuses `true` for `deep`; anything else means `false`.
pub(super) fn json_merge(first: &Value, second: &Value, deep: &Value) -> Result<Option<Value>, Failure> {
    let (View::Object(_), View::Object(others)) = (first.view(), second.view()) else { return Ok(None) };
    if deep.as_ref().as_bool() == Some(true) {
        return Ok(None);
    }
    // Not exact, as entries of `first` may be replaced, but such data is at the limit in any case.
    if first.json_size() + second.json_size() > 2 * quota::MAX_PAYLOAD_BYTES {
        return Err(Failure::too_large(Function::JsonMerge));
    }
    let Some(mut merged) = ObjectBuilder::from_value(first.clone()) else { return Ok(None) };
    for (key, value) in others.iter() {
        merged.insert(Text::from(key), value.to_value());
    }
    Ok(Some(merged.finish()))
}
