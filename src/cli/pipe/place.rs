//! Sources and destinations by their addresses.

use std::{path::Path, rc::Rc, sync::Arc};

use super::settings::PipeSettings;
#[cfg(feature = "nats")]
use crate::source::nats::{NatsAddress, NatsConnection, NatsDestination, NatsSource, NatsSourceSettings};
use crate::source::{Acknowledger, Destination, FileDestination, Nowhere, Source};

/// Where the events of a pipe come from and go to: checked, not connected.
#[derive(Clone)]
pub(super) struct Places {
    from: From,
    to: To,
    dead_letter: To,
}

#[derive(Clone)]
enum From {
    #[cfg(feature = "nats")]
    Nats { servers: Vec<String>, stream: String, consumer: Option<String> },
}

#[derive(Clone)]
enum To {
    Nowhere,
    File(FileDestination),
    #[cfg(feature = "nats")]
    Nats {
        servers: Vec<String>,
        subject: String,
    },
}

/// What a lane works with.
pub(super) struct Open {
    pub(super) source: Box<dyn Source>,
    pub(super) acknowledger: Rc<dyn Acknowledger>,
    pub(super) results: Rc<dyn Destination>,
    pub(super) dead_letters: Rc<dyn Destination>,
}

type Say = Arc<dyn Fn(&str) + Send + Sync>;

impl Places {
    /// Reads the addresses and opens files.
    pub(super) fn new(from: &str, to: &str, dead_letter: &str) -> Result<Self, String> {
        Ok(Self { from: source(from)?, to: destination(to)?, dead_letter: destination(dead_letter)? })
    }

    /// Makes what one lane works with.
    pub(super) fn open(&self, pipe: &PipeSettings, lanes: usize, say: &Say) -> Open {
        let mut connections = Connections { capacity: pipe.window(lanes), say, nats: Vec::new() };
        let (source, acknowledger): (Box<dyn Source>, Rc<dyn Acknowledger>) = match &self.from {
            #[cfg(feature = "nats")]
            From::Nats { servers, stream, consumer } => {
                let settings = NatsSourceSettings {
                    stream: stream.clone(),
                    consumer: consumer.clone().unwrap_or_else(|| format!("expressway-{}", pipe.machine_name())),
                    filter_subject: pipe.filter_subject.clone(),
                    ack_wait: pipe.ack_wait,
                    max_ack_pending: pipe.max_in_flight,
                };
                let source = NatsSource::new(connections.nats(servers), settings);
                let acknowledger = Rc::new(source.acknowledger());
                (Box::new(source), acknowledger)
            }
        };
        let results = connections.destination(&self.to);
        let dead_letters = connections.destination(&self.dead_letter);
        Open { source, acknowledger, results, dead_letters }
    }
}

/// The connections of a lane: one for each server.
struct Connections<'a> {
    capacity: usize,
    say: &'a Say,
    #[cfg(feature = "nats")]
    nats: Vec<Rc<NatsConnection>>,
}

impl Connections<'_> {
    #[cfg(feature = "nats")]
    fn nats(&mut self, servers: &[String]) -> Rc<NatsConnection> {
        if let Some(known) = self.nats.iter().find(|known| known.servers() == servers) {
            return Rc::clone(known);
        }
        let made = Rc::new(NatsConnection::new(servers.to_vec(), self.capacity, Arc::clone(self.say)));
        self.nats.push(Rc::clone(&made));
        made
    }

    fn destination(&mut self, to: &To) -> Rc<dyn Destination> {
        match to {
            To::Nowhere => Rc::new(Nowhere),
            To::File(file) => Rc::new(file.clone()),
            #[cfg(feature = "nats")]
            To::Nats { servers, subject } => Rc::new(NatsDestination::new(self.nats(servers), subject.clone())),
        }
    }
}

fn source(text: &str) -> Result<From, String> {
    #[cfg(feature = "nats")]
    if NatsAddress::is_meant(text) {
        let NatsAddress { servers, path } = NatsAddress::parse(text)?;
        let mut path = path.into_iter();
        return match (path.next(), path.next(), path.next()) {
            (Some(stream), consumer, None) => Ok(From::Nats { servers, stream, consumer }),
            _ => Err(format!("'{text}' is not nats://HOST:PORT/STREAM or nats://HOST:PORT/STREAM/CONSUMER")),
        };
    }
    Err(format!("'{text}' is no source that this build knows"))
}

fn destination(text: &str) -> Result<To, String> {
    if text == "none" {
        return Ok(To::Nowhere);
    }
    if text == "stdout" || text == "-" {
        return FileDestination::stdout().map(To::File).map_err(|error| format!("stdout: {error}"));
    }
    if let Some(path) = text.strip_prefix("file:") {
        return FileDestination::append(Path::new(path)).map(To::File).map_err(|error| format!("{path}: {error}"));
    }
    #[cfg(feature = "nats")]
    if NatsAddress::is_meant(text) {
        let NatsAddress { servers, path } = NatsAddress::parse(text)?;
        return match &*path {
            [subject] => Ok(To::Nats { servers, subject: subject.clone() }),
            _ => Err(format!("'{text}' is not nats://HOST:PORT/SUBJECT")),
        };
    }
    Err(format!("'{text}' is no destination that this build knows"))
}
