//! Simulations of the cache on a manual clock: days of a pool and of a fleet, and single scenarios.
//!
//! | Module | Scenario |
//! |---|---|
//! | `day` | A day of one pool with thousands of roles, with one outage of STS. |
//! | `fleet` | A day of a fleet: cold start, freeze, brown-out, outage, rejections. |
//! | `rejection` | Services that reject sessions, each with one caller. |
//! | `history` | Thousands of histories of one entry around an outage of STS. |
//!
//! # What is real and what is modelled
//!
//! The code under test is unmodified, and used through its public API only: the
//! [`SessionPool`](rolecall::cache::SessionPool) and the
//! [`CachedProvider`](rolecall::CachedProvider) with their cache entries and timers, and the
//! [`RateLimiter`](rolecall::sts::RateLimiter) of the STS client. Modelled are:
//!
//! - STS (`sts::Sts`), whose behavior at each time is part of the scenario;
//! - the provider of each role (`client::RoleProvider`): it repeats the retry policy of the STS
//!   client and of a role chain's hop, without HTTP;
//! - the callers and the services that they call.
//!
//! The clock advances in steps of a tenth of a second. After each step the simulation yields until
//! no task has anything left to do, so that no result depends on the speed of the machine. All
//! randomness comes from one seed: the same seed repeats the same simulation.

mod client;
mod day;
mod fleet;
mod history;
pub mod oracle;
mod rejection;
mod sts;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

pub use self::day::{Day, Tally, fetches_per_minute, figures, run};
pub use self::fleet::{FleetDay, FleetTally};
pub use self::history::{Histories, HistoryTally};
pub use self::rejection::rejection_figures;
pub use self::sts::Outage;

/// Time by which the clock advances at once.
const STEP: Duration = Duration::from_millis(100);

/// Creates a runtime for simulated tasks, whose time is a manual clock's.
fn new_runtime() -> io::Result<Runtime> {
    // The runtime polls the main task again after this number of other tasks, or once none is
    // ready. Without the limit, a single yield of the main task runs all tasks that are ready.
    Builder::new_current_thread().event_interval(u32::MAX).build()
}

/// Counts the steps of a process's tasks. While it grows, some task may have made another one
/// ready.
#[derive(Debug, Default)]
struct Activity(AtomicU64);

impl Activity {
    fn record(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs all tasks of the runtime until none has anything left to do at this time.
    async fn settle(&self) {
        // One quiet yield is not enough: a task that was woken during the yield may run after the
        // main task and has not counted its activity yet.
        let mut quiet = 0;
        while quiet < 2 {
            let before = self.0.load(Ordering::Relaxed);
            tokio::task::yield_now().await;
            quiet = if self.0.load(Ordering::Relaxed) == before { quiet + 1 } else { 0 };
        }
    }
}

/// Polls `call` once. Must be called within a runtime.
///
/// Nearly all of the 86 million calls of a day are cache hits, which are ready at the first poll.
/// Spawning a task for each would take most of the run time.
fn poll_once<T>(call: impl Future<Output = T>) -> Option<T> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn steps_in(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / STEP.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(time: Duration) -> usize {
    usize::try_from(time.as_secs()).unwrap_or(usize::MAX)
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
