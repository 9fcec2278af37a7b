//! What a lane and its consumer's thread share: the partitions that the lane has now, and what was delivered of them.
//!
//! Ground rules: the state is locked for short steps only, never while librdkafka is called or anything is awaited. Only the
//! consumer's thread adds and removes partitions. A partition that comes back has a new generation: what was delivered of it
//! before settles nothing any more.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{Ahead, Watermark};
use crate::source::{Delivery, Receipt};

/// See the module documentation.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Told by the lane: it has settled something, has room, or ends.
    told: Condvar,
    /// Told by the thread: there is something for the lane.
    pub(super) news: Notify,
    /// Most deliveries that are not committed, over all partitions.
    window: usize,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) partitions: BTreeMap<i32, Partition>,
    /// Deliveries for the lane's next fetch.
    pub(super) arrived: VecDeque<Delivery>,
    /// How many there may be.
    pub(super) room: usize,
    /// Why there are none.
    pub(super) error: Option<String>,
    /// Whether the lane has told something since the thread looked last.
    changed: bool,
    generations: u64,
    /// Nothing is delivered any more; what was is still settled.
    pub(super) closing: bool,
    /// The thread is to leave the group and end.
    pub(super) ending: bool,
    /// It has.
    pub(super) ended: bool,
    /// How often the lane wanted everything to be committed that can be, and how often it was.
    pub(super) commits_wanted: u64,
    pub(super) commits_done: u64,
}

/// A partition that the lane has.
pub(super) struct Partition {
    generation: u64,
    pub(super) watermark: Watermark,
    held: HashMap<i64, Held>,
    /// What came while the watermark was full, since when.
    waiting: VecDeque<(i64, Delivery)>,
    waiting_since: Option<Instant>,
    pub(super) paused: bool,
    /// It is being taken away.
    revoked: bool,
    /// What its owner before has finished beyond its commit.
    ahead: Ahead,
}

/// What is to be committed of a partition.
pub(super) struct Commit {
    pub(super) partition: i32,
    /// The offset of the next message that is not done.
    pub(super) next: i64,
    /// What is finished behind it.
    pub(super) ahead: Ahead,
}

/// A delivery that is not settled.
struct Held {
    delivery: Delivery,
    /// Whether the lane has it now, or it waits to be delivered again.
    given: bool,
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    partition: i32,
    generation: u64,
    offset: i64,
}

impl Place {
    fn receipt(self) -> Receipt {
        format!("{}:{}:{}", self.partition, self.generation, self.offset).into()
    }

    fn of(receipt: &str) -> Option<Self> {
        let mut parts = receipt.split(':');
        let (partition, generation) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { partition, generation, offset: parts.next()?.parse().ok()? })
    }
}

