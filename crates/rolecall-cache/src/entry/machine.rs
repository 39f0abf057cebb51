//! The refresh state machine of a cache entry: functions of a state and a time, without a clock, a
//! task or a lock.
//!
//! # The life of a session
//!
//! ```text
//! requested           refresh_at        mandatory_at      expires_at
//!     |---- Fresh --------|--- Advisory ----|--- Mandatory ---|---- Empty ----
//! ```
//!
//! - **Fresh**: callers receive the session.
//! - **Advisory**: callers receive the session, and one background fetch replaces it.
//! - **Mandatory**: callers wait for the fetch, until 2 s after it began. Also entered if only the
//!   wall clock says that the session has expired: the machine was paused or restored.
//! - **Invalidated**: a service rejected the session. Callers wait as in Mandatory.
//! - **Empty**: no valid session. Callers wait for the one foreground fetch and share its result.
//!
//! # Gates
//!
//! Two gates decide when the next fetch may start, one for each [`FetchMode`]. A failed foreground
//! fetch closes both. A failed or deferred background fetch closes the background gate alone, so
//! that no caller receives the error of a fetch that did not try on a caller's behalf.

use std::time::{Duration, SystemTime};

use rolecall_core::{FetchMode, InvalidSession, Moment};

use super::fetched::{Failure, Fetched};
use super::gate::Gate;
use super::schedule::{
    AFTER_SUCCESS, EXPIRATION_TOLERANCE, Windows, background_pause, foreground_pause, recheck_after,
};
use super::spacing::Spacing;

/// A time on both clocks: the one that deadlines count on, and the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) at: Moment,
    pub(crate) wall: SystemTime,
}

/// What the machine knows of the items that it caches.
pub(crate) trait Cacheable: Clone {
    /// Returns `true` if both hold the same keys.
    fn is_same(&self, other: &Self) -> bool;
}

/// The state of one entry.
#[derive(Clone, Debug)]
pub(crate) struct Machine<S, E> {
    /// Age in milliseconds at which a fetch counts as lost and another one may take over. The
    /// longest timeout is an hour, and a pool has many machines.
    overdue_after_ms: u32,
    pub(super) cached: Option<Cached<S>>,
    /// In an allocation of its own: most of the entries of a large pool are not fetching.
    pub(super) fetch: Option<Box<Fetch>>,
    pub(super) foreground: Gate<E>,
    pub(super) background: Gate<E>,
    pub(super) invalidation: Spacing,
    pub(super) generation: u64,
    /// The newest generation that brought a session.
    pub(super) newest_success: u64,
    /// Fetches in a row whose task disappeared.
    losses: u32,
    /// Responses in a row that were refused.
    pub(super) refused: u32,
    /// The entry waits in the timer's queue for its background fetch.
    pub(super) queued: bool,
    pub(super) removed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Cached<S> {
    pub(super) session: S,
    pub(super) windows: Windows,
    /// When the session was requested if that was measured, else when it was received.
    pub(super) since: Moment,
    pub(super) measured: bool,
    /// The expiration on the wall clock, as of the time of adoption.
    pub(super) wall_expires_at: Option<SystemTime>,
    pub(super) invalidated: Option<InvalidSession>,
}

/// A fetch that is running.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) generation: u64,
    pub(super) started: Moment,
    pub(super) overdue_at: Moment,
    pub(super) mode: FetchMode,
    /// A caller waits, or waited, for it.
    joined: bool,
    /// Requested by `refresh()`: any valid session replaces the cached one.
    pub(super) forced: bool,
    /// It began because the session was invalidated.
    replaces_invalidated: bool,
}

/// The phases of a session; see the [module documentation](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Empty,
    Fresh,
    Advisory,
    Mandatory,
    Invalidated,
}

impl<S: Cacheable, E: Clone> Machine<S, E> {
    /// Creates an empty entry whose fetches count as lost after `overdue_after`.
    pub(crate) fn new(overdue_after: Duration) -> Self {
        Self {
            overdue_after_ms: as_millis(overdue_after),
            cached: None,
            fetch: None,
            foreground: Gate::open_at(Moment::ZERO),
            background: Gate::open_at(Moment::ZERO),
            invalidation: Spacing::none(),
            generation: 0,
            newest_success: 0,
            losses: 0,
            refused: 0,
            queued: false,
            removed: false,
        }
    }

