//! Options that shape the load, shared by the subcommands that make it.

use crate::action::Action;
use crate::failure::Failure;
use crate::load::{Arrivals, LoadPlan, MAX_CONNECTIONS, MAX_PIPELINE, MAX_REQUESTS, MAX_SECONDS, MAX_THREADS};
use crate::machine;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::time::Duration;

/// Closed or open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The next request goes out when the last is answered: shows the most a server can do.
    Closed,
    /// Requests go out by a schedule fixed beforehand, and latency counts from the scheduled time: shows what a client
    /// waits at a given rate.
    Open,
}

/// How much load, for how long, in what manner.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoadOptions {
    /// Connections, shared among the client's threads.
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub(crate) connections: usize,
    /// Requests in flight on each connection; a closed loop writes them at once and waits for all.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) pipeline: usize,
    #[arg(long, value_enum, default_value_t = Mode::Closed)]
    pub(crate) mode: Mode,
    /// Requests a second of an open loop.
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<u64>,
    /// Measured time in seconds.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    pub(crate) duration: f64,
    /// Time before the measured one, in seconds.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    pub(crate) warm_up: f64,
    /// Client threads [default: cores]. With fewer, the client may be what limits the rate, and a ratio of rates says
    /// less than it seems to.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// End after this many requests even if time is left.
    #[arg(long, default_value_t = MAX_REQUESTS, value_name = "N", hide_default_value = true)]
    pub(crate) max_requests: u64,
    /// Give a connection up when a reply has taken this many seconds.
    #[arg(long, default_value_t = 30.0, value_name = "S")]
    pub(crate) request_timeout: f64,
    /// No progress on stderr.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl LoadOptions {
    /// The plan of these options for one request to one address.
    ///
    /// # Errors
    /// When a number is out of its bounds, or the mode and the rate do not go together.
    pub(crate) fn plan(&self, address: SocketAddr, action: Action, request: Vec<u8>) -> Result<LoadPlan, Failure> {
        let threads = self.threads.unwrap_or_else(machine::cores).min(self.connections);
        within("--connections", self.connections, MAX_CONNECTIONS)?;
        within("--pipeline", self.pipeline, MAX_PIPELINE)?;
        within("--threads", threads, MAX_THREADS)?;
        let arrivals = match (self.mode, self.rate) {
            (Mode::Closed, None) => Arrivals::Closed,
            (Mode::Open, Some(rate_per_second @ 1..=100_000_000)) => Arrivals::Open { rate_per_second },
            (Mode::Open, _) => return Err(Failure::new("--mode open wants --rate, from 1 to 100000000 a second")),
            (Mode::Closed, Some(_)) => return Err(Failure::new("--rate belongs to --mode open")),
        };
        Ok(LoadPlan {
            address,
            request,
            action,
            connections: self.connections,
            pipeline: self.pipeline,
            threads,
            arrivals,
            warm_up: seconds("--warm-up", self.warm_up)?,
            duration: seconds("--duration", self.duration)?,
            max_requests: self.max_requests.min(MAX_REQUESTS),
            request_timeout: seconds("--request-timeout", self.request_timeout)?,
        })
    }
}

/// Checks a count.
pub(crate) fn within(name: &str, value: usize, most: usize) -> Result<(), Failure> {
    if (1..=most).contains(&value) { Ok(()) } else { Err(Failure::new(format!("{name} is from 1 to {most}"))) }
}

/// Checks a time in seconds.
pub(crate) fn seconds(name: &str, value: f64) -> Result<Duration, Failure> {
    if (0.0..=MAX_SECONDS).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err(Failure::new(format!("{name} is from 0 to {MAX_SECONDS} seconds")))
    }
}