impl Shared {
    /// Nothing yet, of a lane with that window.
    pub(super) fn new(window: usize) -> Self {
        Self { state: Mutex::default(), told: Condvar::new(), news: Notify::new(), window: window.max(1) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked was between two whole steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the state for the lane, and wakes the thread if that waits.
    pub(super) fn tell<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = {
            let state = &mut *self.lock();
            state.changed = true;
            change(state)
        };
        self.told.notify_one();
        result
    }

    /// Waits until the lane tells something, for so long at most.
    pub(super) fn wait(&self, longest: Duration) {
        let state = self.lock();
        let waited = self.told.wait_timeout_while(state, longest, |state| !state.changed);
        waited.unwrap_or_else(PoisonError::into_inner).0.changed = false;
    }

    /// Waits until the lane has none of these partitions' deliveries any more, for so long at most.
    pub(super) fn wait_until_settled(&self, partitions: &[i32], longest: Duration) {
        let state = self.lock();
        let unsettled = |state: &mut State| {
            let held = |number: &i32| state.partitions.get(number).is_some_and(Partition::is_given);
            !state.ending && partitions.iter().any(held)
        };
        drop(self.told.wait_timeout_while(state, longest, unsettled));
    }

    /// Tells the lane why there is nothing.
    pub(super) fn fail(&self, error: String) {
        self.lock().error = Some(error);
        self.news.notify_one();
    }

    /// Partitions that the lane gets, with what is finished of them beyond their commits.
    pub(super) fn assign(&self, partitions: Vec<(i32, Ahead)>) {
        let state = &mut *self.lock();
        for (number, ahead) in partitions {
            state.generations += 1;
            let partition = Partition {
                generation: state.generations,
                watermark: Watermark::new(1),
                held: HashMap::new(),
                waiting: VecDeque::new(),
                waiting_since: None,
                paused: false,
                revoked: false,
                ahead,
            };
            state.partitions.insert(number, partition);
        }
        state.share(self.window);
    }

    /// Takes back what the lane was not given of partitions that go, and delivers nothing of them any more.
    pub(super) fn begin_revoking(&self, partitions: &[i32]) {
        let state = &mut *self.lock();
        for number in partitions {
            let Some(partition) = state.partitions.get_mut(number) else { continue };
            partition.revoked = true;
            partition.waiting.clear();
            let held = &mut partition.held;
            state.arrived.retain(|delivery| match Place::of(&delivery.receipt) {
                Some(place) if place.partition == *number => held.remove(&place.offset).is_none(),
                _ => true,
            });
        }
    }

    /// Forgets partitions that have gone.
    pub(super) fn revoke(&self, partitions: &[i32]) {
        let state = &mut *self.lock();
        for number in partitions {
            state.partitions.remove(number);
        }
        state.share(self.window);
    }
}

impl State {
    /// Gives each partition its share of the window: a partition that is stuck stops by itself, and no others.
    fn share(&mut self, window: usize) {
        let share = window / self.partitions.len().max(1);
        for partition in self.partitions.values_mut() {
            partition.watermark.set_bound(share);
        }
    }

    /// Takes a message of the broker; `make` makes its delivery, with the receipt that it is given.
    pub(super) fn deliver(&mut self, number: i32, offset: i64, make: impl FnOnce(Receipt) -> Delivery) {
        let Some(partition) = self.partitions.get_mut(&number).filter(|partition| !partition.revoked) else { return };
        if self.closing {
            return;
        }
        let receipt = Place { partition: number, generation: partition.generation, offset }.receipt();
        partition.waiting.push_back((offset, make(receipt)));
        partition.waiting_since.get_or_insert_with(Instant::now);
        partition.admit(&mut self.arrived);
    }

    /// Delivers what waited for a commit.
    pub(super) fn admit(&mut self) {
        if !self.closing {
            for partition in self.partitions.values_mut().filter(|partition| !partition.revoked) {
                partition.admit(&mut self.arrived);
            }
        }
    }

    /// Settles a delivery for good.
    pub(super) fn finish(&mut self, receipt: &str) {
        if let Some((partition, place)) = self.find(receipt)
            && partition.held.remove(&place.offset).is_some()
        {
            partition.watermark.finish(place.offset);
        }
    }

    /// Takes a delivery back, to be delivered again. `false` when that will be done by whoever has its partition then.
    pub(super) fn take_back(&mut self, receipt: &str) -> bool {
        let closing = self.closing;
        let Some((partition, place)) = self.find(receipt) else { return false };
        let Some(held) = partition.held.get_mut(&place.offset) else { return false };
        held.given = false;
        !closing && !partition.revoked
    }

    /// Delivers once more what was taken back.
    pub(super) fn again(&mut self, receipt: &str) -> Option<Delivery> {
        if self.closing {
            return None;
        }
        let (partition, place) = self.find(receipt).filter(|(partition, _)| !partition.revoked)?;
        let held = partition.held.get_mut(&place.offset)?;
        held.given = true;
        held.delivery.deliveries += 1;
        Some(held.delivery.clone())
    }

