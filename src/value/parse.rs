//! JSON text to a [`Document`]: one pass that validates, indexes and makes the text canonical.
//!
//! White space is dropped and strings are re-escaped as they are passed, so that a document's text is what the writer
//! would write: any node is then written out by copying its text, and its size is the length of that text. A text that is
//! canonical already is taken over without a copy. Numbers stay text until somebody asks for their value.

use std::{cell::Cell, collections::HashSet, sync::Arc};

use super::{
    Document, NodeKind, ObjectBuilder, ParseError, Repr, Value, ValueRef, View, array::ArrayBuilder, document::Escaped,
    plain, syntax_error::diagnose, tape::TapeBuilder, write::escape_into,
};

/// The longest text that is parsed, in bytes: well above every quota, well below where offsets end.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// How deep arrays and objects may nest in a parsed text; the limit of Jackson, the parser of AWS.
pub const MAX_NESTING_DEPTH: usize = 1000;

/// Parses a text, taking its bytes over.
pub(super) fn parse(source: Vec<u8>) -> Result<Value, ParseError> {
    let mut scanner = Scanner::new(&source);
    let Some(()) = scanner.scan() else { return Err(diagnose(&source)) };
    let Scanner { mut out, copied, tape, escaped, suspects, end, max_depth, .. } = scanner;
    let text = if copied == 0 && end == source.len() {
        String::from_utf8(source).map_err(|error| diagnose(error.as_bytes()))?
    } else {
        out.extend_from_slice(&source[copied..end]);
        String::from_utf8(out).map_err(|_| diagnose(&source))?
    };
    let tape = tape.finish(text.len());
    let document = Arc::new(Document::new(text.into_boxed_str(), tape, escaped, max_depth));
    let root = ValueRef::node(&document, 0);
    if suspects.iter().any(|suspect| has_duplicate_keys(&document, *suspect)) {
        return parse(last_of_equal_keys(root).to_json().into_bytes());
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

/// An array or object that is still open.
struct Open {
    place: u32,
    /// The bracket that ends it.
    close: u8,
    /// One bit for each kind of key seen, by a cheap hash: two keys on one bit make the object a suspect.
    keys_seen: u64,
    suspect: bool,
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

struct Scanner<'a> {
    source: &'a [u8],
    /// Where the scanner reads.
    at: usize,
    /// Canonical text so far, without what stands at `copied..at`, which is canonical as it is.
    out: Vec<u8>,
    copied: usize,
    tape: TapeBuilder,
    escaped: Escaped,
    /// Objects in which two keys may be equal.
    suspects: Vec<u32>,
    /// Where the document's last byte is passed.
    end: usize,
    max_depth: u32,
}

impl<'a> Scanner<'a> {
    fn new(source: &'a [u8]) -> Self {
        Self {
            source,
            at: 0,
            out: Vec::new(),
            copied: 0,
            tape: TapeBuilder::new(),
            escaped: Escaped::default(),
            suspects: Vec::new(),
            end: 0,
            max_depth: 0,
        }
    }

    /// `None` when the text is not JSON.
    fn scan(&mut self) -> Option<()> {
        if self.source.len() > MAX_DOCUMENT_BYTES {
            return None;
        }
        // The array or object that is being read, and those around it.
        let mut inner: Option<Open> = None;
        let mut outer = OpenStack::take();
        loop {
            match self.next_token()? {
                b'"' => self.string()?,
                bracket @ (b'{' | b'[') => {
                    let opened = self.open(bracket == b'{');
                    if let Some(inner) = inner.replace(opened) {
                        outer.0.push(inner);
                    }
                    if outer.0.len() >= MAX_NESTING_DEPTH {
                        return None;
                    }
                    self.max_depth = self.max_depth.max(outer.0.len() as u32 + 1);
                    let next = self.next_token()?;
                    match &mut inner {
                        // An empty one ends below.
                        Some(opened) if next == opened.close => {}
                        Some(object) if object.close == b'}' => {
                            self.key(object)?;
                            continue;
                        }
                        _ => continue,
                    }
                }
                b't' => self.word(b"true", NodeKind::True)?,
                b'f' => self.word(b"false", NodeKind::False)?,
                b'n' => self.word(b"null", NodeKind::Null)?,
                _ => self.number()?,
            }
            // Behind a value: what it is in goes on, or ends.
            loop {
                let Some(open) = &mut inner else {
                    self.end = self.at;
                    return self.source[self.at..].iter().all(|byte| is_white_space(*byte)).then_some(());
                };
                let byte = self.next_token()?;
                if byte == b',' {
                    self.at += 1;
                    if open.close == b'}' {
                        self.key(open)?;
                    }
                    break;
                }
                if byte != open.close {
                    return None;
                }
                self.at += 1;
                self.tape.close(open.place, self.position(self.at));
                if open.suspect {
                    self.suspects.push(open.place);
                }
                inner = outer.0.pop();
            }
        }
    }

    /// An array or object that begins, with `at` at its bracket.
    #[inline]
    fn open(&mut self, is_object: bool) -> Open {
        let (kind, close) = if is_object { (NodeKind::Object, b'}') } else { (NodeKind::Array, b']') };
        let place = self.tape.open(kind, self.position(self.at));
        self.at += 1;
        Open { place, close, keys_seen: 0, suspect: false }
    }

    /// A key with its colon.
    #[inline]
    fn key(&mut self, object: &mut Open) -> Option<()> {
        if self.next_token()? != b'"' {
            return None;
        }
        let start = self.at;
        self.string()?;
        let bit = 1_u64 << (key_hash(&self.source[start + 1..self.at - 1]) & 63);
        // The hash is of the key as it was written: one with an escape may equal any other.
        let had_escapes = self.copied == self.at;
        object.suspect |= object.keys_seen & bit != 0 || had_escapes;
        object.keys_seen |= bit;
        if self.next_token()? != b':' {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Where a place in the source is in the canonical text.
    #[inline]
    fn position(&self, at: usize) -> u32 {
        (self.out.len() + at - self.copied) as u32
    }

    /// The next byte that is no white space; white space in between is left out of the canonical text.
    #[inline]
    fn next_token(&mut self) -> Option<u8> {
        let byte = *self.source.get(self.at)?;
        if byte > b' ' {
            return Some(byte);
        }
        self.skip_white_space()
    }

    fn skip_white_space(&mut self) -> Option<u8> {
        let start = self.at;
        while is_white_space(*self.source.get(self.at)?) {
            self.at += 1;
        }
        if start != self.at {
            if self.out.capacity() == 0 {
                self.out.reserve_exact(self.source.len());
            }
            self.out.extend_from_slice(&self.source[self.copied..start]);
            self.copied = self.at;
        }
        Some(self.source[self.at])
    }

    fn word(&mut self, word: &[u8], kind: NodeKind) -> Option<()> {
        if !self.source[self.at..].starts_with(word) {
            return None;
        }
        let start = self.position(self.at);
        self.at += word.len();
        self.tape.push(kind, start, self.position(self.at));
        Some(())
    }

    /// RFC 8259 section 6.
    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let mut at = self.at;
        let digits = |at: &mut usize| {
            let from = *at;
            while self.source.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            *at - from
        };
        let mut kind = NodeKind::Integer;
        if self.source[at] == b'-' {
            at += 1;
        }
        let leading_zero = self.source.get(at) == Some(&b'0');
        let count = digits(&mut at);
        if count == 0 || (leading_zero && count > 1) {
            return None;
        }
        if self.source.get(at) == Some(&b'.') {
            kind = NodeKind::Decimal;
            at += 1;
            if digits(&mut at) == 0 {
                return None;
            }
        }
        if matches!(self.source.get(at), Some(b'e' | b'E')) {
            kind = NodeKind::Decimal;
            at += 1;
            if matches!(self.source.get(at), Some(b'+' | b'-')) {
                at += 1;
            }
            if digits(&mut at) == 0 {
                return None;
            }
        }
        self.at = at;
        let (start, end) = (self.position(start), self.position(at));
        self.tape.push(kind, start, end);
        Some(())
    }

    /// A string, with `at` at its opening quote.
    #[inline]
    fn string(&mut self) -> Option<()> {
        let start = self.at;
        let at = plain_run(self.source, start + 1);
        match self.source.get(at)? {
            b'"' => {
                self.at = at + 1;
                let (start, end) = (self.position(start), self.position(self.at));
                self.tape.push(NodeKind::String, start, end);
                Some(())
            }
            b'\\' => self.escaped_string(start),
            _ => None,
        }
    }

    fn escaped_string(&mut self, start: usize) -> Option<()> {
        let mut at = start + 1;
        loop {
            at = plain_run(self.source, at);
            match self.source.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => return None,
            }
        }
        self.out.extend_from_slice(&self.source[self.copied..start]);
        let canonical_start = self.out.len() as u32;
        let unescaped_start = self.escaped.text.len();
        self.out.push(b'"');
        unescape(&self.source[start + 1..at], &mut self.escaped.text, &mut self.out)?;
        self.out.push(b'"');
        self.at = at + 1;
        self.copied = self.at;
        let canonical_end = self.out.len() as u32;
        let unescaped_end = self.escaped.text.len();
        if (canonical_end - canonical_start) as usize - 2 == unescaped_end - unescaped_start {
            // Escapes that nothing needed: the canonical text has none left.
            self.escaped.text.truncate(unescaped_start);
            self.tape.push(NodeKind::String, canonical_start, canonical_end);
        } else {
            self.tape.push_escaped(canonical_start, canonical_end, self.escaped.spans.len() as u32);
            self.escaped.spans.push((unescaped_start as u32, unescaped_end as u32));
        }
        Some(())
    }
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Spreads keys over 64 values by what differs most often: length, first and last byte.
#[inline]
fn key_hash(key: &[u8]) -> usize {
    match key {
        [] => 0,
        [first, .., last] => key.len().wrapping_mul(7) ^ usize::from(*first).wrapping_mul(31) ^ usize::from(*last),
        [only] => usize::from(*only) ^ 1,
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

/// Appends the run that [`plain_run`] passes over, and says where it ends. Runs in JSON are short, so eight bytes are copied
/// at a time, whether all of them belong to the run or not: that is cheaper than a copy of the right length for each.
#[inline]
pub(crate) fn copy_plain_run(source: &[u8], mut at: usize, out: &mut Vec<u8>) -> usize {
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
