//! Migration from the credential providers of `aws-config`.
//!
//! | With aws-config | With rolecall |
//! |---|---|
//! | `AssumeRoleProvider::builder(arn)` | [`Role::new`] and [`Chain::assume_role`] |
//! | `.external_id(..)`, `.policy(..)` | [`Role`] has setters of the same names |
//! | `.policy_arns(..)`, `.tags(..)` | [`Role::policy_arn`] and [`Role::tag`], once for each |
//! | `.session_name("x")` | [`Role::session_name`], which parses the name |
//! | the same name for all roles | [`ChainBuilder::session_name`], which takes a parsed one |
//! | `.session_length(..)` | [`Role::duration`] |
//! | `.region(..)` | [`ChainBuilder::region`], which selects the STS endpoint |
//! | `.configure(&sdk_config)` | [`ChainBuilder::from_sdk_config`] |
//! | `.build_from_provider(provider)` | [`ChainBuilder::from_sdk_provider`] |
//! | a provider built on another provider | several calls of [`Chain::assume_role`] |
//! | `WebIdentityTokenCredentialsProvider` | [`from_env`], or [`ChainBuilder::from_web_identity`] |
//! | `StaticConfiguration` of that provider | [`WebIdentityConfig`] |
//! | `aws_config::load_defaults(..)` | [`from_env`] with `default-chain`, or [`identity_cache`] |
//! | `buffer_time` of `IdentityCache::lazy()` | not needed: refreshes run in the background |
//!
//! # AssumeRoleProvider
//!
//! Before:
//!
//! ```no_run
//! use aws_config::BehaviorVersion;
//! use aws_config::sts::AssumeRoleProvider;
//!
//! # async fn show() {
//! let orders = AssumeRoleProvider::builder("arn:aws:iam::444455556666:role/orders")
//!     .external_id("shop-4711")
//!     .session_name("checkout")
//!     .build()
//!     .await;
//! let config =
//!     aws_config::defaults(BehaviorVersion::latest()).credentials_provider(orders).load().await;
//! # let _ = config;
//! # }
//! ```
//!
//! After:
//!
//! ```no_run
//! use rolecall::Role;
//!
//! # async fn show() -> Result<(), Box<dyn std::error::Error>> {
//! let orders = Role::new("arn:aws:iam::444455556666:role/orders")?
//!     .external_id("shop-4711")?
//!     .session_name("checkout")?;
//! let config = rolecall::from_env()?.assume_role(orders).sdk_config().load().await;
//! # let _ = config;
//! # Ok(())
//! # }
//! ```
//!
//! # WebIdentityTokenCredentialsProvider
//!
//! Before:
//!
//! ```no_run
//! use aws_config::BehaviorVersion;
//! use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
//!
//! # async fn show() {
//! let provider = WebIdentityTokenCredentialsProvider::builder().build();
//! let config =
//!     aws_config::defaults(BehaviorVersion::latest()).credentials_provider(provider).load().await;
//! # let _ = config;
//! # }
//! ```
//!
//! After, with the variables of EKS or with a configuration that is set in code:
//!
//! ```no_run
//! use rolecall::Chain;
//! use rolecall::params::{RoleArn, SessionName};
//! use rolecall::web_identity::WebIdentityConfig;
//!
//! # async fn show() -> Result<(), Box<dyn std::error::Error>> {
//! let config = rolecall::from_env()?.sdk_config().load().await;
//!
//! let role = RoleArn::parse("arn:aws:iam::111122223333:role/checkout")?;
//! let name = SessionName::parse("checkout")?;
//! let identity = WebIdentityConfig::new(role, "/var/run/secrets/token", name);
//! let chain = Chain::builder().from_web_identity(identity)?;
//! # let _ = (config, chain);
//! # Ok(())
//! # }
//! ```
//!
//! # What changes
//!
//! - **Refresh.** With the SDK's cache, a request that finds that the session is about to expire
//!   waits for the refresh. rolecall refreshes in the background, and a caller that is cancelled
//!   does not cancel the fetch. A caller waits for a refresh in the last minute of a session, for
//!   at most 2 seconds.
//! - **Concurrent failures.** Requests that wait for one failed fetch share its error. With the
//!   SDK, each of them calls STS again.
//! - **Role chains.** Each hop is cached. The SDK assumes all roles of a chain again when the last
//!   session expires.
//! - **Parameters** are validated when they are set. With the SDK, the same errors come from STS.
//! - **The Region** of a configuration from [`Chain::sdk_config`](crate::Chain::sdk_config) is that
//!   of the chain. Set `.region(..)` on the loader if the services are in another one.
//! - **Errors.** The SDK wraps a provider's error in `dispatch failure`.
//!   [`SessionError::find`](crate::SessionError::find) returns it.
//! - **Clients** keep working without changes. Add
//!   [`retry_invalid_session!`](crate::sdk::retry_invalid_session) to repeat requests whose session
//!   a service rejected.
//!
//! # Gradual migration
//!
//! A program can migrate one client at a time. To use the credentials of an existing `SdkConfig` as
//! the base of a chain:
//!
//! ```no_run
//! use rolecall::{Chain, Role};
//!
//! # async fn show(existing: &aws_config::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
//! let orders = Chain::builder()
//!     .from_sdk_config(existing)?
//!     .assume_role(Role::new("arn:aws:iam::444455556666:role/orders")?);
//! let s3 = aws_sdk_s3::Client::new(&orders.sdk_config().load().await);
//! # let _ = s3;
//! # Ok(())
//! # }
//! ```
//!
//! [`Chain::assume_role`]: crate::Chain::assume_role
//! [`ChainBuilder::from_sdk_config`]: crate::ChainBuilder::from_sdk_config
//! [`ChainBuilder::from_sdk_provider`]: crate::ChainBuilder::from_sdk_provider
//! [`ChainBuilder::from_web_identity`]: crate::ChainBuilder::from_web_identity
//! [`ChainBuilder::region`]: crate::ChainBuilder::region
//! [`ChainBuilder::session_name`]: crate::ChainBuilder::session_name
//! [`Role`]: crate::Role
//! [`Role::duration`]: crate::Role::duration
//! [`Role::new`]: crate::Role::new
//! [`Role::policy_arn`]: crate::Role::policy_arn
//! [`Role::session_name`]: crate::Role::session_name
//! [`Role::tag`]: crate::Role::tag
//! [`WebIdentityConfig`]: crate::web_identity::WebIdentityConfig
//! [`from_env`]: crate::from_env
//! [`identity_cache`]: crate::identity_cache
