//! The thread of a consumer: it takes messages, commits what is finished and leaves partitions in good order.
//!
//! librdkafka wants to be asked for messages all the time, also while there is no room for any: otherwise the group takes the
//! consumer for dead, and nobody hears that partitions go. A thread of its own can wait for it without holding up a shard.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
    topic_partition_list::TopicPartitionListElem,
};
use tokio::time::Instant;

use super::{
    Ahead,
    partitions::{Commit, Shared},
};
use crate::source::{Delivery, Receipt};

/// How long the client is asked for a message.
const POLL: Duration = Duration::from_millis(100);
/// How long nothing is asked for when there is no room, before partitions are paused: what the client has fetched ahead is
/// thrown away by a pause.
const PAUSE_AFTER: Duration = Duration::from_millis(200);
/// Most messages that are taken before the lane is told.
const MOST_TOGETHER: usize = 1024;
/// How often is committed.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// How often is committed while a partition waits for it.
const COMMIT_AT_MOST_EVERY: Duration = Duration::from_millis(5);
/// How long it takes until a commit that failed is tried again.
const COMMIT_AGAIN: Duration = Duration::from_millis(500);
/// Failed commits in a row that the operator is told of: some fail while partitions change owners.
const FAILED_COMMITS: u32 = 5;
/// How long partitions that go wait for their executions to end.
const REVOKE: Duration = Duration::from_secs(3);
/// How long the broker may take to say what is committed of partitions that come.
const COMMITTED: Duration = Duration::from_secs(5);
/// How long it takes until a client that failed for good is made anew.
const RESTART: Duration = Duration::from_secs(2);

/// What a consumer consumes.
pub(super) struct Consumer {
    pub(super) config: ClientConfig,
    pub(super) topic: String,
    /// Topic and group, by which its results are known.
    pub(super) origin: Arc<str>,
    pub(super) shared: Arc<Shared>,
}

/// What librdkafka calls back, in the consumer's thread.
struct Context {
    topic: String,
    shared: Arc<Shared>,
    /// Messages that the partitions had left, when that was last counted; negative before.
    lag: AtomicI64,
}

type Client = BaseConsumer<Context>;

/// When is committed.
struct Committing {
    next: Instant,
    failed: u32,
}

impl Consumer {
    /// Consumes until the lane ends it.
    pub(super) fn run(&self) {
        loop {
            match self.client() {
                // Dropping the client leaves the group.
                Ok(client) => self.serve(&client),
                Err(error) => self.shared.fail(error.to_string()),
            }
            // Whatever is left belongs to a client that is gone.
            let mut state = self.shared.lock();
            state.partitions.clear();
            if state.ending {
                state.ended = true;
                break;
            }
            drop(state);
            self.shared.wait(RESTART);
        }
        self.shared.news.notify_one();
    }

    fn client(&self) -> KafkaResult<Client> {
        let context = Context { topic: self.topic.clone(), shared: Arc::clone(&self.shared), lag: AtomicI64::new(-1) };
        let client: Client = self.config.create_with_context(context)?;
        client.subscribe(&[&self.topic])?;
        Ok(client)
    }

    /// Serves until the lane ends it or the client fails for good.
    fn serve(&self, client: &Client) {
        let mut committing = Committing { next: Instant::now(), failed: 0 };
        let mut no_room_since: Option<Instant> = None;
        loop {
            self.commit_when_due(client, &mut committing);
            let (room, held_up, ending) = {
                let state = self.shared.lock();
                let room = if state.closing { 0 } else { state.room.saturating_sub(state.arrived.len()) };
                (room, state.is_held_up(), state.ending)
            };
            if ending {
                return;
            }
            if room > 0 {
                no_room_since = None;
            }
            let since = *no_room_since.get_or_insert_with(Instant::now);
            let no_room = room == 0 && since.elapsed() >= PAUSE_AFTER;
            self.pause(client, no_room);
            let goes_on = if no_room {
                self.take(client, 1)
            } else if room == 0 || held_up {
                self.shared.wait(COMMIT_AT_MOST_EVERY);
                true
            } else {
                no_room_since = None;
                self.take(client, room.min(MOST_TOGETHER))
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Takes what messages there are, as long as they can be delivered. `false` when the client has failed for good.
    fn take(&self, client: &Client, most: usize) -> bool {
        let mut patience = POLL;
        let mut goes_on = true;
        for _ in 0..most {
            match client.poll(patience) {
                None => break,
                Some(Ok(message)) => {
                    let mut state = self.shared.lock();
                    let lag = u64::try_from(client.context().lag.load(Ordering::Relaxed)).ok();
                    state.deliver(message.partition(), message.offset(), |receipt| {
                        self.delivery(&message, receipt, lag)
                    });
                    if state.is_held_up() {
                        break;
                    }
                }
                // One broker of several: the client connects again by itself, and tells when all are gone.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve,
                ))) => {}
                Some(Err(error)) => {
                    goes_on = !matches!(error, KafkaError::MessageConsumptionFatal(_));
                    self.shared.fail(error.to_string());
                    break;
                }
            }
            patience = Duration::ZERO;
        }
        if !self.shared.lock().arrived.is_empty() {
            self.shared.news.notify_one();
        }
        goes_on
    }

