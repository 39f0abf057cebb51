//! What the phase of an entry means for a caller, the timer, the hit path and the status.

use std::time::Duration;

use rolecall_core::{FetchMode, Moment};

use super::machine::{Cacheable, Cached, Machine, Now, Phase};
use super::schedule::{MAX_WAIT, SHORT_SESSION_SPACING, Windows};
use crate::status::State;
use crate::timer::CLOCK_CHECK_INTERVAL;

/// What a caller requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A valid session.
    Session,
    /// A session that remains valid for this long.
    ValidFor(Duration),
    /// The session of a fetch that began after this generation.
    NewerThan(u64),
}

impl Request {
    /// Returns `true` if a session that expires at `expires_at` fulfills the request.
    pub(crate) fn is_met(self, now: Moment, expires_at: Moment) -> bool {
        match self {
            Self::ValidFor(min_remaining) => now < expires_at && expires_at - now >= min_remaining,
            Self::Session | Self::NewerThan(_) => now < expires_at,
        }
    }

    /// Returns `true` if the session of the fetch of this generation is new enough.
    pub(crate) fn is_newer(self, generation: u64) -> bool {
        !matches!(self, Self::NewerThan(other) if generation <= other)
    }
}

/// What a caller receives, and what it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision<S, E> {
    /// The cached session. A background fetch starts if `refresh`.
    Return { session: S, refresh: bool },
    /// The result of the one running fetch, which starts now if `start`.
    Wait(Wait<S>),
    /// The remembered error.
    Fail(E),
    /// The cached session remains valid for less than was requested, and so does every other one
    /// that can be fetched now.
    TooShort(Duration),
    /// The entry was removed.
    Removed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wait<S> {
    pub(crate) start: bool,
    /// The end of the wait. The caller then decides again.
    pub(crate) until: Moment,
    /// What the caller receives if the fetch fails or takes too long, and its expiration.
    pub(crate) fallback: Option<(S, Moment)>,
}

/// What the timer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakeup {
    Refresh,
    /// [`Moment::MAX`] is never.
    At(Moment),
}

/// The status of an entry at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report<E> {
    pub(crate) state: State,
    /// [`Moment::MAX`] for a session that does not expire.
    pub(crate) expires_at: Option<Moment>,
    pub(crate) next_attempt: Option<Moment>,
    pub(crate) consecutive_failures: u32,
    pub(crate) refused_responses: u32,
    pub(crate) last_error: Option<E>,
}

impl<S: Cacheable, E: Clone> Machine<S, E> {
    /// Returns what a caller receives, or a fetch of another entry in this mode.
    pub(crate) fn decide(&self, request: Request, mode: FetchMode, now: Now) -> Decision<S, E> {
        match request {
            _ if self.removed => Decision::Removed,
            Request::Session => self.decide_session(mode, now),
            Request::ValidFor(min_remaining) => self.decide_valid_for(min_remaining, mode, now),
            Request::NewerThan(generation) => self.decide_newer(generation, mode, now),
        }
    }

    /// The table of the crate's documentation.
    fn decide_session(&self, mode: FetchMode, now: Now) -> Decision<S, E> {
        let phase = self.phase(now);
        let fetch = self.live_fetch(now);
        let Some(cached) = self.cached.as_ref().filter(|_| phase != Phase::Empty) else {
            return match self.remembered_error(mode, now) {
                Some(error) => Decision::Fail(error.clone()),
                None => self.wait_for_result(mode, now),
            };
        };
        let session = || cached.session.clone();
        let may_start = |mode| fetch.is_none() && now.at >= self.opens_at(mode, phase);
        match phase {
            Phase::Empty | Phase::Fresh => Decision::Return { session: session(), refresh: false },
            Phase::Advisory => {
                let refresh = !self.queued && may_start(FetchMode::Background);
                Decision::Return { session: session(), refresh }
            }
            Phase::Mandatory | Phase::Invalidated => {
                let started = match fetch {
                    Some(fetch) => fetch.started,
                    None if may_start(mode) => now.at,
                    None => return Decision::Return { session: session(), refresh: false },
                };
                // Counted from the start of the fetch, not of the call: while STS hangs, one
                // caller after the other would wait otherwise.
                let until = started + MAX_WAIT;
                if now.at >= until {
                    return Decision::Return { session: session(), refresh: false };
                }
                let fallback = Some((session(), cached.windows.expires_at));
                Decision::Wait(Wait { start: fetch.is_none(), until, fallback })
            }
        }
    }

