//! The four places of the AWS SDK that take a provider, on the SDK's own default chain as base.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use aws_config::BehaviorVersion;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_sdk_s3::config::IdentityCache;
use rolecall::Role;
use rolecall_examples::{About, Plain};

/// Lists a bucket four times, with a role's session plugged in at four places.
#[derive(clap::Parser)]
struct Arguments {
    /// The role that may list the bucket
    #[arg(long, env)]
    role_arn: String,
    /// The external id that the role asks for
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

async fn run(arguments: Arguments) -> Result<(), Plain> {
    let Arguments { role_arn, external_id, bucket, prefix } = arguments;
    let mut role = Role::new(&role_arn)?;
    if let Some(id) = external_id {
        role = role.external_id(id)?;
    }
    // Whatever the SDK finds: keys, a profile, a web identity, a container's or an instance's role. Clients that use it as
    // it is have a slot for it in our identity cache.
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .identity_cache(rolecall::identity_cache())
        .load()
        .await;
    let base = sdk.credentials_provider().ok_or_else(|| Plain::usage("no credentials"))?;
    let provider =
        rolecall::builder().from_provider("the default chain", base)?.assume(role).cached();

    // 1. In a configuration that all clients share.
    let shared = rolecall::sdk_config(provider.clone()).load().await;
    // 2. In one service's client. Without the SDK's cache: rolecall has one. If the service refuses the session as such,
    // the call goes on with another.
    let of_a_service = aws_sdk_s3::config::Builder::from(&sdk)
        .credentials_provider(provider.clone())
        .identity_cache(IdentityCache::no_cache());
    let of_a_service = rolecall::retry_rejected!(of_a_service, &provider).build();
    // 3. Behind or before other providers. It is passed over only if nothing is configured, never if it fails.
    let chain = CredentialsProviderChain::first_try("rolecall", provider.clone());
    let in_a_chain = aws_sdk_s3::config::Builder::from(&sdk).credentials_provider(chain).build();
    for (place, client) in [
        ("shared configuration", aws_sdk_s3::Client::new(&shared)),
        ("service client", aws_sdk_s3::Client::from_conf(of_a_service)),
        ("provider chain", aws_sdk_s3::Client::from_conf(in_a_chain)),
    ] {
        let listed = client.list_objects_v2().bucket(&bucket).prefix(&prefix).send().await;
        let listed = listed.about(format!("bucket {bucket:?}"))?;
        println!("{place}: {} keys", listed.key_count().unwrap_or_default());
    }

    // 4. For a single call.
    let for_a_call = aws_sdk_s3::Config::builder()
        .credentials_provider(provider)
        .identity_cache(IdentityCache::no_cache());
    let client = aws_sdk_s3::Client::new(&sdk);
    let call = client.list_objects_v2().bucket(&bucket).prefix(&prefix).customize();
    let listed = call.config_override(for_a_call).send().await;
    let listed = listed.about(format!("bucket {bucket:?}"))?;
    println!("config_override: {} keys", listed.key_count().unwrap_or_default());
    Ok(())
}
