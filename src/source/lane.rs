//! A lane: takes deliveries of a source, runs their executions, and settles them once their results were accepted.
//!
//! Ground rules: a lane lives on one thread. `state` is borrowed only between awaits and never while foreign code runs
//! (executors, sources, destinations). Every delivery that was taken is in `in_flight` until the source was told what became
//! of it; dropping the lane at any moment therefore acknowledges nothing that is not done.
//!
//! Time is tokio's, so that a paused clock simulates it.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::Future,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use slab::Slab;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    Acknowledger, Delivery, Destination, Execute, Execution, FailureAction, Fetched, LaneSettings, PipeCounters,
    ResultForm, Settlement, Source, Start,
    counters::{LaneCounters, add, subtract},
    event::Prepared,
    places::Places,
    settle::Settling,
};
use crate::{
    Value,
    model::execution::{ExecutionStatus, Outcome},
    runtime::{Lost, StartError},
    value::ObjectBuilder,
};

/// Deliveries whose executions are started before the shard looks after everything else again.
const STARTS_IN_A_ROW: usize = 128;
/// How long a refused start waits: the runtime has too many executions.
const REFUSED_START: Duration = Duration::from_millis(10);
/// How long a lane waits for more room in its window than a quarter, so that it does not fetch one by one.
const MORE_ROOM: Duration = Duration::from_millis(5);

/// How a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Deliveries that had not ended in time and were handed back to the source.
    pub handed_back: usize,
}

/// See the [module](super) documentation.
pub struct Lane {
    pub(super) settings: LaneSettings,
    /// Which of the pipe's lanes this is, from 0.
    index: usize,
    executor: Box<dyn Execute>,
    pub(super) acknowledger: Rc<dyn Acknowledger>,
    pub(super) results: Rc<dyn Destination>,
    pub(super) dead_letters: Rc<dyn Destination>,
    counters: Arc<PipeCounters>,
    report: Box<dyn Fn(&str)>,
    pub(super) state: RefCell<State>,
    tasks: RefCell<JoinSet<()>>,
    pub(super) settling: Settling,
    /// Told when something leaves the window.
    freed: Notify,
    stopping: Cell<bool>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) in_flight: Slab<InFlight>,
    pub(super) finished: VecDeque<Finished>,
    /// Orders with a delivery that runs, and the places of those that wait for it.
    orders: HashMap<Rc<str>, VecDeque<usize>>,
    /// Events that wait for the rest of their batch.
    gathered: Vec<(usize, Value)>,
    /// Deliveries that were fetched and not looked at.
    fetched: VecDeque<usize>,
}

/// A delivery of which the source has not been told what became of it.
pub(super) struct InFlight {
    pub(super) delivery: Rc<Delivery>,
    received: Instant,
    /// When the source was last told that it is in progress.
    signalled: Instant,
    order: Option<Rc<str>>,
    /// What waits for its turn.
    waiting: Option<Start>,
    /// How often it was run again without being delivered again.
    repeats: u64,
}

/// Deliveries of which is known what is to become of them.
pub(super) struct Finished {
    pub(super) places: Places,
    pub(super) verdict: Verdict,
}

pub(super) enum Verdict {
    Publish(Bytes),
    Acknowledge,
    HandBack { after: Duration },
    DeadLetter { error: String, cause: String },
}

/// What a lane is made of.
pub struct LaneParts {
    /// Which of the pipe's lanes it is, from 0.
    pub index: usize,
    /// Runs its executions.
    pub executor: Box<dyn Execute>,
    /// Its source's ear.
    pub acknowledger: Rc<dyn Acknowledger>,
    /// Where results go.
    pub results: Rc<dyn Destination>,
    /// Where deliveries go that were given up.
    pub dead_letters: Rc<dyn Destination>,
    /// The pipe's counters.
    pub counters: Arc<PipeCounters>,
    /// Tells the operator that a broker is down, or back.
    pub report: Box<dyn Fn(&str)>,
}

impl Lane {
    /// A lane that has not begun.
    #[must_use]
    pub fn new(settings: LaneSettings, parts: LaneParts) -> Rc<Self> {
        Rc::new(Self {
            settings,
            index: parts.index,
            executor: parts.executor,
            acknowledger: parts.acknowledger,
            results: parts.results,
            dead_letters: parts.dead_letters,
            counters: parts.counters,
            report: parts.report,
            state: RefCell::default(),
            tasks: RefCell::default(),
            settling: Settling::default(),
            freed: Notify::new(),
            stopping: Cell::new(false),
        })
    }