    fn decide_valid_for(&self, min: Duration, mode: FetchMode, now: Now) -> Decision<S, E> {
        let phase = self.phase(now);
        let Some(cached) = self.cached.as_ref().filter(|_| phase != Phase::Empty) else {
            return self.decide_session(mode, now);
        };
        let remaining = cached.windows.expires_at - now.at;
        if remaining >= min {
            return match self.decide_session(mode, now) {
                // The session is what was requested now, and would be too short after the wait.
                Decision::Wait(wait)
                    if phase == Phase::Mandatory && remaining < min + (wait.until - now.at) =>
                {
                    // The background fetch waits for its own gate, which each failure closes.
                    // Otherwise every call would start one.
                    let may_start = now.at >= self.opens_at(FetchMode::Background, phase);
                    let refresh = wait.start && !self.queued && may_start;
                    Decision::Return { session: cached.session.clone(), refresh }
                }
                decision => decision,
            };
        }
        if let Some(error) = self.remembered_error(mode, now) {
            return Decision::Fail(error.clone());
        }
        let is_short = cached.windows.expires_at - cached.since < min;
        // Every session of a provider may be shorter than requested. Each call would fetch one.
        let is_new = is_short && now.at < cached.since + SHORT_SESSION_SPACING;
        match self.live_fetch(now) {
            None if is_new || now.at < self.opens_at(mode, phase) => Decision::TooShort(remaining),
            _ => self.wait_for_result(mode, now),
        }
    }

    fn decide_newer(&self, generation: u64, mode: FetchMode, now: Now) -> Decision<S, E> {
        match &self.cached {
            Some(Cached { session, windows, .. })
                if self.newest_success > generation && now.at < windows.expires_at =>
            {
                Decision::Return { session: session.clone(), refresh: false }
            }
            _ => self.wait_for_result(mode, now),
        }
    }

    /// Waits for a session or an error, without a session to fall back to.
    ///
    /// A caller replaces a background fetch that takes long. That fetch may be waiting for a permit
    /// of the rate limit, behind every foreground call. The caller would lose that time before its
    /// own fetch, with its several attempts, begins.
    fn wait_for_result(&self, mode: FetchMode, now: Now) -> Decision<S, E> {
        let (start, until) = match self.live_fetch(now) {
            None => (true, self.overdue_from(now.at)),
            Some(fetch) if serves(fetch.mode, mode) => (false, fetch.overdue_at),
            Some(fetch) if now.at < fetch.started + MAX_WAIT => {
                (false, fetch.overdue_at.min(fetch.started + MAX_WAIT))
            }
            Some(_) => (true, self.overdue_from(now.at)),
        };
        Decision::Wait(Wait { start, until, fallback: None })
    }

    /// Returns the remembered error, if no fetch of this mode may start yet and none runs whose
    /// result a caller in this mode receives.
    fn remembered_error(&self, mode: FetchMode, now: Now) -> Option<&E> {
        if self.live_fetch(now).is_some_and(|fetch| serves(fetch.mode, mode)) {
            return None;
        }
        let gate = self.gate(mode);
        gate.error.as_ref().filter(|_| now.at < gate.opens_at)
    }

    /// Returns the time until which the cached session can be returned without this machine.
    pub(crate) fn quiet_until(&self, now: Now) -> Moment {
        let Some(cached) = &self.cached else { return Moment::ZERO };
        let Windows { refresh_at, mandatory_at, expires_at } = cached.windows;
        let phase = self.phase(now);
        let fetch = self.live_fetch(now);
        let opens_at = |mode| self.opens_at(mode, phase);
        match phase {
            Phase::Empty => Moment::ZERO,
            // A failed `refresh()` or an unchanged session may have closed the gate beyond the
            // beginning of the window.
            Phase::Fresh | Phase::Advisory => match fetch {
                // The timer's task may end with its runtime, and calls no queued entry when the
                // wall clock was set. A caller looks as often as the timer does.
                _ if self.queued => mandatory_at.min(now.at + CLOCK_CHECK_INTERVAL),
                Some(fetch) => refresh_at.max(fetch.overdue_at).min(mandatory_at),
                None => refresh_at.max(opens_at(FetchMode::Background)).min(mandatory_at),
            }
            .min(self.expiration_by_wall(now)),
            Phase::Mandatory | Phase::Invalidated => match fetch {
                Some(_) => Moment::ZERO,
                None => opens_at(FetchMode::Foreground).min(expires_at),
            },
        }
    }

    /// Returns when the session expires by the wall clock as it is now.
    ///
    /// It differs from the expiration if the wall clock was set since. Without it, a session that
    /// was adopted while the wall clock was behind would be served without a look at the wall
    /// clock until the wrong expiration.
    fn expiration_by_wall(&self, now: Now) -> Moment {
        match self.cached.as_ref().and_then(|cached| cached.wall_expires_at) {
            Some(wall) => now.at + wall.duration_since(now.wall).unwrap_or_default(),
            None => Moment::MAX,
        }
    }

