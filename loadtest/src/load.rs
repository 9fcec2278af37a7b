//! One run of load: the plan, the threads that drive it, and what they and /proc have counted in the end.

use crate::action::Action;
use crate::clock::{RunClock, duration_ns};
use crate::driver::{Driver, Published};
use crate::failure::{Context, Failure};
use crate::process::{CpuTime, ProcessId};
use crate::tally::Tally;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Most connections of one run.
pub(crate) const MAX_CONNECTIONS: usize = 16_384;
/// Most requests in flight on one connection.
pub(crate) const MAX_PIPELINE: usize = 1024;
/// Longest measured part of a run, and longest warm-up.
pub(crate) const MAX_SECONDS: f64 = 3600.0;
/// Most client threads.
pub(crate) const MAX_THREADS: usize = 64;
/// Most requests of one run, unless the user sets fewer.
pub(crate) const MAX_REQUESTS: u64 = 10_000_000_000;
/// How often the observer is told.
const OBSERVE_EVERY: Duration = Duration::from_millis(250);

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrivals {
    /// As soon as the connection's last ones are answered.
    Closed,
    /// By a schedule fixed beforehand.
    Open {
        /// Requests a second over all threads.
        rate_per_second: u64,
    },
}

/// Everything that decides what a run does.
#[derive(Clone, Debug)]
pub(crate) struct LoadPlan {
    /// The server.
    pub(crate) address: SocketAddr,
    /// One request, head and body.
    pub(crate) request: Vec<u8>,
    /// What the request asks for, which decides what its reply must look like.
    pub(crate) action: Action,
    /// Connections over all threads.
    pub(crate) connections: usize,
    /// Requests in flight on each connection.
    pub(crate) pipeline: usize,
    /// Client threads.
    pub(crate) threads: usize,
    /// When requests are sent.
    pub(crate) arrivals: Arrivals,
    /// Time before the measured window.
    pub(crate) warm_up: Duration,
    /// Length of the measured window.
    pub(crate) duration: Duration,
    /// The run ends early after this many requests.
    pub(crate) max_requests: u64,
    /// A connection whose oldest request has waited this long is given up.
    pub(crate) request_timeout: Duration,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Time since the beginning.
    pub(crate) elapsed: Duration,
    /// Replies so far.
    pub(crate) answered: u64,
    /// Refusals and errors so far, of the measured window.
    pub(crate) refused: u64,
}

/// What a run has shown.
#[derive(Debug)]
pub(crate) struct LoadResult {
    /// The counts of all threads.
    pub(crate) tally: Tally,
    /// Length of the measured window, shorter than planned when the requests were used up before.
    pub(crate) window: Duration,
    /// What the server's process used in the window, when it could be read.
    pub(crate) server_cpu: Option<CpuTime>,
    /// What this process used in the window.
    pub(crate) client_cpu: Option<CpuTime>,
}

/// CPU time of server and client at one moment.
struct CpuReading {
    server: Option<CpuTime>,
    client: Option<CpuTime>,
}

impl CpuReading {
    fn take(server: Option<ProcessId>) -> Self {
        let cpu_of = |process: ProcessId| process.cpu_time().ok();
        Self { server: server.and_then(cpu_of), client: cpu_of(ProcessId::own()) }
    }
}

/// Runs `plan`, reading the CPU time of `server` at both ends of the window and telling `observe` four times a second.
///
/// # Errors
/// When the connections cannot be opened or a thread fails.
pub(crate) fn drive(
    plan: &LoadPlan,
    server: Option<ProcessId>,
    observe: &mut dyn FnMut(Moment),
) -> Result<LoadResult, Failure> {
    let mut drivers = Vec::new();
    for thread in 0..plan.threads {
        drivers.push(Driver::connect(plan, thread)?);
    }
    let (sender, receiver) = mpsc::channel();
    let mut published = Vec::new();
    let clock = RunClock::start();
    for (thread, driver) in drivers.into_iter().enumerate() {
        let counters = Arc::new(Published::default());
        published.push(Arc::clone(&counters));
        let sender = sender.clone();
        thread::Builder::new()
            .name(format!("client-{thread}"))
            // The receiver goes away only when another thread has failed, and then nobody wants this result.
            .spawn(move || drop(sender.send(driver.run(clock, &counters))))
            .context(|| "starting a client thread".to_owned())?;
    }
    drop(sender);

    let begin_ns = duration_ns(plan.warm_up);
    let end_ns = begin_ns.saturating_add(duration_ns(plan.duration));
    let (mut at_begin, mut at_end) = (None, None);
    let mut next_observation_ns = duration_ns(OBSERVE_EVERY);
    let mut tally = Tally::new();
    let mut running = plan.threads;
    while running > 0 {
        let now_ns = clock.elapsed_ns();
        if now_ns >= begin_ns && at_begin.is_none() {
            at_begin = Some(CpuReading::take(server));
        }
        if now_ns >= end_ns && at_end.is_none() {
            at_end = Some(CpuReading::take(server));
        }
        if now_ns >= next_observation_ns {
            next_observation_ns = now_ns + duration_ns(OBSERVE_EVERY);
            observe(moment(now_ns, &published));
        }
        let wake_ns = [begin_ns, end_ns, next_observation_ns].into_iter().filter(|&time_ns| time_ns > now_ns).min();
        let wait = Duration::from_nanos(wake_ns.unwrap_or(now_ns).saturating_sub(now_ns));
        match receiver.recv_timeout(wait) {
            Ok(counted) => {
                tally.merge(&counted?);
                running -= 1;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::new("a client thread has panicked")),
        }
    }
    // Threads end before the window does only when they have used up their requests; a server that stalls keeps them.
    let window_end_ns = if at_end.is_some() { end_ns } else { end_ns.min(tally.last_answer_ns.max(begin_ns)) };
    let at_end = at_end.unwrap_or_else(|| CpuReading::take(server));
    let between = |begin: Option<CpuTime>, end: Option<CpuTime>| Some(end? - begin?);
    let at_begin = at_begin.unwrap_or(CpuReading { server: None, client: None });
    Ok(LoadResult {
        window: Duration::from_nanos(window_end_ns - begin_ns),
        server_cpu: between(at_begin.server, at_end.server),
        client_cpu: between(at_begin.client, at_end.client),
        tally,
    })
}

/// The sum of what the threads have published.
fn moment(now_ns: u64, published: &[Arc<Published>]) -> Moment {
    let sum = |counter: fn(&Published) -> u64| published.iter().map(|counters| counter(counters)).sum();
    Moment {
        elapsed: Duration::from_nanos(now_ns),
        answered: sum(|counters| counters.answered.load(Ordering::Relaxed)),
        refused: sum(|counters| counters.refused.load(Ordering::Relaxed)),
    }
}
