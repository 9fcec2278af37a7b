//! Reply bodies, written by hand into one buffer: no tree in between.

use crate::value::escape_into;

/// Writes one JSON object.
pub(super) struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    /// Opens an object at the end of `out`.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a key, which needs no escapes, and returns where its value belongs.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(super) fn string(&mut self, key: &str, value: &str) {
        write_string(value, self.key(key));
    }

    pub(super) fn optional_string(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.string(key, value);
        }
    }

    pub(super) fn boolean(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A moment in milliseconds since 1970, as the API has it: seconds with a fraction of three digits.
    pub(super) fn timestamp(&mut self, key: &str, epoch_ms: u64) {
        write_timestamp(epoch_ms, self.key(key));
    }

    /// An object as the value.
    pub(super) fn object(&mut self, key: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        let mut inner = ObjectWriter::new(self.key(key));
        write(&mut inner);
        inner.finish();
    }

    /// An array of objects as the value.
    pub(super) fn objects<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut ObjectWriter<'_>, T),
    ) {
        let out = self.key(key);
        out.push(b'[');
        for (place, item) in items.into_iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let mut inner = ObjectWriter::new(out);
            write(&mut inner, item);
            inner.finish();
        }
        out.push(b']');
    }

    /// Closes the object.
    pub(super) fn finish(self) {
        self.out.push(b'}');
    }
}

/// A body that is one object.
pub(super) fn body(write: impl FnOnce(&mut ObjectWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut writer = ObjectWriter::new(&mut out);
    write(&mut writer);
    writer.finish();
    out
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_into(text, out);
    out.push(b'"');
}

/// Appends a moment as seconds since 1970 with three digits of a fraction.
pub(super) fn write_timestamp(epoch_ms: u64, out: &mut Vec<u8>) {
    let milliseconds = (epoch_ms % 1000) as u16;
    out.extend_from_slice(itoa::Buffer::new().format(epoch_ms / 1000).as_bytes());
    let digit = |value: u16| b'0' + (value % 10) as u8;
    out.extend_from_slice(&[b'.', digit(milliseconds / 100), digit(milliseconds / 10), digit(milliseconds)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_written_in_order() {
        let written = body(|object| {
            object.string("a", "x\"y");
            object.optional_string("none", None);
            object.object("b", |inner| inner.boolean("c", true));
            object.objects("d", [1, 2], |inner, ms| inner.timestamp("t", ms));
        });
        let expected = r#"{"a":"x\"y","b":{"c":true},"d":[{"t":0.001},{"t":0.002}]}"#;
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn timestamps_have_three_digits_of_fraction() {
        let mut out = Vec::new();
        write_timestamp(1_700_000_000_045, &mut out);
        assert_eq!(out, b"1700000000.045");
    }
}
