//! Sessions in other AWS roles and accounts for Rust services.
//!
//! A service starts with some identity; rolecall turns it into the session that a call needs, keeps that session fresh
//! without ever making a request wait, and plugs into the official AWS SDK for Rust as `ProvideCredentials`.
//!
//! # From a token file to an S3 client
//!
//! On EKS (or wherever `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_REGION` are set), through a role in
//! another account that asks for an external id:
//!
//! ```no_run
//! use rolecall::Role;
//!
//! # async fn show() -> Result<(), Box<dyn std::error::Error>> {
//! let orders = Role::new("arn:aws:iam::444455556666:role/orders")?.external_id("shop-4711")?;
//! let provider = rolecall::from_env()?.assume(orders).cached();
//! let config = rolecall::sdk_config(provider).load().await;
//! # let _ = config;
//! // let s3 = aws_sdk_s3::Client::new(&config);
//! # Ok(())
//! # }
//! ```
//!
//! # What comes with it
//!
//! - Each hop of a chain is cached by itself and refreshed in the background, ahead of its end ([`cache`]): callers
//!   get the session that is held, at once.
//! - Concurrent callers cost one call to STS; one that gives up does not end it; a failure is shared, remembered for a
//!   moment, and never reaches a caller while a valid session is held.
//! - Parameters are parsed before anything is sent, and errors say which hop failed and what to look at
//!   ([`FetchError`]).
//!
//! # Many roles
//!
//! A service that acts for many tenants assumes a role for each, or one role narrowed to each tenant's data. [`Chain::pool`]
//! is a [`RolePool`] for that: one held session at the base, one STS client with one budget, a slot for each role, found by
//! all that the role asks for. A handle is cheap to get, with each request:
//!
//! ```
//! # use aws_credential_types::Credentials;
//! use rolecall::policy::{PermissionPolicy, S3Access};
//! use rolecall::{Environment, Role};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let env = Environment::fixed([("AWS_REGION", "eu-west-1")]);
//! # let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
//! # let chain = rolecall::builder().environment(env).from_provider("static keys", keys)?;
//! let pool = chain.pool();
//!
//! // A role for each tenant:
//! let role = Role::new("arn:aws:iam::444455556666:role/tenant-4711")?.external_id("shop-4711")?;
//! let handle = pool.role(&role);
//!
//! // One role for all, and a session that reaches one tenant's data:
//! let role = Role::new("arn:aws:iam::111122223333:role/tenants")?;
//! let data = S3Access::under("shop-data", ["tenants/4711/"])?.list().read();
//! let narrowed = PermissionPolicy::builder().s3(data).build()?;
//! let vended = pool.narrowed(&role, rolecall::session_policy(&narrowed)?)?;
//! assert_eq!(pool.status().slots(), 2);
//! # drop((handle, vended));
//! # Ok(())
//! # }
//! ```
//!
//! [`warm`](RolePool::warm) loads sessions before they are asked for, [`status`](RolePool::status) and
//! [`statuses`](RolePool::statuses) are for a health page, [`remove`](RolePool::remove) closes a tenant's session, and
//! [`RolePool::builder`] sets how many are retained, how long, and who is told. A throttled STS puts refreshes off and fails
//! nobody whose session is good. For keys that are no roles there is [`SessionPool`].
//!
//! # Other beginnings
//!
//! Any credentials provider of the SDK can be the base of a chain:
//!
//! ```
//! use aws_credential_types::Credentials;
//! use rolecall::{Environment, Role};
//!
//! # fn main() -> Result<(), rolecall::FetchError> {
//! # let env = Environment::fixed([("AWS_REGION", "eu-west-1")]);
//! let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
//! let provider = rolecall::builder()
//!     .environment(env)
//!     .from_provider("static keys", keys)?
//!     .assume(Role::new("arn:aws:iam::444455556666:role/orders")?)
//!     .cached();
//! # let _ = provider;
//! # Ok(())
//! # }
//! ```
//!
//! So can a type of your own that implements [`SessionSource`]: [`Builder::from_source`].
//!
//! # In the SDK's clients
//!
//! - [`sdk_config`] is a loader of aws-config with a provider of ours and no second cache.
//! - [`retry_rejected!`] gives a client's configuration a [`RejectedSession`]: when a service refuses the session as such,
//!   another is asked for and the call is tried once more. Never on `AccessDenied`; [`Cached::invalidate`] is there for the
//!   service that knows better.
//! - [`identity_cache`] is an identity cache for the credentials of everybody else's providers.
//! - For one call: a `config_override` with `credentials_provider(..)` has a lazy cache of its own; give it
//!   `identity_cache(IdentityCache::no_cache())` of the SDK's beside it, and [`retry_rejected!`] for the provider of that
//!   call: a client's own knows its own provider alone.
//!
//! A bare `credentials_provider(..)` under the SDK's own lazy cache works too and never stalls: that asks seconds before the
//! end, and the next session is already there. But a session that a service rejected stays in it until its end.
//!
//! # Features
//!
//! - `default-chain`: [`from_env`] knows the SDKs' whole default order: profiles, containers (ECS, EKS Pod Identity) and EC2
//!   instances too, by aws-config's providers. For profiles of IAM Identity Center, turn on aws-config's own feature `sso`
//!   beside it, in your Cargo.toml.
//! - `metrics`: what happens to sessions as metrics, by the crate `metrics`: below.
//!
//! # Testing
//!
//! The crate `rolecall-testkit` is a local AWS on the loopback address: an STS that checks signatures, tokens and trust
//! policies, and by its features S3, Secrets Manager and ECR that check what a session may do. Point a chain to it, and turn
//! its clock and the chain's together:
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use aws_credential_types::provider::ProvideCredentials;
//! use rolecall::{Environment, ManualClock, Role};
//! use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
//!
//! let trust = r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}}}"#;
//! let may = r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#;
//! let account = Account::new("111122223333")
//!     .user(IamUser::new("ann").policy(may))
//!     .role(IamRole::new("orders").trust(trust));
//! let hands = ManualClock::new();
//! let aws = LocalAws::builder().clock(hands.clock()).account(account).start().await?;
//!
//! let sts = [("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_STS", aws.endpoint_url())];
//! let orders = rolecall::builder()
//!     .clock(hands.clock())
//!     .environment(Environment::fixed(sts))
//!     .from_provider("ann", aws.user_credentials("111122223333", "ann").ok_or("no such user")?)?
//!     .assume(Role::new("arn:aws:iam::111122223333:role/orders")?)
//!     .cached();
//! let first = orders.provide_credentials().await?;
//! hands.advance(Duration::from_secs(3600));
//! let next = orders.provide_credentials().await?;
//! assert_ne!(first.access_key_id(), next.access_key_id());
//! assert_eq!(aws.count("AssumeRole"), 2);
//! # Ok(())
//! # }
//! ```
//!
//! The clients of services get their Region and endpoint from the process's environment, or by hand:
//! `rolecall::sdk_config(orders).region(..).endpoint_url(aws.endpoint_url())`. Presigned URLs are not known there.
//!
//! # Observation
//!
//! A session that is handed out is no event, and is neither logged nor counted: a call costs the same whether or not
//! anybody looks. No event, metric or log, at any level, shows a secret key, a session token or a web identity token.
//!
//! **Events.** An [`Observer`] is told of fetches that start and end, of refreshes that failed while callers went on with
//! the session that is held, of rejections, evictions and removals ([`Event`]): [`Builder::observer`], or `observer` of the
//! builders of [`Cached`] and [`SessionPool`]. How a session stands is asked by [`Cached::status`].
//!
//! **Metrics**, with the feature `metrics`: an observer that records into the crate `metrics` (0.24), and so into whatever
//! recorder the program has installed: `builder().observer(Arc::new(rolecall::Metrics::new()))`.
//!
//! | metric | what it counts | labels |
//! |---|---|---|
//! | `rolecall_fetches_started_total` | fetches that began | `urgency` |
//! | `rolecall_fetches_total` | fetches that ended | `outcome`, `urgency`, `kind` |
//! | `rolecall_fetch_seconds` | a histogram: how long a fetch took | `outcome`, `urgency` |
//! | `rolecall_served_stale_total` | refreshes that failed while callers went on with the session that is held | |
//! | `rolecall_rejections_total` | sessions that a service refused | |
//! | `rolecall_evictions_total` | sessions that a pool let go of | |
//! | `rolecall_removals_total` | sessions that were removed from a pool | |
//!
//! `outcome` is `ok`, `failed` or `put_off` (the budget for STS had no turn, and nobody waited), `urgency` is `caller` (somebody waits) or `background`, `kind` is the [`ErrorKind`], as
//! `throttled`, or `none`. No label names a role, unless `Metrics::with_source` asks for it.
//!
//! **Logs**, by `tracing`: each fetch is a span `rolecall.fetch` (level debug) with `source`, `urgency` and, at its end,
//! `outcome` (`ok`, `failed`, `put off`, `discarded`); within it `debug` for a session that was fetched, and for a refresh
//! that the budget put off, and `warn` for one that was not fetched. It follows from the span of the call that set it off.
//! A rejection is a `warn`.

