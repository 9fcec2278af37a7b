//! A stream of starts: what StartExecution writes, and a pipe of its own runs.

use std::{iter, rc::Rc};

use async_nats::{
    Client, HeaderMap, Subject,
    jetstream::{
        self,
        stream::{Config, RetentionPolicy, StorageType},
    },
};
use bytes::Bytes;
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};

use super::{
    NatsConnection,
    answers::{Answers, Outgoing, PUBLICATION_DEADLINE},
};
use crate::source::BrokerError;

/// Writes to a stream of starts, which is made when it is not there.
pub struct NatsIntake {
    connection: Rc<NatsConnection>,
    stream: String,
    ready: OnceCell<(Subject, Answers)>,
}

impl NatsIntake {
    /// An intake that connects when it is first used.
    #[must_use]
    pub fn new(connection: Rc<NatsConnection>, stream: String) -> Self {
        Self { connection, stream, ready: OnceCell::new() }
    }

    /// Stores a start; `id` is what tells it apart from others. What gets lost with a connection is stored again under the
    /// same id, which the stream keeps once.
    ///
    /// # Errors
    /// When the stream has not acknowledged it after five seconds (`PUBLICATION_DEADLINE`).
    pub async fn store(&self, id: &str, start: Bytes) -> Result<(), BrokerError> {
        let deadline = Instant::now() + PUBLICATION_DEADLINE;
        let mut last = BrokerError::new("the stream did not answer in time");
        let storing = async {
            loop {
                match self.store_once(id, start.clone()).await {
                    Ok(()) => return Ok(()),
                    Err(error) if error.is_too_large() => return Err(error),
                    Err(error) => last = error,
                }
                tokio::time::sleep(super::PAUSE).await;
            }
        };
        let stored = timeout_at(deadline, storing).await;
        stored.unwrap_or(Err(last))
    }

    async fn store_once(&self, id: &str, payload: Bytes) -> Result<(), BrokerError> {
        let (client, mut losses) = self.connection.client().await?;
        let ready = self.ready.get_or_try_init(|| async {
            let subject = starts_subject(client, &self.stream).await?;
            Ok((subject.into(), Answers::new(client).await?))
        });
        let (subject, answers) = ready.await?;
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        let outgoing = Outgoing { subject: subject.clone(), headers, payload };
        let mut answers = answers.publish(client, &mut losses, iter::once(outgoing)).await;
        answers.pop().unwrap_or_else(|| Err(BrokerError::new("there was no answer")))
    }
}

/// The subject of a stream of starts. A stream that is not there is made: it keeps what is not acknowledged, on disk.
pub(super) async fn starts_subject(client: &Client, stream: &str) -> Result<String, BrokerError> {
    let config = Config {
        name: stream.to_owned(),
        subjects: vec![format!("expressway.starts.{stream}")],
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        ..Config::default()
    };
    let failed = |error: &dyn std::fmt::Display| BrokerError::new(format!("stream {stream}: {error}"));
    let stream = jetstream::new(client.clone()).get_or_create_stream(config).await.map_err(|error| failed(&error))?;
    let subjects = &stream.cached_info().config.subjects;
    let plain = subjects.iter().find(|subject| !subject.contains(['*', '>']));
    plain.cloned().ok_or_else(|| failed(&"it has no subject without wildcards, which starts are to be written to"))
}
