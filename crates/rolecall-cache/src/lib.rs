//! Caches the sessions of any [`ProvideSession`](rolecall_core::ProvideSession) and refreshes them
//! in the background, so that requests do not wait for STS while a session is cached.
//!
//! - [`CachedProvider`] caches the sessions of one provider.
//! - [`SessionPool`] caches sessions by key, such as one role for each tenant.
//! - [`IdentityCache`] caches the credentials of any SDK provider, in place of the SDK's own cache.
//! - [`InvalidSessionRetry`] repeats a request if a service rejects its session.
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
//! | mandatory refresh window | the fetched session; the cached one 2 s after the fetch began |
//! | invalidated | the same |
//! | expired, or none cached | the result of the one foreground fetch that all callers share |
//! | the same, and a foreground fetch just failed | the remembered error, immediately |
//!
//! A fetch runs in a task of its own: a caller that is cancelled or times out does not cancel it.
//! While a fetch is running, no other one starts, unless the first one is overdue.
//!
//! A *foreground* fetch has a caller that waits for it, a *background* fetch has none. After a
//! failed foreground fetch, callers without a session receive its error for 1 to 10 s, and no fetch
//! starts. A background fetch that fails, or that the rate limit for STS defers, only delays the
//! next background fetch: a caller that needs a session starts a foreground fetch, with its several
//! attempts. A fetch that returns after the process was frozen does not count as failed either, and
//! its session is adopted.
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
//! Keys without an expiration are fetched again in the background every 15 minutes, as in the SDK,
//! unless their provider declares them [static](rolecall_core::SessionBuilder::static_keys). If
//! only the wall clock says that a session has expired, the machine was paused: the session is
//! refreshed as in the mandatory window, at most a minute after the machine continues.
//!
//! At most 64 background fetches of a pool are in flight. The others start in the order in which
//! their sessions expire. The pauses between failed background fetches double from 1 s, or from
//! 30 s after an error that a retry cannot fix, to 5 minutes, and to at most a quarter of the
//! remaining lifetime.
//!
//! # When a service rejects a session
//!
//! [`InvalidSessionRetry`], or the service itself, reports the rejection. A session that has
//! expired or was revoked is replaced at once. A session that the service does not know becomes a
//! suspect: it is replaced, too, unless another service accepts it first. It is not replaced if it
//! was requested less than 10 seconds ago, since AWS is eventually consistent and the service may
//! accept it soon. Invalidations bring at most one session in 10 s, and fewer, down to one in 5
//! minutes, while they continue.
//!
//! # Logs
//!
//! Each fetch has a `tracing` span `rolecall.fetch` at the level `DEBUG`, with the fields
//! `provider`, `mode` (`foreground` or `background`) and `outcome` (`ok`, `failed`, `deferred`, or
//! `discarded` if it was overdue or replaced). Invalidations are logged at `WARN`, and so are
//! failed fetches: the first, second, fourth, eighth and so on in a row, and the others at `DEBUG`.
//! Cache hits are not logged. An [`Observer`](rolecall_core::Observer) receives the same events.
//!
//! # Cargo features
//!
//! - `pool` (default): [`SessionPool`], which retains entries in moka.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without `pool`, the links to SessionPool have no target.
#![cfg_attr(not(feature = "pool"), allow(rustdoc::broken_intra_doc_links))]

mod cached;
mod entry;
mod observed;
#[cfg(feature = "pool")]
mod pool;
mod refresh;
#[cfg(not(shuttle))]
#[cfg(test)]
mod script;
mod sdk;
mod session_use;
mod status;
mod status_serde;
mod sync;
mod timer;

pub use cached::{CachedProvider, CachedProviderBuilder};
#[cfg(feature = "pool")]
pub use pool::{PoolStatus, SessionPool, SessionPoolBuilder, WarmReport};
pub use refresh::Refresh;
#[doc(hidden)]
pub use sdk::builder_check as __builder_check;
pub use sdk::identity_cache::{IdentityCache, IdentityCacheBuilder, identity_cache};
pub use sdk::retry::InvalidSessionRetry;
pub use session_use::{InvalidSessionAnswer, ReportSessionUse};
pub use status::{State, Status};

// Compiles the examples of the README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
