//! Messages of a queue.
//!
//! A message that was received is invisible to others for the source's patience, which is told to the queue with each
//! receive, whatever the queue's own timeout is; while its execution runs, the lane's signs extend it. Handing a message back
//! is making it visible, at once or after the wait before a retry.
//!
//! Receives wait for messages at the queue (long polling). How many wait side by side follows what they bring: it doubles
//! while they come back with several messages, and halves when one comes back with none.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use super::{
    SqsQueue, message,
    queue::{MOST_OF_A_BATCH, Refusal, visibility_seconds},
};
use crate::{
    Value,
    source::{Acknowledger, BrokerError, Delivery, Fetched, LocalBoxFuture, Receipt, Settlement, Source},
    value::ObjectBuilder,
};

/// How long a receive waits for messages: the longest that SQS lets it.
const WAIT: Duration = Duration::from_secs(20);
/// Most receives of a lane that are under way at once.
const MOST_RECEIVES: usize = 64;
/// A receive with so many messages shows that there are more.
const MANY: usize = MOST_OF_A_BATCH / 2;
/// How often the queue is asked how many messages it has left.
const ASK_LAG_EVERY: Duration = Duration::from_secs(5);

/// How a queue is received from.
#[derive(Clone)]
pub struct SqsSourceSettings {
    /// For how long a received message is invisible to others unless a sign extends it; whole seconds, rounded up.
    pub patience: Duration,
    /// Tells the operator about messages that the queue does not let go of.
    pub report: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Messages of a queue.
pub struct SqsSource {
    shared: Rc<Shared>,
    tasks: JoinSet<Done>,
    /// Messages that receives under way may bring.
    asked: usize,
    /// Receives under way.
    receives: usize,
    /// How many may be.
    most_receives: usize,
    /// Receives that have ended.
    received: u64,
    /// What has come and was not given out.
    arrived: VecDeque<Delivery>,
    next_lag: Instant,
}

/// Settles messages of an [`SqsSource`].
pub struct SqsAcknowledger(Rc<Shared>);

struct Shared {
    queue: SqsQueue,
    settings: SqsSourceSettings,
    visibility: u64,
    lag: Cell<Option<u64>>,
    /// What was last told about messages that the queue did not let go of.
    told: RefCell<String>,
}

/// What a task of the source came to.
enum Done {
    Received {
        asked: usize,
        deliveries: Result<Vec<Delivery>, BrokerError>,
    },
    /// The queue was asked for its lag.
    Asked,
}

impl SqsSource {
    /// A source that calls the queue at its first fetch. It must be used on a `LocalSet`.
    #[must_use]
    pub fn new(queue: SqsQueue, settings: SqsSourceSettings) -> Self {
        let visibility = visibility_seconds(settings.patience).max(1);
        let shared = Shared { queue, settings, visibility, lag: Cell::new(None), told: RefCell::default() };
        Self {
            shared: Rc::new(shared),
            tasks: JoinSet::new(),
            asked: 0,
            receives: 0,
            most_receives: 1,
            received: 0,
            arrived: VecDeque::new(),
            next_lag: Instant::now(),
        }
    }

    /// What its deliveries are settled by.
    #[must_use]
    pub fn acknowledger(&self) -> SqsAcknowledger {
        SqsAcknowledger(Rc::clone(&self.shared))
    }

    async fn fetch_some(&mut self, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.note_all()?;
        self.ask_lag();
        self.receive(most);
        let received = self.received;
        while self.arrived.is_empty() && self.received == received {
            // Nothing is lost when this is dropped while it waits: a task that has ended stays where it is.
            let Some(done) = self.tasks.join_next().await else { break };
            self.note(done)?;
        }
        self.note_all()?;
        let count = self.arrived.len().min(most);
        Ok(self.arrived.drain(..count).collect())
    }

    /// Begins receives for as many messages as there is room for, and not asked for yet.
    fn receive(&mut self, most: usize) {
        while self.receives < self.most_receives && self.arrived.len() + self.asked < most {
            let asked = MOST_OF_A_BATCH.min(most - self.arrived.len() - self.asked);
            let shared = Rc::clone(&self.shared);
            self.tasks.spawn_local(async move { Done::Received { asked, deliveries: shared.receive(asked).await } });
            self.asked += asked;
            self.receives += 1;
        }
    }

    fn ask_lag(&mut self) {
        let now = Instant::now();
        if self.next_lag <= now {
            self.next_lag = now + ASK_LAG_EVERY;
            let shared = Rc::clone(&self.shared);
            self.tasks.spawn_local(async move {
                shared.ask_lag().await;
                Done::Asked
            });
        }
    }

    /// Notes what has ended by now.
    fn note_all(&mut self) -> Result<(), BrokerError> {
        while let Some(done) = self.tasks.try_join_next() {
            self.note(done)?;
        }
        Ok(())
    }