    /// Runs until `stop` becomes true or its sender goes, or the source ends; then lets what runs end, for as long as the
    /// drain timeout, and hands back the rest. Must be called on a `LocalSet`.
    pub async fn run(self: Rc<Self>, mut source: Box<dyn Source>, mut stop: watch::Receiver<bool>) -> Ends {
        self.spawn(Rc::clone(&self).settle_finished());
        self.spawn(Rc::clone(&self).signal_progress());
        tokio::select! {
            () = self.take(&mut *source) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.stopping.set(true);
        self.start_gathered();
        self.hand_back_waiting();
        let empty = async {
            while !self.state.borrow().in_flight.is_empty() {
                self.freed.notified().await;
            }
        };
        // What is still on its way here is handed back while executions end.
        let (closed, _) = tokio::join!(source.close(), timeout(self.settings.drain_timeout, empty));
        if let Err(error) = closed {
            self.report(&format!("what was on its way was not handed back: {error}"));
        }
        self.tasks.borrow_mut().abort_all();
        let handed_back = self.hand_back_rest().await;
        if let Err(error) = source.close().await {
            self.report(&format!("the source was not closed: {error}"));
        }
        Ends { handed_back }
    }

    pub(super) fn counters(&self) -> &LaneCounters {
        self.counters.lane(self.index)
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let tasks = &mut *self.tasks.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(task);
    }

    pub(super) fn report(&self, message: &str) {
        (self.report)(message);
    }

    /// Takes deliveries until the source ends.
    async fn take(self: &Rc<Self>, source: &mut dyn Source) {
        let mut failures = 0;
        loop {
            let room = self.room().await;
            match source.fetch(room).await {
                Ok(Fetched::Ended) => return,
                Ok(Fetched::Deliveries(deliveries)) => {
                    if failures > 0 {
                        self.report("the source is back");
                        failures = 0;
                    }
                    self.take_all(deliveries).await;
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        self.report(&format!("the source is down, trying again: {error}"));
                    }
                    sleep(self.settings.broker_backoff.after(failures)).await;
                }
            }
        }
    }

    /// Waits for room in the window; says how much there is.
    async fn room(&self) -> usize {
        let most = self.settings.max_in_flight.max(1);
        loop {
            let room = most.saturating_sub(self.state.borrow().in_flight.len());
            if room >= most.div_ceil(4) {
                return room;
            }
            let freed = self.freed.notified();
            if room == 0 {
                freed.await;
            } else if timeout(MORE_ROOM, freed).await.is_err() {
                return room;
            }
        }
    }

