//! The members of an object in a template of either query language, with what is known of the object before its values are.

use crate::{
    Value,
    value::{KeysSize, Text},
};

/// Members with unique keys, each with what makes its value.
#[derive(Clone, Debug)]
pub(super) struct Members<P> {
    parts: Box<[(Text, P)]>,
    keys: KeysSize,
}

impl<P> Members<P> {
    /// The keys are known to differ.
    pub(super) fn new(parts: Vec<(Text, P)>) -> Self {
        let keys = KeysSize::of(parts.iter().map(|(key, _)| key));
        Self { parts: parts.into_boxed_slice(), keys }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Text, P)> {
        self.parts.iter()
    }

    /// The object, of the values that `make` makes.
    #[inline(always)]
    pub(super) fn fill<E>(&self, mut make: impl FnMut(&Text, &P) -> Result<Value, E>) -> Result<Value, E> {
        // Results are placed into what templates make more often than not: one more has room.
        let mut entries = Vec::with_capacity(self.parts.len() + 1);
        for (key, part) in &self.parts {
            entries.push((key.clone(), make(key, part)?));
        }
        Ok(Value::of_entries(entries, self.keys))
    }
}
