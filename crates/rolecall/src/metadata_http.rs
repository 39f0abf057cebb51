//! HTTP clients for container and instance metadata, whose requests must not reach a proxy.

use std::net::IpAddr;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use rolecall_core::{Environment, SessionError};
use rolecall_sts::http_client;

/// Returns a client that uses no proxy.
pub(crate) fn direct_client() -> SharedHttpClient {
    http_client(ProxyConfig::disabled())
}

/// Returns a client that sends metadata requests directly, and all others through the proxy of the
/// environment.
///
/// A profile provider makes both: its `credential_source` may be a container or an instance, and
/// its calls to STS and IAM Identity Center go to the internet.
pub(crate) fn routing_client(environment: &Environment) -> Result<SharedHttpClient, SessionError> {
    let mut hosts = Vec::new();
    for variable in ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"] {
        let uri = environment.var(variable)?;
        hosts.extend(uri.as_deref().and_then(|uri| Some(host(uri)?.to_owned())));
    }
    let (direct, proxied) = (direct_client(), http_client(ProxyConfig::from_env()));
    Ok(SharedHttpClient::new(Routing { direct, proxied, hosts }))
}

/// Selects a client by the host of each request.
#[derive(Debug)]
struct Routing {
    direct: SharedHttpClient,
    proxied: SharedHttpClient,
    /// Hosts of metadata endpoints that the environment names.
    hosts: Vec<String>,
}

impl HttpClient for Routing {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(RoutingConnector {
            direct: self.direct.http_connector(settings, components),
            proxied: self.proxied.http_connector(settings, components),
            hosts: self.hosts.clone(),
        })
    }
}

#[derive(Debug)]
struct RoutingConnector {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
    hosts: Vec<String>,
}

impl HttpConnector for RoutingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // The URI that the connector connects to, not the environment's: the decision must be about
        // the request that is sent.
        match host(request.uri()) {
            Some(host) if is_metadata_host(host, &self.hosts) => self.direct.call(request),
            _ => self.proxied.call(request),
        }
    }
}

/// Returns the host of a URI without brackets.
fn host(uri: &str) -> Option<&str> {
    let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(address) => address.split_once(']').map(|(address, _)| address),
        None => Some(host.split_once(':').map_or(host, |(host, _)| host)),
    }
}

/// Returns `true` for this machine, link-local addresses, the address of EC2 instance metadata over
/// IPv6, and the hosts that the environment names.
fn is_metadata_host(host: &str, configured: &[String]) -> bool {
    let known = |host: &str| match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            let segments = address.segments();
            let link_local = segments[0] & 0xffc0 == 0xfe80;
            // fd00:ec2::23 and fd00:ec2::254.
            address.is_loopback() || link_local || segments[..2] == [0xfd00, 0x0ec2]
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    known(host) || configured.iter().any(|known| known.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_hosts_by_table() {
        let configured = ["agent.internal".to_owned()];
        for (uri, direct) in [
            ("http://169.254.169.254/latest/api/token", true),
            ("http://169.254.170.2/v2/credentials/x", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://[fd00:ec2::254]:80/latest", true),
            ("http://localhost:51679/x", true),
            ("http://127.0.0.1:51679/x", true),
            ("http://[::1]:51679/x", true),
            ("https://agent.internal:8443/credentials", true),
            ("https://AGENT.internal/credentials", true),
            ("https://sts.eu-west-1.amazonaws.com/", false),
            ("https://169.254.169.254.example.com/", false),
            ("https://sts.amazonaws.com/?host=169.254.169.254", false),
            ("https://example.com@sts.amazonaws.com/", false),
            ("https://[fd00:ec3::23]/", false),
        ] {
            let host = host(uri).unwrap();
            assert_eq!(is_metadata_host(host, &configured), direct, "{uri}: {host}");
        }
    }
}
