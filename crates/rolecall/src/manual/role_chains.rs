//! Role chains: AssumeRole on top of other credentials.
//!
//! A chain has base credentials, such as a web identity, and any number of hops. Each hop assumes a
//! role with the session of its parent:
//!
//! ```no_run
//! use std::time::Duration;
//! use rolecall::Role;
//!
//! # fn show() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Role::new("arn:aws:iam::111122223333:role/hub")?;
//! let orders = Role::new("arn:aws:iam::444455556666:role/orders")?
//!     .external_id("shop-4711")?
//!     .session_name("checkout")?
//!     .duration(Duration::from_secs(1800))?;
//! let chain = rolecall::from_env()?.assume_role(hub).assume_role(orders);
//! let provider = chain.provider();
//! # Ok(())
//! # }
//! ```
//!
//! Every hop has a cache entry of its own. When the session of the last hop is refreshed, the
//! session of its parent is usually cached, so that a refresh is one call to STS, however long the
//! chain is.
//!
//! # Parameters
//!
//! [`Role`](crate::Role) has all parameters of AssumeRole. Each is parsed when it is set, by the
//! rules of STS:
//!
//! ```
//! use rolecall::Role;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let role = Role::new("arn:aws:iam::444455556666:role/orders")?
//!     .tag("Tenant", "4711")?
//!     .transitive_tag_key("Tenant")?
//!     .source_identity("ann")?
//!     .policy_arn("arn:aws:iam::aws:policy/ReadOnlyAccess")?;
//! assert!(role.clone().external_id("a b").is_err(), "an external id has no space");
//! # Ok(())
//! # }
//! ```
//!
//! Tags and source identities need permissions of their own in the role's trust policy:
//! `sts:TagSession` and `sts:SetSourceIdentity`. If STS denies one of them, the error names it.
//!
//! `Role` implements serde's traits, so that roles can be part of a configuration file.
//!
//! # Lifetimes
//!
//! A session lasts one hour unless [`Role::duration`](crate::Role::duration) sets another duration,
//! from 15 minutes up to the role's `MaxSessionDuration`. STS grants one hour at most to a role
//! that is assumed with a role's session. That applies to every hop after the first, and to the
//! first one on a web identity, a container or an instance. A longer duration is rejected before
//! the call.
//!
//! # Several roles on one identity
//!
//! Clones of a chain share its cache entries. Extend clones to assume several roles with one base:
//!
//! ```no_run
//! use rolecall::Role;
//!
//! # fn show() -> Result<(), Box<dyn std::error::Error>> {
//! let base = rolecall::from_env()?;
//! let orders = base.clone().assume_role(Role::new("arn:aws:iam::444455556666:role/orders")?);
//! let invoices = base.assume_role(Role::new("arn:aws:iam::444455556666:role/invoices")?);
//! # let _ = (orders, invoices);
//! # Ok(())
//! # }
//! ```
//!
//! For roles that are known only with a request, use a pool; see [`tenants`](super::tenants).
//!
//! # MFA
//!
//! A role with an [`mfa_serial`](crate::Role::mfa_serial) needs a code for each session.
//! [`Chain::assume_role_with_mfa`](crate::Chain::assume_role_with_mfa) takes the provider of codes:
//!
//! ```no_run
//! use rolecall::params::{MfaCode, MfaSerial, ProvideMfaCode};
//! use rolecall::{Role, SessionError};
//!
//! /// Reads codes from standard input.
//! #[derive(Debug)]
//! struct Terminal;
//!
//! #[async_trait::async_trait]
//! impl ProvideMfaCode for Terminal {
//!     async fn provide_mfa_code(&self, serial: &MfaSerial) -> Result<MfaCode, SessionError> {
//!         eprintln!("Code of {serial}:");
//!         // A person may take a while: do not block a thread of the runtime.
//!         let line = tokio::task::spawn_blocking(|| {
//!             let mut line = String::new();
//!             std::io::stdin().read_line(&mut line).map(|_| line)
//!         });
//!         let line = line.await.ok().and_then(Result::ok).unwrap_or_default();
//!         Ok(MfaCode::parse(line.trim())?)
//!     }
//! }
//!
//! # fn show() -> Result<(), Box<dyn std::error::Error>> {
//! let admin = Role::new("arn:aws:iam::111122223333:role/admin")?
//!     .mfa_serial("arn:aws:iam::111122223333:mfa/ann")?;
//! let chain = rolecall::from_env()?.assume_role_with_mfa(admin, Terminal);
//! # let _ = chain;
//! # Ok(())
//! # }
//! ```
//!
//! Such a session is not refreshed in the background. The first call after its expiration waits for
//! the next code, for up to two minutes.
//!
//! # Errors
//!
//! An error says which hop failed. For AccessDenied, the hint lists what to check in the policies:
//!
//! ```text
//! hop 2 of 2 (arn:aws:iam::444455556666:role/orders):
//! User: arn:aws:sts::111122223333:assumed-role/hub/checkout is not authorized to perform:
//! sts:AssumeRole on resource: arn:aws:iam::444455556666:role/orders
//! (AccessDenied, request id 7c3a..); hint: allow
//! arn:aws:sts::111122223333:assumed-role/hub/checkout in the trust policy of
//! arn:aws:iam::444455556666:role/orders; ..
//! ```
//!
//! [`SessionError::location`](crate::SessionError::location) and
//! [`SessionError::kind`](crate::SessionError::kind) are for code; the file TROUBLESHOOTING.md in
//! the repository has an entry for each kind.
//!
//! # Trust policies
//!
//! With the feature `policy` (default), [`policy::TrustPolicy`](crate::policy::TrustPolicy) writes
//! the policy that a role needs:
//!
//! ```
//! use rolecall::policy::{TrustPolicy, TrustedPrincipal};
//!
//! # fn main() -> Result<(), rolecall::policy::PolicyError> {
//! let hub = TrustedPrincipal::role("arn:aws:iam::111122223333:role/hub")?;
//! let hub = hub.external_id("shop-4711")?;
//! println!("{}", TrustPolicy::builder().principal(hub).build()?.to_json());
//! # Ok(())
//! # }
//! ```
