//! Sources and destinations by their addresses.

use std::{path::Path, rc::Rc, sync::Arc};

#[cfg(feature = "sqs")]
use super::queue::QueuePlace;
use super::settings::{Machine, PipeSettings};
#[cfg(feature = "kafka")]
use super::topic::TopicPlace;
#[cfg(feature = "kafka")]
use crate::source::kafka::{KafkaDestination, KafkaSource, KafkaSourceSettings};
#[cfg(feature = "nats")]
use crate::source::nats::{NatsAddress, NatsConnection, NatsDestination, NatsSource, NatsSourceSettings, Server};
#[cfg(feature = "redis")]
use crate::source::redis::{RedisAddress, RedisConnection, RedisDestination, RedisSource, RedisSourceSettings};
#[cfg(feature = "sqs")]
use crate::source::sqs::{SqsDestination, SqsSource, SqsSourceSettings};
use crate::source::{Acknowledger, Destination, FileDestination, LineSource, Nowhere, Source};

/// Where the events of a pipe come from and go to: checked, not connected.
#[derive(Clone)]
pub(super) struct Places {
    from: From,
    to: To,
    dead_letter: To,
}

#[derive(Clone)]
enum From {
    /// Standard input.
    Lines,
    #[cfg(feature = "kafka")]
    Kafka(TopicPlace),
    #[cfg(feature = "nats")]
    Nats { servers: Vec<Server>, stream: String, consumer: Option<String> },
    #[cfg(feature = "redis")]
    Redis { server: String, stream: String, group: Option<String> },
    #[cfg(feature = "sqs")]
    Sqs(QueuePlace),
}

#[derive(Clone)]
enum To {
    Nowhere,
    File(FileDestination),
    #[cfg(feature = "kafka")]
    Kafka(KafkaDestination),
    #[cfg(feature = "nats")]
    Nats {
        servers: Vec<Server>,
        subject: String,
    },
    #[cfg(feature = "redis")]
    Redis {
        server: String,
        stream: String,
    },
    #[cfg(feature = "sqs")]
    Sqs(QueuePlace),
}

/// What a lane works with.
pub(super) struct Open {
    pub(super) source: Box<dyn Source>,
    pub(super) acknowledger: Rc<dyn Acknowledger>,
    pub(super) results: Rc<dyn Destination>,
    pub(super) dead_letters: Rc<dyn Destination>,
}

/// What the file says beside the addresses.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    #[cfg(feature = "sqs")]
    pub(super) services: &'a crate::cli::services::ServicesFile,
    #[cfg(feature = "kafka")]
    pub(super) kafka: &'a std::collections::BTreeMap<String, crate::cli::services::Secret>,
    #[cfg(not(any(feature = "sqs", feature = "kafka")))]
    pub(super) nothing: std::marker::PhantomData<&'a ()>,
}

type Say = Arc<dyn Fn(&str) + Send + Sync>;

impl Places {
    /// Reads the addresses and opens files.
    pub(super) fn new(from: &str, to: &str, dead_letter: &str, given: &Given<'_>) -> Result<Self, String> {
        let (to, dead_letter) = (destination(to, given)?, destination(dead_letter, given)?);
        Ok(Self { from: source(from, given)?, to, dead_letter })
    }

    /// Makes what one lane works with.
    pub(super) fn open(&self, pipe: &PipeSettings, index: usize, lanes: usize, say: &Say) -> Result<Open, String> {
        let mut connections = Connections {
            capacity: pipe.window(lanes),
            say,
            #[cfg(feature = "nats")]
            nats: Vec::new(),
            #[cfg(feature = "redis")]
            redis: Vec::new(),
        };
        let (source, acknowledger): (Box<dyn Source>, Rc<dyn Acknowledger>) = match &self.from {
            From::Lines => {
                let source = LineSource::new(std::io::stdin()).map_err(|error| format!("stdin: {error}"))?;
                let acknowledger = Rc::new(source.acknowledger());
                (Box::new(source), acknowledger)
            }
            #[cfg(feature = "kafka")]
            From::Kafka(place) => {
                let settings = KafkaSourceSettings {
                    topic: place.topic.clone(),
                    group: place.group.clone().unwrap_or_else(|| format!("expressway-{}", pipe.machine_name())),
                    index,
                    patience: pipe.ack_wait,
                    window: pipe.window(lanes),
                };
                let source = KafkaSource::new(&place.client, settings);
                let acknowledger = Rc::new(source.acknowledger());
                (Box::new(source), acknowledger)
            }
            #[cfg(feature = "nats")]
            From::Nats { servers, stream, consumer } => {
                let settings = NatsSourceSettings {
                    stream: stream.clone(),
                    consumer: consumer.clone().unwrap_or_else(|| format!("expressway-{}", pipe.machine_name())),
                    is_intake: pipe.machine == Machine::Intake,
                    filter_subject: pipe.filter_subject.clone(),
                    ack_wait: pipe.ack_wait,
                    max_ack_pending: pipe.max_in_flight,
                };
                let source = NatsSource::new(connections.nats(servers), settings);
                let acknowledger = Rc::new(source.acknowledger());
                (Box::new(source), acknowledger)
            }
            #[cfg(feature = "redis")]
            From::Redis { server, stream, group } => {
                let settings = RedisSourceSettings {
                    stream: stream.clone(),
                    group: group.clone().unwrap_or_else(|| format!("expressway-{}", pipe.machine_name())),
                    consumer: format!("{}-{index}", host_name()),
                    patience: pipe.ack_wait,
                    max_waiting: pipe.window(lanes),
                };
                let source = RedisSource::new(server.clone(), connections.redis(server), settings);
                let acknowledger = Rc::new(source.acknowledger());
                (Box::new(source), acknowledger)
            }
            #[cfg(feature = "sqs")]
            From::Sqs(place) => {
                let settings = SqsSourceSettings { patience: pipe.ack_wait, report: Arc::clone(say) };
                let source = SqsSource::new(place.queue(), settings);
                let acknowledger = Rc::new(source.acknowledger());
                (Box::new(source), acknowledger)
            }
        };
        let results = connections.destination(&self.to);
        let dead_letters = connections.destination(&self.dead_letter);
        Ok(Open { source, acknowledger, results, dead_letters })
    }
}

