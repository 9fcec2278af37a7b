//! Redis Streams: a consumer group as source, a stream as destination.

mod address;
mod connection;
mod destination;
mod source;

pub use self::{
    address::RedisAddress,
    connection::RedisConnection,
    destination::RedisDestination,
    source::{RedisAcknowledger, RedisSource, RedisSourceSettings},
};
