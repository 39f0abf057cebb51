//! What a service's rejection of the cached session changes.

use rolecall_core::InvalidSession;

use super::machine::{Cacheable, Machine, Now};

/// What an invalidation changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalidation {
    /// The session is invalidated since now.
    New,
    /// It was invalidated before.
    Repeated,
    /// The session is so new that the service may not know it yet.
    TooRecent,
}

impl<S: Cacheable, E: Clone> Machine<S, E> {
    /// Records that a service rejected the cached session.
    pub(crate) fn invalidate(&mut self, now: Now, reason: InvalidSession) -> Invalidation {
        let Some(cached) = &mut self.cached else { return Invalidation::Repeated };
        self.invalidation.record_invalidation(now.at);
        let is_recent = cached.measured && now.at < cached.since + InvalidSession::RECENT;
        if reason == InvalidSession::Unknown && is_recent {
            return Invalidation::TooRecent;
        }
        match cached.invalidated {
            // An expired session stays invalidated, whatever other services say.
            Some(InvalidSession::Expired) => return Invalidation::Repeated,
            Some(_) => {
                cached.invalidated = Some(reason);
                return Invalidation::Repeated;
            }
            None => cached.invalidated = Some(reason),
        }
        Invalidation::New
    }

    /// Records that a service accepted the cached session after it was invalidated. Returns `true`
    /// if the session was suspected and no longer is.
    pub(crate) fn clear_suspicion(&mut self) -> bool {
        let suspected = self.is_suspected();
        if let Some(cached) = self.cached.as_mut().filter(|_| suspected) {
            cached.invalidated = None;
        }
        suspected
    }

    /// Returns `true` if a service rejected the session, and another one may still accept it.
    pub(crate) fn is_suspected(&self) -> bool {
        let invalidated = self.cached.as_ref().and_then(|cached| cached.invalidated);
        invalidated == Some(InvalidSession::Unknown)
    }
}
