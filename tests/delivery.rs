//! The delivery core against a simulated broker, under random completion orders, failures and kills: nothing is lost,
//! nothing is acknowledged before its result was accepted, and what comes twice is within the window.
//!
//! Time is tokio's, paused: a run of minutes takes milliseconds. A failure prints its seed.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use expressway::{
    Value,
    model::execution::{ExecutionStatus, Outcome},
    query::Path,
    runtime::{Lost, StartError},
    source::{
        Acknowledger, Backoff, BatchSettings, Body, BrokerError, Delivery, Destination, Ends, EventRule, Execute,
        Execution, FailureAction, FailureRules, Fetched, Lane, LaneParts, LaneSettings, LocalBoxFuture, PipeCounters,
        Publication, ResultForm, Settlement, Source, Start,
    },
    value::{Number, ValueRef},
};
use tokio::{
    sync::watch,
    task::LocalSet,
    time::{Instant, sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(2);
const MAX_DELIVERIES: u64 = 4;
/// Largest publication that the simulated destinations take.
const MOST_BYTES: usize = 1000;

/// What kinds of trouble there are, each as one in so many.
#[derive(Clone, Copy)]
struct Trouble {
    fetch_error: u32,
    settle_error: u32,
    publish_error: u32,
    execution_fails: u32,
    lost: u32,
    refused: u32,
    /// Longest time that an execution takes.
    slowest_ms: u64,
}

const NONE: u32 = u32::MAX;
const QUIET: Trouble = Trouble {
    fetch_error: NONE,
    settle_error: NONE,
    publish_error: NONE,
    execution_fails: NONE,
    lost: NONE,
    refused: NONE,
    slowest_ms: 50,
};

/// One message of the simulated broker.
#[derive(Default)]
struct Message {
    deliveries: u64,
    /// When it may be delivered, or delivered again; `None` once it is done.
    due: Option<Instant>,
    /// Somebody has it and did not hand it back.
    held: bool,
    published: u64,
    dead_lettered: u64,
}

struct World {
    random: fastrand::Rng,
    messages: Vec<Message>,
    trouble: Trouble,
    /// Messages that were delivered while the same lane still held them.
    early: u64,
    /// Executions of one order that ran at the same time or out of order.
    running_orders: HashSet<u64>,
    overtaken: u64,
    last_of_order: BTreeMap<u64, u64>,
    orders: u64,
}

type Shared = Rc<RefCell<World>>;

fn one_in(world: &Shared, many: u32) -> bool {
    many != NONE && world.borrow_mut().random.u32(..many) == 0
}

fn pause(world: &Shared, most_ms: u64) -> Duration {
    Duration::from_micros(world.borrow_mut().random.u64(..=most_ms * 1000))
}

/// One in a hundred messages is not JSON.
fn is_poison(number: usize) -> bool {
    number % 100 == 57
}

/// One in a hundred leads to a result that is too large for its destination.
fn is_large(number: usize) -> bool {
    number % 100 == 58
}

struct Broker(Shared);

impl Broker {
    fn ready(&self, most: usize) -> Vec<Delivery> {
        let world = &mut *self.0.borrow_mut();
        let now = Instant::now();
        let mut deliveries = Vec::new();
        for (number, message) in world.messages.iter_mut().enumerate() {
            if deliveries.len() == most {
                break;
            }
            if message.due.is_some_and(|due| due <= now) {
                world.early += u64::from(message.held);
                message.deliveries += 1;
                message.due = Some(now + PATIENCE);
                message.held = true;
                let payload = if is_poison(number) {
                    "{".to_owned()
                } else {
                    let more = "x".repeat(if is_large(number) { MOST_BYTES } else { 0 });
                    format!("{{\"number\":{number},\"order\":{},\"more\":\"{more}\"}}", number as u64 % world.orders)
                };
                deliveries.push(Delivery {
                    receipt: number.to_string().into(),
                    payload: Bytes::from(payload),
                    headers: Vec::new(),
                    subject: "simulated".into(),
                    key: None,
                    sequence: number.to_string(),
                    origin: None,
                    deliveries: message.deliveries,
                    lag: None,
                });
            }
        }
        deliveries
    }
}

impl Source for Broker {
    fn fetch(&mut self, most: usize) -> LocalBoxFuture<'_, Result<Fetched, BrokerError>> {
        Box::pin(async move {
            sleep(pause(&self.0, 5)).await;
            let trouble = self.0.borrow().trouble;
            if one_in(&self.0, trouble.fetch_error) {
                return Err(BrokerError::new("simulated"));
            }
            let deliveries = self.ready(most);
            if deliveries.is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
            Ok(Fetched::Deliveries(deliveries))
        })
    }

    fn close(&mut self) -> LocalBoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Ear(Shared);

impl Acknowledger for Ear {
    fn settle<'a>(
        &'a self,
        settlements: &'a [(Rc<Delivery>, Settlement)],
    ) -> LocalBoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            sleep(pause(&self.0, 2)).await;
            let trouble = self.0.borrow().trouble;
            // Some were told of when the connection broke.
            let error = one_in(&self.0, trouble.settle_error);
            let told = if error { self.0.borrow_mut().random.usize(..=settlements.len()) } else { settlements.len() };
            let world = &mut *self.0.borrow_mut();
            for (delivery, settlement) in &settlements[..told] {
                let receipt = &delivery.receipt;
                let message = &mut world.messages[receipt.parse::<usize>().unwrap()];
                match settlement {
                    Settlement::InProgress => message.due = message.due.map(|_| Instant::now() + PATIENCE),
                    Settlement::Retry { after } => {
                        message.due = message.due.map(|_| Instant::now() + *after);
                        message.held = false;
                    }
                    Settlement::Acknowledge => {
                        assert!(message.published > 0, "{receipt} was acknowledged before its result was accepted");
                        message.due = None;
                    }
                    Settlement::Terminate => {
                        assert!(message.dead_lettered > 0, "{receipt} was given up without a dead letter");
                        message.due = None;
                    }
                }
            }
            if error { Err(BrokerError::new("simulated")) } else { Ok(()) }
        })
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }
}

