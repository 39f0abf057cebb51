//! Plug-ins for the AWS SDK.

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

pub use rolecall_cache::{
    IdentityCache, IdentityCacheBuilder, InvalidSessionRetry, ReportSessionUse,
    retry_invalid_session,
};

/// Creates a loader of SDK configuration with the credentials of `provider` and no identity cache.
///
/// The SDK's own identity cache must be left out: it asks for credentials only seconds before they
/// expire, and keeps a session that a service has rejected. The loader's behavior version is that
/// of 2026-01-12. All other settings (Region, endpoint, retries) are loaded by aws-config from the
/// process's environment and can be changed on the loader.
///
/// Each loader without an `http_client` opens connections of its own. If you create configurations
/// per request or per tenant, use [`Chain::sdk_config`](crate::Chain::sdk_config) or
/// [`RolePool::sdk_config`](crate::RolePool::sdk_config), which share one HTTP client.
///
/// # Examples
///
/// ```no_run
/// # async fn show() -> Result<(), rolecall::SessionError> {
/// let provider = rolecall::from_env()?.provider();
/// let config = rolecall::sdk_config(provider).load().await;
/// // let s3 = aws_sdk_s3::Client::new(&config);
/// # Ok(())
/// # }
/// ```
pub fn sdk_config(provider: impl ProvideCredentials + 'static) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .credentials_provider(provider)
        .identity_cache(aws_config::identity::IdentityCache::no_cache())
}

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
