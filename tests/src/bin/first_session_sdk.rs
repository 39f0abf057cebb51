//! Obtains a session for the web identity in the environment with aws-config, and prints its access
//! key id.
//!
//! It uses aws-config's default chain or, with the argument `provider`, only its web identity
//! provider.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use aws_config::BehaviorVersion;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::ProvideCredentials;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let credentials = match std::env::args().nth(1).as_deref() {
        Some("provider") => {
            let config = ProviderConfig::with_default_region().await;
            let provider = WebIdentityTokenCredentialsProvider::builder().configure(&config);
            provider.build().provide_credentials().await?
        }
        _ => {
            let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
            let provider = config.credentials_provider().ok_or("no provider")?;
            provider.provide_credentials().await?
        }
    };
    println!("{}", credentials.access_key_id());
    Ok(())
}
