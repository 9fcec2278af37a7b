//! Built arrays.

use triomphe::Arc;

use super::{Repr, Value, ValueRef, View};

/// The items of a built array with its written size and depth, both known when it is built.
pub(super) struct Array {
    items: Vec<Value>,
    size: usize,
    depth: u32,
}

impl Array {
    pub(super) fn new(items: Vec<Value>) -> Self {
        let mut size = 2 + items.len().saturating_sub(1);
        let mut depth = 0;
        for item in &items {
            size += item.json_size();
            depth = depth.max(item.depth());
        }
        Self { items, size, depth: depth + 1 }
    }

    pub(super) fn items(&self) -> &[Value] {
        &self.items
    }

    #[inline]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    #[inline]
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }
}

/// Collects items into an array value.
#[derive(Default)]
pub struct ArrayBuilder(Vec<Value>);

impl ArrayBuilder {
    /// A builder with room for `capacity` items.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Takes over the items of `array`: without copying when nobody else holds it. `None` when it is no array.
    #[must_use]
    pub fn from_value(array: Value) -> Option<Self> {
        if let Repr::Array(shared) = array.0 {
            return Some(Self(Arc::try_unwrap(shared).map_or_else(|shared| shared.items.clone(), |owned| owned.items)));
        }
        match array.view() {
            View::Array(items) => Some(Self(items.iter().map(ValueRef::to_value).collect())),
            _ => None,
        }
    }

    /// Appends an item.
    pub fn push(&mut self, item: Value) {
        self.0.push(item);
    }

    /// Number of items so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The items, to read and replace.
    pub fn items_mut(&mut self) -> &mut [Value] {
        &mut self.0
    }

    /// The array.
    #[must_use]
    pub fn finish(self) -> Value {
        Value::from(self.0)
    }
}
