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

pub(super) enum Found {
    There(Arc<Slot>),
    New(Arc<Slot>),
}

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

    pub(super) fn find(&self, key: &K) -> Option<Arc<Slot>> {
        self.shard(key).slots.get(key)?.slot.upgrade()
    }

    /// A key's slot, made if there is none; `retain` is called for it before anybody can remove it.
    pub(super) fn find_or(
        &self,
        key: &K,
        now: Moment,
        make: impl FnOnce() -> Arc<Slot>,
        retain: impl FnOnce(&Arc<Slot>),
    ) -> Found {
        let mut shard = self.shard(key);
        if let Some(slot) = shard.slots.get(key).and_then(|entry| entry.slot.upgrade()) {
            retain(&slot);
            return Found::There(slot);
        }
        let slot = make();
        if shard.slots.len() >= shard.clear_at {
            shard.slots.retain(|_, entry| entry.slot.strong_count() > 0);
            shard.clear_at = (2 * shard.slots.len()).max(FEW);
        }
        shard.slots.insert(key.clone(), Entry { slot: Arc::downgrade(&slot), used: now });
        retain(&slot);
        Found::New(slot)
    }

    /// A key's slot is there no more; `forget` is called before anybody can make another.
    pub(super) fn take(&self, key: &K, forget: impl FnOnce()) -> Option<Arc<Slot>> {
        let mut shard = self.shard(key);
        let entry = shard.slots.remove(key);
        forget();
        entry?.slot.upgrade()
    }

    #[cfg(not(shuttle))]
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).slots.len()).sum()
    }

    /// Every slot, a shard at a time.
    pub(super) fn each(&self, mut look: impl FnMut(&K, &Arc<Slot>)) {
        for shard in &self.shards {
            let slots: Vec<(K, Arc<Slot>)> = {
                let shard = locked(shard);
                let living =
                    |(key, entry): (&K, &Entry)| Some((key.clone(), entry.slot.upgrade()?));
                shard.slots.iter().filter_map(living).collect()
            };
            for (key, slot) in slots {
                look(&key, &slot);
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
                let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
                *next = (*next + 1) % SHARDS;
                *next
            };
            let mut living = Vec::new();
            {
                let mut shard = locked(&self.shards[index]);
                shard.slots.retain(|_, entry| entry.slot.strong_count() > 0);
                shard.clear_at = (2 * shard.slots.len()).max(FEW);
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
