//! The durable consumer that a pipe takes its messages from.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, Subject,
    jetstream::{
        self,
        consumer::{AckPolicy, PullConsumer, pull},
    },
};

use super::intake::starts_subject;
use crate::source::BrokerError;

/// Marks consumers that expressway made and may change.
const DESCRIPTION: &str = "expressway pipe";

/// Which consumer, and what it is made like when it is not there.
#[derive(Clone, Debug)]
pub struct NatsSourceSettings {
    /// The stream; it must be there, unless it is one of starts.
    pub stream: String,
    /// The durable consumer.
    pub consumer: String,
    /// Whether it is a stream of starts, which is made when it is not there.
    pub is_intake: bool,
    /// Only messages of these subjects; empty for all.
    pub filter_subject: String,
    /// After how long without a sign a message is delivered to somebody else.
    pub ack_wait: Duration,
    /// Most messages that are delivered and not acknowledged, all nodes together: the pipe's window.
    pub max_ack_pending: usize,
}

/// A consumer that was found or made.
#[derive(Clone)]
pub(super) struct Consumer {
    /// Where it is asked for messages.
    pub(super) next: Subject,
    /// Names the stream, as it is now, and the consumer.
    pub(super) origin: Arc<str>,
    /// Its AckWait.
    pub(super) patience: Option<Duration>,
}

impl Consumer {
    /// The consumer: as it is when somebody else made it, else made or changed to what the settings say.
    pub(super) async fn find(client: &Client, settings: &NatsSourceSettings) -> Result<Self, BrokerError> {
        let NatsSourceSettings { stream: stream_name, consumer: name, .. } = settings;
        if settings.is_intake {
            starts_subject(client, stream_name).await?;
        }
        let stream = jetstream::new(client.clone())
            .get_stream(stream_name)
            .await
            .map_err(|error| BrokerError::new(format!("stream {stream_name}: {error}")))?;
        let wanted = pull::Config {
            durable_name: Some(name.clone()),
            description: Some(DESCRIPTION.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: settings.ack_wait,
            // The lane counts deliveries; a limit here would drop messages without a trace.
            max_deliver: -1,
            max_ack_pending: i64::try_from(settings.max_ack_pending).unwrap_or(i64::MAX),
            filter_subject: settings.filter_subject.clone(),
            ..pull::Config::default()
        };
        let found: Option<PullConsumer> = stream.get_consumer(name).await.ok();
        let consumer = match found {
            Some(found) if is_as_wanted(&found, &wanted) => found,
            _ => stream
                .create_consumer(wanted)
                .await
                .map_err(|error| BrokerError::new(format!("consumer {name}: {error}")))?,
        };
        let info = consumer.cached_info();
        // A stream that was made anew begins with the same sequences again. When a consumer was made is not always the same to
        // the nanosecond after the server was started again.
        let created = stream.cached_info().created.unix_timestamp_nanos();
        Ok(Self {
            next: format!("$JS.API.CONSUMER.MSG.NEXT.{stream_name}.{name}").into(),
            origin: format!("{stream_name}:{name}:{created}").into(),
            patience: Some(info.config.ack_wait).filter(|wait| !wait.is_zero()),
        })
    }
}

/// Whether a consumer is to be used as it is.
fn is_as_wanted(found: &PullConsumer, wanted: &pull::Config) -> bool {
    let config = &found.cached_info().config;
    let ours = config.description.as_deref() == Some(DESCRIPTION);
    let equal = config.ack_wait == wanted.ack_wait
        && config.max_ack_pending == wanted.max_ack_pending
        && config.filter_subject == wanted.filter_subject;
    !ours || equal
}
