//! TLS of the client: Mozilla's roots, and those of a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Whom TLS connections trust.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// PEM file of certificate authorities that are trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
}

/// A file of certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct InvalidCertificates {
    path: String,
    reason: String,
}

/// The configuration that all TLS connections of a client share, session tickets included.
pub(super) struct Tls(TlsConnector);

impl Tls {
    pub(super) fn new(options: &TlsOptions) -> Result<Self, InvalidCertificates> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = &options.ca_file {
            read_authorities(path, &mut roots)
                .map_err(|reason| InvalidCertificates { path: path.display().to_string(), reason })?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Makes a TLS connection out of one that is made.
    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("'{host}' is no name of a server")))?;
        self.0.connect(name, stream).await
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new(&TlsOptions::default()).expect("only files of certificates can be invalid")
    }
}

fn read_authorities(path: &Path, roots: &mut RootCertStore) -> Result<(), String> {
    let pem = fs::read(path).map_err(|error| error.to_string())?;
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("no PEM file: {error}"))?;
        roots.add(certificate).map_err(|error| format!("certificate {}: {error}", found + 1))?;
        found += 1;
    }
    if found == 0 { Err("there are no certificates in it".into()) } else { Ok(()) }
}
