//! A connection to NATS, made when it is first used.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, Event};
use tokio::{
    sync::{OnceCell, watch},
    time::timeout,
};

use crate::source::{Backoff, BrokerError};

/// Waits between attempts to connect again. Short at the longest: it is part of how long a pipe stands still after its server
/// has come back.
const RECONNECT: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };
/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long whoever has something to send waits for a connection that is down, before it is told so.
const UP: Duration = Duration::from_secs(5);

/// How a connection is.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    up: bool,
    /// How often it was lost.
    losses: u64,
}

/// One connection of a lane. Connects when it is first used; once connected it connects again by itself.
pub struct NatsConnection {
    servers: Vec<String>,
    client: OnceCell<Client>,
    /// Most messages that may wait for this lane in the client.
    capacity: usize,
    report: Arc<dyn Fn(&str) + Send + Sync>,
    link: Arc<watch::Sender<Link>>,
}

/// Knows whether a connection was lost since.
pub(super) struct Losses {
    link: watch::Receiver<Link>,
    before: u64,
}

impl Losses {
    /// Whether the connection was lost.
    pub(super) fn any(&self) -> bool {
        self.link.borrow().losses != self.before
    }

    /// Waits until the connection is lost.
    pub(super) async fn next(&mut self) {
        let before = self.before;
        if self.link.wait_for(|link| link.losses != before).await.is_err() {
            // The sender lives as long as the connection, which outlives whoever asks.
            std::future::pending::<()>().await;
        }
    }
}

impl NatsConnection {
    /// A connection to be made. `capacity` is the most messages that are asked for at once.
    #[must_use]
    pub fn new(servers: Vec<String>, capacity: usize, report: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        Self { servers, client: OnceCell::new(), capacity, report, link: Arc::default() }
    }

    /// The servers it is for.
    #[must_use]
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Whether anybody has asked for it.
    pub(super) fn is_used(&self) -> bool {
        self.client.initialized()
    }

    /// The client, connected, and what tells whether the connection is lost from now on.
    ///
    /// # Errors
    /// When no server can be reached for [`UP`].
    pub(super) async fn client(&self) -> Result<(&Client, Losses), BrokerError> {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        let mut link = self.link.subscribe();
        let before = match timeout(UP, link.wait_for(|link| link.up)).await {
            Ok(Ok(link)) => link.losses,
            _ => return Err(BrokerError::new("NATS is gone")),
        };
        Ok((client, Losses { link, before }))
    }

    async fn connect(&self) -> Result<Client, BrokerError> {
        let (report, link) = (Arc::clone(&self.report), Arc::clone(&self.link));
        let options = ConnectOptions::new()
            .name("expressway")
            .connection_timeout(CONNECT)
            // Subjects are those of messages that came, or were checked when their addresses were read.
            .skip_subject_validation(true)
            // Status messages come besides those that were asked for.
            .subscription_capacity(self.capacity.saturating_add(1024))
            .reconnect_delay_callback(|attempts| RECONNECT.after(attempts as u64))
            .event_callback(move |event| {
                match event {
                    Event::Disconnected => {
                        link.send_modify(|link| *link = Link { up: false, losses: link.losses + 1 });
                        report("NATS is gone, connecting again");
                    }
                    Event::Connected => {
                        link.send_modify(|link| link.up = true);
                        report("connected to NATS");
                    }
                    Event::ServerError(error) => report(&format!("NATS: {error}")),
                    Event::ClientError(error) => report(&format!("NATS: {error}")),
                    Event::SlowConsumer(_) => report("NATS: messages came faster than they were taken"),
                    Event::LameDuckMode | Event::Draining | Event::Closed => {}
                }
                std::future::ready(())
            });
        options.connect(self.servers.as_slice()).await.map_err(BrokerError::new)
    }
}
