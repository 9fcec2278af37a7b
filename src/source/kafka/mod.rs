//! Kafka: a consumer group as source, a topic as destination, over librdkafka (feature `kafka`).
//!
//! [`Watermark`] is here without that feature, for it needs no client.

#[cfg(feature = "kafka")]
mod address;
#[cfg(feature = "kafka")]
mod client;
#[cfg(feature = "kafka")]
mod consumer;
#[cfg(feature = "kafka")]
mod destination;
#[cfg(feature = "kafka")]
mod partitions;
#[cfg(feature = "kafka")]
mod source;
mod watermark;

pub use self::watermark::Watermark;
#[cfg(feature = "kafka")]
pub use self::{
    address::KafkaAddress,
    client::KafkaClient,
    destination::KafkaDestination,
    source::{KafkaAcknowledger, KafkaSource, KafkaSourceSettings},
};
