//! JSON text to a [`Document`]: one pass that validates, indexes and makes the text canonical.
//!
//! White space is dropped and strings are re-escaped as they are passed, so that a document's text is what the writer
//! would write: any node is then written out by copying its text, and its size is the length of that text. A text that is
//! canonical already is taken over without a copy. Numbers stay text until somebody asks for their value.

use std::{cell::Cell, collections::HashSet};

use triomphe::Arc;

use super::{
    Document, NodeKind, ObjectBuilder, ParseError, Repr, Value, ValueRef, View,
    array::ArrayBuilder,
    document::Escaped,
    plain,
    syntax_error::diagnose,
    tape::{SMALL_TEXT_BYTES, Slot, TapeBuilder},
    write::escape_into,
};

/// The longest text that is parsed, in bytes: well above every quota, well below where offsets end.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// How deep arrays and objects may nest in a parsed text; the limit of Jackson, the parser of AWS.
pub const MAX_NESTING_DEPTH: usize = 1000;

/// A text to be parsed.
pub(super) enum Source<'a> {
    Text(&'a str),
    /// Bytes that may be no UTF-8, to be taken over.
    Bytes(Vec<u8>),
}

impl Source<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// All of it, as the text of a document.
    fn into_text(self) -> Result<Box<str>, ParseError> {
        match self {
            Self::Text(text) => Ok(text.into()),
            Self::Bytes(bytes) => {
                String::from_utf8(bytes).map(String::into_boxed_str).map_err(|error| diagnose(error.as_bytes()))
            }
        }
    }
}

/// Parses a text.
pub(super) fn parse(source: Source<'_>) -> Result<Value, ParseError> {
    if source.bytes().len() < SMALL_TEXT_BYTES { parse_with::<u32>(source) } else { parse_with::<u64>(source) }
}

fn parse_with<S: Slot>(source: Source<'_>) -> Result<Value, ParseError> {
    let bytes = source.bytes();
    let mut scanner = Scanner::<S>::new(bytes);
    let Some(end) = scanner.scan() else { return Err(diagnose(bytes)) };
    let Scanner { mut out, copied, tape, escaped, suspects, max_depth, .. } = scanner;
    let text = if copied == 0 && end == bytes.len() {
        source.into_text()?
    } else {
        out.extend_from_slice(&bytes[copied..end]);
        String::from_utf8(out).map_err(|_| diagnose(bytes))?.into_boxed_str()
    };
    let tape = tape.finish(text.len());
    let document = Arc::new(Document::new(text, tape, escaped, max_depth));
    let root = ValueRef::node(&document, 0);
    if suspects.iter().any(|suspect| has_duplicate_keys(&document, *suspect)) {
        return parse(Source::Text(&last_of_equal_keys(root).to_json()));
    }
    Ok(match document.kind(0) {
        NodeKind::Null | NodeKind::False | NodeKind::True => root.to_value(),
        _ => Value(Repr::Node(document, 0)),
    })
}

fn has_duplicate_keys(document: &Arc<Document>, object: u32) -> bool {
    match ValueRef::node(document, object).view() {
        View::Object(entries) => {
            let mut seen = HashSet::new();
            !entries.iter().all(|(key, _)| seen.insert(key))
        }
        _ => false,
    }
}

/// Rebuilds a value so that of equal keys only the last is left. Depth is bounded by [`MAX_NESTING_DEPTH`].
fn last_of_equal_keys(value: ValueRef<'_>) -> Value {
    match value.view() {
        View::Object(entries) => {
            let mut builder = ObjectBuilder::default();
            for (key, value) in entries.entries() {
                builder.insert(key, last_of_equal_keys(value));
            }
            builder.finish()
        }
        View::Array(items) => {
            let mut builder = ArrayBuilder::default();
            for item in items.iter() {
                builder.push(last_of_equal_keys(item));
            }
            builder.finish()
        }
        _ => value.to_value(),
    }
}

/// An array or object that is still open, or the document around all of them.
struct Open {
    place: u32,
    /// The bracket that ends it.
    close: u8,
    suspect: bool,
    /// One bit for each kind of key seen, by a cheap hash: two keys on one bit make the object a suspect.
    keys_seen: u64,
}

