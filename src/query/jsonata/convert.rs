//! Between our values and those of `jsonata-core`, which know numbers as `f64` only.

use std::collections::HashMap;

use indexmap::IndexMap;
use jsonata_core::value::{JMap, JValue};

use super::{Evaluated, JsonataError, analyze::Access, limits};
use crate::{
    Value,
    value::{ArrayBuilder, Number, ObjectBuilder, Text, ValueRef, View},
};

/// The largest integer up to which `f64` holds all integers.
pub(super) const MAX_EXACT: u64 = 1 << 53;

/// What is remembered of one evaluation's conversions.
#[derive(Default)]
pub(super) struct Converter {
    /// Integers that `f64` does not hold, by the bits of the float that stands for them: `None` where several have the same.
    /// A result that is such a float is the integer again: it was only moved.
    inexact: HashMap<u64, Option<Value>>,
    bytes: usize,
}

impl Converter {
    /// The reached parts of a value.
    ///
    /// # Errors
    /// When all that was converted is larger than [`limits::MAX_CONVERTED_BYTES`].
    pub(super) fn convert(&mut self, value: &Value, access: &Access) -> Result<JValue, JsonataError> {
        self.reached(value.as_ref(), access)
    }

    /// The recursion is bounded by the depth that values can have.
    fn reached(&mut self, value: ValueRef<'_>, access: &Access) -> Result<JValue, JsonataError> {
        if access.whole {
            return self.whole(value);
        }
        match value.view() {
            View::Object(object) => {
                let mut map = IndexMap::with_capacity(access.members.len());
                for (name, inner) in &access.members {
                    if let Some(member) = object.get(name) {
                        map.insert(name.to_string(), self.reached(member, inner)?);
                    }
                }
                Ok(JValue::object(map))
            }
            View::Array(array) => {
                array.iter().map(|item| self.reached(item, access)).collect::<Result<_, _>>().map(JValue::array)
            }
            _ => self.whole(value),
        }
    }

    fn whole(&mut self, value: ValueRef<'_>) -> Result<JValue, JsonataError> {
        self.bytes += 4;
        let converted = match value.view() {
            View::Null => JValue::Null,
            View::Bool(flag) => JValue::Bool(flag),
            View::Number(number) => JValue::Number(self.number(number, value)),
            View::String(text) => {
                self.bytes += text.len();
                JValue::string(text)
            }
            View::Array(array) => {
                let mut items = Vec::with_capacity(array.len());
                for item in array.iter() {
                    items.push(self.whole(item)?);
                }
                JValue::array(items)
            }
            View::Object(object) => {
                let mut map = IndexMap::with_capacity(object.len());
                for (key, member) in object.iter() {
                    self.bytes += key.len();
                    map.insert(key.to_owned(), self.whole(member)?);
                }
                JValue::Object(JMap::from(map).into())
            }
        };
        if self.bytes > limits::MAX_CONVERTED_BYTES {
            return Err(JsonataError::new("U1001", "The expression names more data than it may"));
        }
        Ok(converted)
    }

    fn number(&mut self, number: Number<'_>, value: ValueRef<'_>) -> f64 {
        let float = number.as_f64();
        let exact = match number {
            Number::Int(integer) => integer.unsigned_abs() <= MAX_EXACT,
            Number::UInt(_) => false,
            Number::Float(_) => true,
            Number::Text(_) => !float.is_finite() || !number.is_integer(),
        };
        if !exact {
            self.inexact
                .entry(float.to_bits())
                .and_modify(|known| {
                    if known.as_ref().is_some_and(|known| known.as_ref() != value) {
                        *known = None;
                    }
                })
                .or_insert_with(|| Some(value.to_value()));
        }
        float
    }

    /// A result.
    ///
    /// # Errors
    /// When it is larger than [`limits::MAX_RESULT_BYTES`] or deeper than [`limits::MAX_VALUE_DEPTH`].
    pub(super) fn result(&self, value: &JValue) -> Result<Evaluated, JsonataError> {
        if value.is_undefined() {
            return Ok(Evaluated::Undefined);
        }
        let mut bytes = 0;
        Ok(self.value(value, 0, &mut bytes)?.map_or(Evaluated::Unsupported, Evaluated::Value))
    }

    /// `None` for functions.
    fn value(&self, value: &JValue, depth: usize, bytes: &mut usize) -> Result<Option<Value>, JsonataError> {
        *bytes += 4;
        if *bytes > limits::MAX_RESULT_BYTES || depth > limits::MAX_VALUE_DEPTH {
            return Err(limits::memory());
        }
        Ok(Some(match value {
            JValue::Null | JValue::Undefined => Value::NULL,
            JValue::Bool(flag) => Value::from(*flag),
            JValue::Number(number) => match self.inexact.get(&number.to_bits()) {
                Some(Some(integer)) => integer.clone(),
                _ => number_value(*number),
            },
            JValue::String(text) => {
                *bytes += text.len();
                Value::from(&**text)
            }
            JValue::Array(items) => {
                let mut array = ArrayBuilder::with_capacity(items.len());
                for item in items {
                    match self.value(item, depth + 1, bytes)? {
                        Some(item) => array.push(item),
                        None => return Ok(None),
                    }
                }
                array.finish()
            }
            JValue::Object(members) => {
                let mut object = ObjectBuilder::with_capacity(members.len());
                for (key, member) in members.iter() {
                    *bytes += key.len();
                    match self.value(member, depth + 1, bytes)? {
                        Some(member) => object.push(Text::from(key.as_str()), member),
                        None => return Ok(None),
                    }
                }
                object.finish()
            }
            JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => return Ok(None),
        }))
    }
}

/// A computed number: whole ones as integers, and the three that JSON does not have as text, as the service writes them.
pub(super) fn number_value(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < i64::MAX as f64 {
        return Value::from(number as i64);
    }
    if number.is_finite() {
        return Value::from(number);
    }
    Value::from(if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    })
}

/// A value made by one of our functions.
pub(super) fn from_value(value: &Value) -> JValue {
    Converter::default().whole(value.as_ref()).unwrap_or(JValue::Undefined)
}
