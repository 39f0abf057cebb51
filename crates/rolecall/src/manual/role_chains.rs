//! Role chains: AssumeRole on top of other credentials.
//!
//! A chain consists of base credentials, such as a web identity, and any number of hops. Each hop
//! assumes a role with the session of its parent:
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
//! Each hop has its own cache entry. When the session of the last hop is refreshed, the session of
//! its parent is usually cached, so a refresh is one call to STS, however long the chain is.
//!
//! AWS is eventually consistent: STS may not know a session yet that it has just issued. A hop
//! whose parent's session is less than 10 seconds old repeats its call with that session after 0.5,
//! 1 and 2 seconds. If STS rejects an older session of the parent, the hop repeats its call once
//! with the parent's next one.
//!
//! # Parameters
//!
//! [`Role`](crate::Role) has all parameters of AssumeRole. Each setter validates its value by the
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
//! For tags and source identities, the role's trust policy must also allow `sts:TagSession` and
//! `sts:SetSourceIdentity`. If STS denies one of these actions, the error names it.
//!
//! `Role` implements serde's `Serialize` and `Deserialize`: roles can be part of a configuration
//! file.
//!
//! # Lifetimes
//!
//! [`Role::duration`](crate::Role::duration) sets the duration of the sessions, from 15 minutes up
//! to the role's `MaxSessionDuration`. The default is one hour.
//!
//! If a role is assumed with the session of another role, STS grants at most one hour. This applies
//! to every hop after the first, and to the first hop if the base credentials are the session of a
//! role, as those of a web identity, a container or an instance are. After a hop or a web identity,
//! rolecall returns the error before it calls STS. The credentials of a container, an instance or
//! an SDK provider do not name their role, so STS returns the error (`ValidationError`).
//!
//! # Several roles on one identity
//!
//! Clones of a chain share its cache entries. To assume several roles with one identity, extend
//! clones:
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
//! For roles that depend on the request, use a pool; see [`tenants`](super::tenants).
//!
//! # MFA
//!
//! A role with an [`mfa_serial`](crate::Role::mfa_serial) requires an MFA code for each session.
//! Pass a provider of codes to [`Chain::assume_role_with_mfa`](crate::Chain::assume_role_with_mfa):
//!
//! ```no_run
//! use rolecall::params::{MfaCode, MfaSerial, ProvideMfaCode};
//! use rolecall::provider::async_trait;
//! use rolecall::{Role, SessionError};
//!
//! /// Reads codes from standard input.
//! #[derive(Debug)]
//! struct Terminal;
//!
//! #[async_trait]
//! impl ProvideMfaCode for Terminal {
//!     async fn provide_mfa_code(&self, serial: &MfaSerial) -> Result<MfaCode, SessionError> {
//!         eprintln!("Code of {serial}:");
//!         // Reading blocks until the user has typed the code. Do not block a runtime thread.
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
//! A code is requested only while a caller waits. Such a session is not refreshed in the
//! background, and the background refresh of a later hop does not request a code for it either. The
//! first call that needs the session after its expiration requests the next code. The timeout for a
//! code is two minutes.
//!
//! # Errors
//!
//! An error names the hop that failed. For AccessDenied, the hint lists what to check in the
//! policies:
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
//! To handle errors in code, use [`SessionError::kind`](crate::SessionError::kind) and
//! [`SessionError::location`](crate::SessionError::location).
//! [TROUBLESHOOTING.md](https://github.com/rolecall/rolecall/blob/main/TROUBLESHOOTING.md) explains
//! each kind.
//!
//! # Trust policies
//!
//! With the default feature `policy`, [`policy::TrustPolicy`](crate::policy::TrustPolicy) builds
//! the trust policy of a role:
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
