//! A durable pull consumer of a JetStream stream.
//!
//! A pull asks for as many messages as the lane has room for and no more: what waits in a client would be delivered again
//! once its AckWait is over, as nobody says that it is in progress. The pulls are made here and not by the client library,
//! which loses what is on its way when a pull is dropped: a source that is closed waits for what it asked for, and hands it
//! back.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use async_nats::{Client, Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::{
    task::unconstrained,
    time::{Instant, sleep_until, timeout},
};

use super::{
    NatsAcknowledger, NatsConnection, NatsSourceSettings,
    acknowledger::{Ear, acknowledgement},
    connection::Losses,
    consumer::Consumer,
    message::delivery,
};
use crate::source::{BrokerError, Delivery, Fetched, LocalBoxFuture, Settlement, Source};

/// How long the server keeps a pull that finds nothing. Short, since a source that is closed waits for it.
const PULL_EXPIRES: Duration = Duration::from_secs(1);
/// How much later than that its end must have come.
const PULL_DEADLINE: Duration = Duration::from_secs(2);
/// Pulls that the server has at once.
const MOST_PULLS: usize = 4;
/// Deliveries of one fetch that there is room for at first.
const FIRST_DELIVERIES: usize = 256;
/// How long the last acknowledgements may take to leave.
const FLUSH: Duration = Duration::from_secs(2);

/// A pull that has not ended.
struct Pull {
    number: u64,
    /// Messages that have not come.
    left: usize,
    deadline: Instant,
}

/// What a source has while it is connected.
struct Open {
    consumer: Consumer,
    /// Where messages come to. Pulls are told apart by what stands behind its subject.
    inbox: Subscriber,
    prefix: String,
    /// The oldest first, which is the order that the server serves them in.
    pulls: VecDeque<Pull>,
    last: u64,
    losses: Losses,
    /// Whether the server said nothing for too long, on a connection that is up. What it says later comes to the same inbox.
    silent: bool,
}

/// Messages of a durable pull consumer.
pub struct NatsSource {
    ear: Rc<Ear>,
    settings: NatsSourceSettings,
    open: Option<Open>,
    /// Whether it was connected before.
    lost: bool,
}

/// What came to the inbox.
enum Came {
    Message(Message),
    /// A pull has ended.
    End,
    /// The consumer is gone, or something else is wrong.
    Wrong(BrokerError),
}

impl NatsSource {
    /// A source that connects at its first fetch.
    #[must_use]
    pub fn new(connection: Rc<NatsConnection>, settings: NatsSourceSettings) -> Self {
        Self { ear: Rc::new(Ear::new(connection, settings.ack_wait)), settings, open: None, lost: false }
    }

    /// What its deliveries are settled by.
    #[must_use]
    pub fn acknowledger(&self) -> NatsAcknowledger {
        NatsAcknowledger(Rc::clone(&self.ear))
    }

    async fn open(&mut self) -> Result<(), BrokerError> {
        if self.open.is_some() {
            return Ok(());
        }
        let (client, losses) = self.ear.connection().client().await?;
        let consumer = Consumer::find(client, &self.settings).await?;
        self.ear.patience.set(consumer.patience);
        if self.lost {
            self.ear.say_again(client).await?;
        }
        let prefix = client.new_inbox();
        let inbox = client.subscribe(format!("{prefix}.*")).await.map_err(BrokerError::new)?;
        self.open = Some(Open { consumer, inbox, prefix, pulls: VecDeque::new(), last: 0, losses, silent: false });
        self.lost = false;
        Ok(())
    }

    async fn fetch_some(&mut self, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.open().await?;
        let (client, _) = self.ear.connection().client().await?;
        let Some(open) = &mut self.open else { return Ok(Vec::new()) };
        let fetched = open.fetch(client, most).await;
        if fetched.is_err() && !std::mem::take(&mut open.silent) {
            // Whatever is wrong, the consumer is looked for again.
            self.open = None;
            self.lost = true;
        }
        fetched
    }
}

impl Open {
    async fn fetch(&mut self, client: &Client, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.pull(client, most).await?;
        let first = self.next().await?;
        let mut deliveries = Vec::with_capacity(most.min(self.asked()).min(FIRST_DELIVERIES));
        let mut next = Some(first);
        // Nothing is awaited from here on, so that a fetch that is dropped loses no message.
        while let Some(message) = next {
            match self.look_at(message) {
                Came::Message(message) => match delivery(message, &self.consumer.origin) {
                    Ok(delivery) => deliveries.push(delivery),
                    Err(error) if deliveries.is_empty() => return Err(error),
                    Err(_) => {}
                },
                Came::End => {}
                // It comes up again at the next fetch, when what is here has been given out.
                Came::Wrong(_) if !deliveries.is_empty() => self.pulls.clear(),
                Came::Wrong(error) => return Err(error),
            }
            if deliveries.len() >= most {
                break;
            }
            next = unconstrained(self.inbox.next()).now_or_never().flatten();
        }
        Ok(deliveries)
    }

