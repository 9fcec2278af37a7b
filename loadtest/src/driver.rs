//! One thread of the client: an epoll loop over its connections.
//!
//! The client shares its cores with the server, so whatever it spends the server cannot: requests are bytes built
//! beforehand, a reply costs one read, a search for its end and one clock reading, and nothing allocates per request.
//!
//! Bounds: at most `connections * pipeline` requests are in flight; sending stops at the end of the run or when the
//! thread's share of `max_requests` is used up; waiting for the last replies ends after `request_timeout`.

use crate::action::Action;
use crate::clock::{RunClock, duration_ns};
use crate::connection::Connection;
use crate::failure::{Context, Failure};
use crate::load::{Arrivals, LoadPlan};
use crate::reply::{self, MAX_BODY_BYTES, MAX_HEAD_BYTES, Parsed};
use crate::schedule::Schedule;
use crate::tally::Tally;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Events taken from epoll at a time.
const EVENTS: usize = 256;
/// Room for replies to begin with; it grows when one reply is larger.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// A reply that cannot fit into this is refused by the parser before.
const MAX_READ_BUFFER_BYTES: usize = 2 * (MAX_HEAD_BYTES + MAX_BODY_BYTES);
/// How often deadlines are looked at, lost connections opened again and progress published.
const TICK: Duration = Duration::from_millis(50);
/// One reply in this many has its body looked at; a power of two.
const SAMPLE_EVERY: u64 = 1024;
/// Timer slack of an open loop, so that epoll wakes at the scheduled time and not 50 µs later.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// Counters that the coordinator reads while the threads run; `Relaxed`, as they only feed the progress display.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Replies so far, warm-up included.
    pub(crate) answered: AtomicU64,
    /// Refusals and errors of the measured window so far.
    pub(crate) refused: AtomicU64,
}

/// A thread's connections and counts.
#[derive(Debug)]
pub(crate) struct Driver {
    plan: DriverPlan,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// As many equal requests as may be in flight on a connection, one after the other.
    batch: Vec<u8>,
    request_bytes: usize,
    buffer: Vec<u8>,
    /// Slots that can take a request, the one that has waited longest first (open loop).
    free: VecDeque<usize>,
    /// Next arrival of the open loop.
    next_arrival: u64,
    /// Requests that this thread may still send.
    budget: u64,
    in_flight: usize,
    replies: u64,
    tally: Tally,
}

/// What a thread needs of the plan, with times in nanoseconds since the beginning.
#[derive(Debug)]
struct DriverPlan {
    address: std::net::SocketAddr,
    action: Action,
    pipeline: usize,
    schedule: Option<Schedule>,
    window_begin_ns: u64,
    window_end_ns: u64,
    request_timeout_ns: u64,
}

