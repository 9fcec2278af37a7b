//! The engine: its shards, and the ways in from other threads.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    Progress,
    begin::Place,
    completion::Completion,
    idle_thread::give_way,
    mailbox::{LocalFuture, Mailbox, Message, Post, QueuedStart},
    running::Running,
    shard::Shard,
};
use crate::{
    clock::Clock,
    model::execution::{ExecutionStart, ExecutionStatus},
    program::Program,
    task::Handlers,
};

/// Stack of a shard's thread, in bytes: room for walking values as deep as they can be.
const STACK_BYTES: usize = 8 << 20;

/// Why an execution was not started. Nothing of it has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// As many executions as allowed are in flight, or queues are full.
    #[error("{limit} executions are in flight, which is the limit")]
    TooManyExecutions {
        /// The limit.
        limit: usize,
    },
    /// The state machine is of type STANDARD.
    #[error("only state machines of type EXPRESS run here")]
    NotExpress,
    /// The engine is being shut down.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

/// What an engine is made of.
pub struct EngineOptions {
    /// Number of shards, at least 1.
    pub shards: usize,
    /// Most executions in flight.
    pub max_in_flight: usize,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who answers tasks.
    pub handlers: Handlers,
    /// Feeds all random numbers.
    pub seed: u64,
    /// What the times of Wait states, retries and mocked calls are multiplied by.
    pub wait_time_scale: f64,
}

/// What all shards and all callers share.
pub(super) struct Shared {
    pub(super) post: Post,
    /// Those of the shards, for what handlers create before their execution comes to its shard.
    pub(super) event_loops: Vec<Handle>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) handlers: Handlers,
    pub(super) in_flight: AtomicUsize,
    /// One for each shard, those in the background after the others.
    pub(super) counters: Vec<Counters>,
    /// What threads of callers count and draw from: threads that start at the same time use different ones.
    callers: [CallerStripe; CALLER_STRIPES],
    wait_time_scale: f64,
    max_in_flight: usize,
    draining: AtomicBool,
    /// Shards that have nothing left to do are to end. A flag and not a message, because a mailbox may be full.
    stopping: AtomicBool,
}

/// More threads than this share what they count on.
const CALLER_STRIPES: usize = 16;

/// What one thread of a caller writes on with every start.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CallerStripe {
    counters: Counters,
    random: AtomicU64,
}

/// Counts of one thread's executions. Only ever added to, read at leisure: relaxed everywhere.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counters {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    aborted: AtomicU64,
    refused: AtomicU64,
}

/// How many executions there have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutionCounts {
    /// Accepted.
    pub started: u64,
    /// Ended with `SUCCEEDED`.
    pub succeeded: u64,
    /// Ended with `FAILED`.
    pub failed: u64,
    /// Ended with `TIMED_OUT`.
    pub timed_out: u64,
    /// Ended with `ABORTED`.
    pub aborted: u64,
    /// Not started: too many in flight, or shutting down.
    pub refused: u64,
}

