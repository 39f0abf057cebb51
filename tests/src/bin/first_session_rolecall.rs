//! The first session by the environment's web identity, by rolecall: its access key id. With the argument `tls`, on an HTTP
//! client that is ready for TLS, though the endpoint has none.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use rolecall::{Endpoint, Environment, StsClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chain = match std::env::args().nth(1).as_deref() {
        Some("tls") => {
            let http = aws_smithy_http_client::Builder::new();
            let http = http.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
            let endpoint = Endpoint::from_environment(&Environment::process())?;
            let sts = StsClient::builder(endpoint).http_client(http).build();
            rolecall::builder().sts(sts).from_env()?
        }
        _ => rolecall::from_env()?,
    };
    println!("{}", chain.cached().provide_credentials().await?.access_key_id());
    Ok(())
}
