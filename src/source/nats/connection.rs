//! A connection to NATS, made when it is first used, and made again whenever it is lost.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{Server, client::Client, link::Link};
use crate::source::{Backoff, BrokerError};

/// Waits between attempts to connect again. Short at the longest: it is part of how long a pipe stands still after its server
/// has come back.
const RECONNECT: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };
/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long whoever has something to send waits for a connection that is down, before it is told so.
const UP: Duration = Duration::from_secs(5);

type Report = Arc<dyn Fn(&str) + Send + Sync>;

/// How a connection is.
#[derive(Clone, Debug, Default)]
struct State {
    up: bool,
    /// How often it was lost.
    losses: u64,
    /// Why the last attempt failed, while it has never been up.
    failure: Option<BrokerError>,
}

/// One connection of a lane. Connects when it is first used; from then on it connects again by itself.
pub struct NatsConnection {
    servers: Vec<Server>,
    /// Most messages that may wait for this lane in an inbox.
    capacity: usize,
    report: Report,
    client: Client,
    state: Rc<watch::Sender<State>>,
    /// What keeps it, once it is used.
    keeper: RefCell<Option<AbortHandle>>,
}

/// Knows whether a connection was lost since.
pub(super) struct Losses {
    state: watch::Receiver<State>,
    before: u64,
}

impl Losses {
    /// Whether the connection was lost.
    pub(super) fn any(&self) -> bool {
        self.state.borrow().losses != self.before
    }

    /// Waits until the connection is lost.
    pub(super) async fn next(&mut self) {
        let before = self.before;
        if self.state.wait_for(|state| state.losses != before).await.is_err() {
            // The sender lives as long as the connection, which outlives whoever asks.
            std::future::pending::<()>().await;
        }
    }
}

impl NatsConnection {
    /// A connection to be made to one of the servers, in their order. `capacity` is the most messages that are asked for at
    /// once.
    #[must_use]
    pub fn new(servers: Vec<Server>, capacity: usize, report: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        Self { servers, capacity, report, client: Client::default(), state: Rc::default(), keeper: RefCell::default() }
    }

    /// The servers it is for.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Most messages that may wait in an inbox: status messages come besides those that were asked for.
    pub(super) fn capacity(&self) -> usize {
        const STATUS_MESSAGES: usize = 1024;
        self.capacity.saturating_add(STATUS_MESSAGES)
    }

    /// Whether anybody has asked for it.
    pub(super) fn is_used(&self) -> bool {
        self.keeper.borrow().is_some()
    }

    /// The client, connected, and what tells whether the connection is lost from now on. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// When no server can be reached for [`UP`], or none could be at the first attempt.
    pub(super) async fn client(&self) -> Result<(&Client, Losses), BrokerError> {
        self.keeper.borrow_mut().get_or_insert_with(|| {
            let (servers, report) = (self.servers.clone(), Arc::clone(&self.report));
            let keeping = keep(servers, report, self.client.clone(), Rc::clone(&self.state));
            tokio::task::spawn_local(keeping).abort_handle()
        });
        let mut state = self.state.subscribe();
        let found = timeout(UP, state.wait_for(|state| state.up || state.failure.is_some())).await;
        let (failure, before) = match found {
            Ok(Ok(found)) => (found.failure.clone(), found.losses),
            _ => return Err(BrokerError::new("NATS is gone")),
        };
        match failure {
            Some(failure) => Err(failure),
            None => Ok((&self.client, Losses { state: self.state.subscribe(), before })),
        }
    }
}

impl Drop for NatsConnection {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get_mut() {
            keeper.abort();
        }
    }
}

/// Connects, and connects again, for ever.
async fn keep(servers: Vec<Server>, report: Report, client: Client, state: Rc<watch::Sender<State>>) {
    let mut failures = 0;
    for server in servers.iter().cycle() {
        let opened = match timeout(CONNECT, Link::open(server)).await {
            Ok(opened) => opened,
            Err(_) => Err(BrokerError::new("the server does not answer")),
        };
        let error = match opened {
            Ok(link) => {
                failures = 0;
                client.begin(link.max_payload);
                state.send_modify(|state| *state = State { up: true, losses: state.losses, failure: None });
                report("connected to NATS");
                let error = link.run(&client, &*report).await;
                state.send_modify(|state| *state = State { up: false, losses: state.losses + 1, failure: None });
                report(&format!("NATS is gone, connecting again: {error}"));
                error
            }
            Err(error) => error,
        };
        failures += 1;
        if failures % servers.len() as u64 != 0 {
            continue;
        }
        // Who waits for one that has been up waits on: it mostly is again soon.
        let failure = BrokerError::new(format!("{}:{}: {error}", server.host, server.port));
        state.send_if_modified(|state| {
            let never = state.losses == 0;
            if never {
                state.failure = Some(failure);
            }
            never
        });
        sleep(RECONNECT.after(failures / servers.len() as u64)).await;
    }
}