impl Driver {
    /// Opens the connections of `thread`.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(crate) fn connect(plan: &LoadPlan, thread: usize) -> Result<Self, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context(|| "creating an epoll set".to_owned())?;
        let count = share(plan.connections as u64, thread, plan.threads);
        let mut connections = Vec::new();
        for index in 0..usize::try_from(count).expect("a share is no larger than the whole, which is a usize") {
            let mut connection = Connection::new(plan.pipeline);
            connection.connect(plan.address, &epoll, index).context(|| format!("connecting to {}", plan.address))?;
            connections.push(connection);
        }
        let window_begin_ns = duration_ns(plan.warm_up);
        Ok(Self {
            plan: DriverPlan {
                address: plan.address,
                action: plan.action,
                pipeline: plan.pipeline,
                schedule: match plan.arrivals {
                    Arrivals::Closed => None,
                    Arrivals::Open { rate_per_second } => Some(Schedule::new(rate_per_second, thread, plan.threads)),
                },
                window_begin_ns,
                window_end_ns: window_begin_ns.saturating_add(duration_ns(plan.duration)),
                request_timeout_ns: duration_ns(plan.request_timeout),
            },
            epoll,
            connections,
            batch: plan.request.repeat(plan.pipeline),
            request_bytes: plan.request.len(),
            buffer: vec![0; READ_BUFFER_BYTES],
            free: VecDeque::new(),
            next_arrival: 0,
            budget: share(plan.max_requests, thread, plan.threads),
            in_flight: 0,
            replies: 0,
            tally: Tally::new(),
        })
    }

    /// Drives the load to its end and returns what was counted.
    ///
    /// # Errors
    /// When epoll itself fails; a server's misbehaviour is counted, not an error.
    pub(crate) fn run(mut self, clock: RunClock, published: &Published) -> Result<Tally, Failure> {
        if self.plan.schedule.is_some() {
            rustix::thread::set_current_timer_slack(Some(TIMER_SLACK_NS))
                .context(|| "setting the timer slack".to_owned())?;
        }
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        let tick_ns = duration_ns(TICK);
        let mut now_ns = clock.elapsed_ns();
        let mut next_tick_ns = now_ns + tick_ns;
        let give_up_ns = self.plan.window_end_ns.saturating_add(self.plan.request_timeout_ns);
        for index in 0..self.connections.len() {
            self.make_use(index, now_ns);
        }
        while now_ns < give_up_ns && (self.in_flight > 0 || self.may_send(now_ns)) {
            let wake_ns = self.send_due(now_ns).min(next_tick_ns);
            self.wait(&mut events, wake_ns.saturating_sub(now_ns))?;
            for event in &events {
                let (data, flags) = (event.data, event.flags);
                let index = usize::try_from(data.u64()).expect("epoll hands back the index it was given");
                if flags.contains(epoll::EventFlags::OUT) {
                    self.flush(index);
                }
                if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                    self.receive(index, clock);
                }
            }
            now_ns = clock.elapsed_ns();
            if now_ns >= next_tick_ns {
                next_tick_ns = now_ns + tick_ns;
                self.tick(now_ns);
                published.answered.store(self.replies, Ordering::Relaxed);
                let refused = self.tally.throttled + self.tally.error_count();
                published.refused.store(refused, Ordering::Relaxed);
            }
        }
        self.count_the_rest();
        Ok(self.tally)
    }

    /// Waits for events, at most `timeout_ns`.
    fn wait(&self, events: &mut Vec<epoll::Event>, timeout_ns: u64) -> Result<(), Failure> {
        events.clear();
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout_ns / 1_000_000_000).expect("a tick is far below 2^63 seconds"),
            tv_nsec: (timeout_ns % 1_000_000_000).cast_signed(),
        };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context(|| "waiting on epoll".to_owned()),
        }
    }

    /// Whether the run still sends.
    fn may_send(&self, now_ns: u64) -> bool {
        now_ns < self.plan.window_end_ns && self.budget > 0
    }

    /// Whether a request that began at `origin_ns` is measured.
    fn is_measured(&self, origin_ns: u64) -> bool {
        (self.plan.window_begin_ns..self.plan.window_end_ns).contains(&origin_ns)
    }

    /// Lets a connection that has room do what the mode wants: send at once, or queue for the next arrival.
    fn make_use(&mut self, index: usize, now_ns: u64) {
        let connection = &mut self.connections[index];
        if !connection.is_connected() {
            return;
        }
        if self.plan.schedule.is_some() {
            if !connection.is_queued && connection.origins_ns.len() < self.plan.pipeline {
                connection.is_queued = true;
                self.free.push_back(index);
            }
        } else if connection.origins_ns.is_empty() && self.may_send(now_ns) {
            let count = self.budget.min(self.plan.pipeline as u64);
            self.send(index, (0..count).map(|_| now_ns), now_ns);
        }
    }

    /// Open loop: sends every arrival that is due while there is a connection for it. Returns when to wake for the next.
    fn send_due(&mut self, now_ns: u64) -> u64 {
        let Some(schedule) = self.plan.schedule else {
            return u64::MAX;
        };
        while self.may_send(now_ns) {
            let due_ns = schedule.due_ns(self.next_arrival);
            if due_ns > now_ns {
                return due_ns;
            }
            let Some(index) = self.free.pop_front() else {
                // The next reply frees a connection; the arrival waits, and its wait is part of its latency.
                return u64::MAX;
            };
            let connection = &mut self.connections[index];
            connection.is_queued = false;
            if !connection.is_connected() {
                continue;
            }
            let room = self.plan.pipeline.saturating_sub(connection.origins_ns.len()) as u64;
            let due = schedule.due_before(now_ns.saturating_add(1)).saturating_sub(self.next_arrival);
            let count = room.min(due).min(self.budget);
            let first = self.next_arrival;
            self.next_arrival += count;
            self.send(index, (first..first + count).map(move |arrival| schedule.due_ns(arrival)), now_ns);
            self.make_use(index, now_ns);
        }
        u64::MAX
    }

    /// Sends requests that began at `origins_ns` on a connection.
    fn send(&mut self, index: usize, origins_ns: impl Iterator<Item = u64>, now_ns: u64) {
        let connection = &mut self.connections[index];
        let before = connection.origins_ns.len();
        let sent = connection.send(&self.batch, self.request_bytes, origins_ns, now_ns, &self.epoll, index);
        let count = connection.origins_ns.len() - before;
        self.in_flight += count;
        self.budget -= count as u64;
        if let Err(error) = sent {
            self.lose(index, &code_of(&error));
        }
    }

    /// Writes what a connection could not take before.
    fn flush(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if !connection.is_connected() {
            return;
        }
        if let Err(error) = connection.flush(&self.batch, &self.epoll, index) {
            self.lose(index, &code_of(&error));
        }
    }

    /// Takes what has come on a connection and counts the whole replies in it.
    fn receive(&mut self, index: usize, clock: RunClock) {
        let held = self.connections[index].partial.len();
        if held + READ_BUFFER_BYTES / 2 > self.buffer.len() && self.buffer.len() < MAX_READ_BUFFER_BYTES {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let filled = match self.connections[index].read(&mut self.buffer) {
            Ok(Some(filled)) => filled,
            Ok(None) => return,
            Err(error) => return self.lose(index, &code_of(&error)),
        };
        let now_ns = clock.elapsed_ns();
        let mut taken = 0;
        while taken < filled {
            match reply::parse(&self.buffer[taken..filled]) {
                Parsed::Incomplete => break,
                Parsed::Invalid(code) => return self.lose(index, code),
                Parsed::Complete { status, head_bytes, body_bytes } => {
                    let body_begin = taken + head_bytes;
                    taken = body_begin + body_bytes;
                    let Some(origin_ns) = self.connections[index].origins_ns.pop_front() else {
                        return self.lose(index, "ReplyWithoutRequest");
                    };
                    self.count_reply(status, body_begin..taken, origin_ns, now_ns);
                }
            }
        }
        let connection = &mut self.connections[index];
        connection.written_ns = now_ns;
        connection.partial.extend_from_slice(&self.buffer[taken..filled]);
        self.make_use(index, now_ns);
    }

    /// Counts one reply whose body is in the buffer at `body`.
    fn count_reply(&mut self, status: u16, body: std::ops::Range<usize>, origin_ns: u64, now_ns: u64) {
        self.in_flight -= 1;
        let is_sampled = self.replies & (SAMPLE_EVERY - 1) == 0;
        self.replies += 1;
        let verdict = reply::judge(self.plan.action, status, &self.buffer[body], is_sampled);
        self.tally.last_answer_ns = now_ns;
        if self.is_measured(now_ns) {
            self.tally.answered_in_window += 1;
        }
        if self.is_measured(origin_ns) {
            self.tally.count(verdict, now_ns.saturating_sub(origin_ns));
        }
    }

    /// Gives a connection up: what was in flight on it is counted under `code`.
    fn lose(&mut self, index: usize, code: &str) {
        let connection = &self.connections[index];
        let measured = connection.origins_ns.iter().filter(|&&origin_ns| self.is_measured(origin_ns)).count();
        self.tally.count_errors(code, measured as u64);
        let connection = &mut self.connections[index];
        self.in_flight -= connection.origins_ns.len();
        connection.disconnect();
    }

    /// Ends requests that have waited too long and opens lost connections again.
    fn tick(&mut self, now_ns: u64) {
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            let waited_ns = now_ns.saturating_sub(connection.written_ns);
            if !connection.origins_ns.is_empty() && waited_ns > self.plan.request_timeout_ns {
                self.lose(index, "NoReplyInTime");
            }
        }
        if !self.may_send(now_ns) {
            return;
        }
        for index in 0..self.connections.len() {
            if self.connections[index].is_connected() {
                continue;
            }
            // A server that takes no connection now is asked again at the next tick, one connection at a time.
            if self.connections[index].connect(self.plan.address, &self.epoll, index).is_err() {
                self.tally.count_errors("ConnectFailed", 1);
                return;
            }
            self.make_use(index, now_ns);
        }
    }

    /// Counts what never got an answer, and what was never sent.
    fn count_the_rest(&mut self) {
        let in_flight = self.connections.iter().flat_map(|connection| &connection.origins_ns);
        self.tally.unanswered = in_flight.filter(|&&origin_ns| self.is_measured(origin_ns)).count() as u64;
        if let Some(schedule) = self.plan.schedule
            && self.budget > 0
        {
            let first = schedule.due_before(self.plan.window_begin_ns).max(self.next_arrival);
            self.tally.not_sent = schedule.due_before(self.plan.window_end_ns).saturating_sub(first);
        }
    }
}

/// The share of `thread` (from 0) when `total` is dealt out to `threads`.
fn share(total: u64, thread: usize, threads: usize) -> u64 {
    let (thread, threads) = (thread as u64, threads.max(1) as u64);
    total / threads + u64::from(thread < total % threads)
}

/// The name under which a lost connection is counted.
fn code_of(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "ConnectionClosed".to_owned(),
        kind => format!("{kind:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for total in [0, 1, 2, 5, 64, 1_000_001] {
            for threads in 1..5 {
                let shares: Vec<u64> = (0..threads).map(|thread| share(total, thread, threads)).collect();
                assert_eq!(shares.iter().sum::<u64>(), total);
                assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
            }
        }
    }
}
