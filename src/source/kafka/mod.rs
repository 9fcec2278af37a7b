//! Kafka: a consumer group as source, a topic as destination, over librdkafka (feature `kafka`).
//!
//! [`Watermark`] and [`Ahead`] are here without that feature, for they need no client.

#[cfg(feature = "kafka")]
mod address;
mod ahead;
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

#[cfg(feature = "kafka")]
pub use self::{
    address::KafkaAddress,
    client::KafkaClient,
    destination::KafkaDestination,
    source::{KafkaAcknowledger, KafkaSource, KafkaSourceSettings},
};
pub use self::{ahead::Ahead, watermark::Watermark};
