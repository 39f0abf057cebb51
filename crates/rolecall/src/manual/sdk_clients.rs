//! AWS SDK clients: configuration, identity caches, and retries after rejected sessions.
//!
//! [`CachedProvider`](crate::CachedProvider) implements the SDK's `ProvideCredentials`. Pass it
//! wherever the SDK accepts a credentials provider.
//!
//! # Shared configuration
//!
//! ```no_run
//! # async fn show(chain: rolecall::Chain) {
//! // With the Region of the chain, and an HTTP client that all of its configurations share:
//! let config = chain.sdk_config().load().await;
//!
//! // From any provider, with the Region and the HTTP client that aws-config selects:
//! let config = rolecall::sdk_config(chain.provider()).load().await;
//! let s3 = aws_sdk_s3::Client::new(&config);
//! # let _ = s3;
//! # }
//! ```
//!
//! Both return a `ConfigLoader` of aws-config, which accepts all other settings. Both disable the
//! SDK's identity cache with `IdentityCache::no_cache()`, because the provider is a cache.
//!
//! To add the provider to an existing configuration, set both:
//!
//! ```no_run
//! use aws_sdk_s3::config::IdentityCache;
//!
//! # fn show(sdk_config: &aws_config::SdkConfig, provider: rolecall::CachedProvider) {
//! let config = aws_sdk_s3::config::Builder::from(sdk_config)
//!     .credentials_provider(provider)
//!     .identity_cache(IdentityCache::no_cache())
//!     .build();
//! let s3 = aws_sdk_s3::Client::from_conf(config);
//! # }
//! ```
//!
//! # Rejected sessions
//!
//! A service can reject a session that has not expired: its role was deleted and recreated, its
//! access key was deleted, or the service does not know it yet.
//! [`retry_invalid_session!`](crate::sdk::retry_invalid_session) adds an interceptor and a retry
//! classifier to the configuration of a client. They report the rejection to the cache and repeat
//! the request:
//!
//! ```no_run
//! use rolecall::sdk::retry_invalid_session;
//!
//! # async fn show(chain: rolecall::Chain) {
//! let config = chain.sdk_config().load().await;
//! let config = aws_sdk_s3::config::Builder::from(&config);
//! let config = retry_invalid_session!(config, &chain.provider()).build();
//! let s3 = aws_sdk_s3::Client::from_conf(config);
//! # }
//! ```
//!
//! Apply the macro once to the configuration of each client: `SdkConfig` contains neither
//! interceptors nor retry classifiers.
//!
//! - `ExpiredToken` and `ExpiredTokenException` say that the session has expired or was revoked. It
//!   is replaced, and the request is repeated once with the new session.
//! - `InvalidClientTokenId`, `UnrecognizedClientException`, `InvalidAccessKeyId` and `InvalidToken`
//!   say that the service does not know the session. It is replaced, too, unless another service
//!   accepts it first. If it was requested less than 10 seconds ago, it is not replaced, since AWS
//!   is eventually consistent: the request is repeated with the same session, after
//!   [pauses](#pauses-and-max_attempts).
//! - It does not react to `AccessDenied`, which is also how services report sessions that were
//!   revoked in IAM. Code that knows of such a revocation calls
//!   [`CachedProvider::invalidate`](crate::CachedProvider::invalidate).
//! - Responses without a body have no code: `HeadObject` and `HeadBucket` are not repeated.
//! - The client's `max_attempts` and retry quota apply, and a request body that cannot be sent
//!   again is not.
//! - S3 Express One Zone (directory buckets) is not covered. The SDK sends its requests with keys
//!   of a session client of its own, which drops the interceptors of the S3 client.
//! - Invalidations bring at most one session in ten seconds, and fewer, down to one in 5 minutes,
//!   while they continue. Until then, callers receive the rejected session, and requests are not
//!   repeated.
//!
//! ## Pauses and `max_attempts`
//!
//! The pauses before a request is repeated with the same session are 0.5 and 1 second, and then 2
//! seconds each. With the SDK's default `max_attempts` of 3, only the first two happen: a service
//! that accepts the session after more than 1.5 seconds still fails the request. To wait longer,
//! set `max_attempts` of the client. With 4 attempts, the pauses are 3.5 seconds in all:
//!
//! ```no_run
//! use aws_config::retry::RetryConfig;
//! use rolecall::sdk::retry_invalid_session;
//!
//! # async fn show(chain: rolecall::Chain) {
//! let config = chain.sdk_config().load().await;
//! let config = aws_sdk_s3::config::Builder::from(&config)
//!     .retry_config(RetryConfig::standard().with_max_attempts(4));
//! let config = retry_invalid_session!(config, &chain.provider()).build();
//! let s3 = aws_sdk_s3::Client::from_conf(config);
//! # let _ = s3;
//! # }
//! ```
//!
//! Each further attempt adds 2 seconds. `max_attempts` applies to the other errors that the client
//! retries, too.
//!
//! # Overrides for one operation
//!
//! The `config_override` of an operation also accepts a provider. The SDK then creates a separate
//! identity cache for the operation, and the client's interceptor does not report to the provider
//! of the override. Configure the override like a client, with `no_cache()` and
//! `retry_invalid_session!`. [`tenants`](super::tenants) contains an example.
//!
//! # Providers of the SDK
//!
//! [`identity_cache`](crate::identity_cache) returns an identity cache for the SDK that refreshes
//! the credentials of other providers in the background, such as those of the default chain. It
//! replaces the SDK's lazy cache:
//!
//! ```no_run
//! use aws_config::BehaviorVersion;
//! use rolecall::sdk::retry_invalid_session;
//!
//! # async fn show() {
//! let cache = rolecall::identity_cache();
//! let loader = aws_config::defaults(BehaviorVersion::latest());
//! let config = loader.identity_cache(cache.clone()).load().await;
//!
//! // The cache also replaces rejected sessions:
//! let s3 = aws_sdk_s3::config::Builder::from(&config);
//! let s3 = aws_sdk_s3::Client::from_conf(retry_invalid_session!(s3, &cache).build());
//! # let _ = s3;
//! # }
//! ```
//!
//! Requests do not wait for a refresh while the credentials are valid, except in the last minute,
//! and a request that is cancelled does not cancel a refresh. Refreshes are started by requests and
//! not by a timer, because the SDK passes the components that load an identity with each request.
//!
//! Other identities that have an expiration, such as bearer tokens, are cached until 10 seconds
//! before they expire. Identities without an expiration are resolved by each request. Both are
//! resolved with the configuration of the request, and their errors are returned unchanged.
//!
//! For services that accept bearer tokens, pass a token provider to the same loader. The example
//! requires the crate `aws-credential-types`:
//!
//! ```no_run
//! use std::time::{Duration, SystemTime};
//! use aws_config::BehaviorVersion;
//! use aws_credential_types::Token;
//! use aws_credential_types::provider::error::TokenError;
//! use aws_credential_types::provider::future;
//! use aws_credential_types::provider::token::ProvideToken;
//!
//! /// Requests tokens from an identity provider.
//! #[derive(Debug)]
//! struct Login;
//!
//! impl Login {
//!     /// Returns a token and its lifetime.
//!     async fn request(&self) -> std::io::Result<(String, Duration)> {
//! #       Err(std::io::Error::other("an example"))
//!         // ..
//!     }
//! }
//!
//! impl ProvideToken for Login {
//!     fn provide_token<'a>(&'a self) -> future::ProvideToken<'a>
//!     where
//!         Self: 'a,
//!     {
//!         future::ProvideToken::new(async move {
//!             let requested_at = SystemTime::now();
//!             let (token, lifetime) = self.request().await.map_err(TokenError::provider_error)?;
//!             // Without an expiration, the token would be requested again by each request.
//!             Ok(Token::new(token, Some(requested_at + lifetime)))
//!         })
//!     }
//! }
//!
//! # async fn show() {
//! let config = aws_config::defaults(BehaviorVersion::latest())
//!     .identity_cache(rolecall::identity_cache())
//!     .token_provider(Login)
//!     .load()
//!     .await;
//! # let _ = config;
//! # }
//! ```
//!
//! # The SDK's lazy cache
//!
//! A `CachedProvider` also works with the SDK's default identity cache, for example in a library
//! that creates its own configuration. The SDK's cache requests credentials a few seconds before
//! they expire. By then, rolecall has already cached the next session. However, the SDK's cache
//! keeps a session that a service rejected until the session expires.
//!
//! # Provider chains of the SDK
//!
//! An SDK provider chain continues with its next provider if a provider returns
//! `CredentialsNotLoaded`. [`from_env`](crate::from_env) returns the corresponding error before a
//! provider exists. To add rolecall to a provider chain, wrap it in a
//! [`LazyProvider`](crate::provider::LazyProvider), which calls `from_env` later:
//!
//! ```no_run
//! use aws_config::meta::credentials::CredentialsProviderChain;
//! use rolecall::provider::LazyProvider;
//!
//! # async fn show() {
//! let rolecall = LazyProvider::new(|| Ok(rolecall::from_env()?.provider()));
//! let chain = CredentialsProviderChain::first_try("rolecall", rolecall)
//!     .or_else("default", aws_config::default_provider::credentials::default_provider().await);
//! # let _ = chain;
//! # }
//! ```
//!
//! Only [`NotConfigured`](crate::ErrorKind::NotConfigured) lets the chain continue. If a configured
//! provider fails, the chain ends with its error, because another identity may have other
//! permissions.
//!
//! [`retry_invalid_session!`](crate::sdk::retry_invalid_session) requires the provider that caches
//! the session. Add `CachedProvider::new(LazyProvider::new(..))` to the chain, pass a reference to
//! it to the macro, and disable the identity cache of the client, which keeps the rejected session.
//!
//! # Errors
//!
//! SDK clients report the failure of a credentials provider as `dispatch failure`.
//! [`SessionError::find`](crate::SessionError::find) returns the error of rolecall among the
//! causes:
//!
//! ```no_run
//! use rolecall::SessionError;
//!
//! # async fn show(s3: aws_sdk_s3::Client) {
//! if let Err(error) = s3.list_buckets().send().await {
//!     match SessionError::find(&error) {
//!         Some(error) => eprintln!("{}", error.report()),
//!         None => eprintln!("{}", aws_sdk_s3::error::DisplayErrorContext(&error)),
//!     }
//! }
//! # }
//! ```