    pub(crate) fn phase(&self, now: Now) -> Phase {
        let Some(cached) = &self.cached else { return Phase::Empty };
        let Windows { refresh_at, mandatory_at, expires_at } = cached.windows;
        match now.at {
            at if at >= expires_at => Phase::Empty,
            _ if cached.invalidated.is_some() => Phase::Invalidated,
            at if at >= mandatory_at => Phase::Mandatory,
            // The clock of deadlines stands still while a virtual machine is paused. Without this
            // check, a restored machine would serve a session that has expired.
            _ if cached.wall_expires_at.is_some_and(|wall| now.wall >= wall) => Phase::Mandatory,
            at if at >= refresh_at => Phase::Advisory,
            _ => Phase::Fresh,
        }
    }

    /// Returns the running fetch, unless it is overdue: then another one takes over.
    pub(super) fn live_fetch(&self, now: Now) -> Option<Fetch> {
        self.fetch.as_deref().copied().filter(|fetch| now.at < fetch.overdue_at)
    }

    /// Returns the running fetch if it is the one of this generation.
    pub(super) fn fetch_of(&self, generation: u64) -> Option<Fetch> {
        self.fetch.as_deref().copied().filter(|fetch| fetch.generation == generation)
    }

    pub(super) fn gate(&self, mode: FetchMode) -> &Gate<E> {
        match mode {
            FetchMode::Foreground => &self.foreground,
            _ => &self.background,
        }
    }

    /// Returns the time from which a fetch of this mode may start.
    pub(super) fn opens_at(&self, mode: FetchMode, phase: Phase) -> Moment {
        let gate = self.gate(mode);
        match phase {
            // A gate that did not fail was closed because the provider had no newer session. The
            // rejection is a reason to ask again.
            Phase::Invalidated if !gate.is_backing_off() => self.invalidation.opens_at,
            Phase::Invalidated => gate.opens_at.max(self.invalidation.opens_at),
            _ => gate.opens_at,
        }
    }

    pub(super) fn overdue_from(&self, start: Moment) -> Moment {
        start + Duration::from_millis(self.overdue_after_ms.into())
    }

    /// Starts a fetch, and takes over from one that is running. Returns its generation.
    pub(crate) fn begin_fetch(&mut self, now: Now, mode: FetchMode, forced: bool) -> u64 {
        self.generation += 1;
        self.queued = false;
        self.fetch = Some(Box::new(Fetch {
            generation: self.generation,
            started: now.at,
            overdue_at: self.overdue_from(now.at),
            mode,
            joined: mode == FetchMode::Foreground,
            forced,
            replaces_invalidated: self.phase(now) == Phase::Invalidated,
        }));
        self.generation
    }

    /// Sets the age at which this fetch and later ones count as lost. Returns `true` if that is
    /// another one than before.
    pub(crate) fn set_overdue_after(&mut self, generation: u64, overdue_after: Duration) -> bool {
        let changed = self.overdue_after_ms != as_millis(overdue_after);
        self.overdue_after_ms = as_millis(overdue_after);
        if let Some(fetch) = self.fetch.as_mut().filter(|fetch| fetch.generation == generation) {
            fetch.overdue_at = fetch.started + overdue_after;
        }
        changed
    }

    /// Records that a caller waits for the running fetch.
    pub(crate) fn join_fetch(&mut self) {
        if let Some(fetch) = &mut self.fetch {
            fetch.joined = true;
        }
    }

    /// Returns `true` if this generation is the running fetch.
    pub(crate) fn is_current(&self, generation: u64) -> bool {
        self.fetch_of(generation).is_some()
    }

    /// Returns `true` if a session of this generation is adopted: it is the running fetch, or one
    /// that was overdue and is newer than the cached session.
    pub(crate) fn accepts_session(&self, generation: u64) -> bool {
        !self.removed && generation > self.newest_success
    }