    /// Asks for what there is room for and was not asked for yet.
    async fn pull(&mut self, client: &Client, most: usize) -> Result<(), BrokerError> {
        let asked = self.asked();
        let room = most.saturating_sub(asked);
        // Not one by one: pulls cost the server more than messages.
        if self.pulls.len() >= MOST_PULLS || room == 0 || (asked > 0 && room < asked) {
            return Ok(());
        }
        self.last += 1;
        let body = format!("{{\"batch\":{room},\"expires\":{}}}", PULL_EXPIRES.as_nanos());
        let inbox = Subject::from(format!("{}.{}", self.prefix, self.last));
        client.publish_with_reply(self.consumer.next.clone(), inbox, body.into()).await.map_err(BrokerError::new)?;
        let deadline = Instant::now() + PULL_EXPIRES + PULL_DEADLINE;
        self.pulls.push_back(Pull { number: self.last, left: room, deadline });
        Ok(())
    }

    /// Messages that were asked for and have not come.
    fn asked(&self) -> usize {
        self.pulls.iter().map(|pull| pull.left).sum()
    }

    /// The next of the inbox.
    async fn next(&mut self) -> Result<Message, BrokerError> {
        let deadline = self.pulls.front().map_or_else(Instant::now, |pull| pull.deadline);
        tokio::select! {
            biased;
            message = self.inbox.next() => message.ok_or_else(|| BrokerError::new("the connection was closed")),
            () = self.losses.next() => Err(BrokerError::new("NATS is gone")),
            () = sleep_until(deadline) => {
                self.silent = true;
                self.pulls.clear();
                Err(BrokerError::new("JetStream does not answer"))
            }
        }
    }

    /// Counts what came.
    fn look_at(&mut self, message: Message) -> Came {
        let Some(status) = message.status else {
            if let Some(first) = self.pulls.front_mut() {
                first.left = first.left.saturating_sub(1);
                if first.left == 0 {
                    self.pulls.pop_front();
                }
            }
            return Came::Message(message);
        };
        if status == StatusCode::IDLE_HEARTBEAT {
            return Came::End;
        }
        let number = message.subject.rsplit('.').next().and_then(|number| number.parse::<u64>().ok());
        self.pulls.retain(|pull| Some(pull.number) != number);
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::TIMEOUT) {
            return Came::End;
        }
        let description = message.description.unwrap_or_default();
        Came::Wrong(BrokerError::new(format!("the consumer answers {status} {description}")))
    }

    /// Hands back what comes until all that was asked for has come or is given up.
    async fn hand_back(&mut self, client: &Client) -> Result<(), BrokerError> {
        let again = acknowledgement(Settlement::Retry { after: Duration::ZERO });
        while !self.pulls.is_empty() {
            let message = self.next().await?;
            if let Came::Message(Message { reply: Some(reply), .. }) = self.look_at(message) {
                client.publish(reply, again.clone()).await.map_err(BrokerError::new)?;
            }
        }
        Ok(())
    }
}

impl Source for NatsSource {
    fn fetch(&mut self, most: usize) -> LocalBoxFuture<'_, Result<Fetched, BrokerError>> {
        Box::pin(async move { self.fetch_some(most).await.map(Fetched::Deliveries) })
    }

    fn close(&mut self) -> LocalBoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            if !self.ear.connection().is_used() {
                return Ok(());
            }
            let closing = async {
                let (client, _) = self.ear.connection().client().await?;
                if let Some(mut open) = self.open.take()
                    && !open.losses.any()
                {
                    open.hand_back(client).await?;
                }
                echo(client).await
            };
            match timeout(PULL_EXPIRES + FLUSH, closing).await {
                Ok(closed) => closed,
                Err(_) => Err(BrokerError::new("the last acknowledgements were not sent in time")),
            }
        })
    }
}

/// Returns after the server has read all that was sent before. Bytes that were only written to the socket may get lost when
/// the process ends.
async fn echo(client: &Client) -> Result<(), BrokerError> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(BrokerError::new)?;
    client.publish(inbox, Bytes::new()).await.map_err(BrokerError::new)?;
    answers.next().await.map(drop).ok_or_else(|| BrokerError::new("the connection was closed"))
}
