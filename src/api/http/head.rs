//! Heads of requests: where one ends, what it asks for, how long its body is.
//!
//! Stricter than RFC 9112 asks for wherever a lenient reader in front of the server and a lenient one here could disagree about
//! where a request ends, for that is how one request is smuggled inside of another: lines end in CR LF and in nothing else,
//! names are tokens with no space before the colon, no line is folded, and a length is said once, in one way.

use crate::model::quota::{MAX_REQUEST_HEAD_BYTES, MAX_REQUEST_HEADERS};

/// What the body of a request is framed by (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Content-Length, or no body at all.
    Sized(u64),
    /// Transfer-Encoding.
    Chunked,
}

/// The head of a request, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// The method.
    pub(super) method: &'a [u8],
    /// The path of the target, without its query.
    pub(super) path: &'a [u8],
    /// Whether it is HTTP/1.0, and not 1.1.
    pub(super) is_old: bool,
    /// Whether there is a Host.
    pub(super) has_host: bool,
    /// `X-Amz-Target`.
    pub(super) target: Option<&'a [u8]>,
    /// How the body is framed.
    pub(super) framing: Framing,
    /// Whether the connection stays open when this is answered (RFC 9112, section 9.3).
    pub(super) keeps_alive: bool,
    /// Whether the client sends the body only when it is told to go on (RFC 9110, section 10.1.1).
    pub(super) expects_continue: bool,
    /// How many bytes the head has.
    pub(super) length: usize,
}

