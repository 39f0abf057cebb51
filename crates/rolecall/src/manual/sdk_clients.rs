//! AWS SDK clients: configuration, caches and the retry of rejected sessions.
//!
//! A [`CachedProvider`](crate::CachedProvider) implements the SDK's `ProvideCredentials`. Every
//! place of the SDK that takes a credentials provider takes it.
//!
//! # Shared configuration
//!
//! ```no_run
//! # async fn show(chain: rolecall::Chain) {
//! // With the chain's Region and an HTTP client that all configurations of the chain share:
//! let config = chain.sdk_config().load().await;
//!
//! // From a provider alone, with the Region and HTTP client that aws-config selects:
//! let config = rolecall::sdk_config(chain.provider()).load().await;
//! let s3 = aws_sdk_s3::Client::new(&config);
//! # let _ = s3;
//! # }
//! ```
//!
//! Both return a `ConfigLoader` of aws-config, on which all other settings can be changed. Both
//! disable the SDK's identity cache with `IdentityCache::no_cache()`, since the provider has a
//! cache.
//!
//! To add the provider to a configuration that exists already, set both:
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
//! interceptor and a retry classifier to a client's configuration, which invalidate the session and
//! repeat the request once with the next one:
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
//! Apply it once to each client: `SdkConfig` carries neither interceptors nor retry classifiers.
//!
//! - It reacts to `ExpiredToken`, `InvalidClientTokenId`, `UnrecognizedClientException` and the
//!   other codes of [`is_invalid_session_code`](crate::provider::is_invalid_session_code). It does
//!   not react to `AccessDenied`, which is also how services report sessions that were revoked in
//!   IAM. Code that knows of such a revocation calls
//!   [`CachedProvider::invalidate`](crate::CachedProvider::invalidate).
//! - Responses without a body have no code: `HeadObject` and `HeadBucket` are not repeated.
//! - The client's `max_attempts` and retry quota apply, and a request body that cannot be sent
//!   again is not.
//! - S3 Express One Zone (directory buckets) is not covered. The SDK sends its requests with keys
//!   of a session client of its own, which drops the interceptors of the S3 client.
//! - At most one session is fetched in ten seconds because of invalidations, and fewer while
//!   rejections continue.
//!
//! # One operation
//!
//! The `config_override` of an operation takes a provider, too. A provider in an override gets an
//! identity cache and a retry of its own, so that it needs `no_cache()` and
//! `retry_invalid_session!` as a client does. [`tenants`](super::tenants) shows it.
//!
//! # Providers of the SDK
//!
//! [`identity_cache`](crate::identity_cache) caches the credentials of other providers, such as
//! those of the SDK's default chain, in the way in which rolecall caches sessions. It replaces the
//! SDK's identity cache:
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
//! // The cache also reports rejected sessions:
//! let s3 = aws_sdk_s3::config::Builder::from(&config);
//! let s3 = aws_sdk_s3::Client::from_conf(retry_invalid_session!(s3, &cache).build());
//! # let _ = s3;
//! # }
//! ```
//!
//! Refreshes run ahead of the expiration, and a caller that is cancelled does not cancel them. They
//! are started by calls, not by a timer: what loads an identity comes with the call of a client.
//!
//! # The SDK's lazy cache
//!
//! A provider of rolecall works below the SDK's default cache, for example in a library that
//! creates its own configuration. That cache asks for credentials only seconds before they expire,
//! when rolecall has the next session already. It keeps a session that a service rejected until the
//! session expires.
//!
//! # Provider chains of the SDK
//!
//! An SDK provider chain asks its next provider if one reports that it is not configured.
//! [`from_env`](crate::from_env) reports that before there is a provider, so that a link needs a
//! [`LazyProvider`](crate::provider::LazyProvider):
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
//! Only [`NotConfigured`](crate::ErrorKind::NotConfigured) lets the chain continue. A provider that
//! is configured and fails ends it: another identity may have other permissions.
//!
//! # Errors
//!
//! The clients of the SDK report the failure of a provider as `dispatch failure`.
//! [`SessionError::find`](crate::SessionError::find) returns rolecall's error among the causes:
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
