//! A Redis stream as destination.

use std::{rc::Rc, time::Duration};

use super::RedisConnection;
use crate::source::{BrokerError, Destination, LocalBoxFuture, Publication};

/// Adds to a stream, in the field `payload`: a result as it is, a dead letter as a JSON record with the original in it. A
/// publication is accepted once Redis has answered.
pub struct RedisDestination {
    connection: Rc<RedisConnection>,
    stream: String,
}

impl RedisDestination {
    /// A destination that connects at its first publication.
    #[must_use]
    pub fn new(connection: Rc<RedisConnection>, stream: String) -> Self {
        Self { connection, stream }
    }

    async fn add(&self, publications: &[Publication]) -> Result<(), BrokerError> {
        let mut pipeline = redis::pipe();
        for publication in publications {
            let payload = publication.to_json();
            pipeline.cmd("XADD").arg(&self.stream).arg("*").arg("payload").arg(&payload[..]).ignore();
        }
        self.connection.query(&pipeline, Duration::ZERO).await
    }
}

impl Destination for RedisDestination {
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(async move { vec![self.add(publications).await; publications.len()] })
    }
}
