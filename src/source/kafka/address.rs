//! `kafka://` addresses.

/// `kafka://host[:port][,host…]/TOPIC[/GROUP]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaAddress {
    /// The brokers to ask first, as librdkafka takes them: `host:port,host:port`.
    pub servers: String,
    /// The topic.
    pub topic: String,
    /// The consumer group of a source, where it is told.
    pub group: Option<String>,
}

impl KafkaAddress {
    /// Whether a text is meant as such an address.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("kafka://")
    }

    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unusable = || format!("'{text}' is not kafka://HOST:PORT/TOPIC or kafka://HOST:PORT/TOPIC/GROUP");
        let rest = text.strip_prefix("kafka://").ok_or_else(unusable)?;
        let (servers, path) = rest.split_once('/').ok_or_else(unusable)?;
        if servers.contains('@') {
            return Err(format!("'{text}' has a login: names and passwords belong into the table kafka of the pipe"));
        }
        let mut path = path.split('/');
        let (topic, group, more) = (path.next().unwrap_or_default(), path.next(), path.next());
        if servers.split(',').any(str::is_empty) || topic.is_empty() || group == Some("") || more.is_some() {
            return Err(unusable());
        }
        Ok(Self { servers: servers.to_owned(), topic: topic.to_owned(), group: group.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_servers_a_topic_and_a_group() {
        let address = KafkaAddress::parse("kafka://a:9092,b:9092/orders/billing").unwrap();
        assert_eq!((&*address.servers, &*address.topic), ("a:9092,b:9092", "orders"));
        assert_eq!(address.group.as_deref(), Some("billing"));
        assert_eq!(KafkaAddress::parse("kafka://a/orders").unwrap().group, None);
        for bad in ["kafka://a", "kafka:///orders", "kafka://a/", "kafka://a/o/g/x", "kafka://me:secret@a/o"] {
            assert!(KafkaAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
