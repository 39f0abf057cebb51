//! The gates of the two modes: when the next fetch may start.

use rolecall_core::Moment;

/// Decides when the next fetch of one mode may start.
#[derive(Clone, Debug)]
pub(super) struct Gate<E> {
    pub(super) opens_at: Moment,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Deferrals in a row.
    deferrals: u32,
    /// The last failure, or the last deferral if there was no failure.
    pub(super) error: Option<E>,
}

impl<E> Gate<E> {
    pub(super) fn open_at(opens_at: Moment) -> Self {
        Self { opens_at, failures: 0, deferrals: 0, error: None }
    }

    /// Returns `true` if the last fetch of this mode failed or was deferred.
    pub(super) fn is_backing_off(&self) -> bool {
        self.failures > 0 || self.deferrals > 0
    }

    pub(super) fn close(&mut self, error: E, opens_at: impl FnOnce(u32) -> Moment) {
        self.failures = self.failures.saturating_add(1);
        (self.deferrals, self.error) = (0, Some(error));
        self.opens_at = opens_at(self.failures);
    }

    pub(super) fn defer(&mut self, error: E, opens_at: impl FnOnce(u32) -> Moment) {
        self.deferrals = self.deferrals.saturating_add(1);
        // A deferral is no failure, and does not hide one.
        if self.failures == 0 {
            self.error = Some(error);
        }
        self.opens_at = opens_at(self.deferrals);
    }
}
