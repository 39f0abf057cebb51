//! Many roles: one for each tenant, or one role limited to each tenant's data.
//!
//! [`Chain::pool`](crate::Chain::pool) creates a [`RolePool`](crate::RolePool): a cache with an
//! entry for each role that is assumed with the sessions of a chain. The roles need not be known in
//! advance. Concurrent requests for one role share one call to STS, and all roles share one STS
//! client, one rate limit and one timer, which has at most 64 background refreshes in flight. The
//! others wait, those whose sessions expire first in front.
//!
//! # Requests
//!
//! Create one SDK client when the service starts. For each request, override the credentials of the
//! operation with those of the tenant's role:
//!
//! ```no_run
//! use aws_sdk_s3::config::IdentityCache;
//! use rolecall::sdk::retry_invalid_session;
//! use rolecall::{Role, RolePool};
//!
//! # type Error = Box<dyn std::error::Error>;
//! # async fn show(pool: RolePool, s3: aws_sdk_s3::Client) -> Result<(), Error> {
//! let role = Role::new("arn:aws:iam::444455556666:role/tenant-4711")?.external_id("shop-4711")?;
//! let provider = pool.role(&role);
//!
//! let credentials = aws_sdk_s3::config::Builder::new()
//!     .credentials_provider(provider.clone())
//!     .identity_cache(IdentityCache::no_cache());
//! let credentials = retry_invalid_session!(credentials, &provider);
//! let object = s3
//!     .get_object()
//!     .bucket("shop-data")
//!     .key("tenants/4711/logo.png")
//!     .customize()
//!     .config_override(credentials)
//!     .send()
//!     .await?;
//! # let _ = object;
//! # Ok(())
//! # }
//! ```
//!
//! Each of the three settings is needed:
//!
//! - `credentials_provider` sets the provider of the tenant's sessions. `pool.role` is cheap for a
//!   role that the pool has cached: call it for each request instead of storing the provider.
//! - `identity_cache(no_cache())` disables the lazy cache that the SDK would create for the
//!   operation. During retries, that cache would keep returning a session that was rejected.
//! - `retry_invalid_session!` repeats the request if the service rejects its session. The
//!   interceptor of the client reports to the provider of the client, not to that of the tenant.
//!
//! # One client for each tenant
//!
//! A service with few tenants can keep a client for each of them.
//! [`RolePool::sdk_config`](crate::RolePool::sdk_config) configures such a client:
//!
//! ```no_run
//! # use rolecall::{Role, RolePool};
//! # async fn show(pool: &RolePool, role: &Role) {
//! let config = pool.sdk_config(role).load().await;
//! let s3 = aws_sdk_s3::Client::new(&config);
//! # let _ = s3;
//! # }
//! ```
//!
//! All configurations of a pool share an HTTP client, and thus its connections. An SDK client
//! without a shared HTTP client has a separate connection pool, which starts empty and closes with
//! the client: a service that creates such a client for each request opens a TCP connection, and
//! makes a TLS handshake, for each request. The configurations of
//! [`rolecall::sdk_config`](crate::sdk_config) do not share an HTTP client: set one on the loader,
//! or load the configuration once.
//!
//! # One role, limited to a tenant's data
//!
//! [`RolePool::narrowed`](crate::RolePool::narrowed) limits the sessions of a role with a session
//! policy. A session may do only what both the role's policies and the session policy allow:
//!
//! ```no_run
//! use rolecall::policy::{PermissionPolicy, S3Access};
//! use rolecall::{CachedProvider, Role, RolePool};
//!
//! /// Returns the provider of sessions that read the objects of one tenant.
//! fn tenant(pool: &RolePool, id: u64) -> Result<CachedProvider, Box<dyn std::error::Error>> {
//!     let role = Role::new("arn:aws:iam::111122223333:role/tenants")?;
//!     let data = S3Access::under("shop-data", [format!("tenants/{id}/")])?.list().read();
//!     let policy = PermissionPolicy::builder().s3(data).build()?;
//!     Ok(pool.narrowed(&role, &policy)?)
//! }
//! ```
//!
//! Parse a tenant's id before it becomes part of a policy. A tenant that can choose the text of the
//! prefix can choose the prefix of another tenant. The builders reject wildcards, policy variables
//! and prefixes that do not end in `/`.
//!
//! # Cache keys
//!
//! The key of a cache entry is the whole role: ARN, external id, session name, duration, tags,
//! policies and the other parameters. Two requests share a session only if all parameters are
//! equal. Do not set a tag or a session name to the time or the id of a request: every request
//! would call STS.
//!
//! # Startup, capacity and removal
//!
//! ```no_run
//! use std::time::Duration;
//! use rolecall::{Chain, Role, RolePool};
//!
//! # async fn show(chain: Chain, roles: Vec<Role>, deleted: &Role) {
//! let idle = Duration::from_secs(900);
//! let pool = RolePool::builder(&chain).capacity(50_000).idle(idle).build();
//!
//! // Fetch the sessions of known tenants before the service accepts requests.
//! let report = pool.warm(roles, |_| {}).await;
//! for (role, error) in &report.failed {
//!     eprintln!("{}: {}", role.arn(), error.report());
//! }
//!
//! // The tenant was deleted. Existing providers of its role return an error from now on.
//! pool.remove(deleted);
//! # }
//! ```
//!
//! The cache entry of a role exists while a provider of the role exists. Of the entries without a
//! provider, the pool retains up to `capacity`, and evicts each that was not used for the duration
//! `idle`. The next request for an evicted role fetches a session.
//!
//! By default, a chain makes up to 200 calls per second and 64 concurrent calls to STS. The quota
//! of STS applies to an account and Region, and all callers share it: a service with several
//! instances may need a lower [`rate_limit`](crate::ChainBuilder::rate_limit). The rate halves when
//! STS throttles, and recovers in a minute while calls succeed. Callers wait up to nine seconds for
//! a permit. Background refreshes wait behind them, and are deferred if they get no permit in that
//! time.
//!
//! # Keys that are not roles
//!
//! [`cache::SessionPool`](crate::cache::SessionPool) caches the sessions of any
//! [`ProvideSession`](crate::ProvideSession) by any key.
