//! What `expressway pipe` is measured against: a bare loop of async-nats that pulls messages of a consumer and acknowledges them.
//! It reads each payload not at all. See tests/pipe/measure.py.
//!
//! `jetstream_yardstick URL STREAM CONSUMER COUNT WINDOW`

use std::error::Error;

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, pull},
};
use futures_util::StreamExt as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, stream, consumer, count, window] = &*arguments else {
        return Err("usage: jetstream_yardstick URL STREAM CONSUMER COUNT WINDOW".into());
    };
    let (count, window): (usize, usize) = (count.parse()?, window.parse()?);
    let client = async_nats::connect(url).await?;
    let stream = jetstream::new(client.clone()).get_stream(stream).await?;
    let config = pull::Config {
        durable_name: Some(consumer.clone()),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: i64::try_from(window)?,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await?;
    let mut messages = consumer.stream().max_messages_per_batch(window).messages().await?;
    for _ in 0..count {
        messages.next().await.ok_or("the consumer has ended")??.ack().await?;
    }
    client.flush().await?;
    Ok(())
}
