//! `nats://` addresses.

/// `nats://[user:password@ or token@]host[:port][,host…]/path`, or `tls://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsAddress {
    /// The servers, each an address of its own, without path.
    pub servers: Vec<String>,
    /// What stands behind them: `STREAM` or `STREAM/CONSUMER` of a source, the subject of a destination.
    pub path: Vec<String>,
}

impl NatsAddress {
    /// Whether a text is meant as such an address.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("nats://") || text.starts_with("tls://")
    }

    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("an address begins with nats:// or tls://")?;
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = hosts.rsplit_once('@').map_or(("", hosts), |(login, hosts)| (login, hosts));
        if hosts.split(',').any(str::is_empty) {
            return Err(format!("'{text}' names no host"));
        }
        let at = if login.is_empty() { "" } else { "@" };
        let servers = hosts.split(',').map(|host| format!("{scheme}://{login}{at}{host}")).collect();
        if path.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
            return Err(format!("'{text}' has white space"));
        }
        let path: Vec<_> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Ok(Self { servers, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_servers_and_a_path() {
        let address = NatsAddress::parse("nats://u:p@a:4222,b/ORDERS/billing").unwrap();
        assert_eq!(address.servers, ["nats://u:p@a:4222", "nats://u:p@b"]);
        assert_eq!(address.path, ["ORDERS", "billing"]);
        assert_eq!(NatsAddress::parse("tls://a").unwrap().path, [""; 0]);
        assert!(NatsAddress::parse("nats:///ORDERS").is_err());
        assert!(NatsAddress::parse("nats://a/x y").is_err());
        assert!(NatsAddress::is_meant("nats://a/B") && !NatsAddress::is_meant("file:a"));
    }
}
