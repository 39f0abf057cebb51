//! The only crate of rolecall that talks to STS.
//!
//! One [`StsClient`] serves an endpoint, whatever the number of roles and of sessions that sign: it has no credentials
//! of its own. Its answers are [`Session`](rolecall_core::Session)s whose lifetime is measured by the server's own
//! clock, and its errors are classified by one table ([`class_of`]).
//!
//! ```no_run
//! use aws_credential_types::Credentials;
//! use rolecall_core::{Environment, FetchContext, Session};
//! use rolecall_sts::{Endpoint, StsClient};
//!
//! # async fn show(keys: Credentials) -> Result<(), rolecall_core::FetchError> {
//! let sts = StsClient::new(Endpoint::from_environment(&Environment::process())?);
//! let signer = Session::builder(keys).base("static keys").build();
//! let me = sts.caller_identity(&signer, FetchContext::caller()).await?;
//! println!("{} in {}", me.principal, me.account);
//! # Ok(())
//! # }
//! ```

mod answer;
mod budget;
mod classify;
mod client;
mod endpoint;
mod identity;
mod proxy;
mod region;
mod request;
mod settings;
mod time;
mod wire;

pub use budget::{Budget, Turn, Turns};
pub use classify::{Again, Class, class_of, refuses_signer, refuses_token};
pub use client::{StsClient, StsClientBuilder};
pub use endpoint::Endpoint;
pub use identity::{CallerIdentity, Principal};
pub use region::Region;
pub use request::{AssumeRoleRequest, WebIdentityRequest};
pub use settings::ProfileSettings;
