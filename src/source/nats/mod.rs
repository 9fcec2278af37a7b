//! NATS JetStream: a durable pull consumer as source, a subject that a stream listens to as destination.

mod acknowledger;
mod address;
mod answers;
mod connection;
mod consumer;
mod destination;
mod message;
mod source;

pub use self::{
    acknowledger::NatsAcknowledger, address::NatsAddress, connection::NatsConnection, consumer::NatsSourceSettings,
    destination::NatsDestination, source::NatsSource,
};
