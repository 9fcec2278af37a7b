//! The URL of the server under load: plain HTTP, and on this machine unless the user says otherwise.

use crate::failure::{Context, Failure};
use std::net::{SocketAddr, ToSocketAddrs};

/// Default port of a URL without one, as for any `http` URL.
const HTTP_PORT: u16 = 80;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The address connected to.
    pub(crate) address: SocketAddr,
    /// The value of the `Host` header: host and port as written in the URL.
    pub(crate) authority: String,
}

impl Endpoint {
    /// Reads `http://host[:port][/]` and resolves the host.
    ///
    /// # Errors
    /// When the scheme is not `http`, when there is a path, when the host does not resolve, and, unless `allow_remote`,
    /// when it resolves to anything but a loopback address: load is for one's own machine, never for a stranger's.
    pub(crate) fn parse(url: &str, allow_remote: bool) -> Result<Self, Failure> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(Failure::new(format!("endpoint {url:?}: it must begin with http:// (there is no TLS here)")));
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            return Err(Failure::new(format!("endpoint {url:?}: expected http://host:port and nothing more")));
        }
        let addresses: Vec<SocketAddr> = if has_port(authority) {
            authority.to_socket_addrs()
        } else {
            (authority.trim_matches(['[', ']']), HTTP_PORT).to_socket_addrs()
        }
        .context(|| format!("endpoint {url:?}"))?
        .collect();
        // `localhost` resolves to both families and most local servers listen on IPv4 only.
        let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
        let Some(&address) = address else {
            return Err(Failure::new(format!("endpoint {url:?}: the host has no address")));
        };
        if !allow_remote && !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err(Failure::new(format!(
                "endpoint {url:?} is not on this machine; give --allow-remote if it is yours to load"
            )));
        }
        Ok(Self { address, authority: authority.to_owned() })
    }

    /// Whether the server runs on this machine, so that /proc tells what it costs.
    pub(crate) fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }
}

/// Whether `authority` ends in a port; the colons of a bracketed IPv6 address are none.
fn has_port(authority: &str) -> bool {
    match authority.rfind(']') {
        Some(bracket) => authority[bracket..].contains(':'),
        None => authority.contains(':'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_host_and_port() {
        let endpoint = Endpoint::parse("http://127.0.0.1:8083/", false).unwrap();
        assert_eq!(endpoint.address, "127.0.0.1:8083".parse().unwrap());
        assert_eq!(endpoint.authority, "127.0.0.1:8083");
        assert_eq!(Endpoint::parse("http://127.0.0.1", false).unwrap().address.port(), 80);
        assert_eq!(Endpoint::parse("http://[::1]:9", false).unwrap().address, "[::1]:9".parse().unwrap());
        assert_eq!(Endpoint::parse("http://[::1]", false).unwrap().address, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn refuses_remote_hosts_until_told() {
        let refused = Endpoint::parse("http://192.0.2.1:80", false).unwrap_err();
        assert!(refused.to_string().contains("--allow-remote"), "{refused}");
        assert!(Endpoint::parse("http://192.0.2.1:80", true).is_ok());
    }

    #[test]
    fn refuses_other_schemes_and_paths() {
        for url in ["https://127.0.0.1:1", "127.0.0.1:1", "http://", "http://127.0.0.1:1/path", "http://u@127.0.0.1:1"]
        {
            assert!(Endpoint::parse(url, false).is_err(), "{url}");
        }
    }
}
