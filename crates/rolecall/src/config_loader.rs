use aws_config::{BehaviorVersion, ConfigLoader};
use aws_credential_types::provider::ProvideCredentials;

/// Creates a loader of SDK configuration with the credentials of `provider` and no identity cache.
///
/// The SDK's own identity cache is disabled, because it asks for credentials only seconds before
/// they expire, and keeps a session that a service has rejected. The loader's behavior version is
/// `BehaviorVersion::v2026_01_12`. All other settings (Region, endpoint, retries) are loaded by
/// aws-config from the process's environment and can be changed on the loader.
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