impl Counters {
    pub(super) fn ended(&self, status: ExecutionStatus) {
        let counter = match status {
            ExecutionStatus::Succeeded => &self.succeeded,
            ExecutionStatus::Failed => &self.failed,
            ExecutionStatus::TimedOut => &self.timed_out,
            ExecutionStatus::Aborted => &self.aborted,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(super) fn monotonic_ms(&self) -> u64 {
        self.clock.monotonic_us() / 1000
    }

    /// Whether shards that have nothing left to do are to end. Those in the background have something left for as long as any
    /// shard has an execution, as it may yet send it to them.
    pub(super) fn may_end(&self, is_background: bool) -> bool {
        self.stopping.load(Ordering::SeqCst) && (!is_background || self.in_flight.load(Ordering::SeqCst) == 0)
    }

    /// An execution that counted as in flight does so no more. With the last one the background may end: what is stored before
    /// is looked at here, or the other way round, for which both are in one order (`SeqCst`).
    pub(super) fn leave(&self) {
        if self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 && self.stopping.load(Ordering::SeqCst) {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        for mailbox in &self.post.mailboxes {
            mailbox.wake();
        }
    }

    /// A time that nothing outside depends on, as it passes here.
    pub(super) fn scaled_ms(&self, milliseconds: u64) -> u64 {
        // The time as it is stays exact; a product beyond the integers becomes the largest of them.
        if self.wait_time_scale == 1.0 { milliseconds } else { (milliseconds as f64 * self.wait_time_scale) as u64 }
    }

    /// Lets one more execution in, or says why not.
    pub(super) fn admit(&self, counters: &Counters) -> Result<(), StartError> {
        let refusal = if self.draining.load(Ordering::Relaxed) {
            StartError::ShuttingDown
        } else if self.in_flight.load(Ordering::Relaxed) >= self.max_in_flight {
            StartError::TooManyExecutions { limit: self.max_in_flight }
        } else {
            counters.started.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        counters.refused.fetch_add(1, Ordering::Relaxed);
        Err(refusal)
    }
}

/// Shards, each on a thread of its own. Dropping it stops them, as [`Engine::stop`] does.
pub struct Engine {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Threads that have come to start executions.
    callers: AtomicUsize,
}

thread_local! {
    /// The engine that the thread started executions of last, by its address, and the number of its stripe there.
    static STRIPE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

impl Engine {
    /// Starts the shards.
    ///
    /// # Errors
    /// When the operating system gives no thread or no event queue.
    pub fn new(options: EngineOptions) -> io::Result<Self> {
        let shards = options.shards.max(1);
        let build = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        // As many again for the shards in the background.
        let event_loops = (0..2 * shards).map(|_| build()).collect::<io::Result<Vec<_>>>()?;
        let mut seeds = fastrand::Rng::with_seed(options.seed);
        // Drawn before those of the shards, so that executions have the same names on any number of them.
        let callers: [CallerStripe; CALLER_STRIPES] =
            std::array::from_fn(|_| CallerStripe { random: AtomicU64::new(seeds.u64(..)), ..CallerStripe::default() });
        let shared = Arc::new(Shared {
            post: Post::new(shards),
            event_loops: event_loops.iter().map(|event_loop| event_loop.handle().clone()).collect(),
            clock: options.clock,
            handlers: options.handlers,
            in_flight: AtomicUsize::new(0),
            counters: (0..2 * shards).map(|_| Counters::default()).collect(),
            callers,
            wait_time_scale: options.wait_time_scale,
            max_in_flight: options.max_in_flight,
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let mut threads = Vec::with_capacity(2 * shards);
        for (index, event_loop) in event_loops.into_iter().enumerate() {
            let (shared, seed) = (Arc::clone(&shared), seeds.u64(..));
            let is_background = index >= shards;
            let name = match index.checked_sub(shards) {
                None => format!("expressway-{index}"),
                Some(index) => format!("expressway-bg-{index}"),
            };
            let thread = Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || {
                if is_background {
                    // Where the system refuses, the background competes as an equal.
                    let _ = give_way();
                }
                let local = tokio::task::LocalSet::new();
                local.block_on(&event_loop, Shard::new(index, shared, seed).run());
            })?;
            threads.push(thread);
        }
        Ok(Self { shared, threads: Mutex::new(threads), callers: AtomicUsize::new(0) })
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shared.post.foreground().len()
    }

    /// Where time comes from.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Who answers tasks.
    #[must_use]
    pub fn handlers(&self) -> &Handlers {
        &self.shared.handlers
    }

    /// Executions that have not ended.
    #[must_use]
    pub fn executions_in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Counts of all executions so far.
    #[must_use]
    pub fn counts(&self) -> ExecutionCounts {
        let mut sum = ExecutionCounts::default();
        let callers = self.shared.callers.iter().map(|stripe| &stripe.counters);
        for counters in self.shared.counters.iter().chain(callers) {
            sum.started += counters.started.load(Ordering::Relaxed);
            sum.succeeded += counters.succeeded.load(Ordering::Relaxed);
            sum.failed += counters.failed.load(Ordering::Relaxed);
            sum.timed_out += counters.timed_out.load(Ordering::Relaxed);
            sum.aborted += counters.aborted.load(Ordering::Relaxed);
            sum.refused += counters.refused.load(Ordering::Relaxed);
        }
        sum
    }

    /// Two random numbers, for a name and for a seed, without a system call.
    pub fn random(&self) -> u128 {
        let mut random =
            fastrand::Rng::with_seed(self.stripe().random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed));
        random.u128(..)
    }

    /// Queues an execution for any shard.
    ///
    /// # Errors
    /// [`StartError`] when it is not started.
    pub fn start(&self, program: Arc<Program>, start: ExecutionStart) -> Result<Completion, StartError> {
        let counters = self.caller_counters();
        self.shared.admit(counters)?;
        let (completer, completion) = Completion::pair();
        self.shared.in_flight.fetch_add(1, Ordering::Relaxed);
        match self.shared.post.start(QueuedStart { program, start, completer }) {
            Ok(()) => Ok(completion),
            Err(_) => Err(self.take_back(counters)),
        }
    }

    /// Runs an execution on the calling thread until it first waits; only then it moves to a shard.
    ///
    /// # Errors
    /// [`StartError`] when it is not started.
    pub fn start_here(&self, program: Arc<Program>, start: ExecutionStart) -> Result<Completion, StartError> {
        let counters = self.caller_counters();
        self.shared.admit(counters)?;
        let mut running = Box::new(Running::new(program, start, self.random() as u64, self.shared.clock.epoch_ms()));
        let mut effects = Vec::new();
        let mut place = Place::Caller(None);
        let progress = running.begin(&self.shared, &mut place, &mut effects);
        if let Progress::Ended(outcome) = progress {
            counters.ended(outcome.status);
            return Ok(Completion::ended(outcome));
        }
        let (completer, completion) = Completion::pair();
        running.completer = Some(completer);
        self.shared.in_flight.fetch_add(1, Ordering::Relaxed);
        let has_called = running.has_called;
        let mailbox = match place {
            Place::Caller(Some(shard)) => &self.shared.post.mailboxes[shard],
            _ => self.shared.post.any(),
        };
        match mailbox.push(Message::Adopt(running, effects, matches!(progress, Progress::Yielded))) {
            Ok(()) => Ok(completion),
            Err(_) if has_called => {
                // It is too late to say that nothing has run: whoever started it hears that it is lost.
                self.shared.leave();
                counters.ended(ExecutionStatus::Aborted);
                Ok(completion)
            }
            Err(_) => Err(self.take_back(counters)),
        }
    }

    fn caller_counters(&self) -> &Counters {
        &self.stripe().counters
    }

    /// The stripe of the calling thread.
    fn stripe(&self) -> &CallerStripe {
        let address = Arc::as_ptr(&self.shared) as usize;
        let (mut engine, mut stripe) = STRIPE.get();
        if engine != address {
            (engine, stripe) = (address, self.callers.fetch_add(1, Ordering::Relaxed) % CALLER_STRIPES);
            STRIPE.set((engine, stripe));
        }
        &self.shared.callers[stripe]
    }

    /// Queues were full: what was counted as started was not.
    fn take_back(&self, counters: &Counters) -> StartError {
        self.shared.leave();
        counters.started.fetch_sub(1, Ordering::Relaxed);
        counters.refused.fetch_add(1, Ordering::Relaxed);
        StartError::TooManyExecutions { limit: self.shared.max_in_flight }
    }

    /// Runs a service on every shard. `false` when a shard's mailbox was full.
    pub fn spawn_on_shards(&self, service: impl Fn(Shard) -> LocalFuture + Send + Sync + 'static) -> bool {
        spawn(self.shared.post.foreground(), service)
    }

    /// Runs a service on every shard in the background. `false` when a shard's mailbox was full.
    pub fn spawn_in_background(&self, service: impl Fn(Shard) -> LocalFuture + Send + Sync + 'static) -> bool {
        spawn(self.shared.post.background(), service)
    }

    /// Starts nothing more and waits until what runs has ended, for as long as `timeout`. Whether all has ended.
    pub async fn drain(&self, timeout: Duration) -> bool {
        /// How often is looked whether all has ended.
        const LOOK: Duration = Duration::from_millis(2);
        self.shared.draining.store(true, Ordering::Relaxed);
        let ended = async {
            while self.executions_in_flight() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(timeout, ended).await.is_ok()
    }

    /// Starts nothing more and has each shard stop once its executions have ended. Waits for the shards when there are no
    /// executions; otherwise they go on by themselves until theirs have ended, five minutes at most.
    pub fn stop(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.wake_all();
        if self.executions_in_flight() > 0 {
            return;
        }
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A service on a shard may hold the last handle to the engine: a thread cannot wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                // A shard that panicked has said so on stderr, and there is nothing left to do for it.
                let _ = thread.join();
            }
        }
    }
}

fn spawn(mailboxes: &[Mailbox], service: impl Fn(Shard) -> LocalFuture + Send + Sync + 'static) -> bool {
    let service = Arc::new(service);
    mailboxes.iter().all(|mailbox| {
        let service = Arc::clone(&service);
        mailbox.push(Message::Service(Box::new(move |shard| service(shard)))).is_ok()
    })
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
