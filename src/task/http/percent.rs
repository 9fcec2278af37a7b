//! Percent-encoding of parts of a URL (RFC 3986, section 2.1).

/// Appends a text with everything escaped but unreserved characters, and those of `kept`.
pub(crate) fn percent_encode(text: &str, kept: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_escaped() {
        let mut out = String::new();
        percent_encode("a/b c+ü$~", b"/", &mut out);
        assert_eq!(out, "a/b%20c%2B%C3%BC%24~");
    }
}
