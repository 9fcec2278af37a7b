//! The index of a parsed text: four bytes for each key, string, number and literal of a text below four KiB, eight in a
//! longer one, and twice that for each array and object.
//!
//! A slot holds where the text of a value starts and, beside its kind, how long that text is. Arrays, objects and strings
//! with escapes have a second slot.

use std::{cell::Cell, thread::LocalKey};

use super::short::same_bytes;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Null,
    False,
    True,
    /// A number without fraction and exponent.
    Integer,
    /// A number with a fraction or an exponent.
    Decimal,
    /// A string whose text has no escapes.
    String,
    /// A string whose text has escapes. Its second slot: which of the document's escaped strings it is.
    EscapedString,
    /// In place of its length: the slot behind the last one inside. Its second slot: where its text ends.
    Array,
    /// As an array; inside stand key, value, key, value, …
    Object,
}

const KINDS: [NodeKind; 9] = [
    NodeKind::Null,
    NodeKind::False,
    NodeKind::True,
    NodeKind::Integer,
    NodeKind::Decimal,
    NodeKind::String,
    NodeKind::EscapedString,
    NodeKind::Array,
    NodeKind::Object,
];

/// Bytes of text below which a tape is small: starts, lengths and links fit twelve bits, as no tape has more slots than its text
/// has bytes.
pub(super) const SMALL_TEXT_BYTES: usize = 1 << SMALL_BITS;
const SMALL_BITS: u32 = 12;
const SMALL_MASK: u32 = (1 << SMALL_BITS) - 1;
const SMALL_KIND_SHIFT: u32 = 2 * SMALL_BITS;
const START_BITS: u32 = 32;
const KIND_SHIFT: u32 = 60;
/// Lengths and links have 28 bits, more than [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES) needs.
const MEASURE_MASK: u64 = (1 << (KIND_SHIFT - START_BITS)) - 1;

/// The slots of one document, in its order.
#[cfg_attr(test, derive(PartialEq))]
pub(super) enum Tape {
    /// Of a text below [`SMALL_TEXT_BYTES`]: most executions have such an input, and many of them wait at once.
    Small(Box<[u32]>),
    Large(Box<[u64]>),
}

/// A tape in the making. It is made in a buffer that every parser of a thread uses, so that what is kept has its own size.
pub(super) struct TapeBuilder<S: Slot>(Vec<S>);

/// The buffer that a thread keeps has this many slots at most.
const MAX_KEPT_SLOTS: usize = 64 << 10;

thread_local! {
    static SMALL_BUFFER: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
    static LARGE_BUFFER: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

impl<S: Slot> TapeBuilder<S> {
    pub(super) fn new() -> Self {
        Self(S::buffer().take())
    }

    /// Where the next value goes.
    #[inline(always)]
    fn here(&self) -> u32 {
        self.0.len() as u32
    }

    /// A string without escapes, a number or a literal.
    #[inline(always)]
    pub(super) fn push(&mut self, kind: NodeKind, start: u32, length: u32) {
        self.0.push(S::of(kind, start, length));
    }

    /// A string with escapes, the `escape`-th of its document.
    pub(super) fn push_escaped(&mut self, start: u32, length: u32, escape: u32) {
        self.push(NodeKind::EscapedString, start, length);
        self.0.push(S::second(escape));
    }

    /// An array or object that begins.
    #[inline(always)]
    pub(super) fn open(&mut self, kind: NodeKind, start: u32) -> u32 {
        let place = self.here();
        self.0.extend_from_slice(&[S::of(kind, start, 0), S::second(0)]);
        place
    }

    /// The array or object at `place` ends.
    #[inline(always)]
    pub(super) fn close(&mut self, place: u32, end: u32) {
        let link = self.here();
        if let Some([slot, second, ..]) = self.0.get_mut(place as usize..) {
            *slot = slot.with_measure(link);
            *second = S::second(end);
        }
    }

    /// The tape of a text of this many bytes.
    pub(super) fn finish(&self, text_bytes: usize) -> Tape {
        S::finish(&self.0, text_bytes)
    }
}

impl<S: Slot> Drop for TapeBuilder<S> {
    fn drop(&mut self) {
        if self.0.capacity() <= MAX_KEPT_SLOTS {
            self.0.clear();
            S::buffer().set(std::mem::take(&mut self.0));
        }
    }
}

/// A slot of a small tape; a second slot has neither measure nor kind.
#[inline]
fn narrow(slot: u64) -> u32 {
    let measure = (slot >> START_BITS & MEASURE_MASK) as u32;
    slot as u32 | measure << SMALL_BITS | ((slot >> KIND_SHIFT) as u32) << SMALL_KIND_SHIFT
}

/// A slot of a tape of either width. What the two have in common is written once and compiled for each, so that a loop over
/// slots asks for the width once and not for each slot.
pub(super) trait Slot: Copy + 'static {
    /// The slot of a value; `measure` is its length.
    fn of(kind: NodeKind, start: u32, measure: u32) -> Self;
    /// A second slot.
    fn second(number: u32) -> Self;
    /// A slot that had no measure.
    fn with_measure(self, measure: u32) -> Self;
    /// Where the parsers of a thread make their tapes.
    fn buffer() -> &'static LocalKey<Cell<Vec<Self>>>;
    /// These slots as the tape of a text of so many bytes.
    fn finish(slots: &[Self], text_bytes: usize) -> Tape;

    fn start(self) -> u32;
    fn measure(self) -> u32;
    fn kind_number(self) -> usize;

    /// What a string without escapes of `length` bytes, quotes included, has in place of its start.
    fn of_plain_string(length: u32) -> u64;

    /// Kind and measure, without the start.
    fn without_start(self) -> u64;

    #[inline(always)]
    fn kind(self) -> NodeKind {
        KINDS[self.kind_number()]
    }
}

