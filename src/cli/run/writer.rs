//! Writes finished records, as they come or in the order of the input.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use tokio::sync::mpsc::Receiver;

use super::summary::Progress;
use crate::model::execution::ExecutionStatus;

/// Finished records of one shard.
#[derive(Default)]
pub(super) struct Piece {
    /// Their lines, one after the other.
    pub(super) text: Vec<u8>,
    /// Where each ends, and what it counts as.
    pub(super) records: Vec<Record>,
}

/// One record in a [`Piece`].
pub(super) struct Record {
    /// Its place in the output of an ordered run.
    pub(super) record: u64,
    /// Behind its last byte in the piece.
    pub(super) end: usize,
    /// How its execution ended.
    pub(super) status: ExecutionStatus,
    /// How long it took, when there was an execution.
    pub(super) latency_us: Option<u64>,
}

/// How writing ended.
pub(super) struct Written {
    /// Why it stopped early.
    pub(super) failure: Option<io::Error>,
}

/// Writes until every worker is done. The bound on records that wait for an earlier one is the reader's: it does not run
/// more than `--max-in-flight` lines ahead of what is written.
pub(super) fn write_records(
    mut finished: Receiver<Piece>,
    mut output: Box<dyn Write + Send>,
    ordered: bool,
    progress: &Progress,
) -> Written {
    let mut waiting: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut next = 0;
    while let Some(piece) = finished.blocking_recv() {
        progress.count(&piece.records);
        let mut written = piece.records.len() as u64;
        let result = if ordered {
            let mut start = 0;
            for record in &piece.records {
                waiting.insert(record.record, piece.text[start..record.end].to_vec());
                start = record.end;
            }
            let mut ready = Vec::new();
            written = 0;
            while let Some(text) = waiting.remove(&next) {
                ready.extend_from_slice(&text);
                next += 1;
                written += 1;
            }
            output.write_all(&ready)
        } else {
            output.write_all(&piece.text)
        };
        if let Err(error) = result.and_then(|()| if finished.is_empty() { output.flush() } else { Ok(()) }) {
            progress.give_up();
            // A reader that closed the pipe has what it wanted.
            let failure = (error.kind() != io::ErrorKind::BrokenPipe).then_some(error);
            return Written { failure };
        }
        progress.written(written);
    }
    Written { failure: output.flush().err() }
}
