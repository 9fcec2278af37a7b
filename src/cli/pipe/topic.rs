//! Topics of Kafka by their addresses.

use std::collections::BTreeMap;

use crate::{
    cli::services::Secret,
    source::kafka::{KafkaAddress, KafkaClient},
};

/// Parts of names of properties that hold secrets.
const SECRET: [&str; 4] = ["password", "secret", "key.pem", "sasl.oauthbearer.config"];

/// A topic and how it is reached: checked, not connected.
#[derive(Clone)]
pub(super) struct TopicPlace {
    pub(super) client: KafkaClient,
    pub(super) topic: String,
    pub(super) group: Option<String>,
}

impl TopicPlace {
    /// Reads the address; nothing for what is none of a topic. `properties` are librdkafka's, from the table `kafka`.
    pub(super) fn find(text: &str, properties: &BTreeMap<String, Secret>) -> Result<Option<Self>, String> {
        if !KafkaAddress::is_meant(text) {
            return Ok(None);
        }
        let KafkaAddress { servers, topic, group } = KafkaAddress::parse(text)?;
        let mut read = BTreeMap::new();
        for (name, value) in properties {
            let is_secret = SECRET.iter().any(|part| name.contains(part));
            let value = if is_secret { value.read_secret() } else { value.read() };
            read.insert(name.clone(), value.map_err(|problem| format!("kafka.\"{name}\": {problem}"))?);
        }
        Ok(Some(Self { client: KafkaClient::new(servers, read)?, topic, group }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(properties: &str) -> Result<Option<TopicPlace>, String> {
        TopicPlace::find("kafka://a:9092/orders", &toml::from_str(properties).unwrap())
    }

    #[test]
    fn passwords_do_not_stand_in_the_file() {
        assert_eq!(find("'security.protocol' = 'sasl_ssl'").unwrap().unwrap().topic, "orders");
        assert!(find("'sasl.password' = 'hidden'").err().unwrap().starts_with("kafka.\"sasl.password\": a secret"));
        assert!(find("'acks' = '0'").is_err());
    }
}
