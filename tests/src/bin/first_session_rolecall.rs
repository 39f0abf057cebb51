//! The first session by the environment's web identity, by rolecall: its access key id.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use aws_credential_types::provider::ProvideCredentials;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = rolecall::from_env()?.cached();
    println!("{}", provider.provide_credentials().await?.access_key_id());
    Ok(())
}