impl Open {
    /// Ends with the text.
    const DOCUMENT: Open = Open { place: 0, close: 0, suspect: false, keys_seen: 0 };
}

/// The arrays and objects around the one that is being read, [`MAX_NESTING_DEPTH`] of them at most. All parsers of a thread
/// use the same memory.
struct OpenStack(Vec<Open>);

thread_local! {
    static OPEN: Cell<Vec<Open>> = const { Cell::new(Vec::new()) };
}

impl OpenStack {
    fn take() -> Self {
        Self(OPEN.take())
    }
}

impl Drop for OpenStack {
    fn drop(&mut self) {
        self.0.clear();
        OPEN.set(std::mem::take(&mut self.0));
    }
}

struct Scanner<'a, S: Slot> {
    source: &'a [u8],
    /// Canonical text so far, without what stands behind `copied`, which is canonical as it is.
    out: Vec<u8>,
    copied: usize,
    tape: TapeBuilder<S>,
    escaped: Escaped,
    /// Objects in which two keys may be equal.
    suspects: Vec<u32>,
    max_depth: u32,
}

impl<'a, S: Slot> Scanner<'a, S> {
    fn new(source: &'a [u8]) -> Self {
        Self {
            source,
            out: Vec::new(),
            copied: 0,
            tape: TapeBuilder::new(),
            escaped: Escaped::default(),
            suspects: Vec::new(),
            max_depth: 0,
        }
    }

    /// Where the document's last byte is passed; `None` when the text is not JSON.
    ///
    /// What changes with every token is in local variables, which are registers: `at`, where it reads, and `shift`, how much
    /// farther to the front a place in the source is in the canonical text.
    fn scan(&mut self) -> Option<usize> {
        let source = self.source;
        if source.len() > MAX_DOCUMENT_BYTES {
            return None;
        }
        let (mut at, mut shift) = (0, 0);
        // The next byte that is no white space; white space in between is left out of the canonical text.
        macro_rules! token {
            () => {{
                let mut byte = *source.get(at)?;
                if byte <= b' ' {
                    (at, shift) = self.skip_white_space(at)?;
                    byte = *source.get(at)?;
                }
                byte
            }};
        }
        // A string, with `at` at its opening quote; whether it has no escapes.
        macro_rules! string {
            () => {{
                let end = plain_run(source, at + 1);
                let is_plain = *source.get(end)? == b'"';
                if is_plain {
                    self.tape.push(NodeKind::String, (at - shift) as u32, (end + 1 - at) as u32);
                    at = end + 1;
                } else {
                    (at, shift) = self.escaped_string(at)?;
                }
                is_plain
            }};
        }
        // The array or object that is being read, and those around it.
        let mut inner = Open::DOCUMENT;
        let mut outer = OpenStack::take();
        loop {
            if inner.close == b'}' {
                if token!() != b'"' {
                    return None;
                }
                let start = at;
                let is_plain = string!();
                let bit = 1_u64 << (key_hash(&source[start..at]) & 63);
                // The hash is of the key as it was written: one with an escape may equal any other.
                inner.suspect |= inner.keys_seen & bit != 0 || !is_plain;
                inner.keys_seen |= bit;
                if token!() != b':' {
                    return None;
                }
                at += 1;
            }
            match token!() {
                b'"' => _ = string!(),
                bracket @ (b'{' | b'[') => {
                    let kind = if bracket == b'{' { NodeKind::Object } else { NodeKind::Array };
                    let place = self.tape.open(kind, (at - shift) as u32);
                    // In ASCII a bracket that closes comes two behind the one that opens.
                    let opened = Open { place, close: bracket + 2, ..Open::DOCUMENT };
                    outer.0.push(std::mem::replace(&mut inner, opened));
                    if outer.0.len() > MAX_NESTING_DEPTH {
                        return None;
                    }
                    self.max_depth = self.max_depth.max(outer.0.len() as u32);
                    at += 1;
                    if token!() != inner.close {
                        continue;
                    }
                    // An empty one ends below.
                }
                byte => {
                    let (end, kind) = match byte {
                        b't' => (word(source, at, b"true")?, NodeKind::True),
                        b'f' => (word(source, at, b"false")?, NodeKind::False),
                        b'n' => (word(source, at, b"null")?, NodeKind::Null),
                        _ => number(source, at)?,
                    };
                    self.tape.push(kind, (at - shift) as u32, (end - at) as u32);
                    at = end;
                }
            }
            // Behind a value: what it is in goes on, or ends.
            loop {
                if inner.close == 0 {
                    return source[at..].iter().all(|byte| is_white_space(*byte)).then_some(at);
                }
                let byte = token!();
                at += 1;
                if byte == b',' {
                    break;
                }
                if byte != inner.close {
                    return None;
                }
                self.tape.close(inner.place, (at - shift) as u32);
                if inner.suspect {
                    self.suspects.push(inner.place);
                }
                inner = outer.0.pop()?;
            }
        }
    }