impl Slot for u32 {
    #[inline(always)]
    fn of(kind: NodeKind, start: u32, measure: u32) -> Self {
        start | measure << SMALL_BITS | (kind as u32) << SMALL_KIND_SHIFT
    }

    #[inline(always)]
    fn second(number: u32) -> Self {
        number
    }

    #[inline(always)]
    fn with_measure(self, measure: u32) -> Self {
        self | measure << SMALL_BITS
    }

    fn buffer() -> &'static LocalKey<Cell<Vec<Self>>> {
        &SMALL_BUFFER
    }

    fn finish(slots: &[Self], _: usize) -> Tape {
        Tape::Small(slots.into())
    }

    #[inline(always)]
    fn start(self) -> u32 {
        self & SMALL_MASK
    }

    #[inline(always)]
    fn measure(self) -> u32 {
        self >> SMALL_BITS & SMALL_MASK
    }

    #[inline(always)]
    fn kind_number(self) -> usize {
        (self >> SMALL_KIND_SHIFT) as usize
    }

    #[inline(always)]
    fn of_plain_string(length: u32) -> u64 {
        // No string of a small text is as long as that, and nothing is found.
        if length > SMALL_MASK { u64::MAX } else { u64::from((NodeKind::String as u32) << SMALL_BITS | length) }
    }

    #[inline(always)]
    fn without_start(self) -> u64 {
        u64::from(self >> SMALL_BITS)
    }
}

impl Slot for u64 {
    #[inline(always)]
    fn of(kind: NodeKind, start: u32, measure: u32) -> Self {
        u64::from(start) | u64::from(measure) << START_BITS | (kind as u64) << KIND_SHIFT
    }

    #[inline(always)]
    fn second(number: u32) -> Self {
        u64::from(number)
    }

    #[inline(always)]
    fn with_measure(self, measure: u32) -> Self {
        self | u64::from(measure) << START_BITS
    }

    fn buffer() -> &'static LocalKey<Cell<Vec<Self>>> {
        &LARGE_BUFFER
    }

    /// A text that was long because of its white space has a small tape after all.
    fn finish(slots: &[Self], text_bytes: usize) -> Tape {
        if text_bytes < SMALL_TEXT_BYTES {
            Tape::Small(slots.iter().map(|slot| narrow(*slot)).collect())
        } else {
            Tape::Large(slots.into())
        }
    }

    #[inline(always)]
    fn start(self) -> u32 {
        self as u32
    }

    #[inline(always)]
    fn measure(self) -> u32 {
        (self >> START_BITS & MEASURE_MASK) as u32
    }

    #[inline(always)]
    fn kind_number(self) -> usize {
        (self >> KIND_SHIFT) as usize
    }

    #[inline(always)]
    fn of_plain_string(length: u32) -> u64 {
        (NodeKind::String as u64) << (KIND_SHIFT - START_BITS) | u64::from(length)
    }

    #[inline(always)]
    fn without_start(self) -> u64 {
        self >> START_BITS
    }
}

/// A key that is looked for, and what compares keys with escapes.
pub(super) struct Wanted<'a, E> {
    pub(super) key: &'a str,
    /// The document's text.
    pub(super) text: &'a str,
    /// Whether the string with escapes at a place is the key; `None` where no string has any.
    pub(super) is_escaped: Option<E>,
}

/// The place of the value of a key in an object.
#[inline(always)]
fn find<S: Slot, E: Fn(u32) -> bool>(slots: &[S], object: u32, wanted: &Wanted<'_, E>) -> Option<u32> {
    let slots = &slots[..slots[object as usize].measure() as usize];
    let place = object as usize + 2;
    match &wanted.is_escaped {
        None => find_plain(slots, place, wanted.key.as_bytes(), wanted.text.as_bytes()),
        Some(is_escaped) => find_any(slots, place, wanted.key.as_bytes(), wanted.text.as_bytes(), is_escaped),
    }
}

