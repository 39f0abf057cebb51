//! HTTP clients with rustls, the system's certificates and a proxy.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// Creates an HTTP client with rustls and this proxy.
///
/// `Builder::build_https` would use no proxy at all, and calls to services would fail on a machine
/// that reaches the internet through one.
#[doc(hidden)]
pub fn http_client(proxy: ProxyConfig) -> SharedHttpClient {
    build_http_client(false, proxy)
}

/// Creates an HTTP client, without TLS if `plain` is `true`: loading the system's certificates
/// takes longer than most tests with a local STS.
pub(crate) fn build_http_client(plain: bool, proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        if plain {
            return connector.build_http();
        }
        connector
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build()
    })
}
