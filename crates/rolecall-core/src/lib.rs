//! Core types of rolecall: sessions, the trait of session providers, the parameters of STS, errors,
//! and access to time and the environment.
//!
//! - [`ProvideSession`] is the one trait to implement for a new way to obtain [`Session`]s.
//!   Caching, role chains, pools and the SDK plug-ins work with every implementation.
//! - The parameters of STS are types that validate their value when it is parsed: [`RoleArn`],
//!   [`ExternalId`], [`SessionTags`] and others. [`limits`] contains the limits that they enforce.
//! - [`SessionError`] describes why a session could not be provided: its kind, its location in a
//!   role chain, and a hint.
//! - [`Clock`] and [`Environment`] provide the time, variables and files, so that tests can replace
//!   them.
//!
//! Most services use these types through the crate `rolecall`. Depend on this crate to publish a
//! session provider without the rest of rolecall.
//!
//! # Examples
//!
//! ```
//! use aws_credential_types::Credentials;
//! use rolecall_core::{FetchContext, ProvideSession, Session, SessionError};
//!
//! /// Provides sessions from a company's vault.
//! #[derive(Debug)]
//! struct Vault;
//!
//! #[async_trait::async_trait]
//! impl ProvideSession for Vault {
//!     async fn provide_session(&self, _context: FetchContext) -> Result<Session, SessionError> {
//!         let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//!         let credentials = Credentials::new(id, secret, None, None, "vault");
//!         Ok(Session::builder(credentials).base("vault").build())
//!     }
//! }
//! ```
//!
//! # Features
//!
//! - `metrics` adds `Metrics`, an [`Observer`] that records events with the crate `metrics`.
//! - `test-util` adds `ManualClock`, a clock that tests advance.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod environment;
mod error;
mod invalid_session;
#[cfg(feature = "metrics")]
mod metrics;
mod observer;
mod params;
mod provider;
mod sdk;
mod session;

#[cfg(any(test, feature = "test-util"))]
pub use clock::ManualClock;
pub use clock::{Clock, Elapsed, Moment};
pub use environment::{Environment, FileError, FileFault};
pub use error::{ErrorKind, ErrorLocation, Remedy, SessionError};
pub use invalid_session::InvalidSession;
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
pub use observer::{Event, Observer};
pub use params::{
    AccountId, ExternalId, InvalidParameter, MfaCode, MfaSerial, PolicyArn, ProvidedContext,
    ProviderId, RoleArn, SessionDuration, SessionName, SessionPolicy, SessionTags, SourceIdentity,
    limits,
};
#[doc(hidden)]
pub use params::{contains_secret, is_unprintable, looks_like_token, redact, secret_keys, shown};
pub use provider::{FetchContext, FetchMode, ProvideSession, ProvideSessionFn, provide_session_fn};
pub use sdk::{SdkProvider, SessionCredentials};
pub use session::{AssumedRole, Lineage, Session, SessionBuilder, VerifiedToken};

// Compiles the examples of the README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
