//! Strings short enough to be held in place of a pointer.

#![allow(unsafe_code, reason = "reading a string back that was stored as a string")]

/// Strings up to this many bytes are held in place.
pub(super) const SHORT_CAPACITY: usize = 14;

/// The quotes around a text of each length, in as many bytes as the longest needs with them.
const QUOTES: [u128; SHORT_CAPACITY + 1] = {
    let mut quotes = [b'"' as u128; SHORT_CAPACITY + 1];
    let mut length = 0;
    while length <= SHORT_CAPACITY {
        quotes[length] |= (b'"' as u128) << (8 * (length + 1));
        length += 1;
    }
    quotes
};

/// Set in the length when the string needs no escapes in JSON.
const PLAIN: u8 = 0x80;

/// A string of at most [`SHORT_CAPACITY`] bytes, which knows whether it needs escapes in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    length: u8,
    bytes: [u8; SHORT_CAPACITY],
}

impl Short {
    /// `None` when the text is too long.
    #[inline]
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; SHORT_CAPACITY];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let plain = text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
        Some(Self { length: text.len() as u8 | if plain { PLAIN } else { 0 }, bytes })
    }

    /// The string of `length` bytes at `from` in the text of a document, where it needs no escapes. `None` when it is too long, or
    /// none.
    #[inline]
    pub(super) fn of_document(text: &str, from: usize, length: usize) -> Option<Self> {
        if length > SHORT_CAPACITY {
            return None;
        }
        let own = text.get(from..from + length)?.as_bytes();
        let mut bytes = [0; SHORT_CAPACITY];
        // Loads and stores of known length are cheaper than a copy whose length is not known, also where they overlap.
        match length {
            9.. => {
                bytes[..8].copy_from_slice(&own[..8]);
                let rest = u64::from_le_bytes(*own.last_chunk()?) >> (8 * (16 - length));
                bytes[8..].copy_from_slice(&rest.to_le_bytes()[..SHORT_CAPACITY - 8]);
            }
            4.. => {
                let (low, high) = (u32::from_le_bytes(*own.first_chunk()?), u32::from_le_bytes(*own.last_chunk()?));
                let word = u64::from(low) | u64::from(high) << (8 * (length - 4));
                bytes[..8].copy_from_slice(&word.to_le_bytes());
            }
            _ => bytes[..length].copy_from_slice(own),
        }
        Some(Self { length: length as u8 | PLAIN, bytes })
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        let length = usize::from(self.length & !PLAIN);
        // SAFETY: `new` and `of_document` are the only constructors and copied exactly this many bytes from a `str`, of which they
        // were all or a part that `str::get` gave; nothing changes them later.
        unsafe { std::str::from_utf8_unchecked(&self.bytes[..length]) }
    }

    /// Appends a string that needs no escapes as JSON, and a byte behind it: as many bytes as there can be, which is a copy of
    /// known length, and then without those that do not belong to it.
    #[inline]
    pub(super) fn write_json_and<const BEHIND: u8>(&self, out: &mut Vec<u8>) {
        const BYTES: usize = SHORT_CAPACITY + 2;
        let length = usize::from(self.length & !PLAIN).min(SHORT_CAPACITY);
        let mut text = [0; BYTES];
        text[1..=SHORT_CAPACITY].copy_from_slice(&self.bytes);
        // The bytes behind the text are zeros.
        let quoted = u128::from_le_bytes(text) | QUOTES[length];
        out.extend_from_slice(&quoted.to_le_bytes());
        out.truncate(out.len() - SHORT_CAPACITY + length);
        out.push(BEHIND);
    }

    /// Bytes of a string that needs no escapes as JSON.
    #[inline]
    pub(super) fn plain_json_size(&self) -> usize {
        usize::from(self.length & !PLAIN) + 2
    }

    /// Whether the characters stand for themselves in a JSON string.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.length & PLAIN != 0
    }
}

/// Whether two texts are the same. Keys are short, so that two loads that may overlap do what a call would take longer for.
#[inline(always)]
pub(super) fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    #[inline(always)]
    fn ends<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        Some((bytes.first_chunk()?, bytes.last_chunk()?))
    }
    if left.len() != right.len() {
        return false;
    }
    match left.len() {
        0 => true,
        1 => left[0] == right[0],
        2..4 => ends::<2>(left) == ends(right),
        4..8 => ends::<4>(left) == ends(right),
        8..=16 => ends::<8>(left) == ends(right),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_strings_come_back() {
        for (text, plain) in
            [("", true), ("abc", true), ("é→é", true), ("fourteen bytes", true), ("a\"b", false), ("\n", false)]
        {
            let short = Short::new(text).unwrap();
            assert_eq!((short.as_str(), short.is_plain()), (text, plain));
        }
        assert!(Short::new("fifteen bytes..").is_none());
    }

    #[test]
    fn short_strings_come_out_of_a_text() {
        let text = "0123456789é→abcdefghijklmnopqrstuvwxyz";
        for from in 0..text.len() {
            for length in 0..=text.len() - from {
                let short = Short::of_document(text, from, length);
                let expected = text.get(from..from + length).filter(|own| own.len() <= SHORT_CAPACITY);
                assert_eq!(short.as_ref().map(Short::as_str), expected);
                assert!(short.is_none_or(|short| Some(short) == expected.and_then(Short::new)));
            }
        }
    }

    #[test]
    fn texts_are_the_same_or_differ_in_any_byte() {
        for length in 0..40_usize {
            let text: Vec<u8> = (0..length as u8).collect();
            assert!(same_bytes(&text, &text.clone()));
            assert!(!same_bytes(&text, &[&text[..], b"x"].concat()));
            for place in 0..length {
                let mut other = text.clone();
                other[place] ^= 0x40;
                assert!(!same_bytes(&text, &other), "{place} of {length}");
            }
        }
    }
}
