//! Runs the lines of one shard.

use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender};

use super::{
    lines::{Batch, Line},
    record::{write_invalid, write_outcome, write_refused},
    summary::Progress,
    trace::print_trace,
    writer::{Piece, Record},
};
use crate::{
    Value,
    model::{
        error_name,
        execution::{ExecutionName, ExecutionStart, ExecutionStatus, Outcome},
        quota::MAX_PAYLOAD_BYTES,
    },
    observe::BoundedRecorder,
    registry::ThreadMachine,
    runtime::{Shard, StartError, Started},
};

/// Most events that `--trace` keeps.
const TRACED_EVENTS: usize = 10_000;
/// Spreads the numbers of lines over the unique numbers of executions; odd, so that no two lines have the same.
const LINE_ID_FACTOR: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

/// What is run.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) thread: ThreadMachine,
    pub(super) definition: Arc<str>,
    /// What answers its calls instead of handlers.
    pub(super) test_case: Option<Arc<str>>,
}

/// What every shard needs to run lines.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) machine: Machine,
    pub(super) progress: Arc<Progress>,
    pub(super) pieces: Sender<Piece>,
    /// The line whose events are printed.
    pub(super) trace: Option<u64>,
}

impl Worker {
    pub(super) async fn run(mut self, shard: Shard, mut batches: Receiver<Batch>) {
        self.machine.thread = self.machine.thread.copy(&self.machine.definition);
        let mut calls = tokio::task::JoinSet::new();
        while let Some(batch) = batches.recv().await {
            let mut piece = Piece::default();
            for line in batch.lines {
                let (number, record) = (line.number, line.record);
                let begun_us = self.progress.now_us();
                if let Some(waiting) = self.start(&shard, line, begun_us, &mut piece) {
                    let worker = self.clone();
                    calls.spawn_local(async move {
                        let mut piece = Piece::default();
                        match waiting.completion.await {
                            Ok(outcome) => worker.ended(number, record, &outcome, begun_us, &mut piece),
                            Err(lost) => {
                                worker.refused(number, record, error_name::RUNTIME, &lost.to_string(), &mut piece);
                            }
                        }
                        if let Some(recorder) = waiting.recorder {
                            print_trace(number, &recorder);
                        }
                        worker.send(piece).await;
                    });
                }
            }
            while calls.try_join_next().is_some() {}
            self.send(piece).await;
        }
        while calls.join_next().await.is_some() {}
    }

    fn start(&self, shard: &Shard, line: Line, begun_us: u64, piece: &mut Piece) -> Option<Waiting> {
        let Line { number, record, text } = line;
        let Some(text) = text else {
            let cause = format!("Line {number} is longer than an input can be.");
            self.refused(number, record, error_name::DATA_LIMIT_EXCEEDED, &cause, piece);
            return None;
        };
        let input = match Value::parse_bytes(text) {
            Ok(input) => input,
            Err(error) => {
                write_invalid(number, &error, &mut piece.text);
                self.done(record, ExecutionStatus::Failed, None, piece);
                return None;
            }
        };
        if input.json_size() > MAX_PAYLOAD_BYTES {
            let cause =
                format!("Line {number} has {} bytes; an input has {MAX_PAYLOAD_BYTES} at most.", input.json_size());
            self.refused(number, record, error_name::DATA_LIMIT_EXCEEDED, &cause, piece);
            return None;
        }
        let Machine { thread: ThreadMachine { program, identity }, test_case, .. } = &self.machine;
        // What a test case draws depends on the execution: with numbers by line each line draws the same in every run.
        let id = if test_case.is_some() { u128::from(number).wrapping_mul(LINE_ID_FACTOR) } else { shard.random() };
        let start = ExecutionStart {
            machine: Arc::clone(identity),
            name: ExecutionName { name: None, id },
            input,
            synchronous: false,
            depth: 0,
            test_case: test_case.clone(),
            start_time_ms: None,
        };
        let recorder = (self.trace == Some(number)).then(|| BoundedRecorder::new(TRACED_EVENTS));
        let started = match &recorder {
            None => shard.start_sync(Arc::clone(program), start),
            Some(recorder) => shard.start_traced(Arc::clone(program), start, recorder.clone()),
        };
        match started {
            Ok(Started::Ended(outcome)) => {
                self.ended(number, record, &outcome, begun_us, piece);
                if let Some(recorder) = recorder {
                    print_trace(number, &recorder);
                }
                None
            }
            Ok(Started::Running(completion)) => Some(Waiting { completion, recorder }),
            Err(error @ (StartError::TooManyExecutions { .. } | StartError::NotExpress | StartError::ShuttingDown)) => {
                self.refused(number, record, error_name::RUNTIME, &error.to_string(), piece);
                None
            }
        }
    }

    fn ended(&self, number: u64, record: u64, outcome: &Outcome, begun_us: u64, piece: &mut Piece) {
        write_outcome(number, outcome, &mut piece.text);
        self.done(record, outcome.status, Some(self.progress.now_us() - begun_us), piece);
    }

    fn refused(&self, number: u64, record: u64, error: &str, cause: &str, piece: &mut Piece) {
        write_refused(number, error, cause, &mut piece.text);
        self.done(record, ExecutionStatus::Failed, None, piece);
    }

    fn done(&self, record: u64, status: ExecutionStatus, latency_us: Option<u64>, piece: &mut Piece) {
        piece.records.push(Record { record, end: piece.text.len(), status, latency_us });
    }

    async fn send(&self, piece: Piece) {
        if !piece.records.is_empty() && self.pieces.send(piece).await.is_err() {
            // The writer has gone because the output takes nothing any more; the reader stops for the same reason.
            self.progress.give_up();
        }
    }
}

struct Waiting {
    completion: crate::runtime::Completion,
    recorder: Option<BoundedRecorder>,
}
