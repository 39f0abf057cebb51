//! Whether a fetched session is adopted.

use super::fetched::{Fetched, Refusal};
use super::machine::{Cacheable, Machine, Now, Phase};
use super::schedule::{AFTER_SUCCESS, EXPIRATION_TOLERANCE};

impl<S: Cacheable, E: Clone> Machine<S, E> {
    /// Checks a session that the fetch of this generation returned.
    ///
    /// # Errors
    ///
    /// Returns why the session is not adopted. It counts as a failure of the fetch then.
    pub(crate) fn check(
        &self,
        now: Now,
        generation: u64,
        fetched: &Fetched<S>,
    ) -> Result<(), Refusal> {
        // A session that expires at once is no use either: the next call would fetch again.
        if fetched.expires_at <= now.at + AFTER_SUCCESS {
            return Err(Refusal::Expired);
        }
        let Some(cached) = self.cached.as_ref() else { return Ok(()) };
        let forced = self.fetch_of(generation).is_some_and(|fetch| fetch.forced);
        match self.phase(now) {
            Phase::Invalidated if cached.session.is_same(&fetched.session) => {
                Err(Refusal::Invalidated)
            }
            // Two readings of one expiration differ, since STS states whole seconds. Only a
            // measured expiration is protected: one that was read on a wrong wall clock would
            // otherwise keep out every good session until it passes.
            Phase::Fresh | Phase::Advisory | Phase::Mandatory
                if cached.measured
                    && !forced
                    && !self.is_expired_by_wall(now)
                    && fetched.expires_at + EXPIRATION_TOLERANCE < cached.windows.expires_at =>
            {
                Err(Refusal::ExpiresSooner)
            }
            _ => Ok(()),
        }
    }

    fn is_expired_by_wall(&self, now: Now) -> bool {
        let wall = self.cached.as_ref().and_then(|cached| cached.wall_expires_at);
        wall.is_some_and(|wall| now.wall >= wall)
    }
}
