//! Prints the access key id of a session of the environment's role, by rolecall.

use std::error::Error;

use aws_credential_types::provider::ProvideCredentials;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "a program talks to its terminal")]
async fn main() -> Result<(), Box<dyn Error>> {
    let chain = rolecall::from_env()?;
    let credentials = chain.provider().provide_credentials().await?;
    println!("{}", credentials.access_key_id());
    Ok(())
}
