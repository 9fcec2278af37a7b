//! How large a value of the base is when nothing in it is shared.

use jsonata_core::value::JValue;

use crate::query::jsonata::limits;

/// The size of a value as JSON and the number of values in it, counted until one of them is beyond `most`.
#[derive(Default)]
pub(super) struct Size {
    pub(super) bytes: usize,
    pub(super) values: usize,
    /// Entries of objects.
    pub(super) entries: usize,
    pub(super) depth: usize,
}

impl Size {
    /// Measures a value; `None` when it is larger than [`limits::MAX_WALKED_BYTES`] or deeper than
    /// [`limits::MAX_VALUE_DEPTH`].
    pub(super) fn of(value: &JValue) -> Option<Size> {
        let mut size = Size::default();
        size.add(value, 1)?;
        Some(size)
    }

    /// The recursion is bounded by [`limits::MAX_VALUE_DEPTH`].
    fn add(&mut self, value: &JValue, depth: usize) -> Option<()> {
        self.bytes += 8;
        self.values += 1;
        self.depth = self.depth.max(depth);
        match value {
            JValue::String(text) => self.bytes += text.len(),
            JValue::Array(items) => {
                self.bytes += items.len() * 8;
                self.within(depth)?;
                for item in items {
                    match item {
                        JValue::Number(_) | JValue::Bool(_) | JValue::Null => self.values += 1,
                        other => self.add(other, depth + 1)?,
                    }
                }
            }
            JValue::Object(members) => {
                self.entries += members.len();
                for (key, member) in members.iter() {
                    self.bytes += key.len() + 8;
                    self.within(depth)?;
                    self.add(member, depth + 1)?;
                }
            }
            _ => {}
        }
        self.within(depth)
    }

    fn within(&self, depth: usize) -> Option<()> {
        (self.bytes <= limits::MAX_WALKED_BYTES && depth <= limits::MAX_VALUE_DEPTH).then_some(())
    }
}
