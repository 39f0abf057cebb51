//! Obtains a session for the web identity in the environment with rolecall, and prints its access
//! key id.
//!
//! With the argument `tls`, the HTTP client is one with TLS, although the endpoint does not use it.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use rolecall::Environment;
use rolecall::sts::{Endpoint, StsClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chain = match std::env::args().nth(1).as_deref() {
        Some("tls") => {
            let http = aws_smithy_http_client::Builder::new();
            let http = http.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
            let endpoint = Endpoint::from_environment(&Environment::process())?;
            let sts = StsClient::builder(endpoint).http_client(http).build();
            rolecall::Chain::builder().sts_client(sts).from_env()?
        }
        _ => rolecall::from_env()?,
    };
    println!("{}", chain.provider().provide_credentials().await?.access_key_id());
    Ok(())
}
