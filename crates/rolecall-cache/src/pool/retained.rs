//! The entries that a pool keeps without a provider of their key. Bounded: the least valuable are
//! evicted.

use std::hash::Hash;

use super::Slot;
use super::registry::locked;
use crate::sync::{Arc, Mutex};

/// Evicted entries that are not reported yet.
///
/// The map calls its eviction listener from within other calls, with its locks held. The listener
/// must not call the map, and an observer may, so that entries are only collected there.
type Evicted = Arc<Mutex<Vec<Arc<Slot>>>>;

pub(super) struct Retained<K> {
    slots: map::Map<K>,
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
        Self { slots: map::Map::new(capacity, Arc::clone(&evicted)), capacity, evicted }
    }

    pub(super) fn get(&self, key: &K) -> Option<Arc<Slot>> {
        self.slots.get(key)
    }

    /// Retains the entry of a key, unless it was removed meanwhile.
    pub(super) fn retain(&self, key: K, slot: &Arc<Slot>) {
        self.slots.put_if(key, slot, |slot| !slot.is_removed());
    }

    /// Stops retaining this entry. Returns `true` if it was retained.
    pub(super) fn release(&self, key: K, slot: &Arc<Slot>) -> bool {
        self.slots.remove_if(key, |held| Arc::ptr_eq(held, slot))
    }

    /// Runs the evictions that the map has queued.
    pub(super) fn run_pending_evictions(&self) {
        self.slots.run_pending_evictions();
    }

    /// Takes the entries that were evicted since the last call. Call this, and drop the entries,
    /// with no lock held: the drop of a provider may call the pool.
    pub(super) fn take_evicted(&self) -> Vec<Arc<Slot>> {
        std::mem::take(&mut *locked(&self.evicted))
    }

    #[cfg(not(shuttle))]
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        self.slots.all()
    }
}

#[cfg(not(shuttle))]
mod map {
    use std::hash::Hash;

    use moka::ops::compute::{CompResult, Op};

    use super::{Arc, Evicted, Slot, locked};

    pub(super) struct Map<K>(moka::sync::Cache<K, Arc<Slot>>);

    impl<K: Eq + Hash + Send + Sync + 'static> Map<K> {
        pub(super) fn new(capacity: u64, evicted: Evicted) -> Self {
            let cache = moka::sync::Cache::builder()
                .max_capacity(capacity)
                .eviction_listener(move |_, slot, cause| {
                    if cause.was_evicted() {
                        locked(&evicted).push(slot);
                    }
                })
                .build();
            Self(cache)
        }

        pub(super) fn get(&self, key: &K) -> Option<Arc<Slot>> {
            self.0.get(key)
        }

        pub(super) fn put_if(
            &self,
            key: K,
            slot: &Arc<Slot>,
            predicate: impl FnOnce(&Slot) -> bool,
        ) {
            self.0.entry(key).and_compute_with(|_| match predicate(slot) {
                true => Op::Put(Arc::clone(slot)),
                false => Op::Nop,
            });
        }

        pub(super) fn remove_if(&self, key: K, predicate: impl FnOnce(&Arc<Slot>) -> bool) -> bool {
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
        pub(super) fn all(&self) -> Vec<Arc<Slot>> {
            self.0.iter().map(|(_, slot)| slot).collect()
        }
    }
}

/// A map for the model checker, in which any entry may be evicted at any time.
#[cfg(shuttle)]
mod map {
    use std::collections::HashMap;
    use std::hash::Hash;

    use shuttle::rand::{Rng, thread_rng};

    use super::{Arc, Evicted, Mutex, Slot, locked};

    pub(super) struct Map<K> {
        slots: Mutex<HashMap<K, Arc<Slot>>>,
        capacity: u64,
        evicted: Evicted,
    }

    impl<K: Eq + Hash> Map<K> {
        pub(super) fn new(capacity: u64, evicted: Evicted) -> Self {
            Self { slots: Mutex::default(), capacity, evicted }
        }

        pub(super) fn get(&self, key: &K) -> Option<Arc<Slot>> {
            locked(&self.slots).get(key).cloned()
        }

        pub(super) fn put_if(
            &self,
            key: K,
            slot: &Arc<Slot>,
            predicate: impl FnOnce(&Slot) -> bool,
        ) {
            let keeps = thread_rng().gen_range(0..=self.capacity) > 0;
            let mut slots = locked(&self.slots);
            if !predicate(slot) {
                return;
            }
            let before = match keeps {
                true => slots.insert(key, Arc::clone(slot)),
                false => {
                    locked(&self.evicted).push(Arc::clone(slot));
                    slots.remove(&key)
                }
            };
            drop(slots);
            drop(before);
        }

        pub(super) fn remove_if(&self, key: K, predicate: impl FnOnce(&Arc<Slot>) -> bool) -> bool {
            let mut slots = locked(&self.slots);
            let it = slots.get(&key).is_some_and(predicate);
            let before = it.then(|| slots.remove(&key)).flatten();
            drop(slots);
            before.is_some()
        }

        pub(super) fn run_pending_evictions(&self) {}
    }
}