struct Ledger(Shared);

impl Destination for Ledger {
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(async move {
            sleep(pause(&self.0, 20)).await;
            let mut answers = Vec::new();
            for publication in publications {
                let trouble = self.0.borrow().trouble;
                if one_in(&self.0, trouble.publish_error) {
                    answers.push(Err(BrokerError::new("simulated")));
                    continue;
                }
                let world = &mut *self.0.borrow_mut();
                if publication.to_json().len() > MOST_BYTES {
                    answers.push(Err(BrokerError::too_large("simulated")));
                    continue;
                }
                match &publication.body {
                    Body::DeadLetter { .. } => {
                        let number: usize = publication.delivery.sequence.parse().unwrap();
                        world.messages[number].dead_lettered += 1;
                    }
                    Body::Result(result) => {
                        for number in numbers(&Value::parse_bytes(result.to_vec()).unwrap()) {
                            world.messages[number].published += 1;
                        }
                    }
                }
                answers.push(Ok(()));
            }
            answers
        })
    }
}

/// The numbers of an event, or of a batch of events.
fn numbers(input: &Value) -> Vec<usize> {
    let number = |value: ValueRef<'_>| {
        value.get("number").and_then(ValueRef::as_number).and_then(Number::as_i64).unwrap() as usize
    };
    match input.index(0) {
        None => vec![number(input.as_ref())],
        Some(_) => (0..).map_while(|index| input.index(index)).map(number).collect(),
    }
}

struct Executor(Shared);

impl Execute for Executor {
    fn execute(&self, start: &Start) -> Execution {
        let input = start.input.clone();
        let trouble = self.0.borrow().trouble;
        if one_in(&self.0, trouble.refused) {
            return Execution::Refused(StartError::TooManyExecutions { limit: 1 });
        }
        let order = self.begin_order(&input);
        let fails = one_in(&self.0, trouble.execution_fails);
        let outcome = move |input: Value| Outcome {
            status: if fails { ExecutionStatus::Failed } else { ExecutionStatus::Succeeded },
            output: (!fails).then_some(input),
            error: fails.then(|| "Simulated".into()),
            cause: None,
            start_time_ms: 0,
            stop_time_ms: 0,
        };
        if one_in(&self.0, 2) {
            self.0.borrow_mut().running_orders.remove(&order);
            return Execution::Ended(Box::new(outcome(input)));
        }
        let (world, wait) = (Rc::clone(&self.0), pause(&self.0, trouble.slowest_ms));
        Execution::Running(Box::pin(async move {
            sleep(wait).await;
            world.borrow_mut().running_orders.remove(&order);
            if one_in(&world, trouble.lost) { Err(Lost) } else { Ok(outcome(input)) }
        }))
    }
}

impl Executor {
    /// Notes which order runs, and whether one overtakes another.
    fn begin_order(&self, input: &Value) -> u64 {
        let number = numbers(input)[0] as u64;
        let world = &mut *self.0.borrow_mut();
        let order = number % world.orders;
        let last = world.last_of_order.insert(order, number).unwrap_or(0);
        if !world.running_orders.insert(order) || number < last {
            world.overtaken += 1;
        }
        order
    }
}

struct Run {
    seed: u64,
    messages: usize,
    window: usize,
    kills: usize,
    trouble: Trouble,
    ordered: bool,
    batch: Option<BatchSettings>,
}