    /// Adopts a session that passed [`check`](Self::check). Returns `true` if a caller waited for
    /// it.
    ///
    /// `refresh_ahead` is `false` if the entry is not refreshed before its expiration. `draw` is a
    /// random number in `0.0..1.0`.
    pub(crate) fn succeed(
        &mut self,
        now: Now,
        generation: u64,
        fetched: Fetched<S>,
        refresh_ahead: bool,
        draw: f64,
    ) -> bool {
        let fetch = self.fetch_of(generation);
        // While a slow fetch ran, requests that were signed before it may have cleared the
        // suspicion. Without this charge, the next rejection would start a fetch at once.
        let replaces_invalidated = fetch.is_some_and(|fetch| fetch.replaces_invalidated);
        if replaces_invalidated || self.phase(now) == Phase::Invalidated {
            self.invalidation.charge(now.at);
        }
        // Callers that wait for the fetch that took over receive a late session, too.
        let joined = self.fetch.as_ref().is_some_and(|fetch| fetch.joined);
        // A late session leaves the fetch that took over running.
        if fetch.is_some() {
            self.fetch = None;
        }
        self.newest_success = generation;
        (self.losses, self.refused, self.queued) = (0, 0, false);
        // A session that arrives after its own window has opened does not start another fetch at
        // once.
        let mut opens_at = now.at + AFTER_SUCCESS;
        let Fetched { session, since, expires_at, measured, is_static } = fetched;
        let unchanged = |cached: &Cached<S>| {
            let (old, new) = (cached.windows.expires_at, expires_at);
            let moved = new > old + EXPIRATION_TOLERANCE || old > new + EXPIRATION_TOLERANCE;
            expires_at != Moment::MAX && !moved && now.at < old && cached.session.is_same(&session)
        };
        match self.cached.as_ref().filter(|cached| unchanged(cached)) {
            Some(cached) => opens_at = now.at + recheck_after(cached.windows.expires_at - now.at),
            None => {
                let windows = match (refresh_ahead, expires_at) {
                    (false, _) => Windows::without_refresh(expires_at),
                    (true, Moment::MAX) if is_static => Windows::without_refresh(expires_at),
                    (true, Moment::MAX) => Windows::without_expiration(now.at, draw),
                    (true, _) => Windows::drawn(since, expires_at, joined, draw),
                };
                let wall_expires_at = match expires_at {
                    Moment::MAX => None,
                    _ => now.wall.checked_add(expires_at - now.at),
                };
                self.cached = Some(Cached {
                    session,
                    windows,
                    since,
                    measured,
                    wall_expires_at,
                    invalidated: None,
                });
            }
        }
        self.foreground = Gate::open_at(opens_at);
        self.background = Gate::open_at(opens_at);
        joined
    }

    /// Records that the running fetch failed. Returns `false` if that is no failure, since the
    /// fetch was overdue: the process was frozen.
    pub(crate) fn fail(&mut self, now: Now, failure: Failure, error: E, draw: f64) -> bool {
        let Some(fetch) = self.fetch.take() else { return false };
        if now.at >= fetch.overdue_at {
            return false;
        }
        let remaining = match self.phase(now) {
            Phase::Empty | Phase::Invalidated => None,
            _ => self.cached.as_ref().map(|cached| cached.windows.expires_at - now.at),
        };
        if failure == Failure::Deferred && fetch.mode == FetchMode::Background {
            self.background.defer(error, |n| now.at + background_pause(n, true, remaining, draw));
            return true;
        }
        let is_refused = failure == Failure::Refused;
        self.refused = if is_refused { self.refused.saturating_add(1) } else { 0 };
        // The provider returned a session.
        if is_refused && fetch.replaces_invalidated {
            self.invalidation.charge(now.at);
        }
        let retryable = failure != Failure::Permanent;
        let background = |n| now.at + background_pause(n, retryable, remaining, draw);
        self.background.close(error.clone(), background);
        if fetch.mode == FetchMode::Foreground {
            self.foreground.close(error, |n| now.at + foreground_pause(n, draw));
        }
        true
    }

    /// Records that the task of the running fetch disappeared, mostly with its runtime.
    ///
    /// Returns `true` if the next fetch may start at once. The second such fetch in a row is to be
    /// recorded as a failure, since it called the provider.
    pub(crate) fn lose_fetch(&mut self, called_provider: bool) -> bool {
        if called_provider && self.losses > 0 {
            return false;
        }
        self.losses += u32::from(called_provider);
        self.fetch = None;
        true
    }

    /// Closes the entry: nothing is cached from now on.
    #[cfg(any(feature = "pool", test))]
    pub(crate) fn remove(&mut self) {
        (self.removed, self.cached, self.fetch) = (true, None, None);
    }

    pub(crate) fn set_queued(&mut self, queued: bool) {
        self.queued = queued;
    }
}

fn as_millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
