//! What clients of Kafka are configured with.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::ClientConfig;

/// Properties on which it depends that nothing is lost, or which are told elsewhere.
const OURS: [&str; 9] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "enable.partition.eof",
];

/// Which brokers, and with what properties of librdkafka.
#[derive(Clone)]
pub struct KafkaClient {
    servers: String,
    properties: BTreeMap<String, String>,
}

impl std::fmt::Debug for KafkaClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Properties may be secrets.
        formatter.debug_struct("KafkaClient").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl KafkaClient {
    /// Clients of the brokers `servers`, with properties of librdkafka beside those that expressway sets itself.
    ///
    /// # Errors
    /// Which property cannot be set, for the operator.
    pub fn new(servers: String, properties: BTreeMap<String, String>) -> Result<Self, String> {
        match properties.keys().find(|name| OURS.contains(&name.as_str())) {
            Some(name) => Err(format!("kafka: '{name}' is not for the file to set")),
            None => Ok(Self { servers, properties }),
        }
    }

    /// The configuration of a consumer. `patience` is after how long without a heartbeat its partitions go to others.
    pub(super) fn consumer(&self, group: &str, index: usize, patience: Duration) -> ClientConfig {
        /// Heartbeats come this often in that time, and every so many milliseconds at least.
        const HEARTBEATS: u128 = 10;
        const HEARTBEAT_MS: u128 = 3000;
        /// How long the group waits for a member that is to take part in a rebalance, and a member for the group's answer, in
        /// milliseconds. The consumer's thread does nothing that takes as long.
        const REBALANCE_MS: u128 = 60_000;
        let patience_ms = patience.as_millis();
        let mut config = ClientConfig::new();
        config
            // Only what changes owners stops for a rebalance.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", patience_ms.to_string())
            .set("heartbeat.interval.ms", (patience_ms / HEARTBEATS).clamp(1, HEARTBEAT_MS).to_string())
            .set("max.poll.interval.ms", patience_ms.max(REBALANCE_MS).to_string())
            // A group that has committed nothing begins with the oldest message.
            .set("auto.offset.reset", "earliest")
            .set("statistics.interval.ms", "5000")
            // Messages that wait in the client are memory that no window bounds.
            .set("queued.max.messages.kbytes", "16384");
        self.add(&mut config, index);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "false");
        config
    }

    /// The configuration of a producer, which is shared by all lanes.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            // Results of one moment go together; nobody waits longer for it than a round trip takes anyway.
            .set("linger.ms", "2")
            .set("message.timeout.ms", "30000")
            // The broker decides what is too large.
            .set("message.max.bytes", "100000000");
        self.add(&mut config, 0);
        config.set("acks", "all").set("enable.idempotence", "true");
        config
    }

    fn add(&self, config: &mut ClientConfig, index: usize) {
        config.set("bootstrap.servers", &self.servers).set("client.id", format!("expressway-{index}"));
        for (name, value) in &self.properties {
            if name == "group.instance.id" {
                // Each lane is a member of its own.
                config.set(name, format!("{value}-{index}"));
            } else {
                config.set(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_add_to_ours() {
        let properties = |name: &str| BTreeMap::from([(name.to_owned(), "1".to_owned())]);
        let client = KafkaClient::new("a".into(), properties("group.instance.id")).unwrap();
        let consumer = client.consumer("g", 2, Duration::from_secs(6));
        assert_eq!(consumer.get("group.instance.id"), Some("1-2"));
        assert_eq!(
            (consumer.get("session.timeout.ms"), consumer.get("enable.auto.commit")),
            (Some("6000"), Some("false"))
        );
        assert_eq!(client.producer().get("acks"), Some("all"));
        assert!(KafkaClient::new("a".into(), properties("acks")).unwrap_err().contains("acks"));
    }
}
