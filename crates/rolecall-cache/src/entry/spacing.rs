//! The distance between fetches that invalidations cause.

use rolecall_core::Moment;

use super::schedule::{INVALIDATION_QUIET_TIME, invalidation_spacing};

/// The distance between fetches that invalidations cause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spacing {
    pub(super) opens_at: Moment,
    count: u32,
    last_invalidation: Moment,
}

impl Spacing {
    pub(super) fn none() -> Self {
        Self { opens_at: Moment::ZERO, count: 0, last_invalidation: Moment::ZERO }
    }

    /// Charges a fetch that an invalidation caused and that brought a session.
    pub(super) fn charge(&mut self, now: Moment) {
        self.opens_at = now + invalidation_spacing(self.count);
        self.count = self.count.saturating_add(1);
    }

    /// Starts over after [`INVALIDATION_QUIET_TIME`] without a rejection.
    pub(super) fn record_invalidation(&mut self, now: Moment) {
        if now >= self.opens_at.max(self.last_invalidation) + INVALIDATION_QUIET_TIME {
            self.count = 0;
        }
        self.last_invalidation = now;
    }
}
