//! The slot: a session that is there before it is needed.
//!
//! [`Cached`] stands around any [`SessionSource`](rolecall_core::SessionSource). It hands out the session that it
//! holds, and refreshes it in a task of its own, ahead of its end, so that no request waits for STS:
//!
//! | state at a call | what the caller gets | what else happens |
//! |---|---|---|
//! | before refresh-at | the session | nothing |
//! | refresh window | the session, at once | a detached refresh starts if none runs and backoff allows |
//! | hard window | waits for the running refresh, at most 2 s; none runs and backoff forbids one: the session at once; the refresh fails: the session while it is valid | |
//! | expired, or none | waits for the one detached fetch; all waiters share its session or its error | |
//! | the same, and the last fetch failed a moment ago | the remembered error, at once | |
//! | held, but rejected by a service | waits for the fetch as if there were none; if that fails or is not allowed yet, the held session | |
//!
//! A refresh that is put off, since the budget for STS had no turn for it in the background, is no failure: a caller who
//! would wait for it waits for a turn.
//!
//! A caller that gives up never ends a fetch. A session in hand costs a load, a clock read, a compare and a clone: no
//! lock, no allocation, no boxed future.
//!
//! A [`SessionPool`] is many of them, by key.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use aws_credential_types::{Credentials, provider::ProvideCredentials};
//! use rolecall_cache::Cached;
//! use rolecall_core::ProviderSource;
//!
//! let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
//! let cached = Cached::new(ProviderSource::new(keys));
//! assert_eq!(cached.provide_credentials().await?.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
//! # Ok(())
//! # }
//! ```

mod cached;
mod identity_cache;
mod observed;
mod pool;
mod rejected;
mod schedule;
#[cfg(not(shuttle))]
#[cfg(test)]
mod script;
mod shell;
mod slot;
mod status;
mod sync;
mod timer;

pub use cached::{Cached, CachedBuilder};
pub use identity_cache::{IdentityCache, IdentityCacheBuilder, identity_cache};
pub use pool::{PoolStatus, Pooled, SessionPool, SessionPoolBuilder, Warmed};
pub use rejected::{HoldsSessions, RejectedSession};
pub use shell::Refresh;
pub use status::{State, Status};
