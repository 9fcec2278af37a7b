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
        Self::new(Box::new(io::stdout()))
    }

    /// A file, which is made if it is not there. What a process that was killed left of its last line is cut off: it was not
    /// accepted.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn append(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        if file.metadata()?.is_file() {
            let whole = whole_lines(&mut file)?;
            file.set_len(whole)?;
        }
        Self::new(Box::new(file))
    }

    fn new(mut output: Box<dyn Write + Send>) -> io::Result<Self> {
        let (sender, mut pieces) = mpsc::channel::<Piece>(QUEUED_PIECES);
        thread::Builder::new().name("results".into()).spawn(move || {
            while let Some(piece) = pieces.blocking_recv() {
                let written = output.write_all(&piece.text).and_then(|()| output.flush());
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
}
