//! What JetStream is told about its messages.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt::Write as _,
    rc::Rc,
    time::Duration,
};

use async_nats::{Client, Subject};
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::NatsConnection;
use crate::source::{Acknowledger, BrokerError, Delivery, LocalBoxFuture, Settlement};

/// How long it may take to hand acknowledgements to a connection that is up.
const ACKNOWLEDGEMENT_DEADLINE: Duration = Duration::from_secs(5);
/// Acknowledgements of the last so much time are said again after the connection was lost.
const SAID_LATELY: Duration = Duration::from_secs(2);
/// Most acknowledgements that are kept for that.
const MOST_SAID_LATELY: usize = 65_536;

/// What source and acknowledger of a consumer share.
pub(super) struct Ear {
    connection: Rc<NatsConnection>,
    /// The consumer's AckWait.
    pub(super) patience: Cell<Option<Duration>>,
    /// Final acknowledgements, when they were said. JetStream confirms none, and a server that was killed forgets those that it
    /// had read and not written yet: it would wait for its AckWait, its window full of what is done.
    lately: RefCell<VecDeque<(Instant, Subject, Bytes)>>,
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
    pub(super) async fn say_again(&self, client: &Client) -> Result<(), BrokerError> {
        let lately: Vec<_> = self.lately.borrow().iter().map(|(_, to, what)| (to.clone(), what.clone())).collect();
        for (to, what) in lately {
            client.publish(to, what).await.map_err(BrokerError::new)?;
        }
        Ok(())
    }

    async fn say(&self, settlements: &[(Rc<Delivery>, Settlement)]) -> Result<(), BrokerError> {
        let (client, _) = self.connection.client().await?;
        let now = Instant::now();
        for (delivery, settlement) in settlements {
            let (to, what) = (Subject::from(&*delivery.receipt), acknowledgement(*settlement));
            if matches!(settlement, Settlement::Acknowledge | Settlement::Terminate) {
                let lately = &mut *self.lately.borrow_mut();
                while lately.len() >= MOST_SAID_LATELY
                    || lately.front().is_some_and(|(said, ..)| now.duration_since(*said) > SAID_LATELY)
                {
                    lately.pop_front();
                }
                lately.push_back((now, to.clone(), what.clone()));
            }
            client.publish(to, what).await.map_err(BrokerError::new)?;
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

/// The payload that says so (JetStream wire API, "Acknowledging messages").
pub(super) fn acknowledgement(settlement: Settlement) -> Bytes {
    match settlement {
        Settlement::Acknowledge => Bytes::from_static(b"+ACK"),
        Settlement::InProgress => Bytes::from_static(b"+WPI"),
        Settlement::Terminate => Bytes::from_static(b"+TERM"),
        Settlement::Retry { after } if after.is_zero() => Bytes::from_static(b"-NAK"),
        Settlement::Retry { after } => {
            let mut text = String::from("-NAK ");
            // Writing to a string does not fail.
            let _ = write!(text, "{{\"delay\": {}}}", after.as_nanos());
            Bytes::from(text)
        }
    }
}