    async fn take_all(self: &Rc<Self>, deliveries: Vec<Delivery>) {
        // All are in the tables before the first await, so that nothing is forgotten when the lane is told to stop.
        let now = Instant::now();
        add(&self.counters().in_flight, deliveries.len() as u64);
        add(&self.counters().received, deliveries.len() as u64);
        let redelivered = deliveries.iter().filter(|delivery| delivery.deliveries > 1).count();
        add(&self.counters().redelivered, redelivered as u64);
        if let Some(lag) = deliveries.last().and_then(|delivery| delivery.lag) {
            self.counters.lag.store(lag, Ordering::Relaxed);
        }
        {
            let state = &mut *self.state.borrow_mut();
            for delivery in deliveries {
                let place = state.in_flight.insert(InFlight {
                    delivery: Rc::new(delivery),
                    received: now,
                    signalled: now,
                    order: None,
                    waiting: None,
                    repeats: 0,
                });
                state.fetched.push_back(place);
            }
        }
        let mut in_a_row = 0;
        loop {
            if self.state.borrow().fetched.is_empty() {
                return;
            }
            if let Some(limit) = &self.settings.rate_limit {
                limit.wait().await;
            }
            // The lane may have been told to stop meanwhile, and have handed them back.
            let Some(place) = self.state.borrow_mut().fetched.pop_front() else { return };
            self.take_one(place);
            in_a_row += 1;
            if in_a_row % STARTS_IN_A_ROW == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn take_one(self: &Rc<Self>, place: usize) {
        let delivery = Rc::clone(&self.state.borrow().in_flight[place].delivery);
        match self.settings.event.prepare(&delivery, self.settings.order_by.as_ref()) {
            Prepared::Poison { error, cause } => {
                self.finish(Places::One(place), Verdict::DeadLetter { error: error.to_owned(), cause });
            }
            Prepared::Skip => {
                add(&self.counters().filtered, 1);
                self.finish(Places::One(place), Verdict::Acknowledge);
            }
            Prepared::Start { start, order: Some(order) } => self.take_ordered(place, start, order.into()),
            Prepared::Start { start, order: None } => match self.settings.batch {
                None => self.begin(Places::One(place), start),
                Some(batch) => {
                    let gathered = {
                        let gathered = &mut self.state.borrow_mut().gathered;
                        gathered.push((place, start.input));
                        gathered.len()
                    };
                    if gathered >= batch.max_items {
                        self.start_gathered();
                    } else if gathered == 1 {
                        let lane = Rc::clone(self);
                        self.spawn(async move {
                            // Whatever batch is there by then starts: that of the first event, or a later one, early.
                            sleep(batch.max_wait).await;
                            lane.start_gathered();
                        });
                    }
                }
            },
        }
    }

    fn take_ordered(self: &Rc<Self>, place: usize, start: Start, order: Rc<str>) {
        let busy = {
            let state = &mut *self.state.borrow_mut();
            state.in_flight[place].order = Some(Rc::clone(&order));
            match state.orders.get_mut(&order) {
                Some(waiting) => {
                    waiting.push_back(place);
                    state.in_flight[place].waiting = Some(start.clone());
                    true
                }
                None => {
                    state.orders.insert(order, VecDeque::new());
                    false
                }
            }
        };
        if !busy {
            self.begin(Places::One(place), start);
        }
    }

    fn start_gathered(self: &Rc<Self>) {
        let gathered = std::mem::take(&mut self.state.borrow_mut().gathered);
        if gathered.is_empty() {
            return;
        }
        let (places, inputs): (Vec<_>, Vec<_>) = gathered.into_iter().unzip();
        self.begin(Places::Many(places), Start { machine: None, input: Value::from(inputs) });
    }

    fn begin(self: &Rc<Self>, places: Places, start: Start) {
        match self.executor.execute(&start) {
            Execution::Ended(outcome) => {
                add(&self.counters().started, 1);
                self.ended(places, &start, &Ok(*outcome));
            }
            Execution::Running(running) => {
                add(&self.counters().started, 1);
                let lane = Rc::clone(self);
                self.spawn(async move {
                    let result = running.await;
                    lane.ended(places, &start, &result);
                });
            }
            Execution::Refused(StartError::TooManyExecutions { .. }) if !self.stopping.get() => {
                let lane = Rc::clone(self);
                self.spawn(async move {
                    sleep(REFUSED_START).await;
                    lane.begin(places, start);
                });
            }
            Execution::Refused(_) => self.finish(places, Verdict::HandBack { after: Duration::ZERO }),
        }
    }

    fn ended(self: &Rc<Self>, places: Places, start: &Start, result: &Result<Outcome, Lost>) {
        let outcome = match result {
            Ok(outcome) => outcome,
            // An execution that went away without an outcome is not done.
            Err(Lost) => {
                return self.finish(places, Verdict::HandBack { after: self.settings.failures.backoff.after(1) });
            }
        };
        if outcome.status == ExecutionStatus::Succeeded {
            add(&self.counters().succeeded, 1);
            if self.results.discards() {
                return self.finish(places, Verdict::Acknowledge);
            }
            return self.finish(places, Verdict::Publish(self.result(outcome)));
        }
        add(&self.counters().failed, 1);
        let error = outcome.error.as_ref().map_or("", |error| error.as_str());
        // The events of a batch were not delivered equally often.
        for &place in places.as_slice() {
            let (deliveries, ordered) = {
                let state = self.state.borrow();
                let in_flight = &state.in_flight[place];
                (in_flight.delivery.deliveries + in_flight.repeats, in_flight.order.is_some())
            };
            match self.settings.failures.action(error, deliveries) {
                FailureAction::Acknowledge if self.settings.result == ResultForm::Outcome => {
                    self.finish(Places::One(place), Verdict::Publish(self.result(outcome)));
                }
                FailureAction::Acknowledge => self.finish(Places::One(place), Verdict::Acknowledge),
                FailureAction::Retry if ordered && !self.stopping.get() => {
                    self.repeat(place, start.clone(), deliveries);
                }
                FailureAction::Retry => {
                    let after = self.settings.failures.backoff.after(deliveries);
                    self.finish(Places::One(place), Verdict::HandBack { after });
                }
                FailureAction::DeadLetter => {
                    let cause = outcome.cause.as_ref().map_or("", |cause| cause.as_str());
                    let verdict = Verdict::DeadLetter { error: error.to_owned(), cause: cause.to_owned() };
                    self.finish(Places::One(place), verdict);
                }
            }
        }
    }

    /// Runs an event of an order again. It is not handed back, so that none behind it overtakes it.
    fn repeat(self: &Rc<Self>, place: usize, start: Start, deliveries: u64) {
        self.state.borrow_mut().in_flight[place].repeats += 1;
        let after = self.settings.failures.backoff.after(deliveries);
        let lane = Rc::clone(self);
        self.spawn(async move {
            sleep(after).await;
            lane.begin(Places::One(place), start);
        });
    }

    fn result(&self, outcome: &Outcome) -> Bytes {
        let mut text = Vec::new();
        match self.settings.result {
            ResultForm::Output => outcome.output.as_ref().unwrap_or(&Value::NULL).write_json(&mut text),
            ResultForm::Outcome => {
                let mut record = ObjectBuilder::with_capacity(3);
                record.push("status".into(), outcome.status.as_str().into());
                for (key, value) in [
                    ("output", outcome.output.clone()),
                    ("error", outcome.error.clone().map(Value::from)),
                    ("cause", outcome.cause.clone().map(Value::from)),
                ] {
                    if let Some(value) = value {
                        record.push(key.into(), value);
                    }
                }
                record.finish().write_json(&mut text);
            }
        }
        Bytes::from(text)
    }

    pub(super) fn finish(&self, places: Places, verdict: Verdict) {
        let finished = &mut self.state.borrow_mut().finished;
        finished.push_back(Finished { places, verdict });
        // Whoever settles goes on until there is nothing more.
        if finished.len() == 1 {
            self.settling.wake();
        }
    }

    /// Takes deliveries out of the window, as the source was told about them, and lets those begin that waited for them.
    pub(super) fn release(self: &Rc<Self>, places: &[usize]) {
        let mut next = Vec::new();
        {
            let state = &mut *self.state.borrow_mut();
            for place in places {
                let Some(order) = state.in_flight.remove(*place).order else { continue };
                let waiting = state.orders.get_mut(&order).and_then(VecDeque::pop_front);
                match waiting {
                    Some(place) => next.extend(state.in_flight[place].waiting.take().map(|start| (place, start))),
                    None => drop(state.orders.remove(&order)),
                }
            }
        }
        subtract(&self.counters().in_flight, places.len() as u64);
        self.freed.notify_waiters();
        self.freed.notify_one();
        for (place, start) in next {
            self.begin(Places::One(place), start);
        }
    }

    /// Events that were not looked at or wait for others of their order are handed back rather than begun.
    fn hand_back_waiting(&self) {
        let waiting: Vec<usize> = {
            let state = &mut *self.state.borrow_mut();
            let fetched = std::mem::take(&mut state.fetched);
            state.orders.values_mut().flat_map(std::mem::take).chain(fetched).collect()
        };
        for place in waiting {
            self.state.borrow_mut().in_flight[place].order = None;
            self.finish(Places::One(place), Verdict::HandBack { after: Duration::ZERO });
        }
    }

    async fn hand_back_rest(self: &Rc<Self>) -> usize {
        /// The source may be what is down.
        const LONGEST: Duration = Duration::from_secs(1);
        let rest: Vec<_> = {
            let state = self.state.borrow();
            let again = Settlement::Retry { after: Duration::ZERO };
            state.in_flight.iter().map(|(_, in_flight)| (Rc::clone(&in_flight.delivery), again)).collect()
        };
        if !rest.is_empty() {
            add(&self.counters().handed_back, rest.len() as u64);
            match timeout(LONGEST, self.acknowledger.settle(&rest)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.report(&format!("{} events were not handed back: {error}", rest.len())),
                Err(_) => self.report(&format!("{} events were not handed back in time", rest.len())),
            }
        }
        rest.len()
    }

    /// Tells the source about what is in progress for longer than half its patience; also notes the oldest delivery's age.
    async fn signal_progress(self: Rc<Self>) {
        const LOOK_EVERY: Duration = Duration::from_millis(500);
        let mut failing = false;
        loop {
            let half = self.acknowledger.patience().map(|patience| patience / 2);
            let tick = half.map_or(LOOK_EVERY, |half| (half / 4).clamp(Duration::from_millis(1), LOOK_EVERY));
            sleep(tick).await;
            let now = Instant::now();
            let mut oldest = Duration::ZERO;
            let (mut signals, mut places) = (Vec::new(), Vec::new());
            for (place, in_flight) in &self.state.borrow().in_flight {
                oldest = oldest.max(now - in_flight.received);
                if half.is_some_and(|half| now - in_flight.signalled + tick >= half) {
                    places.push(place);
                    signals.push((Rc::clone(&in_flight.delivery), Settlement::InProgress));
                }
            }
            self.counters().oldest_ms.store(oldest.as_millis() as u64, Ordering::Relaxed);
            if signals.is_empty() {
                continue;
            }
            match self.acknowledger.settle(&signals).await {
                Ok(()) => {
                    failing = false;
                    let state = &mut *self.state.borrow_mut();
                    for place in places {
                        // A place may hold another delivery by now, which came later than the signal; it loses nothing
                        // by being told of once more.
                        if let Some(in_flight) = state.in_flight.get_mut(place) {
                            in_flight.signalled = now;
                        }
                    }
                }
                Err(error) if !failing => {
                    failing = true;
                    self.report(&format!("{} events were not reported as in progress: {error}", signals.len()));
                }
                Err(_) => {}
            }
        }
    }
}