mod chain;
#[cfg(feature = "default-chain")]
mod default_chain;
mod from_env;
#[cfg(feature = "default-chain")]
mod profile;
mod role_pool;
mod sdk;
mod session_policy;

pub use chain::{Chain, Provider};
pub use from_env::{Builder, builder, from_env};
pub use role_pool::{RolePool, RolePoolBuilder};
pub use rolecall_assume_role::{AssumeRole, Hops, MfaCodes, Role};
pub use rolecall_cache::{
    Cached, HoldsSessions, IdentityCache, IdentityCacheBuilder, PoolStatus, Pooled, Refresh,
    RejectedSession, SessionPool, SessionPoolBuilder, State, Status, Warmed, identity_cache,
    retry_rejected,
};
#[cfg(feature = "metrics")]
pub use rolecall_core::Metrics;
pub use rolecall_core::{
    AccountId, AssumedRole, Clock, Environment, ErrorKind, Event, ExternalId, FetchContext,
    FetchError, InvalidParameter, Lineage, ManualClock, MfaCode, MfaSerial, Moment, Observer,
    Place, PolicyArn, ProvidedContext, ProviderId, ProviderSource, RoleArn, Session,
    SessionDuration, SessionName, SessionPolicy, SessionSource, SessionTags, SourceIdentity,
    SourceProvider, Urgency, VerifiedToken,
};
pub use rolecall_sts::{Budget, CallerIdentity, Endpoint, Principal, Region, StsClient};
pub use rolecall_web_identity::{
    GitHubClaims, KubernetesClaims, TokenFile, TokenFn, TokenSource, TokenVariable,
    UnverifiedClaims, WebIdentity, WebIdentityConfig, WebIdentityToken,
};
pub use sdk::sdk_config;
pub use session_policy::session_policy;

pub use {rolecall_cache as cache, rolecall_policy as policy, rolecall_sts as sts};
