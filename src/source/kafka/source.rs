//! Messages of a topic, as a member of a consumer group.
//!
//! Kafka has no acknowledgement of single messages: it is told up to where a partition is done. A [`Watermark`](super::Watermark)
//! for each partition knows that. Nothing is delivered again while its partition stays here: what is to be run again is kept,
//! and counts as not finished.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, sync::Arc, thread, time::Duration};

use tokio::time::{Instant, sleep_until, timeout};

use super::{KafkaClient, consumer::Consumer, partitions::Shared};
use crate::source::{Acknowledger, BrokerError, Delivery, Fetched, LocalBoxFuture, Receipt, Settlement, Source};

/// How long the last commit may take: other members that leave at the same time make the group refuse it for a while.
const LAST_COMMIT: Duration = Duration::from_secs(10);
/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(5);

/// Which group of which topic, as which member.
#[derive(Clone, Debug)]
pub struct KafkaSourceSettings {
    /// The topic; it must be there.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// Which of the node's members of the group this is, from 0.
    pub index: usize,
    /// After how long without a heartbeat the group gives its partitions to others.
    pub patience: Duration,
    /// Most messages that are delivered and not committed: after a crash, so many come again at most.
    pub window: usize,
}

/// Messages of the partitions that this member of the group has.
pub struct KafkaSource {
    shared: Arc<Shared>,
    again: Again,
    /// The thread's part, until it starts.
    consumer: Option<Consumer>,
    closed: bool,
}

/// What is to be delivered again, by when.
type Again = Rc<RefCell<BTreeSet<(Instant, Receipt)>>>;

/// Settles messages of a [`KafkaSource`].
pub struct KafkaAcknowledger {
    shared: Arc<Shared>,
    again: Again,
}

impl KafkaSource {
    /// A source that joins its group at its first fetch.
    #[must_use]
    pub fn new(client: &KafkaClient, settings: KafkaSourceSettings) -> Self {
        let shared = Arc::new(Shared::new(settings.window));
        let consumer = Consumer {
            config: client.consumer(&settings.group, settings.index, settings.patience),
            origin: format!("kafka:{}:{}", settings.topic, settings.group).into(),
            topic: settings.topic,
            shared: Arc::clone(&shared),
        };
        Self { shared, again: Again::default(), consumer: Some(consumer), closed: false }
    }

    /// What its deliveries are settled by.
    #[must_use]
    pub fn acknowledger(&self) -> KafkaAcknowledger {
        KafkaAcknowledger { shared: Arc::clone(&self.shared), again: Rc::clone(&self.again) }
    }

    fn start(&mut self) -> Result<(), BrokerError> {
        if let Some(consumer) = self.consumer.take() {
            let started = thread::Builder::new().name("kafka".into()).spawn(move || consumer.run());
            started.map_err(BrokerError::new)?;
        }
        Ok(())
    }

    async fn fetch_some(&mut self, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.start()?;
        loop {
            let due = self.take_due(most);
            let (deliveries, error) = self.shared.tell(|state| {
                let mut deliveries: Vec<_> = due.iter().filter_map(|receipt| state.again(receipt)).collect();
                let room = most - deliveries.len();
                let count = state.arrived.len().min(room);
                deliveries.extend(state.arrived.drain(..count));
                state.room = most - deliveries.len();
                let error = if deliveries.is_empty() { state.error.take() } else { None };
                (deliveries, error)
            });
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            if let Some(error) = error {
                return Err(BrokerError::new(error));
            }
            let next = self.again.borrow().first().map(|(due, _)| *due);
            let next_again = async {
                match next {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.shared.news.notified() => {}
                () = next_again => {}
            }
        }
    }

    fn take_due(&self, most: usize) -> Vec<Receipt> {
        let now = Instant::now();
        let again = &mut *self.again.borrow_mut();
        let mut due = Vec::new();
        while due.len() < most && again.first().is_some_and(|(due, _)| *due <= now) {
            due.extend(again.pop_first().map(|(_, receipt)| receipt));
        }
        due
    }

    /// Waits until the thread has done something that it was told to do.
    async fn until(&self, done: impl Fn(&super::partitions::State) -> bool, longest: Duration) -> bool {
        let waiting = async {
            while !done(&self.shared.lock()) {
                self.shared.news.notified().await;
            }
        };
        timeout(longest, waiting).await.is_ok()
    }

    /// The first time, stops taking messages and commits what is finished; the second time, commits the rest and leaves the
    /// group.
    async fn close_half(&mut self) -> Result<(), BrokerError> {
        if self.consumer.take().is_some() {
            // It never began.
            self.closed = true;
            return Ok(());
        }
        self.again.borrow_mut().clear();
        let wanted = self.shared.tell(|state| {
            state.close();
            state.commits_wanted += 1;
            state.commits_wanted
        });
        let committed = self.until(|state| state.commits_done >= wanted || state.ended, LAST_COMMIT).await;
        let left = if std::mem::replace(&mut self.closed, true) {
            self.shared.tell(|state| state.ending = true);
            self.until(|state| state.ended, LEAVE).await
        } else {
            true
        };
        match (committed, left) {
            (true, true) => Ok(()),
            (false, _) => Err(BrokerError::new("the last commit was not stored in time")),
            (_, false) => Err(BrokerError::new("the group was not left in time")),
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.shared.tell(|state| {
            state.close();
            state.ending = true;
        });
    }
}

impl Source for KafkaSource {
    fn fetch(&mut self, most: usize) -> LocalBoxFuture<'_, Result<Fetched, BrokerError>> {
        Box::pin(async move { self.fetch_some(most).await.map(Fetched::Deliveries) })
    }

    fn close(&mut self) -> LocalBoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.close_half())
    }
}

impl Acknowledger for KafkaAcknowledger {
    fn settle<'a>(
        &'a self,
        settlements: &'a [(Rc<Delivery>, Settlement)],
    ) -> LocalBoxFuture<'a, Result<(), BrokerError>> {
        let now = Instant::now();
        self.shared.tell(|state| {
            for (delivery, settlement) in settlements {
                let receipt = &delivery.receipt;
                match settlement {
                    Settlement::Acknowledge | Settlement::Terminate => state.finish(receipt),
                    Settlement::Retry { after } => {
                        if state.take_back(receipt) {
                            self.again.borrow_mut().insert((now + *after, receipt.clone()));
                            // A fetch that waits does not know of it yet.
                            self.shared.news.notify_one();
                        }
                    }
                    Settlement::InProgress => {}
                }
            }
        });
        Box::pin(std::future::ready(Ok(())))
    }

    /// Heartbeats are the client's, and need no executions.
    fn patience(&self) -> Option<Duration> {
        None
    }
}