    /// The partition of a receipt, if it is still the one that it was.
    fn find(&mut self, receipt: &str) -> Option<(&mut Partition, Place)> {
        let place = Place::of(receipt)?;
        let partition = self.partitions.get_mut(&place.partition)?;
        (partition.generation == place.generation).then_some((partition, place))
    }

    /// Whether a message that cannot be delivered holds up all partitions, because its own is not paused yet.
    pub(super) fn is_held_up(&self) -> bool {
        self.partitions.values().any(|partition| !partition.paused && !partition.waiting.is_empty())
    }

    /// Whether anything can be committed.
    pub(super) fn has_commits(&self) -> bool {
        self.partitions.values().any(|partition| partition.watermark.to_commit().is_some())
    }

    /// What can be committed, of all partitions or of some: of those of which something is done since the last commit, and if
    /// `last`, as they will not stay here, also of those of which something is done behind something that is not.
    pub(super) fn commits(&self, only: Option<&[i32]>, last: bool) -> Vec<Commit> {
        let wanted = self.partitions.iter().filter(|(number, _)| only.is_none_or(|only| only.contains(number)));
        let commits = wanted.filter_map(|(number, partition)| {
            let (next, behind) = partition.watermark.position()?;
            let ahead = Ahead::new(next, behind);
            let news = partition.watermark.to_commit().is_some() || (last && ahead != Ahead::new(next, []));
            news.then_some(Commit { partition: *number, next, ahead })
        });
        commits.collect()
    }

    /// Takes note of what was committed.
    pub(super) fn committed(&mut self, commits: &[Commit]) {
        for commit in commits {
            if let Some(partition) = self.partitions.get_mut(&commit.partition) {
                partition.watermark.committed(commit.next);
            }
        }
        self.admit();
    }

    /// Ends deliveries: what the lane was not given is left to whoever has its partition next.
    pub(super) fn close(&mut self) {
        self.closing = true;
        for delivery in std::mem::take(&mut self.arrived) {
            if let Some((partition, place)) = self.find(&delivery.receipt) {
                partition.held.remove(&place.offset);
            }
        }
        for partition in self.partitions.values_mut() {
            partition.waiting.clear();
        }
    }
}

impl Partition {
    fn admit(&mut self, arrived: &mut VecDeque<Delivery>) {
        while !self.watermark.is_full()
            && let Some((offset, delivery)) = self.waiting.pop_front()
        {
            // An offset that was delivered already comes again after an error of the client: once is enough.
            if !self.watermark.deliver(offset) {
                continue;
            }
            if self.ahead.has(offset) {
                self.watermark.finish(offset);
            } else {
                self.held.insert(offset, Held { delivery: delivery.clone(), given: true });
                arrived.push_back(delivery);
            }
        }
        if self.waiting.is_empty() {
            self.waiting_since = None;
        }
    }

    fn is_given(&self) -> bool {
        self.held.values().any(|held| held.given)
    }

