//! What a server of NATS says, read from bytes as they come (NATS client protocol).

use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};

use super::Message;

/// Longest line: the servers of a large cluster are in one.
const MAX_LINE_BYTES: usize = 1 << 20;
/// Largest message with its headers: servers can be set to no more than 64 MB.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
const LINE_END: &[u8] = b"\r\n";

/// Something that a server says.
#[derive(Debug)]
pub(super) enum Operation {
    /// A message, and the number of the subscription that it is for.
    Message(u64, Message),
    /// The server wants a PONG.
    Ping,
    /// All that was sent before our PING has been read.
    Pong,
    /// What the server is, as JSON.
    Info(Bytes),
    /// What we did wrong.
    Error(String),
    /// `+OK`, which is not asked for.
    Fine,
}

/// The server says what is no operation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server says what is no operation of NATS: {0}")]
pub(super) struct Malformed(&'static str);

/// Takes operations out of a buffer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// That of the last message: most have the same as the one before.
    subject: Arc<str>,
}

/// The line of a message.
struct Head<'a> {
    subject: &'a [u8],
    subscription: u64,
    reply: Option<&'a [u8]>,
    header_bytes: usize,
    /// With the headers.
    bytes: usize,
}

impl Reader {
    /// Takes the first operation out of a buffer; `None` when it is not there as a whole yet.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Operation>, Malformed> {
        let Some(end) = memchr::memchr(b'\n', buffer) else {
            return if buffer.len() > MAX_LINE_BYTES { Err(Malformed("a line without end")) } else { Ok(None) };
        };
        let line = buffer[..end].strip_suffix(b"\r").ok_or(Malformed("a line without carriage return"))?;
        let operation = match line {
            [b'M', b'S', b'G', b' ', ..] | [b'H', b'M', b'S', b'G', b' ', ..] => return self.message(end, buffer),
            b"PING" => Operation::Ping,
            b"PONG" => Operation::Pong,
            b"+OK" => Operation::Fine,
            [b'I', b'N', b'F', b'O', b' ', rest @ ..] => Operation::Info(Bytes::copy_from_slice(rest)),
            [b'-', b'E', b'R', b'R', rest @ ..] => {
                Operation::Error(String::from_utf8_lossy(rest).trim_matches([' ', '\'']).to_owned())
            }
            _ => return Err(Malformed("an unknown word")),
        };
        buffer.advance(end + 1);
        Ok(Some(operation))
    }

    /// Takes a message whose line ends at `end`.
    fn message(&mut self, end: usize, buffer: &mut BytesMut) -> Result<Option<Operation>, Malformed> {
        let Head { subject, subscription, reply, header_bytes, bytes } = Head::parse(&buffer[..end - 1])?;
        let begin = end + 1;
        let Some(rest) = buffer.get(begin + bytes..begin + bytes + LINE_END.len()) else { return Ok(None) };
        if rest != LINE_END {
            return Err(Malformed("a message longer than it says"));
        }
        if *subject != *self.subject.as_bytes() {
            self.subject = String::from_utf8_lossy(subject).into();
        }
        let reply = reply.map(|reply| String::from_utf8_lossy(reply).into());
        buffer.advance(begin);
        let headers = (header_bytes > 0).then(|| buffer.split_to(header_bytes).freeze());
        let payload = buffer.split_to(bytes - header_bytes).freeze();
        buffer.advance(LINE_END.len());
        let message = Message { subject: Arc::clone(&self.subject), reply, headers, payload };
        Ok(Some(Operation::Message(subscription, message)))
    }
}

