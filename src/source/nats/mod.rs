//! NATS JetStream: a durable pull consumer as source, a subject that a stream listens to as destination.

mod address;
mod connection;
mod destination;
mod source;

pub use self::{
    address::NatsAddress,
    connection::NatsConnection,
    destination::NatsDestination,
    source::{NatsAcknowledger, NatsSource, NatsSourceSettings},
};
