//! A session provider that exchanges web identity tokens for sessions (AssumeRoleWithWebIdentity).
//!
//! A [`WebIdentityConfig`] contains the role and the path of the token file, for example from the
//! variables that EKS sets. A [`WebIdentityProvider`] exchanges the token for sessions of the role.
//! It reads the file for each fetch, because the kubelet replaces it while the process runs. For
//! tokens from another origin, implement [`ProvideWebIdentityToken`].
//!
//! # Examples
//!
//! ```no_run
//! use rolecall_core::{Environment, FetchContext, ProvideSession, SessionError};
//! use rolecall_sts::{Endpoint, StsClient};
//! use rolecall_web_identity::{WebIdentityConfig, WebIdentityProvider};
//!
//! # async fn show() -> Result<(), SessionError> {
//! let env = Environment::process();
//! if let Some(config) = WebIdentityConfig::from_environment(&env)? {
//!     let sts = StsClient::new(Endpoint::from_environment(&env)?);
//!     let provider = WebIdentityProvider::new(config, sts, env);
//!     let session = provider.provide_session(FetchContext::foreground()).await?;
//! }
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod claims;
mod config;
mod identity;
mod provider;
#[cfg(feature = "spiffe")]
mod spiffe;
mod token;
mod token_providers;

pub use claims::{GitHubClaims, KubernetesClaims, UnverifiedClaims};
pub use config::WebIdentityConfig;
pub use provider::WebIdentityProvider;
#[cfg(feature = "spiffe")]
pub use spiffe::SpiffeToken;
pub use token::WebIdentityToken;
pub use token_providers::{ProvideWebIdentityToken, TokenFile, TokenFn, TokenVariable};

// Compiles the examples of the README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