    /// Takes the canonical text up to `end`; what comes after `next` follows it. Gives `at` and `shift` for that.
    fn copy(&mut self, end: usize, next: usize) -> (usize, usize) {
        self.out.extend_from_slice(&self.source[self.copied..end]);
        self.copied = next;
        (next, next - self.out.len())
    }

    #[inline(never)]
    fn skip_white_space(&mut self, start: usize) -> Option<(usize, usize)> {
        let mut at = start;
        while is_white_space(*self.source.get(at)?) {
            at += 1;
        }
        if at == start {
            // A control character.
            return None;
        }
        if self.out.capacity() == 0 {
            self.out.reserve_exact(self.source.len());
        }
        Some(self.copy(start, at))
    }

    #[cold]
    #[inline(never)]
    fn escaped_string(&mut self, start: usize) -> Option<(usize, usize)> {
        let mut at = start + 1;
        loop {
            at = plain_run(self.source, at);
            match self.source.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => return None,
            }
        }
        self.copy(start, start);
        let canonical_start = self.out.len();
        let unescaped_start = self.escaped.text.len();
        self.out.push(b'"');
        unescape(&self.source[start + 1..at], &mut self.escaped.text, &mut self.out)?;
        self.out.push(b'"');
        let length = self.out.len() - canonical_start;
        let unescaped_end = self.escaped.text.len();
        if length - 2 == unescaped_end - unescaped_start {
            // Escapes that nothing needed: the canonical text has none left.
            self.escaped.text.truncate(unescaped_start);
            self.tape.push(NodeKind::String, canonical_start as u32, length as u32);
        } else {
            self.tape.push_escaped(canonical_start as u32, length as u32, self.escaped.spans.len() as u32);
            self.escaped.spans.push((unescaped_start as u32, unescaped_end as u32));
        }
        self.copied = at + 1;
        Some((self.copied, self.copied - self.out.len()))
    }
}

/// Where a word ends.
fn word(source: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    source[at..].starts_with(word).then_some(at + word.len())
}

