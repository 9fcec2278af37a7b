//! `redis://` addresses.

/// `redis://[user:password@]host[:port]/STREAM[/GROUP]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAddress {
    /// The server, without path.
    pub server: String,
    /// The stream's key, and the group of a source.
    pub path: Vec<String>,
}

impl RedisAddress {
    /// Whether a text is meant as such an address.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("redis://")
    }

    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("redis://").ok_or("an address begins with redis://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || host.ends_with('@') {
            return Err(format!("'{text}' names no host"));
        }
        let path = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Ok(Self { server: format!("redis://{host}"), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_server_and_a_path() {
        let address = RedisAddress::parse("redis://:secret@a:6379/orders/billing").unwrap();
        assert_eq!(address.server, "redis://:secret@a:6379");
        assert_eq!(address.path, ["orders", "billing"]);
        assert!(RedisAddress::parse("redis:///orders").is_err());
    }
}