struct Report {
    duplicates: u64,
    dead: usize,
    early: u64,
    overtaken: u64,
}

impl Run {
    fn settings(&self) -> LaneSettings {
        let backoff = Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(200) };
        LaneSettings {
            max_in_flight: self.window,
            event: EventRule::default(),
            failures: FailureRules::new(BTreeMap::new(), MAX_DELIVERIES, backoff),
            result: ResultForm::Output,
            order_by: self.ordered.then(|| Path::parse("$.payload.order").unwrap()),
            batch: self.batch,
            drain_timeout: Duration::from_secs(30),
            broker_backoff: backoff,
            rate_limit: None,
        }
    }

    fn lane(&self, world: &Shared) -> (Rc<Lane>, Arc<PipeCounters>) {
        let counters = Arc::new(PipeCounters::new(1));
        let parts = LaneParts {
            index: 0,
            executor: Box::new(Executor(Rc::clone(world))),
            acknowledger: Rc::new(Ear(Rc::clone(world))),
            results: Rc::new(Ledger(Rc::clone(world))),
            dead_letters: Rc::new(Ledger(Rc::clone(world))),
            counters: Arc::clone(&counters),
            report: Box::new(|_| {}),
        };
        (Lane::new(self.settings(), parts), counters)
    }

    /// Runs until the broker has nothing left, killing the lane now and then; checks that nothing is lost.
    fn run(&self) -> Report {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let world = runtime.block_on(async {
            let message = |_| Message { due: Some(Instant::now()), ..Message::default() };
            Rc::new(RefCell::new(World {
                random: fastrand::Rng::with_seed(self.seed),
                messages: (0..self.messages).map(message).collect(),
                trouble: self.trouble,
                early: 0,
                running_orders: HashSet::new(),
                overtaken: 0,
                last_of_order: BTreeMap::new(),
                orders: 17,
            }))
        });
        for life in 0..=self.kills {
            let local = LocalSet::new();
            let (stop, stopped) = watch::channel(false);
            let (lane, counters) = self.lane(&world);
            let life_ends = if life < self.kills {
                pause(&world, 400)
            } else {
                // Simulated time: no more than a bound on a run that would never end.
                Duration::from_secs(36_000)
            };
            local.block_on(&runtime, async {
                let done = async {
                    while world.borrow().messages.iter().any(|message| message.due.is_some()) {
                        let in_flight = counters.snapshot().in_flight;
                        assert!(in_flight <= self.window as u64, "seed {}: {in_flight} in flight", self.seed);
                        sleep(Duration::from_millis(50)).await;
                    }
                };
                tokio::select! {
                    _ = Rc::clone(&lane).run(Box::new(Broker(Rc::clone(&world))), stopped) => {}
                    _ = timeout(life_ends, done) => {}
                }
            });
            drop((local, stop));
            let world = &mut *world.borrow_mut();
            // Whoever was killed holds nothing any more, and its executions are gone.
            world.messages.iter_mut().for_each(|message| message.held = false);
            world.running_orders.clear();
            world.last_of_order.clear();
        }
        self.check(&world.borrow())
    }

    fn check(&self, world: &World) -> Report {
        let (mut duplicates, mut dead) = (0, 0);
        for (number, message) in world.messages.iter().enumerate() {
            assert!(message.due.is_none(), "seed {}: {number} is not done", self.seed);
            let results = message.published + message.dead_lettered;
            assert!(results > 0, "seed {}: {number} is lost", self.seed);
            let bad = is_poison(number) || (is_large(number) && self.batch.is_none());
            assert!(!bad || message.dead_lettered > 0, "seed {}: {number} is a dead letter", self.seed);
            duplicates += results - 1;
            dead += usize::from(message.dead_lettered > 0);
        }
        let most = (self.kills * self.window) as u64;
        assert!(duplicates <= most, "seed {}: {duplicates} duplicates, {most} at most", self.seed);
        Report { duplicates, dead, early: world.early, overtaken: world.overtaken }
    }
}

fn run(seed: u64) -> Run {
    Run { seed, messages: 600, window: 40, kills: 0, trouble: QUIET, ordered: false, batch: None }
}

const ALL_TROUBLE: Trouble = Trouble {
    fetch_error: 10,
    settle_error: 40,
    publish_error: 15,
    execution_fails: 4,
    lost: 50,
    refused: 10,
    slowest_ms: 300,
};

#[test]
fn without_trouble_each_message_leads_to_one_result() {
    let Report { duplicates, dead, early, .. } = run(1).run();
    assert_eq!((duplicates, dead, early), (0, 12, 0), "one in a hundred messages is poison, one too large");
}