    fn note(&mut self, done: Result<Done, tokio::task::JoinError>) -> Result<(), BrokerError> {
        let Done::Received { asked, deliveries } = done.map_err(BrokerError::new)? else { return Ok(()) };
        self.asked -= asked;
        self.receives -= 1;
        self.received += 1;
        let deliveries = deliveries.inspect_err(|_| self.most_receives = 1)?;
        self.most_receives = match deliveries.len() {
            0 => (self.most_receives / 2).max(1),
            count if count >= MANY.min(asked) => (self.most_receives * 2).min(MOST_RECEIVES),
            _ => self.most_receives,
        };
        self.arrived.extend(deliveries);
        Ok(())
    }
}

impl Shared {
    async fn receive(&self, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        let names = |names: &[&str]| Value::array(names.iter().copied());
        let parameters = [
            ("MaxNumberOfMessages", most.into()),
            ("WaitTimeSeconds", WAIT.as_secs().into()),
            ("VisibilityTimeout", self.visibility.into()),
            ("MessageSystemAttributeNames", names(&["ApproximateReceiveCount", "MessageGroupId"])),
            ("MessageAttributeNames", names(&["All"])),
        ];
        let answer = self.queue.call("receiveMessage", parameters, WAIT).await?;
        let origin = self.queue.url().await?.into();
        Ok(message::deliveries(&answer, &self.queue.address().name, &origin, self.lag.get()))
    }

    /// How many messages are visible, as far as the queue knows.
    async fn ask_lag(&self) {
        let names = Value::array(["ApproximateNumberOfMessages"]);
        // Whoever may receive need not be allowed to ask this.
        if let Ok(answer) = self.queue.call("getQueueAttributes", [("AttributeNames", names)], Duration::ZERO).await {
            let attributes = answer.get("Attributes");
            let count = attributes.and_then(|attributes| attributes.get("ApproximateNumberOfMessages")?.as_str());
            self.lag.set(count.and_then(|count| count.parse().ok()));
        }
    }

    /// Deletes messages.
    async fn delete(&self, receipts: &[&Receipt]) -> Result<(), BrokerError> {
        let entries = receipts.iter().map(|receipt| entry(receipt, None)).collect();
        self.check("deleted", self.queue.batches("deleteMessageBatch", entries).await)
    }

    /// Makes messages visible after so many seconds.
    async fn change(&self, receipts: &[(&Receipt, u64)]) -> Result<(), BrokerError> {
        let entries = receipts.iter().map(|(receipt, seconds)| entry(receipt, Some(*seconds))).collect();
        self.check("changed in their visibility", self.queue.batches("changeMessageVisibilityBatch", entries).await)
    }

    /// Messages of which the queue says that it will not do so are over for us: it delivers them again, or has deleted them.
    fn check(&self, what: &str, results: Vec<Result<(), Refusal>>) -> Result<(), BrokerError> {
        let refusals: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        let (gone, failed): (Vec<_>, Vec<_>) = refusals.into_iter().partition(|refusal| refusal.is_final);
        if let Some(first) = gone.first()
            && first.reason != *self.told.borrow()
        {
            (self.settings.report)(&format!("{} messages could not be {what}: {}", gone.len(), first.reason));
            self.told.replace(first.reason.clone());
        }
        match failed.first() {
            Some(first) => Err(BrokerError::new(format!("{} messages not {what}: {}", failed.len(), first.reason))),
            None => Ok(()),
        }
    }
}

fn entry(receipt: &str, seconds: Option<u64>) -> ObjectBuilder {
    let mut entry = ObjectBuilder::with_capacity(3);
    entry.push("ReceiptHandle".into(), receipt.into());
    if let Some(seconds) = seconds {
        entry.push("VisibilityTimeout".into(), seconds.into());
    }
    entry
}

impl Source for SqsSource {
    fn fetch(&mut self, most: usize) -> LocalBoxFuture<'_, Result<Fetched, BrokerError>> {
        Box::pin(async move { self.fetch_some(most).await.map(Fetched::Deliveries) })
    }

    /// Makes visible what has arrived and was not given out. What a receive that is still under way would bring becomes visible
    /// after the patience.
    fn close(&mut self) -> LocalBoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            while let Some(done) = self.tasks.try_join_next() {
                // An error of a receive is of no interest any more.
                let _ = self.note(done);
            }
            self.tasks.abort_all();
            let rest = std::mem::take(&mut self.arrived);
            let rest: Vec<_> = rest.iter().map(|delivery| (&delivery.receipt, 0)).collect();
            if rest.is_empty() { Ok(()) } else { self.shared.change(&rest).await }
        })
    }
}

impl Acknowledger for SqsAcknowledger {
    fn settle<'a>(
        &'a self,
        settlements: &'a [(Rc<Delivery>, Settlement)],
    ) -> LocalBoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let (mut done, mut changed) = (Vec::new(), Vec::new());
            for (delivery, settlement) in settlements {
                let receipt = &delivery.receipt;
                match settlement {
                    Settlement::Acknowledge | Settlement::Terminate => done.push(receipt),
                    Settlement::InProgress => changed.push((receipt, self.0.visibility)),
                    Settlement::Retry { after } => changed.push((receipt, visibility_seconds(*after))),
                }
            }
            let deleted = if done.is_empty() { Ok(()) } else { self.0.delete(&done).await };
            let changed = if changed.is_empty() { Ok(()) } else { self.0.change(&changed).await };
            deleted.and(changed)
        })
    }

    fn patience(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.0.visibility))
    }
}
