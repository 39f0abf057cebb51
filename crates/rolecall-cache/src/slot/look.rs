//! What a person may know of a slot.

use rolecall_core::{FetchMode, Moment};

use super::{SameSession, Slot};
use crate::status::State;

/// How it stands at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look<E> {
    pub(crate) state: State,
    /// The end of what is held; [`Moment::MAX`] for what has none.
    pub(crate) ends: Option<Moment>,
    /// From when the next fetch may start by itself or for a caller; none: with the next call, or
    /// never.
    pub(crate) next_attempt: Option<Moment>,
    pub(crate) consecutive_failures: u32,
    pub(crate) last_error: Option<E>,
}

impl<E> Look<E> {
    /// Whether callers get no session, or one that a service refused and that no other could be had
    /// for.
    #[cfg(any(feature = "pool", test))]
    pub(crate) fn is_failing(&self) -> bool {
        is_failing(self.state, self.last_error.as_ref())
    }
}

/// The one rule of both kinds of status.
pub(crate) fn is_failing<E>(state: State, last_error: Option<&E>) -> bool {
    match state {
        State::Failing => true,
        State::Invalidated => last_error.is_some(),
        _ => false,
    }
}

impl<S: SameSession, E: Clone> Slot<S, E> {
    pub(crate) fn look(&self, now: Moment) -> Look<E> {
        let running = self.running_at(now).is_some();
        let failed = self.failures.last.is_some();
        let held = self.held.as_ref();
        let valid = held.filter(|held| now < held.windows.end);
        let state = match valid {
            _ if self.removed => State::Removed,
            None if running => State::Loading,
            None if failed => State::Failing,
            None if held.is_some() => State::Expired,
            None => State::Empty,
            Some(held) if held.rejected => State::Invalidated,
            Some(_) if running => State::Refreshing,
            Some(_) if failed => State::Stale,
            Some(held) if now >= held.windows.refresh_at => State::Due,
            Some(_) => State::Fresh,
        };
        let pause = self.not_before(match valid {
            Some(held) if !held.rejected => FetchMode::Background,
            _ => FetchMode::Foreground,
        });
        let next_attempt = match (valid, state) {
            (_, State::Loading | State::Refreshing | State::Removed) => None,
            (Some(held), _) if held.rejected => Some(pause.max(self.rejections.not_before)),
            (Some(held), _) => Some(pause.max(held.windows.refresh_at)),
            (None, State::Failing) => Some(pause),
            (None, _) => None,
        };
        Look {
            state,
            ends: held.map(|held| held.windows.end),
            next_attempt: next_attempt.filter(|next| *next != Moment::MAX),
            consecutive_failures: self.failures.in_a_row,
            last_error: self.failures.last.clone(),
        }
    }
}
