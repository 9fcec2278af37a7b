//! NATS JetStream: a durable pull consumer as source, a subject that a stream listens to as destination.

mod acknowledger;
mod address;
mod answers;
mod client;
mod connection;
mod consumer;
mod destination;
mod headers;
mod intake;
mod link;
mod message;
mod operation;
mod pulls;
mod source;
mod stream;

/// By what a stream recognises what it has stored already.
const MESSAGE_ID: &str = "Nats-Msg-Id";
/// Between attempts of whoever waits for a start to be stored.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

pub use self::{
    acknowledger::NatsAcknowledger,
    address::{NatsAddress, Server},
    connection::NatsConnection,
    consumer::NatsSourceSettings,
    destination::NatsDestination,
    intake::NatsIntake,
    source::NatsSource,
};
use self::{headers::Headers, message::Message};
