//! Uses a rolecall provider at each of the four places where the AWS SDK accepts one.
//!
//! The base credentials come from the SDK's default chain.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use aws_config::BehaviorVersion;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_sdk_s3::config::IdentityCache;
use rolecall::Role;
use rolecall_examples::{Context, ExampleError};

/// Lists a bucket four times, with the provider of a role configured in four ways.
#[derive(clap::Parser)]
struct Arguments {
    /// Role that can list the bucket
    #[arg(long, env)]
    role_arn: String,
    /// External id that the role's trust policy requires
    #[arg(long, env)]
    external_id: Option<String>,
    #[arg(long, env)]
    bucket: String,
    #[arg(long, env, default_value = "")]
    prefix: String,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), ExampleError> {
    let Arguments { role_arn, external_id, bucket, prefix } = arguments;
    let mut role = Role::new(&role_arn)?;
    if let Some(id) = external_id {
        role = role.external_id(id)?;
    }
    // The SDK's default chain finds keys, a profile, a web identity, or the role of a container or
    // an instance. Clients that use this configuration directly cache those credentials in
    // rolecall's identity cache.
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .identity_cache(rolecall::identity_cache())
        .load()
        .await;
    let base = sdk
        .credentials_provider()
        .ok_or_else(|| ExampleError::usage("the SDK has no credentials provider"))?;
    let provider = rolecall::Chain::builder()
        .from_sdk_provider("the default chain", base)?
        .assume_role(role)
        .provider();

    // 1. In the configuration that all clients share.
    let shared = rolecall::sdk_config(provider.clone()).load().await;
    // 2. In the client of one service. The SDK's identity cache is disabled, since the provider
    //    caches its session. `retry_invalid_session!` replaces a session that the service rejects
    //    and retries the call.
    let service_config = aws_sdk_s3::config::Builder::from(&sdk)
        .credentials_provider(provider.clone())
        .identity_cache(IdentityCache::no_cache());
    let service_config = rolecall::sdk::retry_invalid_session!(service_config, &provider).build();
    // 3. In a chain of SDK providers. The chain continues with the next provider only if rolecall
    //    is not configured. An error of a configured provider ends the chain.
    let chain = CredentialsProviderChain::first_try("rolecall", provider.clone());
    let chained_config =
        aws_sdk_s3::config::Builder::from(&sdk).credentials_provider(chain).build();
    for (location, client) in [
        ("shared configuration", aws_sdk_s3::Client::new(&shared)),
        ("service client", aws_sdk_s3::Client::from_conf(service_config)),
        ("provider chain", aws_sdk_s3::Client::from_conf(chained_config)),
    ] {
        let listed = client.list_objects_v2().bucket(&bucket).prefix(&prefix).send().await;
        let listed = listed.context(format!("bucket {bucket:?}"))?;
        println!("{location}: {} keys", listed.key_count().unwrap_or_default());
    }

    // 4. For a single call. The other settings come from the client, which also shares its
    //    connections.
    let call_config = aws_sdk_s3::Config::builder()
        .credentials_provider(provider)
        .identity_cache(IdentityCache::no_cache());
    let client = aws_sdk_s3::Client::new(&sdk);
    let call = client.list_objects_v2().bucket(&bucket).prefix(&prefix).customize();
    let listed = call.config_override(call_config).send().await;
    let listed = listed.context(format!("bucket {bucket:?}"))?;
    println!("config_override: {} keys", listed.key_count().unwrap_or_default());
    Ok(())
}