/// Whether the string that starts at `start` and has as many bytes as the key is the key. Not inlined, so that the loop over the
/// others keeps all that it needs in registers.
#[inline(never)]
fn is_key(start: u32, key: &[u8], text: &[u8]) -> bool {
    let from = start as usize + 1;
    text.get(from..from + key.len()).is_some_and(|found| same_bytes(found, key))
}

/// The place of the value of a key among entries that start at `place`, of a document that has no escapes.
#[inline(always)]
fn find_plain<S: Slot>(slots: &[S], mut place: usize, key: &[u8], text: &[u8]) -> Option<u32> {
    let plain = S::of_plain_string(key.len() as u32 + 2);
    loop {
        let name = slots.get(place)?;
        if name.without_start() == plain && is_key(name.start(), key, text) {
            return Some(place as u32 + 1);
        }
        let value = slots.get(place + 1)?;
        place = if value.kind_number() < NodeKind::Array as usize { place + 2 } else { value.measure() as usize };
    }
}

/// As [`find_plain`], in a document that has escapes somewhere: a key with escapes has a second slot.
#[cold]
fn find_any<S: Slot>(
    slots: &[S],
    mut place: usize,
    key: &[u8],
    text: &[u8],
    is_escaped: impl Fn(u32) -> bool,
) -> Option<u32> {
    let plain = S::of_plain_string(key.len() as u32 + 2);
    while let Some(name) = slots.get(place) {
        let has_escapes = name.kind_number() == NodeKind::EscapedString as usize;
        let value = place as u32 + 1 + u32::from(has_escapes);
        let is_wanted = if has_escapes {
            is_escaped(place as u32)
        } else {
            name.without_start() == plain && is_key(name.start(), key, text)
        };
        if is_wanted {
            return Some(value);
        }
        place = behind(slots, value) as usize;
    }
    None
}

/// The place behind a value and all that it holds.
#[inline(always)]
fn behind<S: Slot>(slots: &[S], place: u32) -> u32 {
    let slot = slots[place as usize];
    let kind = slot.kind_number();
    if kind < NodeKind::EscapedString as usize {
        place + 1
    } else if kind == NodeKind::EscapedString as usize {
        place + 2
    } else {
        slot.measure()
    }
}

/// Where the text of a value starts and ends.
#[inline(always)]
fn span<S: Slot>(slots: &[S], place: u32) -> (usize, usize) {
    let slot = slots[place as usize];
    let start = slot.start();
    let end = if slot.kind_number() >= NodeKind::Array as usize {
        slots[place as usize + 1].start()
    } else {
        start + slot.measure()
    };
    (start as usize, end as usize)
}

impl Tape {
    #[inline]
    pub(super) fn kind(&self, place: u32) -> NodeKind {
        match self {
            Tape::Small(slots) => slots[place as usize].kind(),
            Tape::Large(slots) => slots[place as usize].kind(),
        }
    }

    #[inline]
    fn second(&self, place: u32) -> u32 {
        match self {
            Tape::Small(slots) => slots[place as usize + 1].start(),
            Tape::Large(slots) => slots[place as usize + 1].start(),
        }
    }

    /// Where the text of a value starts and ends, quotes and brackets included.
    #[inline]
    pub(super) fn span(&self, place: u32) -> (usize, usize) {
        match self {
            Tape::Small(slots) => span(slots, place),
            Tape::Large(slots) => span(slots, place),
        }
    }

    /// The place behind a value and all that it holds.
    #[inline]
    pub(super) fn next(&self, place: u32) -> u32 {
        match self {
            Tape::Small(slots) => behind(slots, place),
            Tape::Large(slots) => behind(slots, place),
        }
    }

    /// The first place inside an array or object, and the one behind the last.
    #[inline]
    pub(super) fn inside(&self, place: u32) -> (u32, u32) {
        let end = match self {
            Tape::Small(slots) => slots[place as usize].measure(),
            Tape::Large(slots) => slots[place as usize].measure(),
        };
        (place + 2, end)
    }

    /// The place of the value of a key in the object at `object`.
    #[inline]
    pub(super) fn find<E: Fn(u32) -> bool>(&self, object: u32, wanted: &Wanted<'_, E>) -> Option<u32> {
        match self {
            Tape::Small(slots) => find(slots, object, wanted),
            Tape::Large(slots) => find(slots, object, wanted),
        }
    }

    /// Which of its document's escaped strings a string with escapes is.
    #[inline]
    pub(super) fn escape(&self, place: u32) -> usize {
        self.second(place) as usize
    }
}