/// Why a head is refused. Nothing behind it on its connection is read as a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no HTTP.
    Malformed,
    /// It is longer, or has more fields, than a head may have.
    TooLarge,
    /// It is a version of HTTP other than 1.0 and 1.1.
    Version,
    /// It is well-formed, and yet says what must not be said.
    Forbidden(&'static str),
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// Less than a head.
    Incomplete,
    /// A head.
    Complete(Head<'a>),
    /// No head, whatever follows.
    Refused(Refusal),
}

/// Which bytes a token has (RFC 9110, section 5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let is_symbol = matches!(
            byte as u8,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        table[byte] = is_symbol || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// Why parsing ends before there is a head.
enum Stop {
    Incomplete,
    Refused(Refusal),
}

/// Reads the head at the beginning of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let within = &bytes[..bytes.len().min(MAX_REQUEST_HEAD_BYTES)];
    match (Reader { bytes: within, at: 0 }).head() {
        Ok(head) => Parsed::Complete(head),
        Err(Stop::Incomplete) if bytes.len() >= MAX_REQUEST_HEAD_BYTES => Parsed::Refused(Refusal::TooLarge),
        Err(Stop::Incomplete) => Parsed::Incomplete,
        Err(Stop::Refused(refusal)) => Parsed::Refused(refusal),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What the fields of a head say.
struct Fields<'a> {
    host: bool,
    target: Option<&'a [u8]>,
    content_length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl<'a> Reader<'a> {
    fn head(mut self) -> Result<Head<'a>, Stop> {
        // One empty line is ignored, as some clients send one behind a body (RFC 9112, section 2.2).
        if self.bytes.first() == Some(&b'\r') {
            self.expect(b"\r\n")?;
        }
        let method = self.token(b' ')?;
        let path = path_of(self.request_target()?);
        let is_old = self.version()?;
        let fields = self.fields()?;
        let framing = match (fields.chunked, fields.content_length) {
            (false, length) => Framing::Sized(length.unwrap_or(0)),
            // RFC 9112, section 6.1: a server may refuse these, and who relays them must not be trusted.
            (true, Some(_)) => return forbidden("The request has both Transfer-Encoding and Content-Length"),
            (true, None) if is_old => return forbidden("A request of HTTP/1.0 has no Transfer-Encoding"),
            (true, None) => Framing::Chunked,
        };
        Ok(Head {
            method,
            path,
            is_old,
            has_host: fields.host,
            target: fields.target,
            framing,
            keeps_alive: !fields.close && (!is_old || fields.keep_alive),
            expects_continue: fields.expects_continue && !is_old,
            length: self.at,
        })
    }

    /// The fields, up to and with the empty line that ends them.
    fn fields(&mut self) -> Result<Fields<'a>, Stop> {
        let mut fields = Fields {
            host: false,
            target: None,
            content_length: None,
            chunked: false,
            close: false,
            keep_alive: false,
            expects_continue: false,
        };
        for _ in 0..=MAX_REQUEST_HEADERS {
            if self.peek()? == b'\r' {
                self.expect(b"\r\n")?;
                return Ok(fields);
            }
            let name = self.token(b':')?;
            let value = self.value()?;
            fields.take(name, value)?;
        }
        Err(Stop::Refused(Refusal::TooLarge))
    }

    #[inline]
    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::Incomplete)
    }

    /// Passes over bytes that must come next.
    #[inline]
    fn expect(&mut self, expected: &[u8]) -> Result<(), Stop> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(expected) {
            self.at += expected.len();
            Ok(())
        } else if expected.starts_with(rest) {
            Err(Stop::Incomplete)
        } else {
            Err(Stop::Refused(Refusal::Malformed))
        }
    }

    /// A token of at least one byte, and the byte behind it, which must be `end`.
    #[inline]
    fn token(&mut self, end: u8) -> Result<&'a [u8], Stop> {
        let start = self.at;
        while TOKEN[usize::from(self.peek()?)] {
            self.at += 1;
        }
        let token = &self.bytes[start..self.at];
        if token.is_empty() || self.peek()? != end {
            return Err(Stop::Refused(Refusal::Malformed));
        }
        self.at += 1;
        Ok(token)
    }

    /// The target of the request and the space behind it: visible characters of ASCII.
    fn request_target(&mut self) -> Result<&'a [u8], Stop> {
        let start = self.at;
        while matches!(self.peek()?, 0x21..=0x7e) {
            self.at += 1;
        }
        let target = &self.bytes[start..self.at];
        if target.is_empty() || self.peek()? != b' ' {
            return Err(Stop::Refused(Refusal::Malformed));
        }
        self.at += 1;
        Ok(target)
    }

    /// The version and the end of the line: whether it is HTTP/1.0.
    fn version(&mut self) -> Result<bool, Stop> {
        self.expect(b"HTTP/")?;
        let rest = &self.bytes[self.at..];
        let [major, b'.', minor, ..] = rest else {
            let begins = rest.first().is_none_or(u8::is_ascii_digit) && rest.get(1).is_none_or(|byte| *byte == b'.');
            return Err(if begins { Stop::Incomplete } else { Stop::Refused(Refusal::Malformed) });
        };
        let is_old = match (major, minor) {
            (b'1', b'1') => false,
            (b'1', b'0') => true,
            _ if major.is_ascii_digit() && minor.is_ascii_digit() => return Err(Stop::Refused(Refusal::Version)),
            _ => return Err(Stop::Refused(Refusal::Malformed)),
        };
        self.at += 3;
        self.expect(b"\r\n")?;
        Ok(is_old)
    }

    /// The value of a field, without the white space around it, and the end of its line.
    #[inline]
    fn value(&mut self) -> Result<&'a [u8], Stop> {
        while matches!(self.peek()?, b' ' | b'\t') {
            self.at += 1;
        }
        let start = self.at;
        self.at = value_end(self.bytes, start);
        let mut end = self.at;
        self.expect(b"\r\n")?;
        while end > start && matches!(self.bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        Ok(&self.bytes[start..end])
    }
}

