//! Sessions before they are asked for.

use std::collections::HashMap;
use std::hash::Hash;

use rolecall_core::{ErrorKind, FetchError};
use tokio::task::JoinSet;

use super::SessionPool;
use crate::sync::Runtime;

/// How far a pool is warmed.
///
/// ```
/// # async fn show(pool: rolecall_cache::SessionPool<u64>, tenants: Vec<u64>) {
/// let warmed = pool.warm(tenants, |so_far| println!("{} are ready", so_far.ready)).await;
/// for (tenant, error) in &warmed.failed {
///     println!("{tenant}: {error}");
/// }
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Warmed<K> {
    /// How many keys have a session.
    pub ready: usize,
    /// Those that have none, and why.
    pub failed: Vec<(K, FetchError)>,
}

impl<K> Warmed<K> {
    /// How many keys are done.
    pub fn done(&self) -> usize {
        self.ready + self.failed.len()
    }

    fn add(&mut self, key: K, result: Result<(), FetchError>) {
        match result {
            Ok(()) => self.ready += 1,
            Err(error) => self.failed.push((key, error)),
        }
    }
}

/// How many are loaded at once: as many as an STS client has in flight.
const AT_ONCE: usize = 64;

pub(super) async fn warm<K: Eq + Hash + Clone + Send + Sync + 'static>(
    pool: &SessionPool<K>,
    mut keys: impl Iterator<Item = K>,
    mut progress: impl FnMut(&Warmed<K>),
) -> Warmed<K> {
    let mut warmed = Warmed { ready: 0, failed: Vec::new() };
    if Runtime::current().is_none() {
        // No tasks there. What is held is held, and the error of each of the others says so.
        for key in keys {
            let result = pool.get(&key).ready().await;
            warmed.add(key, result);
            progress(&warmed);
        }
        return warmed;
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
            None => return warmed,
            Some(Ok((task, result))) => (task, result),
            Some(Err(ended)) => (ended.id(), Err(no_wait())),
        };
        if let Some(key) = loading.remove(&task) {
            warmed.add(key, result);
            progress(&warmed);
        }
    }
}

/// The runtime has no timers, or it shuts down.
fn no_wait() -> FetchError {
    FetchError::new(
        ErrorKind::InvalidConfig,
        "the task that waits for the session ended before it came",
    )
    .with_hint(
        "warm the pool on a Tokio runtime with timers (enable_all) that goes on until it is warm",
    )
}
