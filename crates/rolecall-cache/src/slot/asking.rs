//! What a caller may ask for beside "a session".

use std::time::Duration;

use rolecall_core::{FetchMode, Moment};

use super::{Decision, SameSession, Slot};
use crate::schedule::{AFTER_SUCCESS, BETWEEN_SHORT_ONES};

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A session.
    Session,
    /// One that is good for this long from now.
    ValidFor(Duration),
    /// Another, now.
    Now,
}

impl Ask {
    /// Whether a session that came in, good until `end`, is what was asked for.
    pub(crate) fn is_met(self, now: Moment, end: Moment) -> bool {
        match self {
            Self::ValidFor(least) => now < end && end - now >= least,
            Self::Session | Self::Now => now < end,
        }
    }
}

impl<S: SameSession, E: Clone> Slot<S, E> {
    /// What somebody gets for what is asked: a caller who waits, or one who fetches in the
    /// background.
    pub(crate) fn decide_for(&self, ask: Ask, mode: FetchMode, now: Moment) -> Decision<S, E> {
        match ask {
            _ if self.removed => Decision::Removed,
            Ask::Session => self.decide_session(mode, now),
            Ask::ValidFor(least) => self.decide_valid_for(least, mode, now),
            Ask::Now => self.decide_now(now),
        }
    }

    fn decide_valid_for(&self, least: Duration, mode: FetchMode, now: Moment) -> Decision<S, E> {
        let Some(held) = self.held.as_ref().filter(|held| now < held.windows.end) else {
            return self.decide_session(mode, now);
        };
        let left = held.windows.end - now;
        if left >= least {
            return match self.decide_session(mode, now) {
                // It is what is asked for, and would not be after the wait.
                Decision::Wait(wait) if !held.rejected && left < least + (wait.until - now) => {
                    let may_start = now >= self.not_before(FetchMode::Background);
                    let refresh = wait.start && may_start;
                    Decision::Hand { session: held.session.clone(), refresh }
                }
                decision => decision,
            };
        }
        let just_in = now < held.since + BETWEEN_SHORT_ONES;
        match (self.running_at(now), &self.failures.last) {
            (Some(_), _) => self.wait(now, self.overdue, None),
            (None, Some(error)) if now < self.failures.remembered_until => {
                Decision::Fail(error.clone())
            }
            (None, Some(_)) => self.wait(now, self.overdue, None),
            (None, None) if just_in || now < self.failures.not_before => Decision::TooShort(left),
            (None, None) => self.wait(now, self.overdue, None),
        }
    }

    fn decide_now(&self, now: Moment) -> Decision<S, E> {
        let just_ended = self.generation > 0 && now < self.ended + AFTER_SUCCESS;
        if self.running_at(now).is_some() || !just_ended {
            return self.wait(now, self.overdue, None);
        }
        match (&self.failures.last, &self.held) {
            (Some(error), _) => Decision::Fail(error.clone()),
            (None, Some(held)) if now < held.windows.end => {
                Decision::Hand { session: held.session.clone(), refresh: false }
            }
            _ => self.wait(now, self.overdue, None),
        }
    }
}
