//! Values to compact JSON text.

use super::{
    Repr, Value, ValueRef, View,
    parse::{copy_plain_run, plain_run},
};

impl Value {
    /// This value as compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.as_ref().to_json()
    }

    /// Appends this value as compact JSON to `out`.
    #[inline]
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.as_ref().write_json(out);
    }
}

impl ValueRef<'_> {
    /// This value as compact JSON.
    #[must_use]
    pub fn to_json(self) -> String {
        let mut out = Vec::with_capacity(128);
        self.write_json(&mut out);
        String::from_utf8(out).expect("values hold strings, and their JSON is made of strings and ASCII")
    }

    /// Appends this value as compact JSON to `out`. The recursion is bounded by the depth that values can have.
    pub fn write_json(self, out: &mut Vec<u8>) {
        self.write_json_and_comma(out);
        out.pop();
    }

    /// Appends this value and a comma behind it. The recursion is bounded by the depth that values can have.
    fn write_json_and_comma(self, out: &mut Vec<u8>) {
        if let Some(raw) = self.raw() {
            out.extend_from_slice(raw);
            out.push(b',');
            return;
        }
        match self.as_built() {
            Some(Repr::Short(short)) if short.is_plain() => return short.write_json_and::<b','>(out),
            Some(Repr::String(long)) => {
                out.push(b'"');
                long.escape_into(out);
                out.extend_from_slice(b"\",");
                return;
            }
            _ => {}
        }
        match self.view() {
            View::Null => out.extend_from_slice(b"null"),
            View::Bool(true) => out.extend_from_slice(b"true"),
            View::Bool(false) => out.extend_from_slice(b"false"),
            View::Number(number) => number.write(out),
            View::String(text) => {
                out.push(b'"');
                escape_into(text, out);
                out.push(b'"');
            }
            View::Array(items) => {
                out.push(b'[');
                for item in items.iter() {
                    item.write_json_and_comma(out);
                }
                end(b']', out);
            }
            View::Object(entries) => {
                out.push(b'{');
                for (key, value) in entries.built() {
                    key.write_json_key(out);
                    value.as_ref().write_json_and_comma(out);
                }
                end(b'}', out);
            }
        }
        out.push(b',');
    }
}

/// Ends an array or object: its bracket takes the place of the comma behind its last value, if it has one.
fn end(bracket: u8, out: &mut Vec<u8>) {
    match out.last_mut() {
        Some(last) if *last == b',' => *last = bracket,
        _ => out.push(bracket),
    }
}

/// For each byte: 0 when it stands for itself in a JSON string, the letter of its short escape, or `u`.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 32 {
        table[byte] = b'u';
        byte += 1;
    }
    table[8] = b'b';
    table[9] = b't';
    table[10] = b'n';
    table[12] = b'f';
    table[13] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `text`, which is UTF-8, as it stands between the quotes of a JSON string, escaped as Jackson does: only what must be.
pub(crate) fn escape_into(text: impl AsRef<[u8]>, out: &mut Vec<u8>) {
    let bytes = text.as_ref();
    out.reserve(bytes.len() + bytes.len() / 4);
    let mut at = 0;
    loop {
        at = copy_plain_run(bytes, at, out);
        let Some(byte) = bytes.get(at) else { return };
        at += 1;
        match ESCAPES[usize::from(*byte)] {
            b'u' => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(*byte >> 4)]);
                out.push(HEX[usize::from(*byte & 15)]);
            }
            escape => out.extend_from_slice(&[b'\\', escape]),
        }
    }
}

/// Bytes of `text` as a JSON string, with its quotes.
pub(super) fn escaped_size(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut size = bytes.len() + 2;
    let mut at = plain_run(bytes, 0);
    while let Some(byte) = bytes.get(at) {
        size += if ESCAPES[usize::from(*byte)] == b'u' { 5 } else { 1 };
        at = plain_run(bytes, at + 1);
    }
    size
}
