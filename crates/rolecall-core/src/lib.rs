//! The vocabulary that every rolecall crate speaks.
//!
//! A [`SessionSource`] yields [`Session`]s; it is the one trait to implement for a new way to get one, and caching,
//! chaining and the SDK plug-ins come with it. Everything that STS takes is a type that is parsed once and cannot be
//! wrong afterwards ([`RoleArn`], [`ExternalId`], ...). Time and the process environment are read through [`Clock`] and
//! [`Environment`] alone, so that tests can turn the one and fill the other.
//!
//! ```
//! use rolecall_core::{FetchContext, FetchError, Session, SessionSource};
//!
//! /// Sessions from wherever your company keeps them.
//! #[derive(Debug)]
//! struct Vault;
//!
//! #[async_trait::async_trait]
//! impl SessionSource for Vault {
//!     async fn session(&self, _cx: FetchContext) -> Result<Session, FetchError> {
//!         let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//!         let keys = aws_credential_types::Credentials::new(id, secret, None, None, "vault");
//!         Ok(Session::builder(keys).base("vault").build())
//!     }
//! }
//! ```

mod clock;
mod environment;
mod error;
#[cfg(feature = "metrics")]
mod metrics;
mod observer;
mod params;
mod provider;
mod session;
mod source;

pub use clock::{Clock, Elapsed, ManualClock, Moment};
pub use environment::{Environment, FileError, FileFault};
pub use error::{ErrorKind, FetchError, Place, refuses_session};
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
pub use observer::{Event, Observer};
pub use params::{
    AccountId, ExternalId, InvalidParameter, MfaCode, MfaSerial, PolicyArn, ProvidedContext,
    ProviderId, RoleArn, SessionDuration, SessionName, SessionPolicy, SessionTags, SourceIdentity,
    limits, looks_like_token,
};
pub use provider::{ProviderSource, SourceProvider};
pub use session::{AssumedRole, Lineage, Session, SessionBuilder, VerifiedToken};
pub use source::{FetchContext, SessionSource, Urgency};
