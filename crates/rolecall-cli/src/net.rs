//! Connections and HTTP requests whose steps are separate, so that an error names the step.
//!
//! Each step has a time limit, and each response a size limit.

mod http1;
mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;
use rolecall::SessionError;
use rolecall::sts::{Endpoint, HttpProxy};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub(crate) use self::http1::{Response, open_tunnel, send};
pub(crate) use self::tls::{TlsError, load_certificates, secure};

/// Time limit of a step: a name lookup, a connection, a handshake, a request.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Number of addresses of a host that are tried.
const MAX_ADDRESSES: usize = 4;

/// A connection, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection of any kind.
pub(crate) type BoxStream = Box<dyn Stream>;

/// The server that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_https: bool,
}

impl Target {
    /// Returns the server of the endpoint's URL.
    pub(crate) fn of(endpoint: &Endpoint) -> Result<Self, SessionError> {
        // The endpoint has checked that its URL is one.
        Ok(Self::from_uri(endpoint.url()?.parse().unwrap_or_default()))
    }

    fn from_uri(uri: Uri) -> Self {
        let is_https = uri.scheme_str() != Some("http");
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Self { uri, host, port, is_https }
    }

    /// Returns `host:port`, with brackets around an IPv6 address.
    pub(crate) fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// Returns `host:port`, with brackets around an IPv6 address.
pub(crate) fn authority(host: &str, port: u16) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// Looks up the addresses of a host.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let lookup = limited(tokio::net::lookup_host((host, port))).await?;
    let addresses: Vec<_> = lookup.map_err(|error| error.to_string())?.collect();
    match addresses.is_empty() {
        true => Err("the host has no address".to_owned()),
        false => Ok(addresses),
    }
}

/// Connects to the first of the addresses that accepts, within the time limit of a step.
pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let attempts = async {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses.iter().take(MAX_ADDRESSES) {
            // A host may have IPv6 addresses that this machine cannot reach. An address that does
            // not respond must leave time for the next one.
            let share = STEP_TIMEOUT / MAX_ADDRESSES.min(addresses.len()).max(1) as u32;
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    };
    limited(attempts).await?.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => no_response(),
        _ => error.to_string(),
    })
}

/// Opens a connection to the server: through the proxy if there is one, and with TLS for `https`.
pub(crate) async fn open(target: &Target, proxy: Option<&HttpProxy>) -> Result<BoxStream, String> {
    let to = target.authority();
    let stream: BoxStream = match proxy {
        None => {
            let addresses = resolve(&target.host, target.port)
                .await
                .map_err(|error| format!("cannot look up {}: {error}", target.host))?;
            let stream = connect(&addresses).await;
            Box::new(stream.map_err(|error| format!("cannot connect to {to}: {error}"))?)
        }
        Some(proxy) => {
            let stream = open_proxy(proxy).await?;
            open_tunnel(stream, target, proxy).await?
        }
    };
    if !target.is_https {
        return Ok(stream);
    }
    let certificates = load_certificates().await;
    secure(stream, &target.host, &certificates)
        .await
        .map(|handshake| handshake.stream)
        .map_err(|error| format!("TLS with {to} failed: {error}"))
}

/// Connects to a proxy.
pub(crate) async fn open_proxy(proxy: &HttpProxy) -> Result<BoxStream, String> {
    let at = format!("the proxy {} ({})", authority(proxy.host(), proxy.port()), proxy.variable());
    let addresses = resolve(proxy.host(), proxy.port())
        .await
        .map_err(|error| format!("cannot look up {at}: {error}"))?;
    let stream =
        connect(&addresses).await.map_err(|error| format!("cannot connect to {at}: {error}"))?;
    if !proxy.is_https() {
        return Ok(Box::new(stream));
    }
    let certificates = load_certificates().await;
    secure(Box::new(stream), proxy.host(), &certificates)
        .await
        .map(|handshake| handshake.stream)
        .map_err(|error| format!("TLS with {at} failed: {error}"))
}

/// Applies the time limit of a step.
async fn limited<T>(step: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(STEP_TIMEOUT, step).await.map_err(|_| no_response())
}

fn no_response() -> String {
    format!("no response within {} s", STEP_TIMEOUT.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_has_the_default_port_of_its_scheme() {
        for (url, host, authority, is_https) in [
            ("https://sts.example.com", "sts.example.com", "sts.example.com:443", true),
            ("http://sts.example.com/x", "sts.example.com", "sts.example.com:80", false),
            ("https://[::1]:8443", "::1", "[::1]:8443", true),
        ] {
            let target = Target::from_uri(url.parse().unwrap());
            assert_eq!((target.host.as_str(), target.authority().as_str()), (host, authority));
            assert_eq!(target.is_https, is_https, "{url}");
        }
    }
}
