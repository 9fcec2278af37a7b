//! What is finished beyond a commit, told to whoever has the partition next.
//!
//! A commit says up to where a partition is done. What was finished behind something that is not, would be run again by the
//! next owner; the metadata of a commit, a text that Kafka keeps and does not read, names it.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};

/// What the text begins with: whose it is, and which form it has.
const MARK: &str = "expressway/1 ";
/// Most offsets behind the commit that the text tells of: brokers keep 4,096 bytes of it (`offset.metadata.max.bytes`), of which
/// Base64 makes three quarters. What is farther runs again.
const MOST_OFFSETS: i64 = 24_000;

/// Finished offsets at and beyond a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    commit: i64,
    /// Bit `n` is of the offset `commit + n`.
    bits: Vec<u8>,
}

impl Ahead {
    /// What is finished at and beyond `commit`.
    #[must_use]
    pub fn new(commit: i64, finished: impl IntoIterator<Item = i64>) -> Self {
        let mut bits = Vec::new();
        for offset in finished {
            let Some(place) = offset.checked_sub(commit).filter(|place| (0..MOST_OFFSETS).contains(place)) else {
                continue;
            };
            let (byte, bit) = (place as usize / 8, place as usize % 8);
            if bits.len() <= byte {
                bits.resize(byte + 1, 0);
            }
            bits[byte] |= 1 << bit;
        }
        Self { commit, bits }
    }

    /// Whether an offset is finished.
    #[must_use]
    pub fn has(&self, offset: i64) -> bool {
        let Some(place) = offset.checked_sub(self.commit).filter(|place| (0..MOST_OFFSETS).contains(place)) else {
            return false;
        };
        self.bits.get(place as usize / 8).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
    }

    /// The metadata of the commit; empty when there is nothing to tell.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        if self.bits.is_empty() {
            return String::new();
        }
        format!("{MARK}{} {}", self.commit, BASE64.encode(&self.bits))
    }

    /// Reads the metadata of a commit. Nothing is finished that it does not say so of in just this form and for this commit:
    /// others write metadata too.
    #[must_use]
    pub fn of_metadata(text: &str, commit: i64) -> Self {
        let read = || {
            let (told, bits) = text.strip_prefix(MARK)?.split_once(' ')?;
            let bits = BASE64.decode(bits).ok()?;
            (told.parse() == Ok(commit)).then_some(Self { commit, bits })
        };
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_says_what_was_finished() {
        let ahead = Ahead::new(100, [101, 108, 123, 99, 100 + MOST_OFFSETS]);
        let text = ahead.to_metadata();
        let read = Ahead::of_metadata(&text, 100);
        assert_eq!(read, ahead);
        let finished: Vec<_> = (0..100_000).filter(|offset| read.has(*offset)).collect();
        assert_eq!(finished, [101, 108, 123], "what is too far is not told");
        assert_eq!(Ahead::new(100, []).to_metadata(), "");
        assert!(Ahead::new(0, 0..100_000).to_metadata().len() <= 4096);
    }

    #[test]
    fn other_metadata_finishes_nothing() {
        let text = Ahead::new(100, [101]).to_metadata();
        for (text, commit) in [(&*text, 101), ("", 100), ("expressway/1 100 ?", 100), ("expressway/2 100 AAAA", 100)] {
            assert_eq!(Ahead::of_metadata(text, commit), Ahead::default(), "{text}");
        }
        assert!(!Ahead::default().has(0) && !Ahead::default().has(i64::MAX) && !Ahead::new(5, [6]).has(i64::MIN));
    }
}
