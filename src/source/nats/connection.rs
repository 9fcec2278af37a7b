//! A connection to NATS, made when it is first used.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, Event};
use tokio::sync::OnceCell;

use crate::source::{Backoff, BrokerError};

/// Waits between attempts to connect again.
const RECONNECT: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(2) };
/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(3);

/// One connection of a lane. Connects when it is first used; once connected it connects again by itself.
pub struct NatsConnection {
    servers: Vec<String>,
    client: OnceCell<Client>,
    /// Most messages that may wait for this lane in the client.
    capacity: usize,
    report: Arc<dyn Fn(&str) + Send + Sync>,
}

impl NatsConnection {
    /// A connection to be made. `capacity` is the most messages that are asked for at once.
    #[must_use]
    pub fn new(servers: Vec<String>, capacity: usize, report: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        Self { servers, client: OnceCell::new(), capacity, report }
    }

    /// The servers it is for.
    #[must_use]
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// The client, connected if that has not happened yet.
    ///
    /// # Errors
    /// When no server can be reached.
    pub(super) async fn client(&self) -> Result<&Client, BrokerError> {
        self.client
            .get_or_try_init(|| async {
                let report = Arc::clone(&self.report);
                let options = ConnectOptions::new()
                    .name("expressway")
                    .connection_timeout(CONNECT)
                    // Status messages come besides those that were asked for.
                    .subscription_capacity(self.capacity.saturating_add(64))
                    .reconnect_delay_callback(|attempts| RECONNECT.after(attempts as u64))
                    .event_callback(move |event| {
                        match event {
                            Event::Disconnected => report("NATS is gone, connecting again"),
                            Event::Connected => report("connected to NATS"),
                            Event::ServerError(error) => report(&format!("NATS: {error}")),
                            Event::ClientError(error) => report(&format!("NATS: {error}")),
                            Event::SlowConsumer(_) => report("NATS: messages came faster than they were taken"),
                            Event::LameDuckMode | Event::Draining | Event::Closed => {}
                        }
                        std::future::ready(())
                    });
                options.connect(self.servers.as_slice()).await.map_err(BrokerError::new)
            })
            .await
    }

    /// The client, when it was connected before.
    pub(super) fn connected(&self) -> Result<&Client, BrokerError> {
        self.client.get().ok_or_else(|| BrokerError::new("not connected to NATS"))
    }
}
