//! Sessions before they are asked for.

use std::hash::Hash;

use rolecall_core::FetchError;
use tokio::task::JoinSet;

use super::SessionPool;

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
}

/// How many are loaded at once: as many as an STS client has in flight.
const AT_ONCE: usize = 64;

pub(super) async fn warm<K: Eq + Hash + Clone + Send + Sync + 'static>(
    pool: &SessionPool<K>,
    mut keys: impl Iterator<Item = K>,
    mut progress: impl FnMut(&Warmed<K>),
) -> Warmed<K> {
    let mut warmed = Warmed { ready: 0, failed: Vec::new() };
    let mut loads = JoinSet::new();
    loop {
        while loads.len() < AT_ONCE
            && let Some(key) = keys.next()
        {
            let handle = pool.get(&key);
            loads.spawn(async move {
                let result = handle.ready().await;
                (key, result)
            });
        }
        match loads.join_next().await {
            None => return warmed,
            Some(Ok((_, Ok(())))) => warmed.ready += 1,
            Some(Ok((key, Err(error)))) => warmed.failed.push((key, error)),
            // The runtime shuts down, and this with it.
            Some(Err(_)) => continue,
        }
        progress(&warmed);
    }
}
