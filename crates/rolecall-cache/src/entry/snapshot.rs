//! The hit path: the cached item, read without the state machine.

use std::time::Duration;

use rolecall_core::Moment;

use super::Entry;
use super::item::Origin;
use crate::sync::Ordering;

/// What the state machine allows a cache hit to return.
pub(super) struct Snapshot<I> {
    pub(super) item: I,
    pub(super) quiet_until: Moment,
    pub(super) expires_at: Moment,
}

/// The session was returned to a caller.
pub(super) const USED: u8 = 1;
/// The entry was used since the last [`Entry::take_touched`].
pub(super) const TOUCHED: u8 = 2;
/// The entry was removed from its pool.
pub(super) const REMOVED: u8 = 4;

impl<O: Origin> Entry<O, O::Item> {
    /// Returns what `take` reads from the cached item, if the item can be returned without the
    /// state machine.
    #[inline]
    pub(crate) fn hit<T>(&self, take: impl FnOnce(&O::Item) -> T) -> Option<T> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        if self.clock.now() >= snapshot.quiet_until {
            return None;
        }
        self.mark(USED | TOUCHED);
        Some(take(&snapshot.item))
    }

    /// Returns the cached item as [`hit`](Self::hit), if it remains valid for this long.
    pub(crate) fn hit_valid_for(&self, min_remaining: Duration) -> Option<O::Item> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let now = self.clock.now();
        if now >= snapshot.quiet_until || snapshot.expires_at - now < min_remaining {
            return None;
        }
        self.mark(USED | TOUCHED);
        Some(snapshot.item.clone())
    }

    #[inline]
    pub(super) fn mark(&self, flags: u8) {
        // A store at every call would move the cache line between the cores.
        if self.flags.load(Ordering::Relaxed) & flags != flags {
            self.flags.fetch_or(flags, Ordering::Relaxed);
        }
    }

    /// Returns `true` if the entry was used since the last call.
    pub(crate) fn take_touched(&self) -> bool {
        self.flags.fetch_and(!TOUCHED, Ordering::Relaxed) & TOUCHED != 0
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & REMOVED != 0
    }
}
