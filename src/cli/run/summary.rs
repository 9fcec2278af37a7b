//! How far a run is, and what it came to.

use std::{
    fmt,
    io::IsTerminal,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{lines::Batch, writer::Record};
use crate::{clock::Clock, model::execution::ExecutionStatus};

/// Longest latency that is told apart, in microseconds: the five minutes of an execution and some.
const MAX_LATENCY_US: u64 = 600_000_000;

/// What reader, workers and writer know of each other.
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
    clock: Arc<dyn Clock>,
    begun_us: u64,
    bar: ProgressBar,
}

struct State {
    read: u64,
    done: u64,
    written: u64,
    given_up: bool,
    succeeded: u64,
    failed: u64,
    timed_out: u64,
    aborted: u64,
    latency_us: Histogram<u32>,
}

impl Progress {
    pub(super) fn new(length: Option<u64>, clock: Arc<dyn Clock>) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(10))
        } else {
            ProgressBar::hidden()
        };
        let template = match length {
            Some(_) => "{bar:32} {percent}% of {decimal_total_bytes}, {msg} executions, {elapsed}, {eta} left",
            None => "{spinner} {decimal_bytes} read, {msg} executions, {elapsed}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the templates above are valid"));
        Self {
            state: Mutex::new(State {
                read: 0,
                done: 0,
                written: 0,
                given_up: false,
                succeeded: 0,
                failed: 0,
                timed_out: 0,
                aborted: 0,
                latency_us: Histogram::new_with_max(MAX_LATENCY_US, 3).expect("three digits are allowed"),
            }),
            changed: Condvar::new(),
            begun_us: clock.monotonic_us(),
            clock,
            bar,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now_us(&self) -> u64 {
        self.clock.monotonic_us()
    }

    /// Waits until `lines` more may be read. `false` when reading is to stop.
    pub(super) fn wait_for_room(&self, lines: u64, max_in_flight: u64, ordered: bool) -> bool {
        let full = |state: &mut State| {
            let behind = if ordered { state.written } else { state.done };
            !state.given_up && state.read - behind + lines > max_in_flight.max(lines)
        };
        let state = self.changed.wait_while(self.state(), full).unwrap_or_else(PoisonError::into_inner);
        !state.given_up
    }

    pub(super) fn read(&self, batch: &Batch) {
        self.state().read += batch.lines.len() as u64;
        self.bar.inc(batch.bytes);
    }

    pub(super) fn count(&self, records: &[Record]) {
        let mut state = self.state();
        for record in records {
            match record.status {
                ExecutionStatus::Succeeded => state.succeeded += 1,
                ExecutionStatus::Failed => state.failed += 1,
                ExecutionStatus::TimedOut => state.timed_out += 1,
                ExecutionStatus::Aborted => state.aborted += 1,
            }
            if let Some(latency_us) = record.latency_us {
                state.latency_us.saturating_record(latency_us);
            }
        }
        state.done += records.len() as u64;
        if !self.bar.is_hidden() {
            self.bar.set_message(state.done.to_string());
        }
        self.changed.notify_all();
    }

    pub(super) fn written(&self, records: u64) {
        self.state().written += records;
        self.changed.notify_all();
    }

    /// Nothing more can be written: reading is to stop.
    pub(super) fn give_up(&self) {
        self.state().given_up = true;
        self.changed.notify_all();
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn summary(&self) -> Summary {
        let state = self.state();
        Summary {
            succeeded: state.succeeded,
            failed: state.failed,
            timed_out: state.timed_out,
            aborted: state.aborted,
            elapsed: Duration::from_micros(self.now_us() - self.begun_us),
            p50_us: state.latency_us.value_at_quantile(0.5),
            p99_us: state.latency_us.value_at_quantile(0.99),
        }
    }
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Summary {
    succeeded: u64,
    failed: u64,
    timed_out: u64,
    aborted: u64,
    elapsed: Duration,
    p50_us: u64,
    p99_us: u64,
}

impl Summary {
    pub(super) fn all_succeeded(&self) -> bool {
        self.failed + self.timed_out + self.aborted == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.succeeded + self.failed + self.timed_out + self.aborted;
        let seconds = self.elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        write!(
            formatter,
            "{count} executions in {seconds:.3} s, {rate:.0} a second; latency p50 {} µs, p99 {} µs",
            self.p50_us, self.p99_us
        )?;
        for (status, count) in [
            ("SUCCEEDED", self.succeeded),
            ("FAILED", self.failed),
            ("TIMED_OUT", self.timed_out),
            ("ABORTED", self.aborted),
        ] {
            if count > 0 || status == "SUCCEEDED" {
                write!(formatter, "\n  {status} {count}")?;
            }
        }
        Ok(())
    }
}
