//! A consumer group of a Redis stream.
//!
//! What a consumer was given stays in the group's list of pending entries until it is acknowledged. An entry that nobody
//! gave a sign of for the group's patience is taken over from there (XAUTOCLAIM), whoever had it. Redis knows no wait before
//! a redelivery: entries that are to be delivered again are kept here until then, by their ids, and are shown as in progress
//! meanwhile.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use bytes::Bytes;
use redis::{
    FromRedisValue, Pipeline, Value as RedisValue,
    streams::{StreamAutoClaimReply, StreamClaimReply, StreamId, StreamInfoGroupsReply, StreamReadReply},
};
use tokio::time::{Instant, sleep};

use super::RedisConnection;
use crate::{
    Value,
    source::{Acknowledger, BrokerError, Delivery, Fetched, LocalBoxFuture, Receipt, Settlement, Source},
};

/// Longest time that a read waits for entries.
const BLOCK: Duration = Duration::from_secs(1);
/// The field with the payload, where an entry has it.
const PAYLOAD: &str = "payload";

/// Which group, as whom.
#[derive(Clone, Debug)]
pub struct RedisSourceSettings {
    /// The stream's key; made when it is not there.
    pub stream: String,
    /// The consumer group; made when it is not there, at the stream's beginning.
    pub group: String,
    /// The name of this consumer in the group.
    pub consumer: String,
    /// After how long without a sign an entry is given to somebody else.
    pub patience: Duration,
    /// Most entries that wait for being delivered again; while there are as many, no new ones are read.
    pub max_waiting: usize,
}

/// What source and acknowledger share.
struct Shared {
    settings: RedisSourceSettings,
    commands: Rc<RedisConnection>,
    /// Entries to be delivered again, by when.
    again: RefCell<BTreeMap<(Instant, Receipt), ()>>,
}

/// Entries of a consumer group.
pub struct RedisSource {
    shared: Rc<Shared>,
    /// Of its own, as reads block it.
    reads: Rc<RedisConnection>,
    /// A read that has not been answered. It outlives a fetch that is dropped: what it is answered with belongs to this
    /// consumer.
    reading: Option<LocalBoxFuture<'static, Result<(Option<StreamReadReply>,), BrokerError>>>,
    group_exists: bool,
    /// When entries of dead consumers are looked for next.
    next_claim: Instant,
    /// Where the look at pending entries goes on.
    claim_from: String,
    lag: Option<u64>,
}

/// Acknowledges entries of a [`RedisSource`].
pub struct RedisAcknowledger(Rc<Shared>);

impl Shared {
    /// A command whose first arguments are stream and group.
    fn command<'a>(&self, pipeline: &'a mut Pipeline, name: &str) -> &'a mut Pipeline {
        pipeline.cmd(name).arg(&self.settings.stream).arg(&self.settings.group)
    }

    /// Appends `XCLAIM … JUSTID`, which shows entries as just looked at for `idle`, and does not count as a delivery.
    fn touch<'a>(&self, pipeline: &mut Pipeline, ids: impl Iterator<Item = &'a str>, idle: Duration) {
        let claim = self.command(pipeline, "XCLAIM").arg(&self.settings.consumer).arg(0);
        let mut none = true;
        for id in ids {
            claim.arg(id);
            none = false;
        }
        debug_assert!(!none, "XCLAIM needs an id");
        claim.arg("IDLE").arg(idle.as_millis() as u64).arg("JUSTID").ignore();
    }
}

impl RedisSource {
    /// A source that connects at its first fetch; `commands` is for what does not block.
    #[must_use]
    pub fn new(server: String, commands: Rc<RedisConnection>, settings: RedisSourceSettings) -> Self {
        Self {
            shared: Rc::new(Shared { settings, commands, again: RefCell::default() }),
            reads: Rc::new(RedisConnection::new(server)),
            reading: None,
            group_exists: false,
            next_claim: Instant::now(),
            claim_from: "0-0".into(),
            lag: None,
        }
    }

    /// What its deliveries are settled by.
    #[must_use]
    pub fn acknowledger(&self) -> RedisAcknowledger {
        RedisAcknowledger(Rc::clone(&self.shared))
    }

    async fn ask<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, BrokerError> {
        self.shared.commands.query(pipeline, Duration::ZERO).await
    }

