//! Many roles: one for each tenant, or one role limited to each tenant's data.
//!
//! [`Chain::pool`](crate::Chain::pool) creates a [`RolePool`](crate::RolePool): a cache with an
//! entry for each role that is assumed from the end of a chain. Roles need not be known in advance.
//! The pool calls STS once for each role, however many requests ask for it, and shares one STS
//! client, one rate limit and one timer between all roles.
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
//! - `credentials_provider` is the tenant's session. The call of `pool.role` is cheap for a role
//!   that the pool knows: get the provider for each request instead of storing it.
//! - `identity_cache(no_cache())`: an override with a provider gets a lazy cache of its own, which
//!   is created and dropped with the operation. It can only keep a session that was rejected.
//! - `retry_invalid_session!` repeats the request with the next session if the service rejects this
//!   one. The retry of the client itself reports to the provider of the client, not to the
//!   tenant's.
//!
//! # One client for each tenant
//!
//! A service with few tenants may keep a client for each of them.
//! [`RolePool::sdk_config`](crate::RolePool::sdk_config) configures it:
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
//! All configurations of one pool share an HTTP client, and thus its connections. This matters: an
//! SDK client without a shared HTTP client has a connection pool of its own, which starts empty and
//! closes with the client. A service that creates such a client for each request opens a TCP
//! connection, and makes a TLS handshake, for every request.
//! [`rolecall::sdk_config`](crate::sdk_config) has no chain to share an HTTP client with: set one
//! on its loader, or use it once.
//!
//! # One role, limited to a tenant's data
//!
//! [`RolePool::narrowed`](crate::RolePool::narrowed) limits the sessions of a role with a session
//! policy. A session can do what both the role's policies and the session policy allow:
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
//! Parse a tenant's id before it becomes part of a policy. A tenant that may choose the text of the
//! prefix can choose the prefix of another tenant. The builders reject wildcards, policy variables
//! and prefixes that do not end in `/`.
//!
//! # Cache keys
//!
//! The key of an entry is the whole role: ARN, external id, session name, duration, tags, policies
//! and the other parameters. Two requests share a session only if all of them are equal. Do not put
//! the time or the request's id into a tag or a session name: every request would call STS.
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
//! // A tenant left: its providers return an error from now on.
//! pool.remove(deleted);
//! # }
//! ```
//!
//! While a provider of a role exists, its entry exists. Without one, the pool retains up to
//! `capacity` entries, each until it was `idle` for that time. Evicted roles are fetched again when
//! a request asks for them.
//!
//! By default, a chain makes 200 calls per second to STS and has 64 in flight. The quota of STS is
//! per account and Region and shared by all callers, so that a service of several instances may
//! need a lower [`rate_limit`](crate::ChainBuilder::rate_limit). Background refreshes without a
//! permit are deferred; callers wait up to nine seconds for one.
//!
//! # Keys that are not roles
//!
//! [`cache::SessionPool`](crate::cache::SessionPool) caches the sessions of any
//! [`ProvideSession`](crate::ProvideSession) by any key.
