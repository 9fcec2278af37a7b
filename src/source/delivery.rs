//! What a lane and a broker say to each other: deliveries, what became of them, and where results go.

use std::{fmt, future::Future, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;

use super::Publication;

/// A future on one shard's thread.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What a source acknowledges a delivery by; only the source that made it understands it.
pub type Receipt = Box<str>;

/// One message of a source, as it was delivered this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What it is acknowledged by.
    pub receipt: Receipt,
    /// The message's bytes.
    pub payload: Bytes,
    /// Its headers, in their order.
    pub headers: Vec<(String, String)>,
    /// Its subject, topic or stream.
    pub subject: Arc<str>,
    /// Its key, where the source has keys.
    pub key: Option<String>,
    /// Its place in the stream, as the source writes it. Equal for all deliveries of one message.
    pub sequence: String,
    /// Names the stream, as it is now, and its consumer: with the sequence, what no other message has. `None` where the source
    /// has no such name.
    pub origin: Option<Arc<str>>,
    /// How often it has been delivered, this time included.
    pub deliveries: u64,
    /// Messages that the source has left for its consumer after this one, where the source tells.
    pub lag: Option<u64>,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is done: never deliver it again.
    Acknowledge,
    /// Deliver it again after this time, to whoever is there.
    Retry {
        /// The wait.
        after: Duration,
    },
    /// It is being worked on: do not deliver it to anybody else yet.
    InProgress,
    /// It is given up and was handed to the dead letters: never deliver it again.
    Terminate,
}

/// Why a broker did not do what it was asked to: for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokerError {
    message: String,
    too_large: bool,
}

impl BrokerError {
    /// An error that says what `error` says. What was asked may be asked again.
    pub fn new(error: impl fmt::Display) -> Self {
        Self { message: error.to_string(), too_large: false }
    }

    /// A publication is larger than its destination will ever take, and is not to be tried again as it is: a result becomes a
    /// dead letter, and of a dead letter's original less is kept.
    pub fn too_large(error: impl fmt::Display) -> Self {
        Self { message: error.to_string(), too_large: true }
    }

    /// Whether it was made by [`BrokerError::too_large`].
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.too_large
    }
}

/// What a fetch came back with.
#[derive(Debug)]
pub enum Fetched {
    /// Deliveries, none when there were none for a while.
    Deliveries(Vec<Delivery>),
    /// There will never be any more.
    Ended,
}

/// Where deliveries come from.
pub trait Source {
    /// Waits for deliveries and gives what is there, `most` at most. Connects when it is not connected.
    ///
    /// It may be dropped while it waits: what has arrived by then stays with the source, for the next fetch or for
    /// [`Source::close`].
    ///
    /// # Errors
    /// When the source is down. The caller waits a little and asks again.
    fn fetch(&mut self, most: usize) -> LocalBoxFuture<'_, Result<Fetched, BrokerError>>;

    /// Hands back what was fetched by the source and not given out, and sees to it that all that was said has been sent.
    fn close(&mut self) -> LocalBoxFuture<'_, Result<(), BrokerError>>;
}

/// What a source is told about its deliveries.
pub trait Acknowledger {
    /// Says what becomes of deliveries, in their order.
    ///
    /// # Errors
    /// When the source could not be told about all of them; it may have been told about some.
    fn settle<'a>(
        &'a self,
        settlements: &'a [(Rc<Delivery>, Settlement)],
    ) -> LocalBoxFuture<'a, Result<(), BrokerError>>;

    /// After how long without a sign the source delivers a message to somebody else; a sign is sent at half of it.
    /// `None` when it never does.
    fn patience(&self) -> Option<Duration>;
}

/// Where results and dead letters go.
pub trait Destination {
    /// Hands publications on, and answers for each, in their order, once it is known whether it was accepted.
    ///
    /// It answers within a bounded time, with an error for what nothing is known of: the caller tries that again after a
    /// wait. What is larger than will ever be accepted is [`BrokerError::too_large`].
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>>;

    /// Whether it throws everything away, so that results need not be written.
    fn discards(&self) -> bool {
        false
    }
}
