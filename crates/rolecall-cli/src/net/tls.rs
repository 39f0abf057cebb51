//! TLS handshakes with the certificates that the SDK's HTTP client trusts.

use std::io;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};

use super::{BoxStream, limited};

/// The root certificates of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    store: Arc<RootCertStore>,
    /// Files that could not be read.
    pub(crate) errors: Vec<String>,
}

impl Certificates {
    pub(crate) fn count(&self) -> usize {
        self.store.len()
    }
}

/// Loads the root certificates, from the places where the SDK's HTTP client loads them.
pub(crate) async fn load_certificates() -> Certificates {
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let mut store = RootCertStore::empty();
    let errors = match loaded {
        Ok(loaded) => {
            store.add_parsable_certificates(loaded.certs);
            loaded.errors.iter().map(ToString::to_string).collect()
        }
        Err(error) => vec![error.to_string()],
    };
    Certificates { store: Arc::new(store), errors }
}

/// A connection with TLS.
pub(crate) struct Handshake {
    pub(crate) stream: BoxStream,
    /// Version of the protocol.
    pub(crate) version: String,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsError {
    /// No trusted certificate signed that of the server.
    UnknownIssuer,
    /// The certificate is for another host.
    WrongName,
    /// The certificate has expired, or is not valid yet.
    WrongTime,
    Other(String),
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => "the certificate was issued by an unknown CA",
            Self::WrongName => "the certificate is not valid for this host",
            Self::WrongTime => "the certificate has expired or is not valid yet",
            Self::Other(text) => text,
        })
    }
}

/// Performs a handshake, and verifies the certificate of the server.
pub(crate) async fn secure(
    stream: BoxStream,
    host: &str,
    certificates: &Certificates,
) -> Result<Handshake, TlsError> {
    let other = |error: &dyn ToString| TlsError::Other(error.to_string());
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| other(&error))?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| other(&error))?
        .with_root_certificates(Arc::clone(&certificates.store))
        .with_no_client_auth();
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream =
        limited(handshake).await.map_err(TlsError::Other)?.map_err(|error| classify(&error))?;
    let version = match stream.get_ref().1.protocol_version() {
        Some(version) => format!("{version:?}").replace("TLSv1_", "TLS 1."),
        None => "TLS".to_owned(),
    };
    Ok(Handshake { stream: Box::new(stream), version })
}

fn classify(error: &io::Error) -> TlsError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(reason)) => match reason {
            // A trusted CA of the same name, with another key, makes the signature a bad one.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsError::UnknownIssuer
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsError::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsError::WrongTime,
            other => TlsError::Other(format!("the certificate is not valid: {other}")),
        },
        // A server without TLS, such as a proxy that answers in place of the endpoint.
        Some(Error::InvalidMessage(_)) => {
            TlsError::Other("the server does not speak TLS on this port".to_owned())
        }
        _ => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                TlsError::Other("the server closed the connection during the handshake".to_owned())
            }
            _ => TlsError::Other(error.to_string()),
        },
    }
}
