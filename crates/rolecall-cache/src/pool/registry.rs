//! All entries of a pool that exist, by key.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use rolecall_core::Moment;

use super::PoolEntry;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub(super) const SHARDS: usize = 16;

pub(super) struct Registry<K> {
    shards: [Mutex<Shard<K>>; SHARDS],
    hasher: RandomState,
    next: Mutex<usize>,
}

struct Shard<K> {
    entries: HashMap<K, Registered>,
    /// Number of entries at which those that no longer exist are cleared: they keep their memory
    /// until then.
    clear_at: usize,
}

struct Registered {
    entry: Weak<PoolEntry>,
    used: Moment,
}

/// Smallest number of entries for which a shard is cleared.
const MIN_CLEAR_AT: usize = 16;

impl<K: Eq + Hash + Clone> Registry<K> {
    pub(super) fn new() -> Self {
        let shard = |_| Mutex::new(Shard { entries: HashMap::new(), clear_at: MIN_CLEAR_AT });
        let shards = std::array::from_fn(shard);
        Self { shards, hasher: RandomState::new(), next: Mutex::new(0) }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        // The map of the shard uses the low bits of the hash.
        let index = usize::try_from(self.hasher.hash_one(key) >> 60).unwrap_or(0) % SHARDS;
        locked(&self.shards[index])
    }

    /// Returns the entry of a key, if there is one that is not removed.
    pub(super) fn find(&self, key: &K) -> Option<Arc<PoolEntry>> {
        // Inspected outside the lock: if it is removed, the drop below may be the last one and drop
        // its provider, which may call the pool.
        let entry = self.shard(key).entries.get(key)?.entry.upgrade()?;
        (!entry.is_removed()).then_some(entry)
    }

    /// Registers the entry of a key, unless one exists. Returns the registered one.
    pub(super) fn keep(&self, key: &K, made: Arc<PoolEntry>, now: Moment) -> Arc<PoolEntry> {
        let mut shard = self.shard(key);
        let there = shard.entries.get(key).and_then(|registered| registered.entry.upgrade());
        if there.as_ref().is_some_and(|entry| !entry.is_removed()) {
            // Released before the unused entry is dropped with its provider.
            drop(shard);
            return there.unwrap_or(made);
        }
        if shard.entries.len() >= shard.clear_at {
            shard.clear();
        }
        shard.entries.insert(key.clone(), Registered { entry: Arc::downgrade(&made), used: now });
        drop(shard);
        drop(there);
        made
    }

    /// Unregisters the entry of a key.
    pub(super) fn forget(&self, key: &K, entry: &Arc<PoolEntry>) {
        let mut shard = self.shard(key);
        let is_it = |other: &Registered| std::ptr::eq(other.entry.as_ptr(), Arc::as_ptr(entry));
        if shard.entries.get(key).is_some_and(is_it) {
            shard.entries.remove(key);
        }
    }

    #[cfg(not(shuttle))]
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).entries.len()).sum()
    }

    /// Visits every entry, one shard at a time, with what `of` takes of its key.
    ///
    /// No entry is dropped under the lock: it may be the last reference, and the drop of its
    /// provider may call the pool.
    pub(super) fn each<T>(&self, of: impl Fn(&K) -> T, mut visit: impl FnMut(T, Arc<PoolEntry>)) {
        for shard in &self.shards {
            let entries: Vec<(T, Arc<PoolEntry>)> = {
                let shard = locked(shard);
                let living = |(key, registered): (&K, &Registered)| {
                    let entry = registered.entry.upgrade()?;
                    Some((of(key), entry))
                };
                shard.entries.iter().filter_map(living).collect()
            };
            for (key, entry) in entries {
                visit(key, entry);
            }
        }
    }

    /// Visits the entries of the next shards, with the time since each was used.
    pub(super) fn sweep(
        &self,
        now: Moment,
        shards: usize,
        mut visit: impl FnMut(&K, &Arc<PoolEntry>, Duration),
    ) {
        for _ in 0..shards.min(SHARDS) {
            let index = {
                let mut next = locked(&self.next);
                *next = (*next + 1) % SHARDS;
                *next
            };
            let mut living = Vec::new();
            {
                let mut shard = locked(&self.shards[index]);
                shard.clear();
                for (key, registered) in &mut shard.entries {
                    let Some(entry) = registered.entry.upgrade() else { continue };
                    if entry.take_touched() {
                        registered.used = now;
                    }
                    living.push((key.clone(), entry, now - registered.used));
                }
            }
            for (key, entry, unused_for) in living {
                visit(&key, &entry, unused_for);
            }
        }
    }
}

impl<K: Eq + Hash> Shard<K> {
    /// Removes what is registered of entries that no longer exist.
    fn clear(&mut self) {
        self.entries.retain(|_, registered| registered.entry.strong_count() > 0);
        self.clear_at = (2 * self.entries.len()).max(MIN_CLEAR_AT);
    }
}

/// Locks a mutex. Nothing panics under the pool's locks, so that a poisoned one is consistent.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