    /// Whether a message has waited for a commit for so long.
    pub(super) fn has_waited(&self, long: Duration) -> bool {
        self.waiting_since.is_some_and(|since| since.elapsed() >= long)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shared(window: usize, partitions: &[i32]) -> Shared {
        let shared = Shared::new(window);
        shared.assign(partitions.iter().map(|number| (*number, Ahead::default())).collect());
        shared
    }

    fn deliver(shared: &Shared, partition: i32, offsets: &[i64]) {
        for offset in offsets {
            shared.lock().deliver(partition, *offset, |receipt| Delivery {
                receipt,
                payload: Bytes::new(),
                headers: Vec::new(),
                subject: "t".into(),
                key: None,
                sequence: format!("{partition}-{offset}"),
                origin: None,
                deliveries: 1,
                lag: None,
            });
        }
    }

    /// What the lane is given.
    fn take(shared: &Shared) -> Vec<Delivery> {
        shared.lock().arrived.drain(..).collect()
    }

    fn sequences(deliveries: &[Delivery]) -> Vec<&str> {
        deliveries.iter().map(|delivery| delivery.sequence.as_str()).collect()
    }

    fn commits(shared: &Shared) -> Vec<(i32, i64)> {
        shared.lock().commits(None, false).iter().map(|commit| (commit.partition, commit.next)).collect()
    }

    #[test]
    fn a_partition_that_is_stuck_stops_itself_alone() {
        let shared = shared(6, &[0, 1]);
        deliver(&shared, 0, &[0, 1, 2, 3]);
        deliver(&shared, 1, &[7]);
        let first = take(&shared);
        assert_eq!(sequences(&first), ["0-0", "0-1", "0-2", "1-7"], "its share is half of six");
        assert!(shared.lock().is_held_up(), "until the partition is paused");
        assert!(!shared.lock().partitions[&0].has_waited(LONG));
        shared.lock().finish(&first[1].receipt);
        shared.lock().finish(&first[3].receipt);
        assert_eq!(commits(&shared), [(1, 8)]);
        shared.lock().finish(&first[0].receipt);
        let ready = shared.lock().commits(None, false);
        shared.lock().committed(&ready);
        assert_eq!(sequences(&take(&shared)), ["0-3"]);
        assert!(!shared.lock().is_held_up());
    }

    #[test]
    fn what_is_taken_back_is_delivered_again_and_counted() {
        let shared = shared(10, &[0]);
        deliver(&shared, 0, &[5, 6]);
        let first = take(&shared);
        let receipt = &first[0].receipt;
        assert!(shared.lock().take_back(receipt));
        shared.lock().finish(&first[1].receipt);
        assert_eq!(commits(&shared), [], "5 is not done");
        assert_eq!(shared.lock().again(receipt).map(|delivery| delivery.deliveries), Some(2));
        shared.lock().finish(receipt);
        assert_eq!(commits(&shared), [(0, 7)]);
        assert_eq!(shared.lock().again(receipt), None, "it is done");
    }

    #[test]
    fn what_ran_when_its_partition_went_settles_nothing() {
        let shared = shared(10, &[0]);
        deliver(&shared, 0, &[5, 6]);
        let before = take(&shared);
        deliver(&shared, 0, &[7]);
        shared.begin_revoking(&[0]);
        assert_eq!(take(&shared), [], "what was not given is left to the next owner");
        deliver(&shared, 0, &[8]);
        shared.lock().finish(&before[1].receipt);
        let last = shared.lock().commits(None, true);
        assert_eq!((last[0].next, last[0].ahead.has(6), last[0].ahead.has(7)), (5, true, false));
        shared.revoke(&[0]);
        // It comes back, with what its owner before has said.
        shared.assign(vec![(0, last[0].ahead.clone())]);
        shared.lock().finish(&before[0].receipt);
        deliver(&shared, 0, &[5, 6, 7]);
        let after = take(&shared);
        assert_eq!(sequences(&after), ["0-5", "0-7"], "6 was done");
        assert_eq!(commits(&shared), []);
        shared.lock().finish(&after[0].receipt);
        assert_eq!(commits(&shared), [(0, 7)]);
    }

    #[test]
    fn a_source_that_closes_delivers_nothing_and_commits_what_ends() {
        let shared = shared(10, &[0]);
        deliver(&shared, 0, &[1, 2]);
        let first = take(&shared);
        deliver(&shared, 0, &[3]);
        shared.lock().close();
        deliver(&shared, 0, &[4]);
        assert_eq!(take(&shared), []);
        assert!(!shared.lock().take_back(&first[1].receipt));
        shared.lock().finish(&first[0].receipt);
        assert_eq!(commits(&shared), [(0, 2)]);
        shared.wait_until_settled(&[0], LONG);
    }
}
