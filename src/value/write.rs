//! Values to compact JSON text.

use super::{
    Number, Repr, Value, ValueRef,
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
        match self.as_built() {
            Ok(value) => {
                write_and_comma(value, out);
                out.pop();
            }
            Err(raw) => out.extend_from_slice(raw),
        }
    }
}

/// Appends a value and a comma behind it: the two kinds of which there are most where the others are put together.
#[inline(always)]
fn write_and_comma(value: &Value, out: &mut Vec<u8>) {
    match &value.0 {
        Repr::Node(document, node) => {
            out.extend_from_slice(document.raw_bytes(*node));
            out.push(b',');
        }
        Repr::Short(short) if short.is_plain() => short.write_json_and::<b','>(out),
        _ => write_other_and_comma(value, out),
    }
}

fn write_other_and_comma(value: &Value, out: &mut Vec<u8>) {
    match &value.0 {
        Repr::Array(array) => {
            out.push(b'[');
            for item in array.items() {
                write_and_comma(item, out);
            }
            end(b']', out);
        }
        Repr::Object(object) => {
            out.push(b'{');
            for (key, value) in object.entries() {
                key.write_json_key(out);
                write_and_comma(value, out);
            }
            end(b'}', out);
        }
        Repr::String(long) => {
            out.push(b'"');
            long.escape_into(out);
            out.push(b'"');
        }
        Repr::Short(short) => {
            out.push(b'"');
            escape_into(short.as_str(), out);
            out.push(b'"');
        }
        Repr::Node(document, node) => out.extend_from_slice(document.raw_bytes(*node)),
        Repr::Null => out.extend_from_slice(b"null"),
        Repr::Bool(true) => out.extend_from_slice(b"true"),
        Repr::Bool(false) => out.extend_from_slice(b"false"),
        Repr::Int(value) => Number::Int(*value).write(out),
        Repr::UInt(value) => Number::UInt(*value).write(out),
        Repr::Float(value) => Number::Float(*value).write(out),
    }
    out.push(b',');
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
