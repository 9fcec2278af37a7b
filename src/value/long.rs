//! Strings too long to be held in place of a pointer.

#![allow(unsafe_code, reason = "reading a string back that was stored as a string")]

use triomphe::ThinArc;

use super::write::{escape_into, escaped_size};

/// A shared string that knows how many bytes it has as JSON: characters, size and count of references in one allocation.
#[derive(Clone)]
pub(super) struct Long(ThinArc<usize, u8>);

impl Long {
    pub(super) fn new(text: &str) -> Self {
        Self(ThinArc::from_header_and_slice(escaped_size(text), text.as_bytes()))
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        // SAFETY: `new` is the only constructor, and the bytes are those of a `str`; nothing changes them later.
        unsafe { std::str::from_utf8_unchecked(&self.0.slice) }
    }

    /// Bytes of the string as JSON, with its quotes.
    #[inline]
    pub(super) fn json_size(&self) -> usize {
        self.0.header.header
    }

    /// Appends the string as it stands between the quotes of a JSON string.
    #[inline]
    pub(super) fn escape_into(&self, out: &mut Vec<u8>) {
        let text = self.as_str();
        if self.json_size() == text.len() + 2 { out.extend_from_slice(text.as_bytes()) } else { escape_into(text, out) }
    }

    /// Where it lies.
    pub(super) fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }

    /// How many references to it there are.
    pub(super) fn references(&self) -> usize {
        ThinArc::strong_count(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_strings_come_back() {
        for text in ["", "a text that is longer than others", "with \"quotes\"", "é→\u{1F600}\n"] {
            let long = Long::new(text);
            let json = serde_json::to_string(text).unwrap();
            let mut written = Vec::new();
            long.escape_into(&mut written);
            assert_eq!((long.as_str(), long.json_size()), (text, json.len()));
            assert_eq!(written, json.as_bytes()[1..json.len() - 1]);
            let other = long.clone();
            assert_eq!((other.address(), other.references()), (long.address(), 2));
            drop(other);
            assert_eq!(long.references(), 1);
        }
    }
}