#[test]
fn kills_lose_nothing_and_duplicate_a_window_at_most() {
    let mut duplicates = 0;
    for seed in 0..60 {
        duplicates += Run { kills: 8, ..run(seed) }.run().duplicates;
    }
    assert!(duplicates > 0, "kills between acceptance and acknowledgement do happen in these runs");
}

#[test]
fn trouble_of_all_kinds_loses_nothing() {
    let mut dead = 0;
    for seed in 0..60 {
        // A result whose acknowledgement got lost halfway is told of again, not published again.
        dead += Run { kills: 5, trouble: ALL_TROUBLE, ..run(seed) }.run().dead;
    }
    assert!(dead > 60 * 6, "some executions fail as often as is allowed");
}

#[test]
fn slow_executions_are_not_delivered_again_while_they_run() {
    for seed in 0..20 {
        let trouble = Trouble { slowest_ms: 60_000, ..QUIET };
        let Report { duplicates, early, .. } = Run { trouble, window: 200, ..run(seed) }.run();
        assert_eq!((duplicates, early), (0, 0), "seed {seed}");
    }
}

#[test]
fn equal_orders_run_one_after_the_other() {
    for seed in 0..20 {
        let trouble = Trouble { execution_fails: 8, ..QUIET };
        let Report { duplicates, overtaken, .. } = Run { trouble, ordered: true, ..run(seed) }.run();
        assert_eq!((duplicates, overtaken), (0, 0), "seed {seed}");
    }
    for seed in 0..20 {
        Run { ordered: true, kills: 5, trouble: ALL_TROUBLE, ..run(seed) }.run();
    }
}

#[test]
fn batches_lose_nothing() {
    let batch = Some(BatchSettings { max_items: 7, max_wait: Duration::from_millis(30) });
    for seed in 0..20 {
        let Report { duplicates, .. } = Run { batch, ..run(seed) }.run();
        assert_eq!(duplicates, 0, "seed {seed}");
        Run { batch, kills: 5, trouble: ALL_TROUBLE, ..run(seed) }.run();
    }
}

/// Runs for a while, tells the lane to stop, and says how it ended and how many results came twice after another life.
fn stopped(drain_timeout: Duration, seed: u64) -> (Ends, u64) {
    let run = Run { trouble: Trouble { slowest_ms: 2_000, ..QUIET }, ..run(seed) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let world = runtime.block_on(async {
        Rc::new(RefCell::new(World {
            random: fastrand::Rng::with_seed(seed),
            messages: (0..300).map(|_| Message { due: Some(Instant::now()), ..Message::default() }).collect(),
            trouble: run.trouble,
            early: 0,
            running_orders: HashSet::new(),
            overtaken: 0,
            last_of_order: BTreeMap::new(),
            orders: 17,
        }))
    });
    let local = LocalSet::new();
    let ends = local.block_on(&runtime, async {
        let (lane, _) = run.lane(&world);
        let mut settings = run.settings();
        settings.drain_timeout = drain_timeout;
        let parts = LaneParts {
            index: 0,
            executor: Box::new(Executor(Rc::clone(&world))),
            acknowledger: Rc::new(Ear(Rc::clone(&world))),
            results: Rc::new(Ledger(Rc::clone(&world))),
            dead_letters: Rc::new(Ledger(Rc::clone(&world))),
            counters: Arc::new(PipeCounters::new(1)),
            report: Box::new(|_| {}),
        };
        drop(lane);
        let (stop, stopped) = watch::channel(false);
        let lane = Lane::new(settings, parts);
        let stopping = async {
            sleep(Duration::from_millis(700)).await;
            stop.send_replace(true);
        };
        tokio::join!(lane.run(Box::new(Broker(Rc::clone(&world))), stopped), stopping).0
    });
    let world = world.borrow();
    let held = world.messages.iter().filter(|message| message.due.is_some() && message.held).count();
    assert_eq!(held, 0, "seed {seed}: what had not ended was handed back");
    let twice =
        world.messages.iter().map(|message| (message.published + message.dead_lettered).saturating_sub(1)).sum();
    (ends, twice)
}

#[test]
fn a_lane_that_stops_finishes_or_hands_back() {
    for seed in 0..10 {
        assert_eq!(stopped(Duration::from_secs(10), seed), (Ends { handed_back: 0 }, 0), "seed {seed}");
    }
    let (ends, twice) = stopped(Duration::from_millis(100), 1);
    assert!(ends.handed_back > 0 && ends.handed_back <= 40, "{ends:?}");
    assert_eq!(twice, 0);
}

#[test]
fn errors_have_their_own_actions() {
    let actions = [("Simulated".to_owned(), FailureAction::DeadLetter)].into();
    let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(1) };
    let rules = FailureRules::new(actions, 9, backoff);
    assert_eq!(rules.action("Simulated", 1), FailureAction::DeadLetter);
}
