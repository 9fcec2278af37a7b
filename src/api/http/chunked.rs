//! Bodies that come in chunks (RFC 9112, section 7.1): taken apart as they arrive, in whatever pieces.

use crate::model::quota::{MAX_CHUNK_EXTENSION_BYTES, MAX_REQUEST_BYTES};

/// Most digits of a chunk's size: enough for any body that is not refused, and few enough for the number to fit.
const MAX_SIZE_DIGITS: u8 = 8;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A digit of a chunk's size, or what ends it.
    Size { size: usize, digits: u8 },
    /// More of an extension, which is not looked at.
    Extension { size: usize },
    /// The line feed behind a chunk's size.
    SizeEnd { size: usize },
    /// The rest of a chunk.
    Data { left: usize },
    /// The carriage return behind a chunk.
    DataEnd,
    /// The line feed behind that.
    DataLineFeed,
    /// The beginning of a trailer field, or of the empty line that ends the body.
    Trailer,
    /// More of a trailer field, which is not looked at.
    TrailerField,
    /// The line feed behind a trailer field.
    TrailerLineFeed,
    /// The line feed of the empty line.
    LastLineFeed,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkError {
    /// It is not in chunks.
    Malformed,
    /// It is longer than a body may be.
    TooLarge,
}

/// A body in chunks, as far as it has come.
#[derive(Debug)]
pub(super) struct Chunked {
    expected: Expected,
    /// Bytes of extensions and trailers so far.
    ignored: usize,
    /// The body so far.
    body: Vec<u8>,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { expected: Expected::Size { size: 0, digits: 0 }, ignored: 0, body: Vec::new() }
    }

    /// What has come of the body.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes what has come, up to the end of the body. How many bytes belong to it, and whether it is whole now.
    ///
    /// # Errors
    /// [`ChunkError`]: nothing more is to be read from the connection.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(usize, bool), ChunkError> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Expected::Data { left } = self.expected {
                let taken = left.min(bytes.len() - at);
                self.body.extend_from_slice(&bytes[at..at + taken]);
                at += taken;
                self.expected = if taken == left { Expected::DataEnd } else { Expected::Data { left: left - taken } };
                continue;
            }
            at += 1;
            match self.next(*byte)? {
                Some(expected) => self.expected = expected,
                None => return Ok((at, true)),
            }
        }
        Ok((at, false))
    }

    /// Takes one byte that is no data: what comes behind it, or nothing when it was the last.
    fn next(&mut self, byte: u8) -> Result<Option<Expected>, ChunkError> {
        let next = match (self.expected, byte) {
            (Expected::Size { size, digits }, byte) if byte.is_ascii_hexdigit() && digits < MAX_SIZE_DIGITS => {
                let digit = char::from(byte).to_digit(16).ok_or(ChunkError::Malformed)?;
                Expected::Size { size: size << 4 | digit as usize, digits: digits + 1 }
            }
            (Expected::Size { size, digits: 1.. }, b'\r') => Expected::SizeEnd { size },
            (Expected::Size { size, digits: 1.. }, b';') => Expected::Extension { size },
            (Expected::Extension { size }, b'\r') => Expected::SizeEnd { size },
            (Expected::Extension { .. }, byte) => self.ignore(byte, self.expected)?,
            (Expected::SizeEnd { size: 0 }, b'\n') => Expected::Trailer,
            (Expected::SizeEnd { size }, b'\n') => {
                if size > MAX_REQUEST_BYTES - self.body.len() {
                    return Err(ChunkError::TooLarge);
                }
                Expected::Data { left: size }
            }
            (Expected::DataEnd, b'\r') => Expected::DataLineFeed,
            (Expected::DataLineFeed, b'\n') => Expected::Size { size: 0, digits: 0 },
            (Expected::Trailer, b'\r') => Expected::LastLineFeed,
            // A line that begins with white space would be folded onto the one before.
            (Expected::Trailer, b' ' | b'\t') => return Err(ChunkError::Malformed),
            (Expected::Trailer, byte) => self.ignore(byte, Expected::TrailerField)?,
            (Expected::TrailerField, b'\r') => Expected::TrailerLineFeed,
            (Expected::TrailerField, byte) => self.ignore(byte, Expected::TrailerField)?,
            (Expected::TrailerLineFeed, b'\n') => Expected::Trailer,
            (Expected::LastLineFeed, b'\n') => return Ok(None),
            _ => return Err(ChunkError::Malformed),
        };
        Ok(Some(next))
    }

    /// Passes over a byte of an extension or a trailer, of which there may be so many and no control characters.
    fn ignore(&mut self, byte: u8, next: Expected) -> Result<Expected, ChunkError> {
        self.ignored += 1;
        let is_text = matches!(byte, b'\t' | 0x20..=0x7e | 0x80..);
        if is_text && self.ignored <= MAX_CHUNK_EXTENSION_BYTES { Ok(next) } else { Err(ChunkError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<(Vec<u8>, usize), ChunkError> {
        let mut chunked = Chunked::new();
        let (length, whole) = chunked.take(text)?;
        assert!(whole || length == text.len());
        assert!(whole, "{} is not whole", String::from_utf8_lossy(text));
        Ok((chunked.body().to_vec(), length))
    }

    #[test]
    fn bodies_are_put_together() {
        for (text, body) in [
            ("0\r\n\r\n", ""),
            ("2\r\n{}\r\n0\r\n\r\n", "{}"),
            ("1\r\n{\r\n000001;a=\"b\";c\r\n}\r\n00\r\nTrailer: ignored\r\nAnother:\r\n\r\n", "{}"),
            ("A\r\n0123456789\r\n3\r\n\r\n\r\r\n0\r\n\r\n", "0123456789\r\n\r"),
        ] {
            let followed = format!("{text}GET /");
            assert_eq!(read(followed.as_bytes()), Ok((body.as_bytes().to_vec(), text.len())), "{text:?}");
            let mut chunked = Chunked::new();
            let pieces = text.as_bytes().chunks(1).map(|piece| chunked.take(piece).expect(text));
            let whole: Vec<bool> = pieces.map(|(_, whole)| whole).collect();
            assert_eq!(whole.iter().position(|whole| *whole), Some(text.len() - 1), "{text:?}");
            assert_eq!(chunked.body(), body.as_bytes());
        }
    }

    #[test]
    fn what_is_not_in_chunks_is_refused() {
        for text in [
            "\r\n",
            ";\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            " 1\r\n",
            "1 \r\n",
            "0x1\r\n",
            "1\n",
            "1\r\r",
            "1;a\n",
            "1;\0\r\n",
            "1\r\nab",
            "1\r\na\n",
            "1\r\na\r\r",
            "000000001\r\n",
            "fffffffff\r\n",
            "0\r\n folded\r\n",
            "0\r\nA: b\n",
            "0\r\n\n",
            "0\r\n\r\r",
        ] {
            let mut chunked = Chunked::new();
            assert_eq!(chunked.take(text.as_bytes()), Err(ChunkError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn bodies_are_bounded() {
        let body = |bytes: usize| format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", "a".repeat(bytes));
        assert_eq!(read(body(MAX_REQUEST_BYTES).as_bytes()).map(|(body, _)| body.len()), Ok(MAX_REQUEST_BYTES));
        assert_eq!(read(body(MAX_REQUEST_BYTES + 1).as_bytes()), Err(ChunkError::TooLarge));
        assert_eq!(read(b"1\r\na\r\nffffffff\r\n"), Err(ChunkError::TooLarge));
        let extended = |bytes: usize| format!("0;{}\r\n\r\n", "a".repeat(bytes));
        assert!(read(extended(MAX_CHUNK_EXTENSION_BYTES).as_bytes()).is_ok());
        assert_eq!(read(extended(MAX_CHUNK_EXTENSION_BYTES + 1).as_bytes()), Err(ChunkError::Malformed));
        let trailed = format!("0\r\n{}\r\n", "A: b\r\n".repeat(MAX_CHUNK_EXTENSION_BYTES / 4 + 1));
        assert_eq!(read(trailed.as_bytes()), Err(ChunkError::Malformed));
    }
}