impl<'a> Fields<'a> {
    /// Takes one field. Names are told apart by their length first.
    #[inline]
    fn take(&mut self, name: &'a [u8], value: &'a [u8]) -> Result<(), Stop> {
        match name.len() {
            // RFC 9112, section 3.2.
            4 if name.eq_ignore_ascii_case(b"host") && self.host => {
                return forbidden("The request has more than one Host header");
            }
            4 if name.eq_ignore_ascii_case(b"host") => self.host = true,
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|byte| *byte == b',') {
                    self.close |= option.trim_ascii().eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.trim_ascii().eq_ignore_ascii_case(b"keep-alive");
                }
            }
            12 if name.eq_ignore_ascii_case(b"x-amz-target") => self.target = self.target.or(Some(value)),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = decimal(value).filter(|_| self.content_length.is_none());
                if length.is_none() {
                    return forbidden("The Content-Length of the request is not one number");
                }
                self.content_length = length;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return forbidden("The Transfer-Encoding of the request is not 'chunked'");
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }
}

fn forbidden<T>(message: &'static str) -> Result<T, Stop> {
    Err(Stop::Refused(Refusal::Forbidden(message)))
}

/// A number of decimal digits and nothing else (RFC 9110, section 8.6).
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The path of a target: of one in absolute form, what stands behind scheme and authority (RFC 9112, section 3.2).
fn path_of(target: &[u8]) -> &[u8] {
    let path = match target {
        [b'/', ..] => target,
        _ => {
            let authority = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://"));
            match authority.map(|rest| rest.iter().position(|byte| *byte == b'/').map(|at| &rest[at..])) {
                Some(path) => path.unwrap_or(b"/"),
                None => target,
            }
        }
    };
    &path[..path.iter().position(|byte| *byte == b'?').unwrap_or(path.len())]
}

