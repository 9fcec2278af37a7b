//! A parsed JSON text: its canonical bytes and the index of what stands in it.

pub(crate) use super::tape::NodeKind;
use super::{
    short::Short,
    tape::{Tape, Wanted},
};

/// A parsed JSON text. Places are those of its tape.
#[cfg_attr(test, derive(PartialEq))]
pub(crate) struct Document {
    /// The text in canonical form: no white space outside strings, strings escaped as our writer escapes them.
    text: Box<str>,
    tape: Tape,
    /// Strings that hold escapes; most documents have none.
    escaped: Option<Box<Escaped>>,
    depth: u32,
}

/// The strings of a document that hold escapes, without them.
#[derive(Default)]
#[cfg_attr(test, derive(PartialEq))]
pub(super) struct Escaped {
    /// All of them, one after the other.
    pub(super) text: String,
    /// Where each stands in `text`.
    pub(super) spans: Vec<(u32, u32)>,
}

impl Document {
    pub(super) fn new(text: Box<str>, tape: Tape, escaped: Escaped, depth: u32) -> Self {
        let escaped = (!escaped.spans.is_empty()).then(|| Box::new(escaped));
        Self { text, tape, escaped, depth }
    }

    /// All of its canonical text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    #[inline]
    pub(crate) fn kind(&self, place: u32) -> NodeKind {
        self.tape.kind(place)
    }

    /// The canonical JSON text of a value.
    #[inline]
    pub(crate) fn raw(&self, place: u32) -> &str {
        let (start, end) = self.tape.span(place);
        &self.text[start..end]
    }

    /// The canonical JSON text of a value, for who copies it.
    #[inline]
    pub(super) fn raw_bytes(&self, place: u32) -> &[u8] {
        let (start, end) = self.tape.span(place);
        &self.text.as_bytes()[start..end]
    }

    /// How many bytes the canonical JSON text of a value has.
    #[inline]
    pub(crate) fn raw_size(&self, place: u32) -> usize {
        let (start, end) = self.tape.span(place);
        end - start
    }

    /// The characters of a string, without quotes and escapes.
    #[inline]
    pub(crate) fn string(&self, place: u32) -> &str {
        if self.kind(place) == NodeKind::EscapedString {
            let escaped = self.escaped.as_ref().map(|escaped| {
                let (start, end) = escaped.spans[self.tape.escape(place)];
                &escaped.text[start as usize..end as usize]
            });
            return escaped.unwrap_or_default();
        }
        let (start, end) = self.tape.span(place);
        &self.text[start + 1..end - 1]
    }

    /// A string without escapes that is short enough to be held in place of a reference to this document, which costs more.
    #[inline]
    pub(super) fn short(&self, place: u32) -> Option<Short> {
        let (start, end) = self.tape.span(place);
        Short::of_document(&self.text, start + 1, end - start - 2)
    }

    /// The place behind a value and all that it holds.
    #[inline]
    pub(crate) fn next(&self, place: u32) -> u32 {
        self.tape.next(place)
    }

    /// The place of the value of `key` in the object at `object`.
    #[inline(never)]
    pub(super) fn find(&self, object: u32, key: &str) -> Option<u32> {
        let is_escaped = self.escaped.is_some().then_some(|place| self.string(place) == key);
        self.tape.find(object, &Wanted { key, text: &self.text, is_escaped })
    }

    /// The first place inside an array or object, and the one behind the last.
    #[inline]
    pub(crate) fn inside(&self, place: u32) -> (u32, u32) {
        self.tape.inside(place)
    }

    /// The deepest nesting anywhere in the document.
    #[inline]
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }
}
