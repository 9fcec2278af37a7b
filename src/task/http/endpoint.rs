//! Where requests go: URLs of endpoints, and the origins that connections are made to.

use hyper::Uri;

/// A text that is no URL of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URL of the form http[s]://HOST[:PORT][/PATH]")]
pub struct InvalidEndpoint;

/// What a connection is made to: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) https: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
}

impl Origin {
    /// The origin of a URL.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] when it is none of HTTP.
    pub(crate) fn of(uri: &Uri) -> Result<Self, InvalidEndpoint> {
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(InvalidEndpoint),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(InvalidEndpoint)?;
        // Whoever writes a name and a password before the host means to send them, and they would not be.
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(InvalidEndpoint);
        }
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let host = host.trim_start_matches('[').trim_end_matches(']').into();
        Ok(Self { https, host, port })
    }

    /// `HOST:PORT`, for messages.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    /// The value of the header `Host`.
    pub(crate) fn host_header(&self) -> String {
        if self.port == if self.https { 443 } else { 80 } { self.bracketed() } else { self.authority() }
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() }
    }
}

/// An origin with the path that all requests to it begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) origin: Origin,
    /// Without a slash at its end.
    base: Box<str>,
}

impl Endpoint {
    /// The endpoint of a URL such as `http://127.0.0.1:3001`.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] when the text is no URL of HTTP, or one with a query.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let uri: Uri = text.parse().map_err(|_| InvalidEndpoint)?;
        if uri.query().is_some() {
            return Err(InvalidEndpoint);
        }
        Ok(Self { origin: Origin::of(&uri)?, base: uri.path().trim_end_matches('/').into() })
    }

    /// The path of a request below the endpoint.
    pub(crate) fn path(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_urls_of_http() {
        let endpoint = Endpoint::parse("http://127.0.0.1:3001/").unwrap();
        assert_eq!((endpoint.path("/a"), endpoint.origin.authority()), ("/a".into(), "127.0.0.1:3001".into()));
        let endpoint = Endpoint::parse("https://host/base").unwrap();
        assert_eq!((endpoint.path("/a"), endpoint.origin.host_header()), ("/base/a".into(), "host".into()));
        let endpoint = Endpoint::parse("http://[::1]:80").unwrap();
        assert_eq!((&*endpoint.origin.host, endpoint.origin.host_header()), ("::1", "[::1]".into()));
        for text in ["", "127.0.0.1:3001", "ftp://host", "/path", "http://host/?a=b", "http://me:secret@host/"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