    /// Returns what the timer does next. `wanted` says whether an entry with a session is refreshed
    /// ahead, and `always` whether one without is, too.
    pub(crate) fn next_wakeup(&self, now: Now, wanted: bool, always: bool) -> Wakeup {
        if self.removed {
            return Wakeup::At(Moment::MAX);
        }
        if let Some(fetch) = self.live_fetch(now) {
            return Wakeup::At(fetch.overdue_at);
        }
        // The timer calls again when the entry's turn comes.
        if self.queued {
            return Wakeup::At(Moment::MAX);
        }
        let phase = self.phase(now);
        let opens_at = self.opens_at(FetchMode::Background, phase);
        let start = match phase {
            // An entry that was never asked for has nothing to keep.
            Phase::Empty if always && self.generation > 0 => opens_at,
            Phase::Empty => Moment::MAX,
            // Looks again at the beginning of the window, whether or not the session is used yet.
            Phase::Fresh => {
                let refresh_at = self.cached.as_ref().map(|cached| cached.windows.refresh_at);
                let start = refresh_at.unwrap_or(Moment::MAX).max(opens_at);
                return Wakeup::At(start.min(self.expiration_by_wall(now)));
            }
            Phase::Advisory | Phase::Mandatory | Phase::Invalidated if wanted => opens_at,
            // Looks again when the gate opens, since the session may be in use then. Stays armed
            // after that, so that the timer also calls it if the wall clock is set forward.
            Phase::Advisory | Phase::Mandatory | Phase::Invalidated if now.at < opens_at => {
                opens_at
            }
            Phase::Advisory | Phase::Mandatory | Phase::Invalidated => self.expires_at(),
        };
        match phase {
            _ if now.at >= start => Wakeup::Refresh,
            Phase::Empty => Wakeup::At(start),
            // Another gate decides once the session has expired, and may have opened before.
            _ => Wakeup::At(start.min(self.expires_at())),
        }
    }

    /// Returns the generation and the mode of the running fetch.
    pub(crate) fn running_fetch(&self) -> Option<(u64, FetchMode)> {
        self.fetch.as_ref().map(|fetch| (fetch.generation, fetch.mode))
    }

    /// Returns `true` if a fetch is running that is not overdue.
    pub(crate) fn is_fetching(&self, now: Now) -> bool {
        self.live_fetch(now).is_some()
    }

    pub(crate) fn newest_generation(&self) -> u64 {
        self.generation
    }

    /// Returns the number of failures in a row, of both modes together.
    pub(crate) fn consecutive_failures(&self) -> u32 {
        self.background.failures
    }

    /// Returns the cached session, whatever its phase.
    pub(crate) fn session(&self) -> Option<&S> {
        self.cached.as_ref().map(|cached| &cached.session)
    }

    /// Returns when the cached session expires, or expired.
    pub(crate) fn expires_at(&self) -> Moment {
        self.cached.as_ref().map_or(Moment::ZERO, |cached| cached.windows.expires_at)
    }

    /// Returns the status.
    pub(crate) fn report(&self, now: Now) -> Report<E> {
        let phase = self.phase(now);
        let fetching = self.live_fetch(now).is_some();
        let failures = self.consecutive_failures();
        let state = match phase {
            _ if self.removed => State::Removed,
            Phase::Empty if fetching => State::Loading,
            Phase::Empty if failures > 0 => State::Failing,
            Phase::Empty if self.cached.is_some() => State::Expired,
            Phase::Empty => State::Empty,
            Phase::Invalidated => State::Invalidated,
            _ if fetching => State::Refreshing,
            _ if failures > 0 => State::Stale,
            Phase::Fresh => State::Fresh,
            Phase::Advisory | Phase::Mandatory => State::Due,
        };
        let opens_at = |mode| self.opens_at(mode, phase);
        let next_attempt = match (phase, &self.cached) {
            _ if fetching || self.removed => None,
            (Phase::Empty, _) if failures == 0 => None,
            (Phase::Empty | Phase::Invalidated, _) => Some(opens_at(FetchMode::Foreground)),
            (Phase::Mandatory, _) => Some(opens_at(FetchMode::Background)),
            (_, Some(cached)) => {
                Some(opens_at(FetchMode::Background).max(cached.windows.refresh_at))
            }
            (_, None) => None,
        };
        let next_attempt = next_attempt.map(|next| next.max(now.at));
        Report {
            state,
            expires_at: self.cached.as_ref().map(|cached| cached.windows.expires_at),
            next_attempt: next_attempt.filter(|next| *next != Moment::MAX),
            consecutive_failures: failures,
            refused_responses: self.refused,
            last_error: self.background.error.clone().filter(|_| failures > 0),
        }
    }
}

/// Returns `true` if a caller in `mode` receives the error of a fetch in this mode.
pub(super) fn serves(fetch: FetchMode, mode: FetchMode) -> bool {
    fetch == FetchMode::Foreground || mode != FetchMode::Foreground
}
