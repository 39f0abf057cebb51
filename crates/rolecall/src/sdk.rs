use aws_config::{BehaviorVersion, ConfigLoader};
use aws_credential_types::provider::ProvideCredentials;

/// A loader for the SDK's configuration with these credentials and no second cache: ours is the one.
///
/// Everything else (Region, endpoint, retries) is as the loader of aws-config has it, from the process's environment and
/// not from the chain's, and can be changed on it. Its behaviour version is that of 2026-01-12.
///
/// ```no_run
/// # async fn show() -> Result<(), rolecall::FetchError> {
/// let provider = rolecall::from_env()?.cached();
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
