//! Headers of what is published.

/// Names and values, as they are sent: a block that ends with an empty line, or nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers(Vec<u8>);

impl Headers {
    const BEGIN: &[u8] = b"NATS/1.0\r\n";
    const END: &[u8] = b"\r\n";

    /// Adds one. What a name or a value may not have becomes `-`, or a space.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if self.0.is_empty() {
            self.0.extend_from_slice(Self::BEGIN);
        } else {
            self.0.truncate(self.0.len() - Self::END.len());
        }
        self.0.extend(name.bytes().map(|byte| if byte.is_ascii_graphic() && byte != b':' { byte } else { b'-' }));
        self.0.extend_from_slice(b": ");
        self.0.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
        self.0.extend_from_slice(b"\r\n");
        self.0.extend_from_slice(Self::END);
    }

    /// The block.
    pub(super) fn block(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_what_the_protocol_wants() {
        let mut headers = Headers::default();
        assert_eq!(headers.block(), b"");
        headers.add("A", "1");
        headers.add("B: é", "x\r\ny");
        assert_eq!(headers.block(), b"NATS/1.0\r\nA: 1\r\nB----: x  y\r\n\r\n");
    }
}
