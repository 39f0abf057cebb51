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
//! A service can reject a session that has not expired: its role was deleted and recreated, or its
//! access key was revoked. [`retry_invalid_session!`](crate::sdk::retry_invalid_session) adds an
//! interceptor and a retry classifier to the configuration of a client. They invalidate the session
//! and repeat the request once with a new one:
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
//! - A request is repeated for `ExpiredToken`, `InvalidClientTokenId`,
//!   `UnrecognizedClientException` and the other codes of
//!   [`is_invalid_session_code`](crate::provider::is_invalid_session_code), but not for
//!   `AccessDenied`, although services also return it for sessions that were revoked in IAM. After
//!   such a revocation, call [`CachedProvider::invalidate`](crate::CachedProvider::invalidate).
//! - Error responses to `HeadObject` and `HeadBucket` have no body and therefore no code. These
//!   requests are not repeated.
//! - The client's `max_attempts` and retry quota apply. A request whose body cannot be sent again
//!   is not repeated.
//! - S3 Express One Zone (directory buckets) is not supported. The SDK signs these requests with
//!   credentials from a separate client, which does not have the interceptors of the S3 client.
//! - Invalidations cause at most one fetch in ten seconds, and fewer while rejections continue.
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
//! Requests do not wait for a refresh while the credentials are valid, and a request that is
//! cancelled does not cancel a refresh. Refreshes are started by requests and not by a timer,
//! because the SDK passes the components that load an identity with each request.
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
