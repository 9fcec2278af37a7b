//! A durable pull consumer of a JetStream stream.
//!
//! A pull asks for as many messages as the lane has room for and no more: what waits in a client would be delivered again
//! once its AckWait is over, as nobody says that it is in progress. The pulls are made here and not by the client library,
//! which loses what is on its way when a pull is dropped: a source that is closed waits for what it asked for, and hands it
//! back.

use std::{rc::Rc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Headers, Message, NatsAcknowledger, NatsConnection, NatsSourceSettings,
    acknowledger::{Ear, say},
    client::{Client, Subscription, new_inbox},
    connection::Losses,
    consumer::Consumer,
    message::{Status, delivery},
    pulls::{PULL_EXPIRES, Pulls},
};
use crate::source::{BrokerError, Delivery, Fetched, LocalBoxFuture, Settlement, Source};

/// Deliveries of one fetch that there is room for at first.
const FIRST_DELIVERIES: usize = 256;
/// How long the last acknowledgements may take to leave.
const FLUSH: Duration = Duration::from_secs(2);

/// What a source has while it is connected.
struct Open {
    consumer: Consumer,
    /// Where messages come to. Pulls are told apart by what stands behind its subject.
    inbox: Subscription,
    prefix: String,
    pulls: Pulls,
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
        let (client, mut losses) = self.ear.connection().client().await?;
        let consumer = Consumer::find(client, &mut losses, &self.settings).await?;
        self.ear.patience.set(consumer.patience);
        if self.lost {
            self.ear.say_again(client);
        }
        let prefix = new_inbox();
        let inbox = client.subscribe(format!("{prefix}.*"), self.ear.connection().capacity());
        self.open = Some(Open { consumer, inbox, prefix, pulls: Pulls::default(), losses, silent: false });
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
        self.pull(client, most)?;
        let Some(first) = self.next().await? else { return Ok(Vec::new()) };
        let mut deliveries = Vec::with_capacity(most.min(self.pulls.asked()).min(FIRST_DELIVERIES));
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
            next = self.inbox.try_next();
        }
        Ok(deliveries)
    }

    /// Asks for what there is room for and was not asked for yet.
    fn pull(&mut self, client: &Client, most: usize) -> Result<(), BrokerError> {
        let Some((number, count)) = self.pulls.begin(most) else { return Ok(()) };
        let body = format!("{{\"batch\":{count},\"expires\":{}}}", PULL_EXPIRES.as_nanos());
        let inbox = format!("{}.{number}", self.prefix);
        client.publish(&self.consumer.next, &inbox, &Headers::default(), body.as_bytes()).map_err(BrokerError::new)
    }

    /// The next of the inbox; none when a pull has ended without a word, as all that it asked for has come.
    async fn next(&mut self) -> Result<Option<Message>, BrokerError> {
        let deadline = self.pulls.deadline().unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            message = self.inbox.next() => Ok(Some(message)),
            () = self.losses.next() => Err(BrokerError::new("NATS is gone")),
            () = sleep_until(deadline) => {
                if self.pulls.expire() {
                    return Ok(None);
                }
                self.silent = true;
                self.pulls.clear();
                Err(BrokerError::new("JetStream does not answer"))
            }
        }
    }

    /// Counts what came.
    fn look_at(&mut self, message: Message) -> Came {
        let Some(Status { code, description, left }) = message.status() else {
            self.pulls.served();
            return Came::Message(message);
        };
        if code == Status::IDLE_HEARTBEAT {
            return Came::End;
        }
        let number = message.subject.rsplit('.').next().and_then(|number| number.parse::<u64>().ok());
        self.pulls.ended(number, left);
        if matches!(code, Status::NOT_FOUND | Status::TIMEOUT) {
            return Came::End;
        }
        Came::Wrong(BrokerError::new(format!("the consumer answers {code} {description}")))
    }

    /// Hands back what comes until all that was asked for has come or is given up.
    async fn hand_back(&mut self, client: &Client) -> Result<(), BrokerError> {
        while !self.pulls.is_empty() {
            let Some(message) = self.next().await? else { continue };
            if let Came::Message(Message { reply: Some(reply), .. }) = self.look_at(message) {
                say(client, &reply, Settlement::Retry { after: Duration::ZERO });
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
    let inbox = new_inbox();
    let mut answers = client.subscribe(inbox.clone(), 1);
    client.publish(&inbox, "", &Headers::default(), &[]).map_err(BrokerError::new)?;
    answers.next().await;
    Ok(())
}
