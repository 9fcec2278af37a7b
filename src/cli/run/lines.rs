//! Input cut into batches of lines.

use std::io::{self, Read};

use crate::model::quota::MAX_PAYLOAD_BYTES;

/// Bytes asked for in one read.
const READ_BYTES: usize = 128 << 10;
/// Longest line that is kept: an input may have white space and escapes beyond its 262,144 bytes. Longer ones are passed
/// over without being held, and become FAILED records.
const MAX_LINE_BYTES: usize = 4 * MAX_PAYLOAD_BYTES;
/// Most lines in one batch.
const MAX_BATCH_LINES: usize = 256;

/// Lines that one shard runs.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In the order of the input.
    pub(super) lines: Vec<Line>,
    /// Bytes of input that they take.
    pub(super) bytes: u64,
}

/// One line that is not empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, from 1; empty lines count.
    pub(super) number: u64,
    /// The how-manyth record it becomes, from 0.
    pub(super) record: u64,
    /// Its text; `None` when it is too long.
    pub(super) text: Option<Vec<u8>>,
}

/// Reads lines as they come: a batch is what has arrived, so a trickling pipe is not held up.
pub(super) struct LineReader<R> {
    source: R,
    /// Bytes read and not handed out; whole lines first, then the beginning of one.
    buffer: Vec<u8>,
    /// Where the line that is looked at begins.
    at: usize,
    /// What stands before this place has no line break behind `at`.
    searched: usize,
    number: u64,
    record: u64,
    /// The current line is too long: it is passed over to its end.
    passing_over: bool,
    ended: bool,
    max_lines: usize,
}

impl<R: Read> LineReader<R> {
    pub(super) fn new(source: R, max_in_flight: u64) -> Self {
        let max_lines = usize::try_from(max_in_flight).unwrap_or(usize::MAX).min(MAX_BATCH_LINES);
        Self {
            source,
            buffer: Vec::with_capacity(READ_BYTES),
            at: 0,
            searched: 0,
            number: 0,
            record: 0,
            passing_over: false,
            ended: false,
            max_lines,
        }
    }

    /// The next lines; `None` at the end of the input.
    pub(super) fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        loop {
            while batch.lines.len() < self.max_lines {
                let Some(end) = self.line_end() else { break };
                self.take_line(end, &mut batch);
            }
            if !batch.lines.is_empty() {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            self.fill(&mut batch)?;
        }
    }

    /// Where the current line ends, if that has been read.
    fn line_end(&mut self) -> Option<usize> {
        let from = self.searched.max(self.at);
        match self.buffer[from..].iter().position(|byte| *byte == b'\n') {
            Some(length) => Some(from + length),
            None => {
                self.searched = self.buffer.len();
                let last = self.ended && (self.at < self.buffer.len() || self.passing_over);
                last.then_some(self.buffer.len())
            }
        }
    }

    fn take_line(&mut self, end: usize, batch: &mut Batch) {
        let text = &self.buffer[self.at..end];
        self.number += 1;
        batch.bytes += text.len() as u64 + 1;
        let too_long = std::mem::take(&mut self.passing_over) || text.len() > MAX_LINE_BYTES;
        if too_long || !text.trim_ascii().is_empty() {
            let text = (!too_long).then(|| text.to_vec());
            batch.lines.push(Line { number: self.number, record: self.record, text });
            self.record += 1;
        }
        self.at = (end + 1).min(self.buffer.len());
    }

    fn fill(&mut self, batch: &mut Batch) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        if self.passing_over || self.buffer.len() > MAX_LINE_BYTES {
            self.passing_over = true;
            batch.bytes += self.buffer.len() as u64;
            self.buffer.clear();
        }
        self.searched = self.buffer.len();
        let kept = self.buffer.len();
        self.buffer.resize(kept + READ_BYTES, 0);
        let read = loop {
            match self.source.read(&mut self.buffer[kept..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(kept + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines(input: &[u8], chunk: usize) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut reader = LineReader::new(Trickle(input, chunk), 3);
        let mut all = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            assert!(batch.lines.len() <= 3);
            all.extend(batch.lines.into_iter().map(|line| (line.number, line.text)));
        }
        all
    }

    #[test]
    fn lines_keep_their_numbers_however_they_arrive() {
        let input = b"1\n\n  \n{\"a\": 2}\r\n3\n4\n5";
        let expected: Vec<_> = [(1, "1"), (4, "{\"a\": 2}\r"), (5, "3"), (6, "4"), (7, "5")]
            .map(|(number, text)| (number, Some(text.as_bytes().to_vec())))
            .into();
        for chunk in [1, 2, 5, 1000] {
            assert_eq!(lines(input, chunk), expected, "chunks of {chunk}");
        }
        assert_eq!(lines(b"", 9), []);
    }

    #[test]
    fn lines_that_are_too_long_are_passed_over() {
        let mut input = vec![b'x'; MAX_LINE_BYTES * 3];
        input.extend_from_slice(b"\n7\n");
        assert_eq!(lines(&input, READ_BYTES), [(1, None), (2, Some(b"7".to_vec()))]);
        let endless = vec![b'x'; MAX_LINE_BYTES * 2];
        assert_eq!(lines(&endless, READ_BYTES), [(1, None)]);
    }
}
