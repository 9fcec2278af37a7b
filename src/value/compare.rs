//! Equality of values, and how they print for debugging.

use std::{cmp::Ordering, fmt};

use super::{Value, ValueRef, View};

impl PartialEq for ValueRef<'_> {
    /// By value: `1` equals `1.0`, the order of keys does not count. Depth is bounded by what values can nest.
    fn eq(&self, other: &Self) -> bool {
        match (self.view(), other.view()) {
            (View::Null, View::Null) => true,
            (View::Bool(left), View::Bool(right)) => left == right,
            (View::Number(left), View::Number(right)) => left.compare(right) == Some(Ordering::Equal),
            (View::String(left), View::String(right)) => left == right,
            (View::Array(left), View::Array(right)) => left.iter().eq(right.iter()),
            (View::Object(left), View::Object(right)) => {
                left.len() == right.len()
                    && left.iter().zip(right.iter()).all(|((key, value), (same_key, same_place))| {
                        if key == same_key {
                            value == same_place
                        } else {
                            right.get(key).is_some_and(|found| found == value)
                        }
                    })
            }
            _ => false,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_json())
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_json())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_json())
    }
}
