//! `States.Array…`.

use super::{Failure, function::Function, java, math};
use crate::{
    Value,
    model::quota,
    value::{ArrayBuilder, ArrayView, ValueRef, View},
};

/// Longest result of `States.ArrayRange` (Developer Guide: "The newly generated array can't contain more than 1000
/// elements").
const MAX_RANGE_ITEMS: i64 = 1_000;

fn items(value: &Value) -> Option<ArrayView<'_>> {
    match value.view() {
        View::Array(items) => Some(items),
        _ => None,
    }
}

/// `States.Array(a, b, …)`.
pub(super) fn array(values: Vec<Value>) -> Result<Option<Value>, Failure> {
    // The sizes of containers are known, so that an array too large is refused before it is built.
    let size: usize = values.iter().map(Value::json_size).sum();
    if size > quota::MAX_PAYLOAD_BYTES {
        return Err(Failure::too_large(Function::Array));
    }
    Ok(Some(Value::from(values)))
}

/// `States.ArrayContains(array, value)`. The service compares what the values print as: `'true'` contains `true`, and
/// objects with the same entries in another order differ.
pub(super) fn contains(array: &Value, wanted: &Value) -> Option<Value> {
    let items = items(array)?;
    let mut expected = String::new();
    java::write_text(wanted.as_ref(), &mut expected);
    let mut printed = String::new();
    let found = items.iter().any(|item| match item.as_str() {
        Some(text) => text == expected,
        None => {
            printed.clear();
            java::write_text(item, &mut printed);
            printed == expected
        }
    });
    Some(Value::from(found))
}

/// `States.ArrayGetItem(array, index)`. An index outside is refused, but the service answers `null` for an empty array.
pub(super) fn get_item(array: &Value, index: &Value) -> Option<Value> {
    let items = items(array)?;
    let index = math::truncated(index)?;
    if items.is_empty() {
        return Some(Value::NULL);
    }
    items.get(usize::try_from(index).ok()?).map(ValueRef::to_value)
}

/// `States.ArrayLength(array)`.
pub(super) fn length(array: &Value) -> Option<Value> {
    items(array).map(|items| Value::from(items.len()))
}

/// `States.ArrayPartition(array, size)`: the last chunk may be shorter.
pub(super) fn partition(array: &Value, size: &Value) -> Option<Value> {
    let items = items(array)?;
    let size = usize::try_from(math::truncated(size)?).ok().filter(|size| *size > 0)?;
    let mut chunks = ArrayBuilder::default();
    let mut chunk = Vec::new();
    for item in items.iter() {
        chunk.push(item.to_value());
        if chunk.len() == size {
            chunks.push(Value::from(std::mem::take(&mut chunk)));
        }
    }
    if !chunk.is_empty() {
        chunks.push(Value::from(chunk));
    }
    Some(chunks.finish())
}

/// `States.ArrayRange(first, last, step)`, `last` included when the steps meet it.
pub(super) fn range(first: &Value, last: &Value, step: &Value) -> Option<Value> {
    let (first, last, step) = (math::truncated(first)?, math::truncated(last)?, math::truncated(step)?);
    if step == 0 {
        return None;
    }
    let distance = last - first;
    // Steps that lead away from the end make an empty array.
    let count = if distance != 0 && distance.signum() != step.signum() { 0 } else { distance / step + 1 };
    (count <= MAX_RANGE_ITEMS).then(|| Value::array((0..count).map(|place| first + place * step)))
}

/// `States.ArrayUnique(array)`. The guide promises no order; the service gives that of a hash set.
pub(super) fn unique(array: &Value) -> Option<Value> {
    let items: Vec<_> = items(array)?.iter().collect();
    Some(Value::array(java::hash_set(&items)))
}
