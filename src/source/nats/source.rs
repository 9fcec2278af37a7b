//! A durable pull consumer of a JetStream stream.
//!
//! A pull asks for as many messages as the lane has room for and no more: what waits in a client would be delivered again
//! once its AckWait is over, as nobody says that it is in progress.

use std::{cell::Cell, fmt::Write as _, rc::Rc, sync::Arc, time::Duration};

use async_nats::{
    Subject,
    jetstream::{
        self, Message,
        consumer::{AckPolicy, PullConsumer, pull},
    },
};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::timeout;

use super::NatsConnection;
use crate::source::{Acknowledger, BrokerError, Delivery, Fetched, LocalBoxFuture, Settlement, Source};

/// How long the server keeps a pull that finds nothing. Short, since one that was lost with the server is noticed by it.
const PULL_EXPIRES: Duration = Duration::from_secs(2);
/// How long the last acknowledgements may take to leave.
const FLUSH: Duration = Duration::from_secs(2);
/// Marks consumers that expressway made and may change.
const DESCRIPTION: &str = "expressway pipe";

/// Which consumer, and what it is made like when it is not there.
#[derive(Clone, Debug)]
pub struct NatsSourceSettings {
    /// The stream; it must be there.
    pub stream: String,
    /// The durable consumer.
    pub consumer: String,
    /// Only messages of these subjects; empty for all.
    pub filter_subject: String,
    /// After how long without a sign a message is delivered to somebody else.
    pub ack_wait: Duration,
    /// Most messages that are delivered and not acknowledged, all nodes together: the pipe's window.
    pub max_ack_pending: usize,
}

/// What source and acknowledger share.
struct Shared {
    connection: Rc<NatsConnection>,
    patience: Cell<Option<Duration>>,
}

/// Messages of a durable pull consumer.
pub struct NatsSource {
    shared: Rc<Shared>,
    settings: NatsSourceSettings,
    consumer: Option<(PullConsumer, Arc<str>)>,
    /// What was asked for last, while not all of it has come.
    pull: Option<pull::Batch>,
}

/// Acknowledges messages of a [`NatsSource`].
pub struct NatsAcknowledger(Rc<Shared>);

impl NatsSource {
    /// A source that connects at its first fetch.
    #[must_use]
    pub fn new(connection: Rc<NatsConnection>, settings: NatsSourceSettings) -> Self {
        let patience = Cell::new(Some(settings.ack_wait));
        Self { shared: Rc::new(Shared { connection, patience }), settings, consumer: None, pull: None }
    }

    /// What its deliveries are settled by.
    #[must_use]
    pub fn acknowledger(&self) -> NatsAcknowledger {
        NatsAcknowledger(Rc::clone(&self.shared))
    }

    /// The consumer: as it is when somebody else made it, else made or changed to what the settings say.
    async fn find_consumer(&mut self) -> Result<(), BrokerError> {
        if self.consumer.is_none() {
            let client = self.shared.connection.client().await?;
            let settings = &self.settings;
            let stream = jetstream::new(client.clone())
                .get_stream(&settings.stream)
                .await
                .map_err(|error| BrokerError::new(format!("stream {}: {error}", settings.stream)))?;
            let wanted = pull::Config {
                durable_name: Some(settings.consumer.clone()),
                description: Some(DESCRIPTION.to_owned()),
                ack_policy: AckPolicy::Explicit,
                ack_wait: settings.ack_wait,
                // The lane counts deliveries; a limit here would drop messages without a trace.
                max_deliver: -1,
                max_ack_pending: i64::try_from(settings.max_ack_pending).unwrap_or(i64::MAX),
                filter_subject: settings.filter_subject.clone(),
                ..pull::Config::default()
            };
            let found: Option<PullConsumer> = stream.get_consumer(&settings.consumer).await.ok();
            let consumer = match found {
                Some(found) if is_as_wanted(&found, &wanted) => found,
                _ => stream
                    .create_consumer(wanted)
                    .await
                    .map_err(|error| BrokerError::new(format!("consumer {}: {error}", settings.consumer)))?,
            };
            let info = consumer.cached_info();
            self.shared.patience.set(Some(info.config.ack_wait).filter(|wait| !wait.is_zero()));
            // A stream or consumer that was made anew begins with the same sequences again.
            let created = info.created.unix_timestamp_nanos();
            let origin = format!("{}:{}:{created}", settings.stream, settings.consumer);
            self.consumer = Some((consumer, origin.into()));
        }
        Ok(())
    }

