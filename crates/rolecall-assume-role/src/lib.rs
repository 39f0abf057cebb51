//! A session provider that assumes IAM roles with the sessions of another provider (AssumeRole).
//!
//! A [`Role`] contains the parameters of the request. An [`AssumeRoleProvider`] sends it, signed
//! with the sessions of its parent, a [`ProvideSession`](rolecall_core::ProvideSession). The parent
//! can be another `AssumeRoleProvider`: such a sequence is a role chain. Each fetch calls STS: put
//! a cache around each provider of the chain.
//!
//! # Examples
//!
//! ```no_run
//! use rolecall_assume_role::{AssumeRoleProvider, Role};
//! use rolecall_core::{FetchContext, ProvideSession, SessionError, SessionName};
//! use rolecall_sts::{Endpoint, Region, StsClient};
//!
//! # async fn show(parent: impl ProvideSession) -> Result<(), SessionError> {
//! let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
//! let role = Role::new("arn:aws:iam::444455556666:role/orders")?.external_id("shop-4711")?;
//! let orders = AssumeRoleProvider::new(parent, role, sts, SessionName::parse("checkout")?);
//! let session = orders.provide_session(FetchContext::foreground()).await?;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod mfa;
mod provider;
mod role;
mod role_extras;
mod role_serde;
mod unique_keys;

pub use mfa::ProvideMfaCode;
pub use provider::AssumeRoleProvider;
pub use role::Role;

// Compiles the examples of the README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
