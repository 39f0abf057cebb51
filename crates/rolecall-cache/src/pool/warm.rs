//! Fetches the sessions of a pool before they are requested.

use std::collections::HashMap;
use std::hash::Hash;

use rolecall_core::{ErrorKind, Remedy, SessionError};
use tokio::task::JoinSet;

use super::SessionPool;
use crate::sync::Runtime;

/// The result of [`SessionPool::warm`], or its progress.
///
/// # Examples
///
/// ```
/// # async fn show(pool: rolecall_cache::SessionPool<u64>, tenants: Vec<u64>) {
/// let total = tenants.len();
/// let report = pool.warm(tenants, |so_far| println!("{} of {total}", so_far.done())).await;
/// for (tenant, error) in &report.failed {
///     println!("{tenant}: {error}");
/// }
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct WarmReport<K> {
    /// The number of keys that have a session.
    pub ready: usize,
    /// The keys whose fetch failed, with their errors.
    pub failed: Vec<(K, SessionError)>,
}

impl<K> WarmReport<K> {
    /// Returns the number of completed keys, ready and failed.
    pub fn done(&self) -> usize {
        self.ready + self.failed.len()
    }

    fn add(&mut self, key: K, result: Result<(), SessionError>) {
        match result {
            Ok(()) => self.ready += 1,
            Err(error) => self.failed.push((key, error)),
        }
    }
}

/// Number of concurrent fetches: as many as an STS client has in flight by default.
const AT_ONCE: usize = 64;

pub(super) async fn warm<K: Eq + Hash + Clone + Send + Sync + 'static>(
    pool: &SessionPool<K>,
    mut keys: impl Iterator<Item = K>,
    mut progress: impl FnMut(&WarmReport<K>),
) -> WarmReport<K> {
    let mut report = WarmReport { ready: 0, failed: Vec::new() };
    if Runtime::current().is_none() {
        // No task can be started here. Keys with a cached session are ready, and the others fail
        // with an error that says so.
        for key in keys {
            let result = pool.get(&key).ready().await;
            report.add(key, result);
            progress(&report);
        }
        return report;
    }
    let (mut loads, mut loading) = (JoinSet::new(), HashMap::new());
    loop {
        while loads.len() < AT_ONCE
            && let Some(key) = keys.next()
        {
            let handle = pool.get(&key);
            let task = loads.spawn(async move { handle.ready().await });
            loading.insert(task.id(), key);
        }
        let (task, result) = match loads.join_next_with_id().await {
            None => return report,
            Some(Ok((task, result))) => (task, result),
            Some(Err(ended)) => (ended.id(), Err(task_ended())),
        };
        if let Some(key) = loading.remove(&task) {
            report.add(key, result);
            progress(&report);
        }
    }
}

/// The error of a task that panicked, since its runtime has no timers, or that was cancelled, since
/// its runtime shut down.
fn task_ended() -> SessionError {
    SessionError::new(
        ErrorKind::InvalidConfig,
        "the task that waited for the session ended before the session arrived",
    )
    .with_hint("call warm on a Tokio runtime with timers (enable_all) that runs until it returns")
    .with_remedy(Remedy::Runtime)
}
