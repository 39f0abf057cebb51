//! Lists buckets with the role of a Kubernetes service account.
//!
//! EKS sets `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_REGION` in a pod whose service
//! account has a role. On a laptop, set access keys instead, or enable the feature `default-chain`
//! for profiles:
//!
//! ```sh
//! cargo run -p rolecall --example eks --features default-chain
//! ```
#![allow(clippy::print_stdout, reason = "the output of a program")]

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chain = rolecall::from_env()?;
    println!("identity: {}", chain.description());
    println!("caller: {}", chain.caller_identity().await?.principal);

    let config = chain.sdk_config().load().await;
    let s3 = aws_sdk_s3::Client::new(&config);
    for bucket in s3.list_buckets().send().await?.buckets() {
        println!("{}", bucket.name().unwrap_or_default());
    }
    Ok(())
}
