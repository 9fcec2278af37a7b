//! What the person sees: results on stdout, progress and remarks on stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// On something that is not a terminal, progress is a line this often.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Writes a result to stdout. A reader that has closed its end is no error worth a word.
pub(crate) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| {
            stdout.write_all(
                b"
",
            )
        })
        .and_then(|()| stdout.flush());
}

/// Writes a remark to stderr.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Progress of something whose length in time is known.
pub(crate) struct Progress {
    title: String,
    bar: Option<ProgressBar>,
    is_quiet: bool,
    next_line: Duration,
}

impl Progress {
    /// A bar on a terminal, a line every two seconds elsewhere, nothing when `is_quiet`.
    pub(crate) fn start(title: &str, length: Duration, is_quiet: bool) -> Self {
        let bar = (!is_quiet && io::stderr().is_terminal()).then(|| {
            let milliseconds = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
            let bar = ProgressBar::with_draw_target(Some(milliseconds), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(title.to_owned());
            bar
        });
        Self { title: title.to_owned(), bar, is_quiet, next_line: LINE_EVERY }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, elapsed: Duration, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            bar.set_message(message.to_owned());
        } else if !self.is_quiet && elapsed >= self.next_line {
            self.next_line = elapsed + LINE_EVERY;
            remark(&format!("{} {:5.1} s  {message}", self.title, elapsed.as_secs_f64()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
