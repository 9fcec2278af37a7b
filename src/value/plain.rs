//! How many bytes of a text stand for themselves in a JSON string: all but quotes, back-slashes and control characters.

#![allow(unsafe_code, reason = "vector instructions that every processor of the architecture has")]

/// How many of sixteen bytes stand for themselves, before the first that does not.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn of_sixteen(chunk: &[u8; 16]) -> usize {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    // SAFETY: these are instructions of SSE2, which is part of x86-64; the one that touches memory reads the sixteen bytes of
    // `chunk`, wherever they begin.
    let found = unsafe {
        let bytes = _mm_loadu_si128(chunk.as_ptr().cast());
        let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"'.cast_signed()));
        let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\'.cast_signed()));
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls))
    };
    // Sixteen for none.
    (found | 1 << 16).trailing_zeros() as usize
}

/// How many of sixteen bytes stand for themselves, before the first that does not.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn of_sixteen(chunk: &[u8; 16]) -> usize {
    by_halves(chunk)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn by_halves(chunk: &[u8; 16]) -> usize {
    let (low, high) = chunk.split_at(8);
    let half = |bytes: &[u8]| bytes.first_chunk().map_or(0, |half| of_eight(*half));
    match half(low) {
        8 => 8 + half(high),
        plain => plain,
    }
}

/// How many of eight bytes stand for themselves in a JSON string, before the first that does not.
#[inline]
pub(super) fn of_eight(chunk: [u8; 8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let word = u64::from_le_bytes(chunk);
    // The high bit of each byte that is zero after the exclusive or; false positives only behind a true one.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\'))) | control;
    // Eight for none: a word has 64 zeros.
    (found.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_in_every_place() {
        for byte in 0..=u8::MAX {
            let is_plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
            for place in 0..16 {
                for rest in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xff] {
                    let mut chunk = [rest; 16];
                    chunk[place] = byte;
                    let expected = if is_plain { 16 } else { place };
                    assert_eq!(of_sixteen(&chunk), expected, "{byte} in {place} beside {rest}");
                    assert_eq!(by_halves(&chunk), expected, "{byte} in {place} beside {rest}");
                }
            }
        }
    }
}
