//! A server started as a child process: it is ready when it prints a line with its URL, and it ends when this value does.
//!
//! Ground rules: the child is ended by its own process id, with SIGTERM first and SIGKILL after [`STOP_DEADLINE`]. A thread
//! reads its output to the end, so that a chatty server is never blocked on a full pipe; the end of the output is how its
//! exit is seen.

use crate::clock;
use crate::failure::{Context, Failure};
use crate::process::ProcessId;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it prints its URL.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// How long a server may take to end after SIGTERM; then it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// The word in a command that stands for a free port.
const PORT_WORD: &str = "PORT";

/// A running child and where it listens.
#[derive(Debug)]
pub(crate) struct ChildServer {
    child: Child,
    /// Brings the URL once, and is disconnected when the child has closed its stdout, that is when it has ended.
    output: Receiver<String>,
    /// Just before the process was started.
    pub(crate) started: Instant,
    /// The URL that it printed.
    pub(crate) url: String,
}

impl ChildServer {
    /// Starts `command`, with a free port for the word `PORT` in it, and waits until it prints a line with `http://…`.
    ///
    /// # Errors
    /// When it cannot be started, ends, or prints no URL within 30 s.
    pub(crate) fn start(command: &[String]) -> Result<Self, Failure> {
        let [program, arguments @ ..] = &with_free_port(command)?[..] else {
            return Err(Failure::new("the server command is empty"));
        };
        let started = clock::now();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context(|| format!("starting {program}"))?;
        let stdout = child.stdout.take().expect("stdout was asked for as a pipe just above");
        let mut server = Self { child, output: read_output(stdout)?, started, url: String::new() };
        server.url = server.wait_for_url(program)?;
        Ok(server)
    }

    /// The child's process.
    pub(crate) fn process(&self) -> ProcessId {
        ProcessId(self.child.id())
    }

    /// Waits for the URL.
    fn wait_for_url(&self, program: &str) -> Result<String, Failure> {
        match self.output.recv_timeout(READY_DEADLINE.saturating_sub(self.started.elapsed())) {
            Ok(url) => Ok(url),
            Err(RecvTimeoutError::Timeout) => {
                Err(Failure::new(format!("{program} printed no URL within {} s", READY_DEADLINE.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(Failure::new(format!("{program} ended before it printed its URL")))
            }
        }
    }

    /// Asks the child to end, and kills it when it does not.
    fn stop(&mut self) {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // The child has not been waited for, so its id is still its own.
        if let Some(process) = process {
            let _ = kill_process(process, Signal::TERM);
        }
        // Nothing more is sent, so the only news is the end of the output.
        if self.output.recv_timeout(STOP_DEADLINE) == Err(RecvTimeoutError::Timeout) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads the child's output to its end and hands over the first URL in it.
fn read_output(stdout: ChildStdout) -> Result<Receiver<String>, Failure> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .name("server-output".to_owned())
        .spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            if let Some(url) = lines.find_map(|line| url_in(&line)) {
                // A receiver that has gone has given the server up; its output is still read to the end.
                let _ = sender.send(url);
            }
            lines.for_each(drop);
        })
        .context(|| "starting a reader of the server's output".to_owned())?;
    Ok(receiver)
}

/// The command with a port that is free now for each [`PORT_WORD`].
fn with_free_port(command: &[String]) -> Result<Vec<String>, Failure> {
    if !command.iter().any(|word| word.contains(PORT_WORD)) {
        return Ok(command.to_vec());
    }
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .context(|| "looking for a free port".to_owned())?
        .port()
        .to_string();
    Ok(command.iter().map(|word| word.replace(PORT_WORD, &port)).collect())
}

/// The URL in a line, up to white space or a quote.
fn url_in(line: &str) -> Option<String> {
    let begin = line.find("http://")?;
    let url = line[begin..].split(|character: char| character.is_whitespace() || "\"'<>".contains(character)).next()?;
    Some(url.trim_end_matches(['.', ',', ';', ')']).to_owned())
}

/// Splits a command as a shell splits words: white space separates, single and double quotes hold together. Nothing is
/// expanded.
///
/// # Errors
/// When a quote is not closed.
pub(crate) fn split_words(command: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for character in command.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => word.get_or_insert_default().push(character),
            None if character == '\'' || character == '"' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(Failure::new(format!("unclosed quote in {command:?}")));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_quotes_hold_together() {
        assert_eq!(split_words("a  'b c' d\"e f\"g ''").unwrap(), ["a", "b c", "de fg", ""]);
        assert!(split_words("a 'b").is_err());
    }

    #[test]
    fn urls_are_found_in_a_sentence() {
        assert_eq!(url_in("ready on http://127.0.0.1:8083/ in 3 ms").as_deref(), Some("http://127.0.0.1:8083/"));
        assert_eq!(url_in("{\"url\":\"http://127.0.0.1:1\"}").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(url_in("starting"), None);
    }

    #[test]
    fn the_port_word_becomes_a_port() {
        let words = with_free_port(&["--listen".to_owned(), "127.0.0.1:PORT".to_owned()]).unwrap();
        let port: u16 = words[1].strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
        assert_ne!(port, 0);
    }

    #[test]
    fn a_child_is_found_by_its_url_and_ended() {
        let script = "echo starting; echo listening on http://127.0.0.1:PORT; exec sleep 60".to_owned();
        let server = ChildServer::start(&["sh".to_owned(), "-c".to_owned(), script]).unwrap();
        assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
        let process = server.process();
        assert!(process.cpu_time().is_ok());
        drop(server);
        assert!(process.cpu_time().is_err(), "the child must have ended and been waited for");
    }

    #[test]
    fn a_child_that_ends_is_reported() {
        let error = ChildServer::start(&["true".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("ended before"), "{error}");
    }
}
