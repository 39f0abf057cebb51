//! Custom providers: sessions from a vault, a broker or another API.
//!
//! [`ProvideSession`](crate::ProvideSession) is the only trait to implement. Caching, role chains,
//! pools and the SDK plug-ins work with every implementation. If the SDK has a `ProvideCredentials`
//! for the purpose, use it instead:
//! [`ChainBuilder::from_sdk_provider`](crate::ChainBuilder::from_sdk_provider).
//!
//! # A provider
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use aws_credential_types::Credentials;
//! use rolecall::provider::FetchContext;
//! use rolecall::{Chain, Environment, ErrorKind, ProvideSession, Session, SessionError};
//!
//! /// Requests keys from a company's vault.
//! #[derive(Debug)]
//! struct Vault;
//!
//! #[async_trait::async_trait]
//! impl ProvideSession for Vault {
//!     async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
//!         // Before the request: the lifetime counts from when it was sent.
//!         let requested_at = context.clock().now();
//!         let keys = request_keys().await.map_err(|error| {
//!             SessionError::new(ErrorKind::Unavailable, "the vault did not answer")
//!                 .with_hint("check the address of the vault")
//!                 .with_cause(&error)
//!         })?;
//!         let token = Some(keys.token);
//!         let credentials = Credentials::new(keys.id, keys.secret, token, None, "vault");
//!         Ok(Session::builder(credentials)
//!             .base(self.name())
//!             .lifetime(requested_at, keys.lifetime, context.clock())
//!             .build())
//!     }
//!
//!     fn name(&self) -> &str {
//!         "vault"
//!     }
//!
//!     fn timeout(&self) -> Duration {
//!         Duration::from_secs(5)
//!     }
//! }
//! # struct Keys { id: String, secret: String, token: String, lifetime: Duration }
//! # async fn request_keys() -> Result<Keys, std::io::Error> {
//! #     Ok(Keys {
//! #         id: "ASIAIOSFODNN7EXAMPLE".into(),
//! #         secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
//! #         token: "token".into(),
//! #         lifetime: Duration::from_secs(900),
//! #     })
//! # }
//!
//! # let environment = Environment::fixed([("AWS_REGION", "eu-west-1")]);
//! let chain = Chain::builder().environment(environment).from_provider(Vault)?;
//! let session = chain.provider().session().await?;
//! assert_eq!(session.lineage().base(), "vault");
//! # Ok(())
//! # }
//! ```
//!
//! # `#[async_trait]`
//!
//! The trait is used as `dyn ProvideSession`, which an `async fn` in a trait does not support yet,
//! and therefore uses [`async_trait`](https://docs.rs/async-trait). Without the attribute on the
//! implementation, the compiler reports E0195: "lifetime parameters do not match the trait
//! definition".
//!
//! # The contract
//!
//! - **Fetch a session in each call.** Do not cache: the cache would receive the same session
//!   again. A session that was rejected, or that expires sooner than the cached one, is an error
//!   ([`InvalidResponse`](crate::ErrorKind::InvalidResponse)).
//! - **Do not retry for long.** The cache retries. In a background fetch
//!   ([`FetchMode::Background`](crate::provider::FetchMode)) make one attempt.
//! - **Set a time limit for every network call.** The cache abandons a fetch after
//!   [`timeout`](crate::ProvideSession::timeout), 15 seconds by default. A provider that calls
//!   other providers adds their timeouts to its own.
//! - **Use the context's clock** to measure the lifetime. It is the clock by which the cache
//!   counts, and a test may advance it. For a service that returns an expiration instead of a
//!   lifetime, set the expiration of the `Credentials`: it is compared with the wall clock once,
//!   when the session arrives.
//! - **Return the kind that fits.** A retry follows `Unavailable`, `Throttled`, `InvalidResponse`
//!   and `TokenUnavailable` soon, and the others after a longer pause. `NotConfigured` lets an SDK
//!   provider chain continue with its next provider.
//! - **Choose a stable name** without secrets: it is in errors, logs, events and, if requested,
//!   metrics.
//! - **Forward [`invalidate`](crate::ProvideSession::invalidate)** if the provider has a cache, or
//!   another provider, below it. Otherwise a rejected session comes back.
//!
//! # Chains and pools
//!
//! A custom provider is the base of a chain with
//! [`ChainBuilder::from_provider`](crate::ChainBuilder::from_provider). Roles are assumed on top of
//! it as on any base. [`CachedProvider::new`](crate::CachedProvider::new) caches it without a
//! chain, and [`cache::SessionPool`](crate::cache::SessionPool) caches one provider for each key.
//!
//! # A closure
//!
//! For a provider without state, an async closure is enough. Its timeout is 15 seconds:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rolecall::SessionError> {
//! use aws_credential_types::Credentials;
//! use rolecall::provider::provide_session_fn;
//! use rolecall::{CachedProvider, Session};
//!
//! let provider = CachedProvider::new(provide_session_fn("vault", async |_context| {
//!     let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//!     Ok(Session::builder(Credentials::new(id, secret, None, None, "vault")).build())
//! }));
//! assert_eq!(provider.session().await?.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
//! # Ok(())
//! # }
//! ```
//!
//! # Web identity tokens
//!
//! For a token that a broker issues, implement
//! [`ProvideWebIdentityToken`](crate::web_identity::ProvideWebIdentityToken), or pass a function to
//! [`TokenFn`](crate::web_identity::TokenFn), and create the chain with
//! [`ChainBuilder::from_token_provider`](crate::ChainBuilder::from_token_provider). rolecall
//! exchanges the token at STS. A chain has one identity: a token from a function whose issuer or
//! subject differs from that of the first token is rejected.