impl<'a> Head<'a> {
    /// `MSG SUBJECT SUBSCRIPTION [REPLY] BYTES` or `HMSG SUBJECT SUBSCRIPTION [REPLY] HEADER_BYTES BYTES`.
    fn parse(line: &'a [u8]) -> Result<Self, Malformed> {
        let with_headers = line.first() == Some(&b'H');
        let mut words = Words(line).skip(1);
        let (Some(subject), Some(subscription)) = (words.next(), words.next()) else {
            return Err(Malformed("a message without subject and subscription"));
        };
        let rest = [words.next(), words.next(), words.next(), words.next()];
        let (reply, header_bytes, bytes) = match (with_headers, rest) {
            (false, [Some(bytes), None, ..]) => (None, &b"0"[..], bytes),
            (false, [Some(reply), Some(bytes), None, _]) => (Some(reply), &b"0"[..], bytes),
            (true, [Some(header_bytes), Some(bytes), None, _]) => (None, header_bytes, bytes),
            (true, [Some(reply), Some(header_bytes), Some(bytes), None]) => (Some(reply), header_bytes, bytes),
            _ => return Err(Malformed("a message with too few or too many words")),
        };
        let size = |digits| number(digits).filter(|size| *size <= MAX_MESSAGE_BYTES as u64).map(|size| size as usize);
        match (number(subscription), size(header_bytes), size(bytes)) {
            (Some(subscription), Some(header_bytes), Some(bytes)) if header_bytes <= bytes => {
                Ok(Self { subject, subscription, reply, header_bytes, bytes })
            }
            _ => Err(Malformed("a message whose numbers are none, or too large")),
        }
    }
}

/// What stands between spaces.
struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(rest) = self.0.strip_prefix(b" ") {
            self.0 = rest;
        }
        let end = memchr::memchr(b' ', self.0).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// A decimal number.
fn number(digits: &[u8]) -> Option<u64> {
    /// So many digits are never too many.
    const MOST_DIGITS: usize = 19;
    if digits.is_empty() || digits.len() > MOST_DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &[u8] = b"INFO {\"max_payload\":7}\r\nPING\r\nMSG a.b 1 $JS.ACK.x 5\r\nhello\r\nMSG a.b 12 0\r\n\r\n\
        HMSG c 9007199254740993 r 12 14\r\nNATS/1.0\r\n\r\n\r\n\r\nHMSG c 3 16 16\r\nNATS/1.0 404\r\n\r\n\r\n\
        PONG\r\n+OK\r\n-ERR 'Stale Connection'\r\nMSG  a.b  2  1 \r\nx\r\n";

    fn read(pieces: &[&[u8]]) -> Result<Vec<String>, Malformed> {
        let (mut reader, mut buffer, mut seen) = (Reader::default(), BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(operation) = reader.next(&mut buffer)? {
                seen.push(format!("{operation:?}"));
            }
        }
        assert!(buffer.is_empty() || pieces.concat() != SAID);
        Ok(seen)
    }

    #[test]
    fn operations_are_read_wherever_they_are_cut() {
        let whole = read(&[SAID]).unwrap();
        assert_eq!(whole.len(), 10, "{whole:#?}");
        assert!(whole[2].contains("hello") && whole[2].contains("$JS.ACK.x") && whole[4].contains("9007199254740993"));
        for cut in 0..SAID.len() {
            assert_eq!(read(&[&SAID[..cut], &SAID[cut..]]).unwrap(), whole, "cut at {cut}");
        }
        let single: Vec<_> = SAID.chunks(1).collect();
        assert_eq!(read(&single).unwrap(), whole);
    }

    #[test]
    fn what_is_no_operation_is_refused() {
        for bad in [
            "HELLO\r\n",
            "PING\n",
            "MSG a 1\r\n",
            "MSG a 1 r 5 6\r\n",
            "MSG a x 5\r\n",
            "MSG a 1 -5\r\n",
            "MSG a 1 99999999999999999999\r\n",
            "MSG a 1 999999999\r\n",
            "MSG a 1 1\r\nxyz",
            "HMSG a 1 5 4\r\n",
            "HMSG a 1 5\r\n",
        ] {
            assert!(read(&[bad.as_bytes()]).is_err(), "{bad}");
        }
        assert!(read(&[&vec![b'x'; MAX_LINE_BYTES + 1]]).is_err());
    }
}
