//! What JetStream is told about its messages.

use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    rc::Rc,
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{Headers, NatsConnection, client::Client};
use crate::source::{Acknowledger, BrokerError, Delivery, LocalBoxFuture, Settlement};

/// How long it may take to hand acknowledgements to a connection that is up.
const ACKNOWLEDGEMENT_DEADLINE: Duration = Duration::from_secs(5);
/// Acknowledgements of the last so much time, and up to twice that, are said again after the connection was lost.
const SAID_LATELY: Duration = Duration::from_secs(2);
/// Most bytes of subjects that are kept for that, half of them in each generation.
const MOST_SAID_BYTES: usize = 8 << 20;

/// Subjects of final acknowledgements that were said lately: two generations of texts with line feeds between them, which cost
/// a copy of some 60 bytes each.
#[derive(Default)]
struct SaidLately {
    older: String,
    newer: String,
    /// When the newer generation began.
    since: Option<Instant>,
}

impl SaidLately {
    /// Begins a new generation when it is time to.
    fn turn(&mut self, now: Instant) {
        let old = self.since.is_none_or(|since| now.duration_since(since) > SAID_LATELY);
        if old || self.newer.len() > MOST_SAID_BYTES / 2 {
            std::mem::swap(&mut self.older, &mut self.newer);
            self.newer.clear();
            self.since = Some(now);
        }
    }

    fn add(&mut self, subject: &str) {
        self.newer.push_str(subject);
        self.newer.push('\n');
    }

    fn subjects(&self) -> impl Iterator<Item = &str> {
        self.older.lines().chain(self.newer.lines())
    }
}

/// What source and acknowledger of a consumer share.
pub(super) struct Ear {
    connection: Rc<NatsConnection>,
    /// The consumer's AckWait.
    pub(super) patience: Cell<Option<Duration>>,
    /// Final acknowledgements. JetStream confirms none, and a server that was killed forgets those that it
    /// had read and not written yet: it would wait for its AckWait, its window full of what is done.
    lately: RefCell<SaidLately>,
}

/// Acknowledges messages of a [`NatsSource`](super::NatsSource).
pub struct NatsAcknowledger(pub(super) Rc<Ear>);

impl Ear {
    pub(super) fn new(connection: Rc<NatsConnection>, patience: Duration) -> Self {
        Self { connection, patience: Cell::new(Some(patience)), lately: RefCell::default() }
    }

    pub(super) fn connection(&self) -> &NatsConnection {
        &self.connection
    }

    /// Says the acknowledgements of the last while again. They change nothing where they were heard the first time.
    pub(super) fn say_again(&self, client: &Client) {
        for to in self.lately.borrow().subjects() {
            say(client, to, Settlement::Acknowledge);
        }
    }

    async fn say(&self, settlements: &[(Rc<Delivery>, Settlement)]) -> Result<(), BrokerError> {
        let (client, _) = self.connection.client().await?;
        client.room().await;
        let lately = &mut *self.lately.borrow_mut();
        lately.turn(Instant::now());
        for (delivery, settlement) in settlements {
            if matches!(settlement, Settlement::Acknowledge | Settlement::Terminate) {
                lately.add(&delivery.receipt);
            }
            say(client, &delivery.receipt, *settlement);
        }
        Ok(())
    }
}

impl Acknowledger for NatsAcknowledger {
    fn settle<'a>(
        &'a self,
        settlements: &'a [(Rc<Delivery>, Settlement)],
    ) -> LocalBoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            timeout(ACKNOWLEDGEMENT_DEADLINE, self.0.say(settlements))
                .await
                .unwrap_or_else(|_| Err(BrokerError::new("NATS does not take acknowledgements")))
        })
    }

    fn patience(&self) -> Option<Duration> {
        self.0.patience.get()
    }
}

/// Tells what becomes of a message at the subject that it is acknowledged at (JetStream wire API, "Acknowledging messages").
pub(super) fn say(client: &Client, to: &str, settlement: Settlement) {
    let mut text = String::new();
    let payload = match settlement {
        Settlement::Acknowledge => "+ACK",
        Settlement::InProgress => "+WPI",
        Settlement::Terminate => "+TERM",
        Settlement::Retry { after } if after.is_zero() => "-NAK",
        Settlement::Retry { after } => {
            // Writing to a string does not fail.
            let _ = write!(text, "-NAK {{\"delay\": {}}}", after.as_nanos());
            &text
        }
    };
    // A server that takes no messages of so few bytes takes none at all.
    let _ = client.publish(to, "", &Headers::default(), payload.as_bytes());
}
