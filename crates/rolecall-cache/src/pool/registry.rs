//! Every slot that lives, by key, whoever holds it.

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
    /// Where dead entries are cleared away: they keep their memory until then.
    clear_at: usize,
}

struct Entry {
    slot: Weak<Slot>,
    used: Moment,
}

/// The least number of entries to clear a shard for.
const FEW: usize = 16;

impl<K: Eq + Hash + Clone> Registry<K> {
    pub(super) fn new() -> Self {
        let shard = |_| Mutex::new(Shard { slots: HashMap::new(), clear_at: FEW });
        let shards = std::array::from_fn(shard);
        Self { shards, hasher: RandomState::new(), next: Mutex::new(0) }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        // The low bits choose within the map.
        let index = usize::try_from(self.hasher.hash_one(key) >> 60).unwrap_or(0) % SHARDS;
        locked(&self.shards[index])
    }

    /// A key's slot, if there is one that is not removed.
    pub(super) fn find(&self, key: &K) -> Option<Arc<Slot>> {
        // Looked at outside the lock: it may be the last of a removed one that goes here, and its source with it.
        let slot = self.shard(key).slots.get(key)?.slot.upgrade()?;
        (!slot.is_removed()).then_some(slot)
    }

    /// This is a key's slot from now on, unless there is one already, which comes back instead.
    pub(super) fn keep(&self, key: &K, made: Arc<Slot>, now: Moment) -> Arc<Slot> {
        let mut shard = self.shard(key);
        let there = shard.slots.get(key).and_then(|entry| entry.slot.upgrade());
        if there.as_ref().is_some_and(|slot| !slot.is_removed()) {
            // Before the one that is not needed goes.
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

    /// This is a key's slot no longer.
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

    /// Every slot, with what is taken of its key, a shard at a time. No slot is let go under its lock: it may be the last
    /// of those that hold it, and its source's drop may come back here.
    pub(super) fn each<T>(&self, of: impl Fn(&K) -> T, mut look: impl FnMut(T, Arc<Slot>)) {
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
                look(key, slot);
            }
        }
    }

    /// Looks through the next so many shards: with how long each slot has been unused.
    pub(super) fn sweep(
        &self,
        now: Moment,
        shards: usize,
        mut look: impl FnMut(&K, &Arc<Slot>, Duration),
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
                look(&key, &slot, unused_for);
            }
        }
    }
}

impl<K: Eq + Hash> Shard<K> {
    /// Clears the dead away.
    fn clear(&mut self) {
        self.slots.retain(|_, entry| entry.slot.strong_count() > 0);
        self.clear_at = (2 * self.slots.len()).max(FEW);
    }
}

/// What is done under the pool's locks does not panic.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