    async fn make_group(&mut self) -> Result<(), BrokerError> {
        if self.group_exists {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        let settings = &self.shared.settings;
        pipeline.cmd("XGROUP").arg("CREATE").arg(&settings.stream).arg(&settings.group).arg(0).arg("MKSTREAM").ignore();
        match self.ask::<()>(&pipeline).await {
            Err(error) if !error.to_string().contains("BUSYGROUP") => return Err(error),
            // It is there already.
            _ => self.group_exists = true,
        }
        Ok(())
    }

    async fn fetch_some(&mut self, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.make_group().await?;
        let again = self.take_due(most);
        if !again.is_empty() {
            return self.claim_again(again).await;
        }
        let now = Instant::now();
        if self.next_claim <= now {
            let claimed = self.claim_of_dead(most).await?;
            if !claimed.is_empty() {
                return Ok(claimed);
            }
        }
        self.read(most).await
    }

    /// The ids that are to be delivered again by now.
    fn take_due(&self, most: usize) -> Vec<Receipt> {
        let now = Instant::now();
        let again = &mut *self.shared.again.borrow_mut();
        let mut due = Vec::new();
        while due.len() < most
            && let Some(first) = again.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove_entry().0.1);
        }
        due
    }

    /// Delivers entries again that are pending for this consumer.
    async fn claim_again(&mut self, ids: Vec<Receipt>) -> Result<Vec<Delivery>, BrokerError> {
        let mut pipeline = redis::pipe();
        self.shared.command(&mut pipeline, "XCLAIM").arg(&self.shared.settings.consumer).arg(0);
        for id in &ids {
            pipeline.arg(&**id);
        }
        match self.ask::<(StreamClaimReply,)>(&pipeline).await {
            Ok((reply,)) => self.counted(reply.ids).await,
            Err(error) => {
                // They are pending all the same; they are tried again.
                let now = Instant::now();
                self.shared.again.borrow_mut().extend(ids.into_iter().map(|id| ((now, id), ())));
                Err(error)
            }
        }
    }

    /// Takes over what others have left.
    async fn claim_of_dead(&mut self, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        let settings = &self.shared.settings;
        let mut pipeline = redis::pipe();
        let waiting: Vec<_> = self.shared.again.borrow().keys().map(|(_, id)| id.clone()).collect();
        if !waiting.is_empty() {
            self.shared.touch(&mut pipeline, waiting.iter().map(|id| &**id), Duration::ZERO);
        }
        self.shared.command(&mut pipeline, "XAUTOCLAIM").arg(&settings.consumer);
        pipeline.arg(settings.patience.as_millis() as u64).arg(&self.claim_from).arg("COUNT").arg(most);
        pipeline.cmd("XINFO").arg("GROUPS").arg(&settings.stream);
        let answer = self.ask::<(StreamAutoClaimReply, StreamInfoGroupsReply)>(&pipeline).await;
        let (reply, groups) = answer.inspect_err(|_| self.group_exists = false)?;
        self.lag = groups
            .groups
            .iter()
            .find(|group| group.name == settings.group)
            .and_then(|group| group.lag)
            .map(|lag| lag as u64);
        if reply.next_stream_id == "0-0" {
            // All have been looked at: not again for a while.
            self.next_claim = Instant::now() + settings.patience / 4;
        }
        self.claim_from = reply.next_stream_id;
        self.counted(reply.claimed).await
    }

    /// Deliveries of claimed entries, with how often each was delivered, which the claim does not say.
    async fn counted(&self, entries: Vec<StreamId>) -> Result<Vec<Delivery>, BrokerError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for entry in &entries {
            self.shared.command(&mut pipeline, "XPENDING").arg(&entry.id).arg(&entry.id).arg(1);
        }
        type PendingEntries = Vec<(String, String, u64, u64)>;
        let pending: Vec<PendingEntries> = self.ask(&pipeline).await?;
        let counts = pending.iter().map(|entries| entries.first().map_or(1, |(_, _, _, count)| *count));
        Ok(entries.into_iter().zip(counts).map(|(entry, count)| self.delivery(entry, count)).collect())
    }

    /// Reads entries that nobody was given yet.
    async fn read(&mut self, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        if self.reading.is_none() {
            let block = self.block();
            let waiting = self.shared.again.borrow().len();
            let room = self.shared.settings.max_waiting.saturating_sub(waiting).min(most);
            if room == 0 {
                sleep(block).await;
                return Ok(Vec::new());
            }
            self.reading = Some(self.begin_read(room, block));
        }
        let entries = self.end_read().await?;
        Ok(entries.into_iter().map(|entry| self.delivery(entry, 1)).collect())
    }

    /// How long a read may wait.
    fn block(&self) -> Duration {
        let now = Instant::now();
        let next_again = self.shared.again.borrow().keys().next().map_or(BLOCK, |(due, _)| *due - now.min(*due));
        let block = BLOCK.min(next_again).min(self.next_claim.saturating_duration_since(now));
        block.max(Duration::from_millis(1))
    }

    fn begin_read(
        &self,
        room: usize,
        block: Duration,
    ) -> LocalBoxFuture<'static, Result<(Option<StreamReadReply>,), BrokerError>> {
        let settings = &self.shared.settings;
        let mut pipeline = redis::pipe();
        pipeline.cmd("XREADGROUP").arg("GROUP").arg(&settings.group).arg(&settings.consumer);
        pipeline.arg("COUNT").arg(room).arg("BLOCK").arg(block.as_millis() as u64);
        pipeline.arg("STREAMS").arg(&settings.stream).arg(">");
        let reads = Rc::clone(&self.reads);
        Box::pin(async move { reads.query(&pipeline, block).await })
    }

    /// The entries that a read was answered with; none when there is no read.
    async fn end_read(&mut self) -> Result<Vec<StreamId>, BrokerError> {
        let Some(reading) = &mut self.reading else { return Ok(Vec::new()) };
        let answer = reading.await;
        self.reading = None;
        let (reply,) = answer.inspect_err(|_| self.group_exists = false)?;
        Ok(reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect())
    }

    /// The field `payload` is the payload, other fields are headers. An entry without it is the object of its fields.
    fn delivery(&self, entry: StreamId, deliveries: u64) -> Delivery {
        let mut fields: Vec<(String, RedisValue)> = entry.map.into_iter().collect();
        fields.sort_by(|(name, _), (other, _)| name.cmp(other));
        let payload = fields.iter().position(|(name, _)| name == PAYLOAD).map(|place| fields.remove(place).1);
        let texts = fields.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&bytes(value)).into_owned()));
        let (payload, headers) = match payload {
            Some(payload) => (Bytes::from(bytes(payload)), texts.collect()),
            None => {
                let object = Value::object(texts.map(|(name, text)| (name, Value::from(text))));
                (Bytes::from(object.to_json()), Vec::new())
            }
        };
        Delivery {
            receipt: entry.id.as_str().into(),
            payload,
            headers,
            subject: self.shared.settings.stream.as_str().into(),
            key: None,
            sequence: entry.id,
            origin: None,
            deliveries,
            lag: self.lag,
        }
    }
}

