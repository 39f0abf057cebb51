//! Caches the sessions of any [`ProvideSession`](rolecall_core::ProvideSession) and refreshes them
//! in the background, so that requests do not wait for STS while a session is cached.
//!
//! - [`CachedProvider`] caches the sessions of one provider.
//! - [`SessionPool`] caches sessions by key, such as one role for each tenant.
//! - [`IdentityCache`] caches the credentials of any SDK provider, in place of the SDK's own cache.
//! - [`InvalidSessionRetry`] repeats a request with the next session if a service rejects one.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use aws_credential_types::{Credentials, provider::ProvideCredentials};
//! use rolecall_cache::CachedProvider;
//! use rolecall_core::SdkProvider;
//!
//! let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//! let keys = Credentials::new(id, secret, None, None, "static");
//! let provider = CachedProvider::new(SdkProvider::new(keys));
//! assert_eq!(provider.provide_credentials().await?.access_key_id(), id);
//! # Ok(())
//! # }
//! ```
//!
//! # What a call receives
//!
//! | State at the call | What the caller receives |
//! |---|---|
//! | fresh | the cached session |
//! | advisory refresh window | the cached session; one background fetch starts |
//! | mandatory refresh window | the session of the fetch, after at most 2 s; else the cached one |
//! | invalidated | the session of the fetch; else the cached one |
//! | expired, or none cached | the session, or the error, of the one fetch that all callers share |
//! | the same, and a fetch just failed | the remembered error, immediately |
//!
//! A fetch runs in a task of its own: a caller that is cancelled or times out does not cancel it.
//! While a fetch is running, no other one starts. After a failed fetch, the next one starts after a
//! back-off with jitter; until then a caller with a valid session receives it immediately, in the
//! mandatory window and after an invalidation too.
//!
//! A background fetch that the rate limit for STS deferred is not a failure. Callers that need a
//! session start a foreground fetch, which waits for a permit.
//!
//! A cache hit takes no lock, does not allocate and does not box a future.
//!
//! # When sessions are refreshed
//!
//! The windows depend on the lifetime of the session:
//!
//! | Lifetime | Advisory window | Mandatory window |
//! |---|---|---|
//! | up to 20 minutes | the last 5 minutes, at most a third of the lifetime | the last minute |
//! | up to 90 minutes | the last 15 minutes, at most a third of the lifetime | the last minute |
//! | 90 minutes and more | the last 60 minutes, at most a third of the lifetime | the last minute |
//!
//! The mandatory window is at most a tenth of the lifetime. The time of a refresh is drawn at
//! random from the first half of the advisory window. After a fetch that callers waited for, it is
//! drawn from between a third of the lifetime and the middle of the window, so that the instances
//! of a service that started together do not refresh together. [`Refresh`] sets whether unused
//! sessions are refreshed.
//!
//! # Logs
//!
//! Each fetch has a `tracing` span `rolecall.fetch` at the level `DEBUG`, with the fields
//! `provider`, `mode` (`foreground` or `background`) and `outcome` (`ok`, `failed`, `deferred`, or
//! `discarded` if another fetch took over). Failed fetches and invalidations are logged at `WARN`.
//! Cache hits are not logged. An [`Observer`](rolecall_core::Observer) receives the same events.
//!
//! # Cargo features
//!
//! - `pool` (default): [`SessionPool`], which retains entries in moka.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without `pool`, the links to SessionPool have no target.
#![cfg_attr(not(feature = "pool"), allow(rustdoc::broken_intra_doc_links))]

mod cached;
mod observed;
#[cfg(feature = "pool")]
mod pool;
mod refresh;
mod schedule;
#[cfg(not(shuttle))]
#[cfg(test)]
mod script;
mod sdk;
mod shell;
mod slot;
mod status;
mod sync;
mod timer;

pub use cached::{CachedProvider, CachedProviderBuilder};
#[cfg(feature = "pool")]
pub use pool::{PoolStatus, SessionPool, SessionPoolBuilder, WarmReport};
pub use refresh::Refresh;
#[doc(hidden)]
pub use sdk::builder_check as __builder_check;
pub use sdk::identity_cache::{IdentityCache, IdentityCacheBuilder, identity_cache};
pub use sdk::retry::{InvalidSessionRetry, ReportSessionUse};
pub use status::{State, Status};

// Compiles the examples of the README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
