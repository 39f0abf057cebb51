//! The entries that a pool keeps without a provider of their key. Bounded: the least valuable are
//! evicted.

use std::hash::Hash;

use super::PoolEntry;
use super::registry::locked;
use crate::sync::{Arc, Mutex};

/// Evicted entries that are not reported yet.
///
/// The map calls its eviction listener from within other calls, with its locks held. The listener
/// must not call the map, and an observer may, so that entries are only collected there.
type Evicted = Arc<Mutex<Vec<Arc<PoolEntry>>>>;

pub(super) struct Retained<K> {
    entries: map::Map<K>,
    capacity: u64,
    evicted: Evicted,
}

impl<K> Retained<K> {
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }
}

impl<K: Eq + Hash + Send + Sync + 'static> Retained<K> {
    pub(super) fn new(capacity: u64) -> Self {
        let evicted = Evicted::default();
        Self { entries: map::Map::new(capacity, Arc::clone(&evicted)), capacity, evicted }
    }

    pub(super) fn get(&self, key: &K) -> Option<Arc<PoolEntry>> {
        self.entries.get(key)
    }

    /// Retains the entry of a key, unless it was removed meanwhile.
    pub(super) fn retain(&self, key: K, entry: &Arc<PoolEntry>) {
        self.entries.put_if(key, entry, |entry| !entry.is_removed());
    }

    /// Stops retaining this entry. Returns `true` if it was retained.
    pub(super) fn release(&self, key: K, entry: &Arc<PoolEntry>) -> bool {
        self.entries.remove_if(key, |held| Arc::ptr_eq(held, entry))
    }

    /// Runs the evictions that the map has queued.
    pub(super) fn run_pending_evictions(&self) {
        self.entries.run_pending_evictions();
    }

    /// Takes the entries that were evicted since the last call. Call this, and drop the entries,
    /// with no lock held: the drop of a provider may call the pool.
    pub(super) fn take_evicted(&self) -> Vec<Arc<PoolEntry>> {
        std::mem::take(&mut *locked(&self.evicted))
    }

    #[cfg(not(shuttle))]
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<Arc<PoolEntry>> {
        self.entries.all()
    }
}

#[cfg(not(shuttle))]
mod map {
    use std::hash::Hash;

    use moka::ops::compute::{CompResult, Op};

    use super::{Arc, Evicted, PoolEntry, locked};

    pub(super) struct Map<K>(moka::sync::Cache<K, Arc<PoolEntry>>);

    impl<K: Eq + Hash + Send + Sync + 'static> Map<K> {
        pub(super) fn new(capacity: u64, evicted: Evicted) -> Self {
            let cache = moka::sync::Cache::builder()
                .max_capacity(capacity)
                .eviction_listener(move |_, entry, cause| {
                    if cause.was_evicted() {
                        locked(&evicted).push(entry);
                    }
                })
                .build();
            Self(cache)
        }

        pub(super) fn get(&self, key: &K) -> Option<Arc<PoolEntry>> {
            self.0.get(key)
        }

        pub(super) fn put_if(
            &self,
            key: K,
            entry: &Arc<PoolEntry>,
            predicate: impl FnOnce(&PoolEntry) -> bool,
        ) {
            self.0.entry(key).and_compute_with(|_| match predicate(entry) {
                true => Op::Put(Arc::clone(entry)),
                false => Op::Nop,
            });
        }

        pub(super) fn remove_if(
            &self,
            key: K,
            predicate: impl FnOnce(&Arc<PoolEntry>) -> bool,
        ) -> bool {
            let done = self.0.entry(key).and_compute_with(|held| match held {
                Some(held) if predicate(held.value()) => Op::Remove,
                _ => Op::Nop,
            });
            matches!(done, CompResult::Removed(_))
        }

        pub(super) fn run_pending_evictions(&self) {
            self.0.run_pending_tasks();
        }

        #[cfg(test)]
        pub(super) fn all(&self) -> Vec<Arc<PoolEntry>> {
            self.0.iter().map(|(_, entry)| entry).collect()
        }
    }
}

/// A map for the model checker, in which any entry may be evicted at any time.
#[cfg(shuttle)]
mod map {
    use std::collections::HashMap;
    use std::hash::Hash;

    use shuttle::rand::{Rng, thread_rng};

    use super::{Arc, Evicted, Mutex, PoolEntry, locked};

    pub(super) struct Map<K> {
        entries: Mutex<HashMap<K, Arc<PoolEntry>>>,
        capacity: u64,
        evicted: Evicted,
    }

    impl<K: Eq + Hash> Map<K> {
        pub(super) fn new(capacity: u64, evicted: Evicted) -> Self {
            Self { entries: Mutex::default(), capacity, evicted }
        }

        pub(super) fn get(&self, key: &K) -> Option<Arc<PoolEntry>> {
            locked(&self.entries).get(key).cloned()
        }

        pub(super) fn put_if(
            &self,
            key: K,
            entry: &Arc<PoolEntry>,
            predicate: impl FnOnce(&PoolEntry) -> bool,
        ) {
            let keeps = thread_rng().gen_range(0..=self.capacity) > 0;
            let mut entries = locked(&self.entries);
            if !predicate(entry) {
                return;
            }
            let before = match keeps {
                true => entries.insert(key, Arc::clone(entry)),
                false => {
                    locked(&self.evicted).push(Arc::clone(entry));
                    entries.remove(&key)
                }
            };
            drop(entries);
            drop(before);
        }

        pub(super) fn remove_if(
            &self,
            key: K,
            predicate: impl FnOnce(&Arc<PoolEntry>) -> bool,
        ) -> bool {
            let mut entries = locked(&self.entries);
            let it = entries.get(&key).is_some_and(predicate);
            let before = it.then(|| entries.remove(&key)).flatten();
            drop(entries);
            before.is_some()
        }

        pub(super) fn run_pending_evictions(&self) {}
    }
}
