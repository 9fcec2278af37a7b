//! A string value, also the key of an object: the string forms of `Value` under a type that says so.

use std::fmt;

use triomphe::Arc;

use super::{
    Document, NodeKind, Repr, Value,
    long::Long,
    short::{Short, same_bytes},
};

/// A string of the data plane: short ones in place, long ones shared, or a node of a document. Cheap to clone.
#[derive(Clone)]
pub struct Text(pub(super) Repr);

impl Text {
    /// The characters.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        repr_as_str(&self.0).unwrap_or_default()
    }

    /// Whether these are the characters of `key`.
    #[inline(always)]
    pub(super) fn is(&self, key: &str) -> bool {
        match &self.0 {
            Repr::Short(short) => same_bytes(short.as_str().as_bytes(), key.as_bytes()),
            _ => self.as_str() == key,
        }
    }

    /// A string of a document: a copy of a short one, else a reference.
    #[inline]
    pub(super) fn node(document: &Arc<Document>, node: u32) -> Text {
        let short = (document.kind(node) == NodeKind::String).then(|| document.short(node)).flatten();
        Text(short.map_or_else(|| Repr::Node(Arc::clone(document), node), Repr::Short))
    }

    /// Bytes of the string written as JSON.
    #[inline]
    pub(super) fn json_size(&self) -> usize {
        match &self.0 {
            Repr::Node(document, node) => document.raw_size(*node),
            Repr::Short(short) if short.is_plain() => short.plain_json_size(),
            Repr::String(long) => long.json_size(),
            _ => super::write::escaped_size(self.as_str()),
        }
    }

    /// Appends the string as the key of a JSON object, with its quotes and the colon.
    #[inline]
    pub(super) fn write_json_key(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Repr::Short(short) if short.is_plain() => short.write_json_and::<b':'>(out),
            Repr::Node(document, node) => {
                out.extend_from_slice(document.raw_bytes(*node));
                out.push(b':');
            }
            _ => {
                out.push(b'"');
                match &self.0 {
                    Repr::String(long) => long.escape_into(out),
                    _ => super::write::escape_into(self.as_str(), out),
                }
                out.extend_from_slice(b"\":");
            }
        }
    }
}

/// The characters of any string form.
#[inline]
pub(super) fn repr_as_str(repr: &Repr) -> Option<&str> {
    match repr {
        Repr::Short(short) => Some(short.as_str()),
        Repr::String(long) => Some(long.as_str()),
        Repr::Node(document, node) => {
            matches!(document.kind(*node), NodeKind::String | NodeKind::EscapedString).then(|| document.string(*node))
        }
        _ => None,
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        match Short::new(text) {
            Some(short) => Text(Repr::Short(short)),
            None => Text(Repr::String(Long::new(text))),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::from(text.as_str())
    }
}

impl TryFrom<Value> for Text {
    type Error = Value;

    /// The string that this value is.
    ///
    /// # Errors
    /// The value itself when it is not a string.
    fn try_from(value: Value) -> Result<Self, Value> {
        if value.as_str().is_some() { Ok(Text(value.0)) } else { Err(value) }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
