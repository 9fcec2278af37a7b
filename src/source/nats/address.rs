//! `nats://` addresses.

/// A server, and how to log in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to over TLS even if it does not ask for that.
    pub tls: bool,
    /// The user; none when the secret is a token.
    pub user: Option<String>,
    /// The password, or a token.
    pub secret: Option<String>,
}

/// `nats://[user:password@ or token@]host[:port][,host…]/path`, or `tls://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsAddress {
    /// The servers, in the order that they are tried in. At least one.
    pub servers: Vec<Server>,
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
        let (login, hosts) = hosts.rsplit_once('@').map_or((None, hosts), |(login, hosts)| (Some(login), hosts));
        let (user, secret) = match login.map(|login| login.split_once(':').ok_or(login)) {
            None => (None, None),
            Some(Ok((user, password))) => (Some(decoded(user)), Some(decoded(password))),
            Some(Err(token)) => (None, Some(decoded(token))),
        };
        let server = |host: &str| {
            let (host, port) = host_and_port(host).ok_or_else(|| format!("'{host}' is no HOST or HOST:PORT"))?;
            Ok(Server { host, port, tls: scheme == "tls", user: user.clone(), secret: secret.clone() })
        };
        let servers = hosts.split(',').map(server).collect::<Result<_, String>>()?;
        if path.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
            return Err(format!("'{path}' has white space"));
        }
        let path: Vec<_> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Ok(Self { servers, path })
    }
}

/// `host`, `host:port`, `[IPv6]` or `[IPv6]:port`.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    const DEFAULT_PORT: u16 = 4222;
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, (!rest.is_empty()).then_some(rest.strip_prefix(':').unwrap_or(rest))),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// A text of an address, in which `%40` stands for `@` and so on. What is no such code stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let decoded = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_servers_and_a_path() {
        let address = NatsAddress::parse("nats://u:p%40%:q@a:42,b/ORDERS/billing").unwrap();
        let server = |host: &str, port, tls, user: Option<&str>, secret: Option<&str>| Server {
            host: host.into(),
            port,
            tls,
            user: user.map(str::to_owned),
            secret: secret.map(str::to_owned),
        };
        let (user, secret) = (Some("u"), Some("p@%:q"));
        assert_eq!(address.servers, [server("a", 42, false, user, secret), server("b", 4222, false, user, secret)]);
        assert_eq!(address.path, ["ORDERS", "billing"]);
        let address = NatsAddress::parse("tls://token@[::1]:4").unwrap();
        assert_eq!((address.servers, address.path.len()), (vec![server("::1", 4, true, None, Some("token"))], 0));
        assert_eq!(NatsAddress::parse("nats://[::1]").unwrap().servers, [server("::1", 4222, false, None, None)]);
        for bad in ["nats:///ORDERS", "nats://a/x y", "nats://a:b/x", "nats://a,/x", "nats://a:70000"] {
            assert!(NatsAddress::parse(bad).is_err(), "{bad}");
        }
        assert!(NatsAddress::is_meant("nats://a/B") && !NatsAddress::is_meant("file:a"));
    }
}
