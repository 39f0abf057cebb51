//! Status, events, metrics and logs of sessions.
//!
//! A cache hit is neither an event nor logged: observation does not slow cache hits down. No event,
//! metric or log contains a secret access key, a session token or a web identity token, at any
//! level.
//!
//! # Status and readiness
//!
//! ```no_run
//! # use rolecall::{Chain, RolePool};
//! # async fn show(chain: Chain, pool: RolePool) -> Result<(), rolecall::SessionError> {
//! // At startup: wait for the first session, or fail with the reason.
//! chain.provider().ready().await?;
//!
//! // In a health endpoint: these calls neither wait nor fetch.
//! let status = chain.provider().status();
//! println!("{}: healthy: {}", status.state, status.is_healthy());
//! if let Some(error) = &status.last_error {
//!     println!("{} failures, last: {}", status.consecutive_failures, error.report());
//! }
//! println!("all roles healthy: {}", pool.status().is_healthy());
//! # Ok(())
//! # }
//! ```
//!
//! [`Status`](crate::cache::Status) contains the state of a cached session, its expiration, the
//! time of the next attempt and the last error. A session whose refresh fails is healthy while it
//! is valid. To detect failures before the session expires, alert on `consecutive_failures` or on
//! the metric `rolecall_served_stale_total`. `refused_responses` counts the sessions in a row that
//! the provider returned and that were of no use: expired, older than the cached one, or rejected
//! by a service. The status is not healthy while it is above zero.
//!
//! [`PoolStatus`](crate::cache::PoolStatus) counts the entries of a pool: those in each state, and
//! those that are `ready`, `failing` or `refused`. `refused` are the entries whose
//! `refused_responses` is above zero, although callers may still receive a valid session. The pool
//! is healthy if no entry is failing or refused, which is when the status of every entry is
//! healthy; it is ready if some entry is ready, or none is failing.
//!
//! [`CachedProvider::subscribe`](crate::CachedProvider::subscribe) notifies code that holds
//! something derived from the session, such as a connection pool, of each new session.
//!
//! # Events
//!
//! An [`Observer`](crate::observe::Observer) receives [events](crate::observe::Event): fetches that
//! start and complete, failed refreshes, invalidations, evictions and removals.
//! [`ChainBuilder::observer`](crate::ChainBuilder::observer) sets it for a chain and its pools:
//!
//! ```
//! use rolecall::Chain;
//! use rolecall::observe::{Event, Observer};
//!
//! #[derive(Debug)]
//! struct Alerts;
//!
//! impl Observer for Alerts {
//!     fn observe(&self, provider: &str, event: &Event<'_>) {
//!         if let Event::ServedStale { remaining, .. } = event {
//!             eprintln!("{provider}: refresh failed, {} s remaining", remaining.as_secs());
//!         }
//!     }
//! }
//!
//! let builder = Chain::builder().observer(Alerts);
//! # let _ = builder;
//! ```
//!
//! `provider` is the ARN of the role for a hop, and the name of the provider for base credentials.
//! Observers are called on the task where the event occurs, and must return quickly.
//!
//! # Metrics
//!
//! With the feature `metrics`, the observer `Metrics` records the events with the crate
//! [`metrics`](https://docs.rs/metrics) (0.24), in the recorder that the program has installed:
//!
//! ```no_run
//! # #[cfg(not(feature = "metrics"))]
//! # fn main() {}
//! # #[cfg(feature = "metrics")]
//! # fn main() -> Result<(), rolecall::SessionError> {
//! use rolecall::Chain;
//! use rolecall::observe::Metrics;
//!
//! // After the recorder is installed:
//! let chain = Chain::builder().observer(Metrics::new()).from_env()?;
//! # let _ = chain;
//! # Ok(())
//! # }
//! ```
//!
//! | metric | what it measures | labels |
//! |---|---|---|
//! | `rolecall_fetches_started_total` | fetches that started | `mode` |
//! | `rolecall_fetches_total` | fetches that completed | `outcome`, `mode`, `kind` |
//! | `rolecall_fetch_duration_seconds` | histogram of the duration of a fetch | `outcome`, `mode` |
//! | `rolecall_served_stale_total` | failed refreshes while a valid session was cached | |
//! | `rolecall_invalidations_total` | sessions that a service rejected | |
//! | `rolecall_evictions_total` | sessions that a pool evicted | |
//! | `rolecall_removals_total` | sessions that were removed from a pool | |
//!
//! | label | values |
//! |---|---|
//! | `mode` | `foreground` (a caller waits) or `background` |
//! | `outcome` | `ok`, `failed`, or `deferred` (no permit of the rate limit) |
//! | `kind` | the [`ErrorKind`](crate::ErrorKind), such as `throttled`, or `none` |
//! | `provider` | the provider's name; only after `Metrics::with_provider` |
//!
//! `rolecall_fetches_started_total` minus `rolecall_fetches_total` is not the number of running
//! fetches: a fetch that another one replaced, or whose runtime shut down, starts and does not
//! complete. [`Event::FetchCompleted`](crate::observe::Event::FetchCompleted) lists these fetches.
//!
//! The label `provider` adds time series for each role. Do not use it with a pool of many roles.
//!
//! # Logs
//!
//! Logs are [`tracing`](https://docs.rs/tracing) events whose targets start with `rolecall`.
//!
//! - Each fetch is a span `rolecall.fetch` at level `DEBUG`, with the fields `provider`, `mode`
//!   and, when it ends, `outcome`: `ok`, `failed`, `deferred`, or `discarded` if it was overdue or
//!   replaced. It follows from the span of the call that started it.
//! - A session that was fetched, and a refresh that was deferred, are logged at `DEBUG`.
//! - An invalidation is logged at `WARN`, and so are failed fetches: the first, second, fourth,
//!   eighth and so on in a row. The others are logged at `DEBUG`.
//!
//! `RUST_LOG=rolecall=debug` shows all logs of rolecall and none of the SDK. Keep the target
//! `aws_smithy_runtime` at `DEBUG` or above: at `TRACE`, the SDK logs the responses of services,
//! which may contain secrets.