    async fn fetch_some(&mut self, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.find_consumer().await?;
        let Some((consumer, origin)) = &self.consumer else { return Ok(Vec::new()) };
        let origin = Arc::clone(origin);
        let pull = match self.pull.as_mut() {
            Some(pull) => pull,
            None => {
                let pull = consumer.batch().max_messages(most).expires(PULL_EXPIRES).messages().await;
                self.pull.insert(pull.map_err(BrokerError::new)?)
            }
        };
        let mut deliveries = Vec::new();
        // Nothing is awaited once there is a message, so a fetch that is dropped loses none.
        let mut next = pull.next().await;
        loop {
            match next {
                Some(Ok(message)) => deliveries.push(delivery(message, &origin)?),
                Some(Err(error)) => {
                    self.pull = None;
                    // The consumer may be gone: look for it before the next pull.
                    self.consumer = None;
                    return if deliveries.is_empty() { Err(BrokerError::new(error)) } else { Ok(deliveries) };
                }
                None => {
                    self.pull = None;
                    return Ok(deliveries);
                }
            }
            if deliveries.len() >= most {
                return Ok(deliveries);
            }
            match pull.next().now_or_never() {
                Some(message) => next = message,
                None => return Ok(deliveries),
            }
        }
    }
}

/// Whether a consumer is to be used as it is.
fn is_as_wanted(found: &PullConsumer, wanted: &pull::Config) -> bool {
    let config = &found.cached_info().config;
    let ours = config.description.as_deref() == Some(DESCRIPTION);
    !ours || (config.ack_wait == wanted.ack_wait && config.max_ack_pending == wanted.max_ack_pending)
}

fn delivery(message: Message, origin: &Arc<str>) -> Result<Delivery, BrokerError> {
    let info = message.info().map_err(BrokerError::new)?;
    let (sequence, deliveries, lag) = (info.stream_sequence, info.delivered, info.pending);
    let message = message.message;
    let headers = message.headers.iter().flat_map(|headers| headers.iter());
    let headers = headers
        .flat_map(|(name, values)| values.iter().map(|value| (name.to_string(), value.as_str().to_owned())))
        .collect();
    Ok(Delivery {
        receipt: message.reply.as_ref().map(|reply| reply.as_str().into()).unwrap_or_default(),
        payload: message.payload,
        headers,
        subject: message.subject.to_string(),
        key: None,
        sequence: sequence.to_string(),
        origin: Some(Arc::clone(origin)),
        deliveries: u64::try_from(deliveries).unwrap_or(1),
        lag: Some(lag),
    })
}

impl Source for NatsSource {
    fn fetch(&mut self, most: usize) -> LocalBoxFuture<'_, Result<Fetched, BrokerError>> {
        Box::pin(async move { self.fetch_some(most).await.map(Fetched::Deliveries) })
    }

    fn close(&mut self) -> LocalBoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            let Ok(client) = self.shared.connection.connected() else { return Ok(()) };
            if let Some(mut pull) = self.pull.take() {
                while let Some(Some(Ok(message))) = pull.next().now_or_never() {
                    if let Some(reply) = &message.reply {
                        client.publish(reply.clone(), Bytes::from_static(b"-NAK")).await.map_err(BrokerError::new)?;
                    }
                }
            }
            // A message to ourselves comes back after the server has read what was sent before it. Bytes that were only
            // written to the socket may get lost when the process ends.
            let echo = async {
                let inbox = client.new_inbox();
                let mut answers = client.subscribe(inbox.clone()).await.map_err(BrokerError::new)?;
                client.publish(inbox, Bytes::new()).await.map_err(BrokerError::new)?;
                answers.next().await.map(drop).ok_or_else(|| BrokerError::new("the connection was closed"))
            };
            match timeout(FLUSH, echo).await {
                Ok(echoed) => echoed,
                Err(_) => Err(BrokerError::new("the last acknowledgements were not sent in time")),
            }
        })
    }
}

impl Acknowledger for NatsAcknowledger {
    fn settle<'a>(
        &'a self,
        settlements: &'a [(Rc<Delivery>, Settlement)],
    ) -> LocalBoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let client = self.0.connection.connected()?;
            for (delivery, settlement) in settlements {
                let subject = Subject::from(&*delivery.receipt);
                client.publish(subject, acknowledgement(*settlement)).await.map_err(BrokerError::new)?;
            }
            Ok(())
        })
    }

    fn patience(&self) -> Option<Duration> {
        self.0.patience.get()
    }
}

/// The payload that says so (JetStream wire API, "Acknowledging messages").
fn acknowledgement(settlement: Settlement) -> Bytes {
    match settlement {
        Settlement::Acknowledge => Bytes::from_static(b"+ACK"),
        Settlement::InProgress => Bytes::from_static(b"+WPI"),
        Settlement::Terminate => Bytes::from_static(b"+TERM"),
        Settlement::Retry { after } if after.is_zero() => Bytes::from_static(b"-NAK"),
        Settlement::Retry { after } => {
            let mut text = String::from("-NAK ");
            // Writing to a string does not fail.
            let _ = write!(text, "{{\"delay\": {}}}", after.as_nanos());
            Bytes::from(text)
        }
    }
}