    fn delivery(&self, message: &BorrowedMessage<'_>, receipt: Receipt, lag: Option<u64>) -> Delivery {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Delivery {
            receipt,
            // A message without a value is a value too: it says that its key is gone.
            payload: message.payload().map_or(Bytes::from_static(b"null"), Bytes::copy_from_slice),
            headers: headers
                .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
                .collect(),
            subject: self.topic.as_str().into(),
            key: message.key().map(text),
            sequence: format!("{}-{}", message.partition(), message.offset()),
            origin: Some(Arc::clone(&self.origin)),
            deliveries: 1,
            lag,
        }
    }

    /// Pauses and resumes partitions: all while there is no room, one that is full when it has held up the others for a while.
    fn pause(&self, client: &Client, no_room: bool) {
        let (mut paused, mut resumed) = (TopicPartitionList::new(), TopicPartitionList::new());
        {
            let state = &mut *self.shared.lock();
            let closing = state.closing;
            for (number, partition) in &mut state.partitions {
                let stuck = partition.has_waited(if partition.paused { Duration::ZERO } else { PAUSE_AFTER });
                let wanted = no_room || closing || stuck;
                if wanted != partition.paused {
                    partition.paused = wanted;
                    if wanted { &mut paused } else { &mut resumed }.add_partition(&self.topic, *number);
                }
            }
        }
        // They fail for partitions that have just gone, which is as good.
        if paused.count() > 0 {
            let _ = client.pause(&paused);
        }
        if resumed.count() > 0 {
            let _ = client.resume(&resumed);
        }
    }

    fn commit_when_due(&self, client: &Client, committing: &mut Committing) {
        let now = Instant::now();
        let (commits, wanted) = {
            let state = self.shared.lock();
            let wanted = (state.commits_wanted > state.commits_done).then_some(state.commits_wanted);
            let blocked = state.partitions.values().any(|partition| partition.watermark.is_full());
            let urgent = blocked && committing.failed == 0;
            let soon = if urgent { COMMIT_EVERY - COMMIT_AT_MOST_EVERY } else { Duration::ZERO };
            if wanted.is_none() && (now + soon < committing.next || !state.has_commits()) {
                return;
            }
            (state.commits(None, wanted.is_some()), wanted)
        };
        match client.context().commit(client, &commits) {
            Ok(()) => *committing = Committing { next: now + COMMIT_EVERY, failed: 0 },
            Err(error) => {
                committing.failed += 1;
                committing.next = now + COMMIT_AGAIN;
                if committing.failed == FAILED_COMMITS {
                    self.shared.fail(error.to_string());
                }
                // While other members come or go, commits are refused: it is tried again once that is over, which it will be
                // only by polling.
                return;
            }
        }
        if let Some(wanted) = wanted {
            self.shared.lock().commits_done = wanted;
            self.shared.news.notify_one();
        }
    }
}

impl Context {
    /// Commits, and waits for the broker to have stored it.
    fn commit(&self, client: &Client, commits: &[Commit]) -> KafkaResult<()> {
        if commits.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for commit in commits {
            let mut element = list.add_partition(&self.topic, commit.partition);
            element.set_offset(Offset::Offset(commit.next))?;
            let metadata = commit.ahead.to_metadata();
            if !metadata.is_empty() {
                element.set_metadata(metadata);
            }
        }
        client.commit(&list, CommitMode::Sync)?;
        self.shared.lock().committed(commits);
        Ok(())
    }

    /// What was finished of partitions beyond their commits, as their last owner has told. Without an answer it is done again.
    fn ahead(&self, client: &Client, numbers: &[i32]) -> Vec<(i32, Ahead)> {
        let mut list = TopicPartitionList::with_capacity(numbers.len());
        for number in numbers {
            list.add_partition(&self.topic, *number);
        }
        let Ok(committed) = client.committed_offsets(list, COMMITTED) else {
            return numbers.iter().map(|number| (*number, Ahead::default())).collect();
        };
        let elements = committed.elements_for_topic(&self.topic).into_iter();
        let ahead = elements.map(|element| {
            let commit = element.offset().to_raw().unwrap_or_default();
            // The client panics at metadata of others that is no text.
            let metadata = catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned())).unwrap_or_default();
            (element.partition(), Ahead::of_metadata(&metadata, commit))
        });
        ahead.collect()
    }

    fn numbers(&self, partitions: &TopicPartitionList) -> Vec<i32> {
        partitions.elements_for_topic(&self.topic).iter().map(TopicPartitionListElem::partition).collect()
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.get(&self.topic).into_iter().flat_map(|topic| topic.partitions.values());
        // -1 is for partitions that others have.
        self.lag.store(partitions.map(|partition| partition.consumer_lag.max(0)).sum(), Ordering::Relaxed);
    }

    fn error(&self, _: KafkaError, _: &str) {
        // The same errors are given to whoever polls.
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, client: &Client, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                let numbers = self.numbers(partitions);
                self.shared.assign(self.ahead(client, &numbers));
            }
            Rebalance::Revoke(partitions) => {
                let numbers = self.numbers(partitions);
                self.shared.begin_revoking(&numbers);
                // What runs may end, so that it does not run again elsewhere; unless others have the partitions already.
                if !client.assignment_lost() {
                    self.shared.wait_until_settled(&numbers, REVOKE);
                    let commits = self.shared.lock().commits(Some(&numbers), true);
                    if let Err(error) = self.commit(client, &commits) {
                        self.shared.fail(format!("the last commit of partitions that went: {error}"));
                    }
                }
                self.shared.revoke(&numbers);
            }
            Rebalance::Error(error) => self.shared.fail(error.to_string()),
        }
    }
}
