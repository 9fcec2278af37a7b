//! The durable consumer that a pipe takes its messages from.

use std::{sync::Arc, time::Duration};

use super::{
    client::Client,
    connection::Losses,
    intake::starts_subject,
    stream::{Refused, ask, object},
};
use crate::{
    Value,
    source::BrokerError,
    value::{ObjectBuilder, ValueRef},
};

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
    pub(super) next: String,
    /// Names the stream, as it is now, and the consumer.
    pub(super) origin: Arc<str>,
    /// Its AckWait.
    pub(super) patience: Option<Duration>,
}

impl Consumer {
    /// The consumer: as it is when somebody else made it, else made or changed to what the settings say.
    pub(super) async fn find(
        client: &Client,
        losses: &mut Losses,
        settings: &NatsSourceSettings,
    ) -> Result<Self, BrokerError> {
        let NatsSourceSettings { stream, consumer: name, .. } = settings;
        if settings.is_intake {
            starts_subject(client, losses, stream).await?;
        }
        let info = ask(client, losses, &format!("STREAM.INFO.{stream}"), object([])).await;
        let info = info.map_err(|error| BrokerError::new(format!("stream {stream}: {}", BrokerError::from(error))))?;
        let failed = |refused: Refused| BrokerError::new(format!("consumer {name}: {}", BrokerError::from(refused)));
        let consumer = match ask(client, losses, &format!("CONSUMER.INFO.{stream}.{name}"), object([])).await {
            Ok(found) if is_as_wanted(&found, settings) => found,
            Ok(_) | Err(Refused::NotFound(_)) => {
                let body = object([("stream_name", stream.as_str().into()), ("config", wanted(settings).finish())]);
                let what = format!("CONSUMER.DURABLE.CREATE.{stream}.{name}");
                ask(client, losses, &what, body).await.map_err(failed)?
            }
            Err(refused) => return Err(failed(refused)),
        };
        if consumer.get("config").is_some_and(|config| config.get("deliver_subject").is_some()) {
            return Err(BrokerError::new(format!("consumer {name}: it is no pull consumer")));
        }
        // A stream that was made anew begins with the same sequences again. When a consumer was made is not always the same to
        // the nanosecond after the server was started again.
        let created = info.get("created").and_then(ValueRef::as_str).unwrap_or_default();
        let wait = number(&consumer, "ack_wait").and_then(|wait| u64::try_from(wait).ok()).unwrap_or_default();
        Ok(Self {
            next: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"),
            origin: format!("{stream}:{name}:{created}").into(),
            patience: Some(Duration::from_nanos(wait)).filter(|wait| !wait.is_zero()),
        })
    }
}

/// What a consumer is made like.
fn wanted(settings: &NatsSourceSettings) -> ObjectBuilder {
    let mut config = object([
        ("durable_name", settings.consumer.as_str().into()),
        ("description", DESCRIPTION.into()),
        ("deliver_policy", "all".into()),
        ("replay_policy", "instant".into()),
        ("ack_policy", "explicit".into()),
        ("ack_wait", nanoseconds(settings.ack_wait).into()),
        // The lane counts deliveries; a limit here would drop messages without a trace.
        ("max_deliver", (-1_i64).into()),
        ("max_ack_pending", most_pending(settings).into()),
    ]);
    if !settings.filter_subject.is_empty() {
        config.push("filter_subject".into(), settings.filter_subject.as_str().into());
    }
    config
}

fn nanoseconds(wait: Duration) -> i64 {
    i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)
}

fn most_pending(settings: &NatsSourceSettings) -> i64 {
    i64::try_from(settings.max_ack_pending).unwrap_or(i64::MAX)
}

/// Whether a consumer is to be used as it is.
fn is_as_wanted(found: &Value, settings: &NatsSourceSettings) -> bool {
    let text = |name| found.get("config").and_then(|config| config.get(name)?.as_str()).unwrap_or_default();
    let ours = text("description") == DESCRIPTION;
    let equal = number(found, "ack_wait") == Some(nanoseconds(settings.ack_wait))
        && number(found, "max_ack_pending") == Some(most_pending(settings))
        && text("filter_subject") == settings.filter_subject;
    !ours || equal
}

/// A number of a consumer's configuration.
fn number(found: &Value, name: &str) -> Option<i64> {
    found.get("config")?.get(name)?.as_number()?.as_i64()
}
