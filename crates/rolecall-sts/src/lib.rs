//! The STS client of rolecall: AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity.
//!
//! An [`StsClient`] has an [`Endpoint`] and no credentials: one client serves any number of roles
//! and signing sessions. It returns [`Session`](rolecall_core::Session)s, measures their lifetime
//! by the clock of STS, and classifies error responses by [`ErrorKind`](rolecall_core::ErrorKind).
//!
//! # Examples
//!
//! ```no_run
//! use aws_credential_types::Credentials;
//! use rolecall_core::{Environment, FetchMode, Session};
//! use rolecall_sts::{Endpoint, StsClient};
//!
//! # async fn show(keys: Credentials) -> Result<(), rolecall_core::SessionError> {
//! let sts = StsClient::new(Endpoint::from_environment(&Environment::process())?);
//! let signer = Session::builder(keys).base("static keys").build();
//! let identity = sts.caller_identity(&signer, FetchMode::Foreground).await?;
//! println!("{} in {}", identity.principal, identity.account);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod classify;
mod client;
mod endpoint;
mod http_client;
mod identity;
mod proxy;
mod rate_limit;
mod region;
mod request;
mod response;
mod sdk_request;
mod server_time;
mod settings;
mod signer_retry;

pub use classify::{invalid_signer, is_invalid_token};
pub use client::{StsClient, StsClientBuilder};
pub use endpoint::Endpoint;
#[doc(hidden)]
pub use http_client::http_client;
pub use identity::{CallerIdentity, CallerPrincipal};
pub use proxy::HttpProxy;
pub use rate_limit::{Permit, RateLimit, RateLimiter};
pub use region::Region;
pub use request::{AssumeRoleRequest, WebIdentityRequest};
pub use settings::{EndpointOverrides, ProfileSettings, SettingOrigin};
pub use signer_retry::SignerRetry;

// Compiles the examples of the README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
