//! Custom providers: sessions from a vault, a broker or another service.
//!
//! [`ProvideSession`](crate::ProvideSession) is the only trait to implement. Caching, role chains,
//! pools and the SDK plug-ins work with every implementation. If an SDK credentials provider
//! already exists for the service, pass it to
//! [`ChainBuilder::from_sdk_provider`](crate::ChainBuilder::from_sdk_provider) instead.
//!
//! # A provider
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use rolecall::provider::{Credentials, FetchContext, async_trait};
//! use rolecall::{Chain, Environment, ErrorKind, ProvideSession, Session, SessionError};
//!
//! /// Requests keys from a company's vault.
//! #[derive(Debug)]
//! struct Vault;
//!
//! #[async_trait]
//! impl ProvideSession for Vault {
//!     async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
//!         // Read before the request is sent: the lifetime counts from this moment.
//!         let requested_at = context.clock().now();
//!         let keys = request_keys().await.map_err(|error| {
//!             SessionError::new(ErrorKind::Unavailable, "the vault did not respond")
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
//! rolecall uses the trait as `dyn ProvideSession`. Traits with an `async fn` do not support that,
//! so the trait uses [`async_trait`](https://docs.rs/async-trait), which
//! [`provider`](crate::provider) re-exports. Without the attribute on the implementation, the
//! compiler reports E0195: "lifetime parameters do not match the trait definition".
//!
//! # The contract
//!
//! - **Fetch a session in each call.** Do not cache sessions: a refresh would receive the same
//!   session again. The cache treats a session that was invalidated or has expired as an error
//!   ([`InvalidResponse`](crate::ErrorKind::InvalidResponse)), and so one that expires sooner than
//!   the cached session, if the lifetime of that was measured.
//! - **Do not retry for long,** because the cache retries. In a background fetch
//!   ([`FetchMode::Background`](crate::provider::FetchMode)), make one attempt, and do not prompt a
//!   person. A caller never receives the error of a background fetch.
//! - **Set a timeout for every network call.** The cache abandons a fetch after
//!   [`timeout`](crate::ProvideSession::timeout), which defaults to 15 seconds. A provider that
//!   calls other providers adds their timeouts.
//! - **Measure the lifetime with the context's clock.** It is the clock of the cache, and a test
//!   may advance it. If the service returns an expiration instead of a lifetime, set the expiration
//!   of the `Credentials`. It is compared with the wall clock when the cache receives the session,
//!   and the cache protects no such session from one that expires sooner.
//! - **Declare keys that cannot change** with
//!   [`SessionBuilder::static_keys`](crate::provider::SessionBuilder::static_keys). Other keys
//!   without an expiration are requested again in the background every 15 minutes, since they may
//!   be rotated.
//! - **Return the kind that applies.** The cache retries soon after `Unavailable`, `Throttled`,
//!   `InvalidResponse` and `TokenUnavailable`, and after a longer pause after the others.
//!   `NotConfigured` lets an SDK provider chain continue with its next provider.
//! - **Return a stable name** that contains no secret: it is part of errors, logs, events and, with
//!   `Metrics::with_provider`, metrics.
//! - **Forward [`invalidate`](crate::ProvideSession::invalidate)** to the cache or the provider
//!   that the provider is based on. Otherwise, the rejected session is returned again.
//!
//! # Chains and pools
//!
//! [`ChainBuilder::from_provider`](crate::ChainBuilder::from_provider) creates a chain with a
//! custom provider as base credentials, on which roles can be assumed.
//! [`CachedProvider::new`](crate::CachedProvider::new) caches a provider without a chain, and
//! [`cache::SessionPool`](crate::cache::SessionPool) caches one provider for each key.
//!
//! # A closure
//!
//! [`provide_session_fn`](crate::provider::provide_session_fn) creates a provider from an async
//! closure, with a timeout of 15 seconds:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rolecall::SessionError> {
//! use rolecall::provider::{Credentials, provide_session_fn};
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
//! For tokens that a broker issues, implement
//! [`ProvideWebIdentityToken`](crate::web_identity::ProvideWebIdentityToken), or pass a function to
//! [`TokenFn`](crate::web_identity::TokenFn), and create the chain with
//! [`ChainBuilder::from_token_provider`](crate::ChainBuilder::from_token_provider). rolecall
//! exchanges the tokens at STS. All tokens of a chain must have the same issuer and subject: if
//! those of a later token differ from those of the first, the token is rejected.