/// The first place from `at` on with a byte that no value of a field has: a control character other than a tab. Eight bytes
/// at a time.
#[inline]
fn value_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let delete = word ^ (ONES * 0x7f);
        // The high bit of each byte below a space and of each that is DEL; false positives only behind a true one.
        let found = (word.wrapping_sub(ONES * 0x20) & !word & HIGHS) | (delete.wrapping_sub(ONES) & !delete & HIGHS);
        if found == 0 {
            at += 8;
            continue;
        }
        at += (found.trailing_zeros() / 8) as usize;
        if bytes[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    while bytes.get(at).is_some_and(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "POST / HTTP/1.1\r\nHost: x\r\n";

    fn head(text: &str) -> Head<'_> {
        match parse(text.as_bytes()) {
            Parsed::Complete(head) => head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[track_caller]
    fn refused(text: &str) -> Refusal {
        match parse(text.as_bytes()) {
            Parsed::Refused(refusal) => refusal,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn refused_field(field: &str) -> Refusal {
        refused(&format!("{START}{field}\r\n\r\n"))
    }

    #[test]
    fn heads_are_read() {
        let text = "POST /?a=1 HTTP/1.1\r\nhOST:\t a \r\nX-Amz-Target: AWSStepFunctions.StartExecution\t \r\n\
                    content-length:12\r\nConnection: foo, Close\r\nExpect: 100-Continue\r\nEmpty:\r\n\r\nbody";
        let read = Head {
            method: b"POST",
            path: b"/",
            is_old: false,
            has_host: true,
            target: Some(b"AWSStepFunctions.StartExecution"),
            framing: Framing::Sized(12),
            keeps_alive: false,
            expects_continue: true,
            length: text.len() - 4,
        };
        assert_eq!(head(text), read);
        assert_eq!(head(&format!("\r\n{text}")), Head { length: read.length + 2, ..read });
        for end in 0..read.length {
            assert_eq!(parse(&text.as_bytes()[..end]), Parsed::Incomplete, "{}", &text[..end]);
        }
    }

    #[test]
    fn targets_have_paths() {
        for (target, path) in [
            ("/healthz", "/healthz"),
            ("http://sync-states.us-east-1.amazonaws.com/", "/"),
            ("https://host:1/readyz?x#y", "/readyz"),
            ("http://host", "/"),
            ("*", "*"),
            ("host:443", "host:443"),
        ] {
            assert_eq!(head(&format!("GET {target} HTTP/1.1\r\n\r\n")).path, path.as_bytes(), "{target}");
        }
    }

    #[test]
    fn connections_stay_open_as_versions_and_options_say() {
        let keeps = |version: &str, options: &str| head(&format!("GET / {version}\r\n{options}\r\n")).keeps_alive;
        assert!(keeps("HTTP/1.1", "") && keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
        assert!(!keeps("HTTP/1.0", "") && !keeps("HTTP/1.1", "Connection: close\r\n"));
        assert!(!keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"), "who wants it closed gets it closed");
    }

    #[test]
    fn lengths_are_said_once_and_in_one_way() {
        assert_eq!(head(&format!("{START}\r\n")).framing, Framing::Sized(0));
        assert_eq!(head(&format!("{START}Transfer-Encoding: Chunked\r\n\r\n")).framing, Framing::Chunked);
        for field in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 0x5",
            "Content-Length: 5 5",
            "Content-Length:",
            "Content-Length: 18446744073709551616",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: \u{b}chunked",
            "Transfer-Encoding:",
        ] {
            assert!(!matches!(parse(format!("{START}{field}\r\n\r\n").as_bytes()), Parsed::Complete(_)), "{field}");
        }
        let old = refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(matches!(old, Refusal::Forbidden(_)), "{old:?}");
    }

    #[test]
    fn lines_that_another_reader_may_read_otherwise_are_refused() {
        for field in [
            "Content-Length : 5",
            " folded",
            "\tfolded",
            "A: b\r\n folded",
            "A: b\r\n\tfolded",
            "A: b\nContent-Length: 5",
            "A: b\rContent-Length: 5",
            "A: b\0",
            "A: b\u{7f}",
            "A\0: b",
            "A(: b",
            ": b",
            "A",
            "A b: c",
            "Ä: b",
        ] {
            assert_eq!(refused_field(field), Refusal::Malformed, "{field:?}");
        }
        assert!(matches!(refused_field("Host: y"), Refusal::Forbidden(_)), "a second Host");
        for text in [
            "GET / HTTP/1.1\n",
            "GET / HTTP/1.1 \r",
            "GET  / HTTP/1.1",
            "GET /\u{e4} HTTP/1.1",
            "GET /\t HTTP/1.1",
            "GET / HTTP/1.1\r\r",
            "GET / http/1.1",
            "GET / HTTP/1x",
            "GET / HTTP/x",
            "GET /\r\n",
            " GET /",
            "\n",
            "\r\n\r\n",
            "G\0",
            "\x16\x03\x01",
        ] {
            assert_eq!(refused(text), Refusal::Malformed, "{text:?}");
        }
        assert_eq!(refused("PRI * HTTP/2.0\r\n\r\n"), Refusal::Version);
        assert!(
            head(&format!("{START}A: \u{e4}\tb\r\n\r\n")).has_host,
            "values may have other bytes than ASCII, and tabs"
        );
    }

    #[test]
    fn heads_are_bounded() {
        let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert_eq!(head(&fields(MAX_REQUEST_HEADERS)).path, b"/");
        assert_eq!(refused(&fields(MAX_REQUEST_HEADERS + 1)), Refusal::TooLarge);
        let long = |bytes: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(bytes - 23));
        assert_eq!(head(&long(MAX_REQUEST_HEAD_BYTES)).length, MAX_REQUEST_HEAD_BYTES);
        assert_eq!(refused(&long(MAX_REQUEST_HEAD_BYTES + 1)), Refusal::TooLarge);
        assert_eq!(refused(&"a".repeat(MAX_REQUEST_HEAD_BYTES)), Refusal::TooLarge, "a method without an end");
    }

    #[test]
    fn values_end_at_control_characters() {
        for at in 0..40 {
            for byte in [b'\r', 0, 0x1f, 0x7f] {
                let mut bytes = vec![b'\t'; 40];
                bytes.iter_mut().step_by(3).for_each(|byte| *byte = 0xff);
                bytes[at] = byte;
                assert_eq!(value_end(&bytes, 0), at, "{byte}");
            }
        }
    }
}
