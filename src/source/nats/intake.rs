//! A stream of starts: what StartExecution writes, and a pipe of its own runs.

use std::{iter, rc::Rc};

use bytes::Bytes;
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};

use super::{
    Headers, MESSAGE_ID, NatsConnection,
    answers::{Answers, Outgoing, PUBLICATION_DEADLINE},
    client::Client,
    connection::Losses,
    stream::{Refused, ask, object},
};
use crate::{Value, source::BrokerError, value::ValueRef};

/// Writes to a stream of starts, which is made when it is not there.
pub struct NatsIntake {
    connection: Rc<NatsConnection>,
    stream: String,
    ready: OnceCell<(Rc<str>, Answers)>,
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
        let ready = self.ready.get_or_try_init(async || {
            // Asked with a look of its own at losses, as the closure may run for somebody else who waits.
            let (client, mut losses) = self.connection.client().await?;
            let subject = starts_subject(client, &mut losses, &self.stream).await?;
            Ok::<_, BrokerError>((subject.into(), Answers::new(client, self.connection.capacity())))
        });
        let (subject, answers) = ready.await?;
        let mut headers = Headers::default();
        headers.add(MESSAGE_ID, id);
        let outgoing = Outgoing { subject: Rc::clone(subject), headers, payload };
        let mut answers = answers.publish(client, &mut losses, iter::once(outgoing)).await;
        answers.pop().unwrap_or_else(|| Err(BrokerError::new("there was no answer")))
    }
}

/// The subject of a stream of starts. A stream that is not there is made: it keeps what is not acknowledged, on disk.
pub(super) async fn starts_subject(client: &Client, losses: &mut Losses, stream: &str) -> Result<String, BrokerError> {
    let failed = |error: BrokerError| BrokerError::new(format!("stream {stream}: {error}"));
    let info = match ask(client, losses, &format!("STREAM.INFO.{stream}"), object([])).await {
        Err(Refused::NotFound(_)) => {
            let config = object([
                ("name", stream.into()),
                ("subjects", Value::array([format!("expressway.starts.{stream}")])),
                ("retention", "workqueue".into()),
                ("storage", "file".into()),
                ("discard", "old".into()),
                ("max_consumers", (-1_i64).into()),
                ("max_msgs", (-1_i64).into()),
                ("max_bytes", (-1_i64).into()),
                ("max_msg_size", (-1_i64).into()),
                ("num_replicas", 1_i64.into()),
            ]);
            ask(client, losses, &format!("STREAM.CREATE.{stream}"), config).await
        }
        found => found,
    };
    let info = info.map_err(|refused| failed(refused.into()))?;
    let subjects = info.get("config").and_then(|config| config.get("subjects")?.as_array());
    let texts = subjects.iter().flat_map(|subjects| subjects.iter()).filter_map(ValueRef::as_str);
    let plain = texts.into_iter().find(|subject| !subject.contains(['*', '>'])).map(str::to_owned);
    plain.ok_or_else(|| {
        failed(BrokerError::new("it has no subject without wildcards, which starts are to be written to"))
    })
}
