//! Standard output and files as destinations: one line each.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    thread,
};

use tokio::sync::{mpsc, oneshot};

use super::{BrokerError, Destination, LocalBoxFuture, Publication};

/// Pieces of output that wait for the writing thread.
const QUEUED_PIECES: usize = 64;
/// Bytes that are looked at together for the end of the last whole line.
const TAIL_BYTES: u64 = 64 << 10;

/// Where lines are written to.
enum Output {
    Stream(Box<dyn Write + Send>),
    File(Lines),
}

/// A file of whole lines.
struct Lines {
    file: File,
    /// Whether half a line may stand at its end.
    torn: bool,
}

impl Output {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(text).and_then(|()| stream.flush()),
            Self::File(lines) => lines.append(text),
        }
    }
}

impl Lines {
    /// Appends lines, all or none of them. What a disk that was full has taken of them is cut off, now or, when that cannot
    /// be done, before the next are written: they were not accepted, and come again.
    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        if self.torn {
            self.heal(None)?;
        }
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(text);
        if written.is_err() {
            self.torn = true;
            let _ = self.heal(Some((before, text.len())));
        }
        written
    }

    /// Cuts off what is torn: all that was written from a place on, when nobody else has written to the file, or else what
    /// stands behind the last whole line.
    fn heal(&mut self, written: Option<(u64, usize)>) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let whole = match written {
            Some((before, bytes)) if length <= before + bytes as u64 => before,
            _ => whole_lines(&mut self.file)?,
        };
        self.file.set_len(whole)?;
        self.torn = false;
        Ok(())
    }
}

struct Piece {
    text: Vec<u8>,
    written: oneshot::Sender<Result<(), BrokerError>>,
}

/// Appends lines to a file or to standard output, in a thread of its own so that no shard waits for a slow reader. A
/// publication is accepted once the operating system has taken it.
#[derive(Clone)]
pub struct FileDestination(mpsc::Sender<Piece>);

impl FileDestination {
    /// Standard output.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn stdout() -> io::Result<Self> {
        Self::new(Output::Stream(Box::new(io::stdout())))
    }

    /// A file, which is made if it is not there. What a process that was killed left of its last line is cut off: it was not
    /// accepted.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn append(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        if !file.metadata()?.is_file() {
            return Self::new(Output::Stream(Box::new(file)));
        }
        let mut lines = Lines { file, torn: true };
        lines.heal(None)?;
        Self::new(Output::File(lines))
    }

    fn new(mut output: Output) -> io::Result<Self> {
        let (sender, mut pieces) = mpsc::channel::<Piece>(QUEUED_PIECES);
        thread::Builder::new().name("results".into()).spawn(move || {
            while let Some(piece) = pieces.blocking_recv() {
                let written = output.write(&piece.text);
                // A lane that was stopped does not wait any longer.
                let _ = piece.written.send(written.map_err(BrokerError::new));
            }
        })?;
        Ok(Self(sender))
    }

    async fn write(&self, text: Vec<u8>) -> Result<(), BrokerError> {
        let (written, answer) = oneshot::channel();
        let gone = || BrokerError::new("the writing thread has ended");
        self.0.send(Piece { text, written }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// Where the last whole line of a file ends.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut buffer = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(begin))?;
        buffer.resize((end - begin) as usize, 0);
        file.read_exact(&mut buffer)?;
        if let Some(place) = buffer.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + place as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

impl Destination for FileDestination {
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>> {
        let mut text = Vec::new();
        for publication in publications {
            text.extend_from_slice(&publication.to_json());
            text.push(b'\n');
        }
        Box::pin(async move { vec![self.write(text).await; publications.len()] })
    }
}

/// Takes everything and keeps nothing: for pipes whose results nobody wants.
pub struct Nowhere;

impl Destination for Nowhere {
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(std::future::ready(vec![Ok(()); publications.len()]))
    }

    fn discards(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_cut_off() {
        let path = std::env::temp_dir().join(format!("expressway-lines-{}", std::process::id()));
        let long = "x".repeat(2 * TAIL_BYTES as usize);
        for (before, after) in [("", 0), ("1\n2", 2), ("1\n", 2), ("12", 0), (&*format!("1\n{long}"), 2)] {
            std::fs::write(&path, before).unwrap();
            drop(FileDestination::append(&path).unwrap());
            assert_eq!(std::fs::metadata(&path).unwrap().len(), after);
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn torn_lines_are_cut_off_before_others_follow() {
        let path = std::env::temp_dir().join(format!("expressway-torn-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let file = OpenOptions::new().read(true).append(true).open(&path).unwrap();
        let mut lines = Lines { file, torn: false };
        lines.append(b"1\n").unwrap();
        // The disk was full after half of "2\n3\n", and could not be cut at once.
        lines.file.write_all(b"2\n3").unwrap();
        lines.torn = true;
        lines.append(b"4\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n4\n");
        // It could be cut at once: none of the lines stays.
        lines.file.write_all(b"5\n6").unwrap();
        lines.heal(Some((6, 4))).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n4\n");
        std::fs::remove_file(path).unwrap();
    }
}
