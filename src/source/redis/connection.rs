//! A connection to Redis, made when it is used and it is not there.

use std::{cell::RefCell, time::Duration};

use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::source::BrokerError;

/// How long an attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take, beyond the time that a command blocks for.
const ANSWER: Duration = Duration::from_secs(5);

/// One connection of a lane. A failure closes it, and the next use connects again.
pub struct RedisConnection {
    server: String,
    connection: RefCell<Option<MultiplexedConnection>>,
}

impl RedisConnection {
    /// A connection to be made.
    #[must_use]
    pub fn new(server: String) -> Self {
        Self { server, connection: RefCell::new(None) }
    }

    async fn connected(&self) -> Result<MultiplexedConnection, BrokerError> {
        if let Some(connection) = &*self.connection.borrow() {
            return Ok(connection.clone());
        }
        let client = Client::open(self.server.as_str()).map_err(BrokerError::new)?;
        // Answers are awaited below: a command that blocks takes longer than others.
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        let connected = client.get_multiplexed_async_connection_with_config(&config).await.map_err(BrokerError::new)?;
        *self.connection.borrow_mut() = Some(connected.clone());
        Ok(connected)
    }

    /// Sends commands together and waits for the answers to all of them. `blocks` is how long they may block.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses one of them; others may have been done.
    pub(super) async fn query<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
        blocks: Duration,
    ) -> Result<T, BrokerError> {
        let mut connection = self.connected().await?;
        let answer: Result<Result<T, RedisError>, _> =
            timeout(blocks + ANSWER, pipeline.query_async(&mut connection)).await;
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "Redis does not answer".to_owned(),
        };
        *self.connection.borrow_mut() = None;
        Err(BrokerError::new(error))
    }
}
