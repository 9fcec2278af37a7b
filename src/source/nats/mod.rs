//! NATS JetStream: a durable pull consumer as source, a subject that a stream listens to as destination.

mod acknowledger;
mod address;
mod answers;
mod connection;
mod consumer;
mod destination;
mod intake;
mod message;
mod source;

/// Between attempts of whoever waits for a start to be stored.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

pub use self::{
    acknowledger::NatsAcknowledger, address::NatsAddress, connection::NatsConnection, consumer::NatsSourceSettings,
    destination::NatsDestination, intake::NatsIntake, source::NatsSource,
};
