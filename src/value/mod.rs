//! The JSON value of the data plane.
//!
//! A [`Value`] is 16 bytes and cheap to clone. It is either a small scalar held in place, a *node* of a parsed
//! `Document` (shared, immutable, with its text kept in canonical form), or a *built* container that holds other
//! values. Reading, slicing and passing on what came in allocates nothing; writing it out copies its text; only what a
//! definition builds is built. Updates copy one level, and only when the container is shared.
//!
//! ```
//! use expressway::Value;
//! let order = Value::parse(r#"{"id": 7, "items": ["a", "b"]}"#)?;
//! assert_eq!(order.get("items").and_then(|items| items.index(1)).map(|item| item.to_json()), Some("\"b\"".into()));
//! assert_eq!(order.to_json(), r#"{"id":7,"items":["a","b"]}"#);
//! # Ok::<(), expressway::value::ParseError>(())
//! ```

mod array;
mod compare;
mod document;
mod long;
mod number;
mod object;
mod own;
mod packed;
mod parse;
mod plain;
mod repr;
mod short;
mod syntax_error;
mod tape;
mod text;
mod view;
mod write;

use triomphe::Arc;

use self::{array::Array, parse::Source, repr::Repr};
pub use self::{
    array::ArrayBuilder,
    number::Number,
    object::ObjectBuilder,
    parse::{MAX_DOCUMENT_BYTES, MAX_NESTING_DEPTH},
    syntax_error::ParseError,
    text::Text,
    view::{ArrayView, ObjectView, ValueRef, View},
};
pub(crate) use self::{
    document::{Document, NodeKind},
    object::KeysSize,
    packed::{Packer, Unpacker},
    parse::unescape_string_token,
};
#[cfg(feature = "server")]
pub(crate) use self::{
    parse::{copy_plain_run, plain_run},
    write::escape_into,
};

/// A JSON value: immutable, shared, cheap to clone. See the [module](self) documentation.
#[derive(Clone)]
pub struct Value(Repr);

impl Value {
    /// JSON `null`.
    pub const NULL: Value = Value(Repr::Null);

    /// Parses JSON text.
    ///
    /// # Errors
    /// [`ParseError`] with the words of AWS's parser (Jackson), when the text is not one JSON document, nests deeper than
    /// [`MAX_NESTING_DEPTH`] or is longer than [`MAX_DOCUMENT_BYTES`].
    pub fn parse(text: &str) -> Result<Value, ParseError> {
        parse::parse(Source::Text(text))
    }

    /// Parses JSON text from bytes that it takes over, so that nothing is copied.
    ///
    /// # Errors
    /// As [`Value::parse`], and when the bytes are not UTF-8.
    pub fn parse_bytes(bytes: Vec<u8>) -> Result<Value, ParseError> {
        parse::parse(Source::Bytes(bytes))
    }

    /// An empty object, `{}`.
    #[must_use]
    pub fn empty_object() -> Value {
        ObjectBuilder::with_capacity(0).finish()
    }

    /// An object of the given entries, in their order; of equal keys the last wins.
    pub fn object<K: Into<Text>, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
        let entries = entries.into_iter();
        let mut builder = ObjectBuilder::with_capacity(entries.size_hint().0);
        for (key, value) in entries {
            builder.insert(key.into(), value.into());
        }
        builder.finish()
    }

    /// An array of the given items.
    pub fn array<V: Into<Value>>(items: impl IntoIterator<Item = V>) -> Value {
        let mut builder = ArrayBuilder::default();
        for item in items {
            builder.push(item.into());
        }
        builder.finish()
    }

    /// A borrowed reference to this value, the form in which values are walked.
    #[inline]
    #[must_use]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match &self.0 {
            Repr::Node(document, node) => ValueRef::node(document, *node),
            _ => ValueRef::built(self),
        }
    }

    /// What this value is, for matching.
    #[inline]
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.as_ref().view()
    }

    /// The object; `None` for anything else.
    #[inline]
    #[must_use]
    pub fn as_object(&self) -> Option<ObjectView<'_>> {
        self.as_ref().as_object()
    }

    /// The member `key` of an object; `None` when this is no object or has no such member.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &str) -> Option<ValueRef<'_>> {
        self.as_ref().get(key)
    }

    /// The item at `index` of an array; `None` when this is no array or is shorter.
    #[inline]
    #[must_use]
    pub fn index(&self, index: usize) -> Option<ValueRef<'_>> {
        self.as_ref().index(index)
    }

    /// The text of a string; `None` for anything else.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_ref().as_str()
    }

    /// Whether this is `null`.
    #[inline]
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_ref().is_null()
    }

    /// Number of bytes of this value written as compact JSON. Constant time.
    #[inline]
    #[must_use]
    pub fn json_size(&self) -> usize {
        match &self.0 {
            Repr::Node(document, node) => document.raw_size(*node),
            Repr::Object(object) => object.size(),
            Repr::Array(array) => array.size(),
            Repr::Short(short) if short.is_plain() => short.plain_json_size(),
            Repr::String(long) => long.json_size(),
            _ => self.scalar_json_size(),
        }
    }

    fn scalar_json_size(&self) -> usize {
        match &self.0 {
            Repr::Null => 4,
            Repr::Bool(value) => 5 - usize::from(*value),
            Repr::Int(value) => number::integer_size(value.unsigned_abs()) + usize::from(*value < 0),
            Repr::UInt(value) => number::integer_size(*value),
            Repr::Float(value) => number::float_size(*value),
            _ => write::escaped_size(self.as_str().unwrap_or_default()),
        }
    }

    /// How deep containers are nested in this value: 0 for scalars. A node counts as the limit of its parser at most.
    #[inline]
    #[must_use]
    pub fn depth(&self) -> u32 {
        match &self.0 {
            Repr::Array(array) => array.depth(),
            Repr::Object(object) => object.depth(),
            Repr::Node(document, node) if matches!(document.kind(*node), NodeKind::Array | NodeKind::Object) => {
                document.depth()
            }
            _ => 0,
        }
    }
}

impl Default for Value {
    fn default() -> Self {
        Value::NULL
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value(Repr::Bool(value))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value(Repr::Int(value))
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value(Repr::Int(i64::from(value)))
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Value(Repr::UInt(value)), |value| Value(Repr::Int(value)))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::from(value as u64)
    }
}

impl From<f64> for Value {
    /// JSON has no NaN and no infinities: they become `null`.
    fn from(value: f64) -> Self {
        if value.is_finite() { Value(Repr::Float(value)) } else { Value::NULL }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value(Text::from(value).0)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value(Text::from(value).0)
    }
}

impl From<Text> for Value {
    fn from(value: Text) -> Self {
        Value(value.0)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Value(Repr::Array(Arc::new(Array::new(items))))
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        value.to_value()
    }
}

#[cfg(test)]
mod tests;