/// The bytes of a field's value.
fn bytes(value: RedisValue) -> Vec<u8> {
    match value {
        RedisValue::BulkString(bytes) => bytes,
        RedisValue::SimpleString(text) => text.into_bytes(),
        RedisValue::Int(number) => number.to_string().into_bytes(),
        _ => Vec::new(),
    }
}

impl Source for RedisSource {
    fn fetch(&mut self, most: usize) -> LocalBoxFuture<'_, Result<Fetched, BrokerError>> {
        Box::pin(async move { self.fetch_some(most).await.map(Fetched::Deliveries) })
    }

    /// Shows what waits here as not looked at for long, so that others take it over at once.
    fn close(&mut self) -> LocalBoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            let read = self.end_read().await?;
            let waiting: Vec<_> = std::mem::take(&mut *self.shared.again.borrow_mut()).into_keys().collect();
            if waiting.is_empty() && read.is_empty() {
                return Ok(());
            }
            let mut pipeline = redis::pipe();
            let ids = waiting.iter().map(|(_, id)| &**id).chain(read.iter().map(|entry| &*entry.id));
            self.shared.touch(&mut pipeline, ids, self.shared.settings.patience);
            self.ask::<()>(&pipeline).await
        })
    }
}

impl Acknowledger for RedisAcknowledger {
    fn settle<'a>(
        &'a self,
        settlements: &'a [(Rc<Delivery>, Settlement)],
    ) -> LocalBoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let (mut done, mut running, mut again) = (Vec::new(), Vec::new(), Vec::new());
            let now = Instant::now();
            for (delivery, settlement) in settlements {
                let receipt = &delivery.receipt;
                match settlement {
                    Settlement::Acknowledge | Settlement::Terminate => done.push(&**receipt),
                    Settlement::InProgress => running.push(&**receipt),
                    Settlement::Retry { after } => again.push(((now + *after, receipt.clone()), ())),
                }
            }
            let mut pipeline = redis::pipe();
            if !done.is_empty() {
                self.0.command(&mut pipeline, "XACK").arg(&done).ignore();
            }
            if !running.is_empty() {
                self.0.touch(&mut pipeline, running.iter().copied(), Duration::ZERO);
            }
            if !done.is_empty() || !running.is_empty() {
                self.0.commands.query::<()>(&pipeline, Duration::ZERO).await?;
            }
            self.0.again.borrow_mut().extend(again);
            Ok(())
        })
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.0.settings.patience)
    }
}
