//! HTTP clients with rustls, the system's certificates and a proxy.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Creates the HTTP client that aws-config creates by default, to be shared: rustls, the system's
/// certificates, and the proxy of the process's environment.
pub(crate) fn default_http_client() -> SharedHttpClient {
    http_client(ProxyConfig::from_env())
}

/// Creates an HTTP client with rustls and this proxy.
///
/// `Builder::build_https` would use no proxy at all, and calls to services would fail on a machine
/// that reaches the internet through one.
pub(crate) fn http_client(proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build()
    })
}