/// Where a number ends, and of which kind it is (RFC 8259 section 6).
#[inline]
fn number(source: &[u8], start: usize) -> Option<(usize, NodeKind)> {
    #[inline(always)]
    fn digits(source: &[u8], mut at: usize) -> usize {
        while source.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    }
    let whole = start + usize::from(source[start] == b'-');
    let mut at = digits(source, whole);
    if at == whole || (source[whole] == b'0' && at > whole + 1) {
        return None;
    }
    let mut kind = NodeKind::Integer;
    if source.get(at) == Some(&b'.') {
        kind = NodeKind::Decimal;
        let fraction = at + 1;
        at = digits(source, fraction);
        if at == fraction {
            return None;
        }
    }
    if matches!(source.get(at), Some(b'e' | b'E')) {
        kind = NodeKind::Decimal;
        let exponent = at + 1 + usize::from(matches!(source.get(at + 1), Some(b'+' | b'-')));
        at = digits(source, exponent);
        if at == exponent {
            return None;
        }
    }
    Some((at, kind))
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Spreads keys over 64 values by what differs most often: length, first and last byte. The key has its quotes.
#[inline(always)]
fn key_hash(quoted: &[u8]) -> usize {
    match quoted {
        [_, first, .., last, _] => {
            quoted.len().wrapping_mul(7) ^ usize::from(*first).wrapping_mul(31) ^ usize::from(*last)
        }
        [_, only, _] => usize::from(*only),
        _ => 0,
    }
}

/// The first place from `at` on that holds a quote, a back-slash or a control character; sixteen bytes at a time, and eight
/// near the end.
#[inline]
pub(crate) fn plain_run(source: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = source.get(at..).and_then(<[u8]>::first_chunk) {
        let plain = plain::of_sixteen(chunk);
        at += plain;
        if plain < chunk.len() {
            return at;
        }
    }
    while let Some(chunk) = source.get(at..).and_then(<[u8]>::first_chunk) {
        let plain = plain::of_eight(*chunk);
        at += plain;
        if plain < chunk.len() {
            return at;
        }
    }
    while source.get(at).is_some_and(|byte| is_plain(*byte)) {
        at += 1;
    }
    at
}

/// Appends the run that [`plain_run`] passes over, and says where it ends. Runs in JSON are short, so sixteen or eight bytes are
/// copied at a time, whether all of them belong to the run or not: that is cheaper than a copy of the right length for each.
#[inline]
pub(crate) fn copy_plain_run(source: &[u8], mut at: usize, out: &mut Vec<u8>) -> usize {
    while let Some(chunk) = source.get(at..).and_then(<[u8]>::first_chunk) {
        let plain = plain::of_sixteen(chunk);
        out.extend_from_slice(chunk);
        at += plain;
        if plain < chunk.len() {
            out.truncate(out.len() - (chunk.len() - plain));
            return at;
        }
    }
    while let Some(chunk) = source.get(at..).and_then(<[u8]>::first_chunk) {
        let plain = plain::of_eight(*chunk);
        out.extend_from_slice(chunk);
        at += plain;
        if plain < chunk.len() {
            out.truncate(out.len() - (chunk.len() - plain));
            return at;
        }
    }
    while let Some(byte) = source.get(at).filter(|byte| is_plain(**byte)) {
        out.push(*byte);
        at += 1;
    }
    at
}

/// Whether a byte stands for itself in a JSON string.
#[inline]
fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

/// Unescapes what stands between the quotes of a JSON string into `plain`, and writes it re-escaped to `canonical`.
/// A surrogate without its other half becomes U+FFFD in `plain` and keeps its escape in `canonical`.
fn unescape(raw: &[u8], plain: &mut String, canonical: &mut Vec<u8>) -> Option<()> {
    let mut at = 0;
    while at < raw.len() {
        let run = raw[at..].iter().position(|byte| *byte == b'\\').map_or(raw.len(), |length| at + length);
        if run > at {
            plain.push_str(std::str::from_utf8(&raw[at..run]).ok()?);
            canonical.extend_from_slice(&raw[at..run]);
        }
        if run == raw.len() {
            break;
        }
        at = run + 2;
        let character = match raw.get(run + 1)? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = hex4(raw, at)?;
                at += 4;
                let low = (0xD800..0xDC00)
                    .contains(&unit)
                    .then(|| (raw.get(at..at + 2) == Some(b"\\u")).then(|| hex4(raw, at + 2)).flatten())
                    .flatten()
                    .filter(|low| (0xDC00..0xE000).contains(low));
                let code = match low {
                    Some(low) => {
                        at += 6;
                        0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                    }
                    None => unit,
                };
                match char::from_u32(code) {
                    Some(character) => character,
                    None => {
                        plain.push(char::REPLACEMENT_CHARACTER);
                        canonical.extend_from_slice(&raw[run..run + 6]);
                        continue;
                    }
                }
            }
            _ => return None,
        };
        plain.push(character);
        escape_into(character.encode_utf8(&mut [0; 4]), canonical);
    }
    Some(())
}

fn hex4(raw: &[u8], at: usize) -> Option<u32> {
    raw.get(at..at + 4)?.iter().try_fold(0, |code, byte| Some(code << 4 | char::from(*byte).to_digit(16)?))
}

/// The characters of a JSON string token, quotes included; `None` when it is none.
pub(crate) fn unescape_string_token(token: &[u8]) -> Option<String> {
    let inner = token.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut plain = String::with_capacity(inner.len());
    unescape(inner, &mut plain, &mut Vec::new())?;
    Some(plain)
}