/// The connections of a lane: one for each server.
struct Connections<'a> {
    capacity: usize,
    say: &'a Say,
    #[cfg(feature = "nats")]
    nats: Vec<Rc<NatsConnection>>,
    #[cfg(feature = "redis")]
    redis: Vec<(String, Rc<RedisConnection>)>,
}

impl Connections<'_> {
    #[cfg(feature = "nats")]
    fn nats(&mut self, servers: &[Server]) -> Rc<NatsConnection> {
        if let Some(known) = self.nats.iter().find(|known| known.servers() == servers) {
            return Rc::clone(known);
        }
        let made = Rc::new(NatsConnection::new(servers.to_vec(), self.capacity, Arc::clone(self.say)));
        self.nats.push(Rc::clone(&made));
        made
    }

    #[cfg(feature = "redis")]
    fn redis(&mut self, server: &str) -> Rc<RedisConnection> {
        if let Some((_, known)) = self.redis.iter().find(|(known, _)| known == server) {
            return Rc::clone(known);
        }
        let made = Rc::new(RedisConnection::new(server.to_owned()));
        self.redis.push((server.to_owned(), Rc::clone(&made)));
        made
    }

    fn destination(&mut self, to: &To) -> Rc<dyn Destination> {
        match to {
            To::Nowhere => Rc::new(Nowhere),
            To::File(file) => Rc::new(file.clone()),
            #[cfg(feature = "kafka")]
            To::Kafka(topic) => Rc::new(topic.clone()),
            #[cfg(feature = "nats")]
            To::Nats { servers, subject } => Rc::new(NatsDestination::new(self.nats(servers), subject.clone())),
            #[cfg(feature = "redis")]
            To::Redis { server, stream } => Rc::new(RedisDestination::new(self.redis(server), stream.clone())),
            #[cfg(feature = "sqs")]
            To::Sqs(place) => Rc::new(SqsDestination::new(place.queue())),
        }
    }
}

#[cfg_attr(not(any(feature = "sqs", feature = "kafka")), allow(unused_variables, reason = "others need no more"))]
fn source(text: &str, given: &Given<'_>) -> Result<From, String> {
    if text == "-" {
        return Ok(From::Lines);
    }
    #[cfg(feature = "nats")]
    if NatsAddress::is_meant(text) {
        let NatsAddress { servers, path } = NatsAddress::parse(text)?;
        let mut path = path.into_iter();
        return match (path.next(), path.next(), path.next()) {
            (Some(stream), consumer, None) => Ok(From::Nats { servers, stream, consumer }),
            _ => Err(format!("'{text}' is not nats://HOST:PORT/STREAM or nats://HOST:PORT/STREAM/CONSUMER")),
        };
    }
    #[cfg(feature = "redis")]
    if RedisAddress::is_meant(text) {
        let RedisAddress { server, path } = RedisAddress::parse(text)?;
        let mut path = path.into_iter();
        return match (path.next(), path.next(), path.next()) {
            (Some(stream), group, None) => Ok(From::Redis { server, stream, group }),
            _ => Err(format!("'{text}' is not redis://HOST:PORT/STREAM or redis://HOST:PORT/STREAM/GROUP")),
        };
    }
    #[cfg(feature = "kafka")]
    if let Some(place) = TopicPlace::find(text, given.kafka)? {
        return Ok(From::Kafka(place));
    }
    #[cfg(feature = "sqs")]
    if let Some(place) = QueuePlace::find(text, given.services)? {
        return Ok(From::Sqs(place));
    }
    Err(format!("'{text}' is no source that this build knows"))
}

#[cfg_attr(not(any(feature = "sqs", feature = "kafka")), allow(unused_variables, reason = "others need no more"))]
fn destination(text: &str, given: &Given<'_>) -> Result<To, String> {
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
    #[cfg(feature = "redis")]
    if RedisAddress::is_meant(text) {
        let RedisAddress { server, path } = RedisAddress::parse(text)?;
        return match &*path {
            [stream] => Ok(To::Redis { server, stream: stream.clone() }),
            _ => Err(format!("'{text}' is not redis://HOST:PORT/STREAM")),
        };
    }
    #[cfg(feature = "kafka")]
    if let Some(place) = TopicPlace::find(text, given.kafka)? {
        return Ok(To::Kafka(KafkaDestination::new(place.client, place.topic)));
    }
    #[cfg(feature = "sqs")]
    if let Some(place) = QueuePlace::find(text, given.services)? {
        return Ok(To::Sqs(place));
    }
    Err(format!("'{text}' is no destination that this build knows"))
}

/// The name of this machine, by which its consumers are known. Equal names do no harm: entries are told apart by their ids.
#[cfg(feature = "redis")]
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "node".into())
}
