//! Prints the access key id of a session of the environment's role, by aws-config.

use std::error::Error;

use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "a program talks to its terminal")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let provider = config.credentials_provider().ok_or("no credentials are configured")?;
    let credentials = provider.provide_credentials().await?;
    println!("{}", credentials.access_key_id());
    Ok(())
}
