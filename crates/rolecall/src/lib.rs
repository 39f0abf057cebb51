//! Cached AWS sessions for Rust services.
//!
//! rolecall assumes IAM roles (from a Kubernetes service account token, access keys, or any AWS SDK
//! credentials provider), refreshes sessions before they expire, and plugs into the AWS SDK for
//! Rust as `ProvideCredentials`. Requests do not wait for STS once a session is cached.
//!
//! # Examples
//!
//! On EKS, or wherever `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_REGION` are set,
//! assume a role in another account that requires an external id:
//!
//! ```no_run
//! use rolecall::Role;
//!
//! # async fn show() -> Result<(), Box<dyn std::error::Error>> {
//! let orders = Role::new("arn:aws:iam::444455556666:role/orders")?.external_id("shop-4711")?;
//! let chain = rolecall::from_env()?.assume_role(orders);
//! let config = chain.sdk_config().load().await;
//! // let s3 = aws_sdk_s3::Client::new(&config);
//! # let _ = config;
//! # Ok(())
//! # }
//! ```
//!
//! # Overview
//!
//! - [`from_env`] and [`ChainBuilder`] create a [`Chain`]: base credentials, and roles assumed on
//!   top of them. Each hop is cached and refreshed separately.
//! - [`CachedProvider`] is what a chain returns: a `ProvideCredentials` for SDK clients. Concurrent
//!   callers without a session share one fetch, and a failed refresh does not affect callers while
//!   a valid session is cached.
//! - [`RolePool`] serves many roles from one chain, such as one per tenant.
//! - [`ProvideSession`] is the trait to implement for another way to obtain sessions.
//! - [`SessionError`] says which hop failed, why, and what to check.
//!
//! The [`manual`] has a page for each use.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `aws-config` | yes | [`sdk_config`], [`Chain::sdk_config`], [`RolePool::sdk_config`] |
//! | `pool` | yes | [`RolePool`], [`SessionPool`](cache::SessionPool) |
//! | `policy` | yes | the module [`policy`] |
//! | `default-chain` | no | profiles, container and instance credentials in [`from_env`] |
//! | `sso` | no | profiles of IAM Identity Center (with `default-chain`) |
//! | `login` | no | profiles of `aws login` (with `default-chain`) |
//! | `terraform` | no | `policy::terraform`: configuration for roles, policies and providers |
//! | `thumbprint` | no | the thumbprint of an OIDC provider from its certificates |
//! | `metrics` | no | the observer [`Metrics`](observe::Metrics) |
//! | `spiffe` | no | web identity tokens of the SPIFFE Workload API (SPIRE) |
//! | `test-util` | no | [`ManualClock`](time::ManualClock) |
//!
//! A feature adds items and identities and changes no default, with one exception: `default-chain`
//! can change which identity and which endpoint settings are selected. If `AWS_PROFILE` is not set
//! and the profile `default` has credentials, [`from_env`] selects that profile before a web
//! identity, in the order of aws-config. Region and endpoint settings that no variable sets are
//! read from the profile.
//!
//! # Types of other crates
//!
//! The public API contains types of these crates of the AWS SDK, all in their version 1:
//!
//! - `aws-types`, and `aws-config`, which re-exports it: `SdkConfig` ([`ChainBuilder::configure`],
//!   [`ChainBuilder::from_sdk_config`]).
//! - `aws-config`: `ConfigLoader` ([`sdk_config`], [`Chain::sdk_config`],
//!   [`RolePool::sdk_config`]).
//! - `aws-credential-types`: `Credentials` and `ProvideCredentials`, which [`provider`] re-exports,
//!   and `CredentialsError`, the error of [`CachedProvider`] as a `ProvideCredentials`.
//! - `aws-smithy-runtime-api`: `HttpClient` ([`ChainBuilder::http_client`]), and the traits that the
//!   plug-ins of the module [`sdk`] implement.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without all features, links to the items that the others add have no target. docs.rs and CI
// document all features.
#![cfg_attr(
    not(all(
        feature = "aws-config",
        feature = "pool",
        feature = "policy",
        feature = "metrics",
        feature = "spiffe",
        feature = "test-util"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

mod base;
mod builder;
mod chain;
#[cfg(feature = "default-chain")]
pub mod config_files;
#[cfg(feature = "aws-config")]
mod config_loader;
#[cfg(feature = "default-chain")]
mod default_chain;
#[cfg(feature = "aws-config")]
mod http_client;
#[cfg(feature = "default-chain")]
mod instance_metadata;
mod lazy;
pub mod manual;
#[cfg(feature = "default-chain")]
mod metadata_http;
#[cfg(feature = "policy")]
pub mod policy;
#[cfg(feature = "default-chain")]
mod profile;
#[cfg(test)]
mod public_names;
#[cfg(feature = "pool")]
mod role_pool;

pub use builder::{ChainBuilder, from_env};
pub use chain::Chain;
#[cfg(feature = "aws-config")]
pub use config_loader::sdk_config;
#[cfg(feature = "pool")]
pub use role_pool::{RolePool, RolePoolBuilder};
pub use rolecall_assume_role::Role;
pub use rolecall_cache::{CachedProvider, identity_cache};
pub use rolecall_core::{Environment, ErrorKind, ProvideSession, Session, SessionError};

/// Parameters of sessions, each parsed once: ARNs, ids, names, tags, policies and MFA codes.
pub mod params {
    pub use rolecall_assume_role::ProvideMfaCode;
    pub use rolecall_core::{
        AccountId, ExternalId, InvalidParameter, MfaCode, MfaSerial, PolicyArn, ProvidedContext,
        ProviderId, RoleArn, SessionDuration, SessionName, SessionPolicy, SessionTags,
        SourceIdentity, limits,
    };
    #[doc(hidden)]
    pub use rolecall_core::{
        contains_secret, is_unprintable, looks_like_token, redact, secret_keys, shown,
    };
}

/// Web identities: providers, tokens and their claims.
pub mod web_identity {
    pub use rolecall_core::VerifiedToken;
    pub use rolecall_sts::WebIdentityRequest;
    #[cfg(feature = "spiffe")]
    pub use rolecall_web_identity::SpiffeToken;
    pub use rolecall_web_identity::{
        GitHubClaims, KubernetesClaims, ProvideWebIdentityToken, TokenFile, TokenFn, TokenVariable,
        UnverifiedClaims, WebIdentityConfig, WebIdentityProvider, WebIdentityToken,
    };
}

/// The cache: builders, refresh modes, status, and pools by any key.
pub mod cache {
    pub use rolecall_cache::{CachedProviderBuilder, Refresh, State, Status};
    #[cfg(feature = "pool")]
    pub use rolecall_cache::{PoolStatus, SessionPool, SessionPoolBuilder, WarmReport};
}

/// Plug-ins for the AWS SDK.
pub mod sdk {
    pub use rolecall_cache::{
        IdentityCache, IdentityCacheBuilder, InvalidSessionAnswer, InvalidSessionRetry,
        ReportSessionUse, retry_invalid_session,
    };
}

/// Session providers, and what is needed to write one.
///
/// `Credentials` and `ProvideCredentials` are those of the crate `aws-credential-types`, and
/// `async_trait` is the macro of the crate of that name.
pub mod provider {
    pub use async_trait::async_trait;
    pub use aws_credential_types::Credentials;
    pub use aws_credential_types::provider::ProvideCredentials;
    pub use rolecall_assume_role::AssumeRoleProvider;
    pub use rolecall_core::{
        AssumedRole, ErrorLocation, FetchContext, FetchMode, FileError, FileFault, InvalidSession,
        Lineage, ProvideSessionFn, Remedy, SdkProvider, SessionBuilder, SessionCredentials,
        provide_session_fn,
    };

    pub use crate::lazy::LazyProvider;
}

/// Observers of session events, and metrics.
pub mod observe {
    #[cfg(feature = "metrics")]
    pub use rolecall_core::Metrics;
    pub use rolecall_core::{Event, Observer};
}

/// The STS client: endpoints, requests, rate limit and caller identity.
pub mod sts {
    pub use rolecall_sts::{
        AssumeRoleRequest, CallerIdentity, CallerPrincipal, Endpoint, EndpointOverrides, HttpProxy,
        Permit, ProfileSettings, RateLimit, RateLimiter, Region, SettingOrigin, SignerRetry,
        StsClient, StsClientBuilder, invalid_signer, is_invalid_token,
    };
}

/// Time: the clock that rolecall reads, and moments on it.
pub mod time {
    #[cfg(feature = "test-util")]
    pub use rolecall_core::ManualClock;
    pub use rolecall_core::{Clock, Elapsed, Moment};
}
