//! All entries of a pool that exist, by key.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use rolecall_core::Moment;

use super::Slot;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub(super) const SHARDS: usize = 16;

pub(super) struct Registry<K> {
    shards: [Mutex<Shard<K>>; SHARDS],
    hasher: RandomState,
    next: Mutex<usize>,
}

struct Shard<K> {
    slots: HashMap<K, Entry>,
    /// Number of entries at which those without a slot are cleared: they keep their memory until
    /// then.
    clear_at: usize,
}

struct Entry {
    slot: Weak<Slot>,
    used: Moment,
}

/// Smallest number of entries for which a shard is cleared.
const MIN_CLEAR_AT: usize = 16;

impl<K: Eq + Hash + Clone> Registry<K> {
    pub(super) fn new() -> Self {
        let shard = |_| Mutex::new(Shard { slots: HashMap::new(), clear_at: MIN_CLEAR_AT });
        let shards = std::array::from_fn(shard);
        Self { shards, hasher: RandomState::new(), next: Mutex::new(0) }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        // The map of the shard uses the low bits of the hash.
        let index = usize::try_from(self.hasher.hash_one(key) >> 60).unwrap_or(0) % SHARDS;
        locked(&self.shards[index])
    }

    /// Returns the entry of a key, if there is one that is not removed.
    pub(super) fn find(&self, key: &K) -> Option<Arc<Slot>> {
        // Inspected outside the lock: if it is removed, the drop below may be the last one and drop
        // its provider, which may call the pool.
        let slot = self.shard(key).slots.get(key)?.slot.upgrade()?;
        (!slot.is_removed()).then_some(slot)
    }

    /// Registers the entry of a key, unless one exists. Returns the registered one.
    pub(super) fn keep(&self, key: &K, made: Arc<Slot>, now: Moment) -> Arc<Slot> {
        let mut shard = self.shard(key);
        let there = shard.slots.get(key).and_then(|entry| entry.slot.upgrade());
        if there.as_ref().is_some_and(|slot| !slot.is_removed()) {
            // Released before the unused entry is dropped with its provider.
            drop(shard);
            return there.unwrap_or(made);
        }
        if shard.slots.len() >= shard.clear_at {
            shard.clear();
        }
        shard.slots.insert(key.clone(), Entry { slot: Arc::downgrade(&made), used: now });
        drop(shard);
        drop(there);
        made
    }

    /// Unregisters the entry of a key.
    pub(super) fn forget(&self, key: &K, slot: &Arc<Slot>) {
        let mut shard = self.shard(key);
        let is_it = |entry: &Entry| std::ptr::eq(entry.slot.as_ptr(), Arc::as_ptr(slot));
        if shard.slots.get(key).is_some_and(is_it) {
            shard.slots.remove(key);
        }
    }

    #[cfg(not(shuttle))]
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).slots.len()).sum()
    }

    /// Visits every entry, one shard at a time, with what `of` takes of its key.
    ///
    /// No entry is dropped under the lock: it may be the last reference, and the drop of its
    /// provider may call the pool.
    pub(super) fn each<T>(&self, of: impl Fn(&K) -> T, mut visit: impl FnMut(T, Arc<Slot>)) {
        for shard in &self.shards {
            let slots: Vec<(T, Arc<Slot>)> = {
                let shard = locked(shard);
                let living = |(key, entry): (&K, &Entry)| {
                    let slot = entry.slot.upgrade()?;
                    Some((of(key), slot))
                };
                shard.slots.iter().filter_map(living).collect()
            };
            for (key, slot) in slots {
                visit(key, slot);
            }
        }
    }

    /// Visits the entries of the next shards, with the time since each was used.
    pub(super) fn sweep(
        &self,
        now: Moment,
        shards: usize,
        mut visit: impl FnMut(&K, &Arc<Slot>, Duration),
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
                for (key, entry) in &mut shard.slots {
                    let Some(slot) = entry.slot.upgrade() else { continue };
                    if slot.was_touched() {
                        entry.used = now;
                    }
                    living.push((key.clone(), slot, now - entry.used));
                }
            }
            for (key, slot, unused_for) in living {
                visit(&key, &slot, unused_for);
            }
        }
    }
}

impl<K: Eq + Hash> Shard<K> {
    /// Removes the entries whose slot no longer exists.
    fn clear(&mut self) {
        self.slots.retain(|_, entry| entry.slot.strong_count() > 0);
        self.clear_at = (2 * self.slots.len()).max(MIN_CLEAR_AT);
    }
}

/// Locks a mutex. Nothing panics under the pool's locks, so that a poisoned one is consistent.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
