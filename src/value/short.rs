//! Strings short enough to be held in place of a pointer.

#![allow(unsafe_code, reason = "reading a string back that was stored as a string")]

/// Strings up to this many bytes are held in place.
pub(super) const SHORT_CAPACITY: usize = 14;

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

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        let length = usize::from(self.length & !PLAIN);
        // SAFETY: `new` is the only constructor and copied exactly this many bytes from a `str`; nothing changes them later.
        unsafe { std::str::from_utf8_unchecked(&self.bytes[..length]) }
    }

    /// Appends a string that needs no escapes as the key of a JSON object, with its quotes and the colon: as many bytes as
    /// there can be, which is a copy of known length, and then without those that do not belong to it.
    #[inline]
    pub(super) fn write_json_key(&self, out: &mut Vec<u8>) {
        let length = self.as_str().len();
        let mut key = [b'"'; SHORT_CAPACITY + 3];
        key[1..=SHORT_CAPACITY].copy_from_slice(&self.bytes);
        key[length + 1] = b'"';
        key[length + 2] = b':';
        out.extend_from_slice(&key);
        out.truncate(out.len() - (SHORT_CAPACITY - length));
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
