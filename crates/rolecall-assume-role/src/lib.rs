//! One hop: AssumeRole on top of any [`SessionSource`](rolecall_core::SessionSource).
//!
//! A chain is hops on hops. A [`Role`] is the request; [`AssumeRole`] is the source that makes it. It goes to STS at
//! every call: put a cache around it, and one around its parent.
//!
//! ```no_run
//! use rolecall_assume_role::{AssumeRole, Role};
//! use rolecall_core::{FetchContext, FetchError, SessionName, SessionSource};
//! use rolecall_sts::{Endpoint, Region, StsClient};
//!
//! # async fn show(parent: impl SessionSource) -> Result<(), FetchError> {
//! let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
//! let role = Role::new("arn:aws:iam::444455556666:role/orders")?.external_id("shop-4711")?;
//! let orders = AssumeRole::new(parent, role, sts, SessionName::parse("checkout")?);
//! let session = orders.session(FetchContext::caller()).await?;
//! # Ok(())
//! # }
//! ```

mod file;
mod mfa;
mod role;
mod source;
mod strict;

pub use mfa::MfaCodes;
pub use role::Role;
pub use source::{AssumeRole, Hops};
