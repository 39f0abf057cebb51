//! Reads an object for each of several tenants, with a session that reaches this tenant's data
//! only.
//!
//! ```sh
//! cargo run -p rolecall --example tenants -- arn:aws:iam::111122223333:role/tenants shop-data 1 2 3
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the output of a program")]

use aws_sdk_s3::config::IdentityCache;
use rolecall::policy::{PermissionPolicy, S3Access};
use rolecall::sdk::retry_invalid_session;
use rolecall::{CachedProvider, Role, RolePool};

/// The state of a service, shared by all requests.
struct Service {
    pool: RolePool,
    /// One client for all tenants: its connections are shared.
    s3: aws_sdk_s3::Client,
    role: Role,
    bucket: String,
}

impl Service {
    /// Returns the provider of sessions that read what is below `tenants/<id>/`.
    ///
    /// The id is a number: a string could contain the prefix of another tenant.
    fn tenant(&self, id: u64) -> Result<CachedProvider, Box<dyn std::error::Error>> {
        let data = S3Access::under(&self.bucket, [format!("tenants/{id}/")])?.list().read();
        let policy = PermissionPolicy::builder().s3(data).build()?;
        Ok(self.pool.narrowed(&self.role, &policy)?)
    }

    /// Handles a request of a tenant.
    async fn profile(&self, id: u64) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let provider = self.tenant(id)?;
        // The override replaces the identity of this request and keeps the client's connections.
        let credentials = aws_sdk_s3::config::Builder::new()
            .credentials_provider(provider.clone())
            .identity_cache(IdentityCache::no_cache());
        let object = self
            .s3
            .get_object()
            .bucket(&self.bucket)
            .key(format!("tenants/{id}/profile.json"))
            .customize()
            .config_override(retry_invalid_session!(credentials, &provider))
            .send()
            .await?;
        Ok(object.body.collect().await?.to_vec())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: tenants ROLE_ARN BUCKET TENANT_ID ..";
    let role = Role::new(arguments.next().ok_or(usage)?)?;
    let bucket = arguments.next().ok_or(usage)?;

    let chain = rolecall::from_env()?;
    let s3 = aws_sdk_s3::Client::new(&chain.sdk_config().load().await);
    let service = Service { pool: chain.pool(), s3, role, bucket };
    for id in arguments {
        let id = id.parse()?;
        match service.profile(id).await {
            Ok(profile) => println!("tenant {id}: {} bytes", profile.len()),
            Err(error) => eprintln!("tenant {id}: {error}"),
        }
    }
    println!("healthy: {}", service.pool.status().is_healthy());
    Ok(())
}
