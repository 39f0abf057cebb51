//! A second implementation, written from the design's text: it remembers what happened and derives
//! each answer from that. Times are microseconds since the start of the history.

use super::*;

pub(super) const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const OVERDUE_AFTER: i64 = OVERDUE.cast_signed() * SECOND;

/// A session as a provider returns it. `None` does not expire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response {
    pub(super) id: u32,
    pub(super) requested: i64,
    pub(super) expires: Option<i64>,
    pub(super) measured: bool,
    pub(super) is_static: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) response: Response,
    /// The expiration on the wall clock.
    wall: Option<i64>,
    refresh: Option<i64>,
    mandatory: Option<i64>,
    pub(super) rejected: Option<InvalidSession>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) generation: u64,
    pub(super) began: i64,
    pub(super) mode: FetchMode,
    pub(super) joined: bool,
    pub(super) forced: bool,
    was_rejected: bool,
}

/// A fetch without a session, since the last success.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    at: i64,
    mode: FetchMode,
    failure: Failure,
    /// The remaining lifetime of a session that was valid and not rejected.
    left: Option<i64>,
    /// The random draw, in halves.
    draw: i64,
}

/// What a call receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Session { id: u32, refresh: bool },
    Wait { start: bool, until: i64, fallback: Option<u32> },
    Error(FetchMode),
    TooShort,
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Without,
    Fresh,
    Advisory,
    Mandatory,
    Rejected,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    pub(super) held: Option<Held>,
    pub(super) running: Option<Running>,
    troubles: Vec<Trouble>,
    /// Until when no fetch starts after a success.
    settled: i64,
    /// Fetches that replaced a rejected session, since the last quiet time.
    charges: u32,
    spaced_until: i64,
    last_rejection: i64,
    pub(super) newest: u64,
    pub(super) queued: bool,
    pub(super) removed: bool,
    /// Whether sessions are not refreshed before they expire.
    pub(super) never_ahead: bool,
}

fn doubled(first: i64, times: usize, most: i64) -> i64 {
    (1..times).fold(first, |pause, _| (2 * pause).min(most)).min(most)
}

/// The distance after so many fetches because of rejections.
fn spacing(charges: u32) -> i64 {
    doubled(10 * SECOND, charges as usize, 300 * SECOND)
}

impl Oracle {
    pub(super) fn phase(&self, now: i64, wall: i64) -> Phase {
        let reached = |limit: Option<i64>, time| limit.is_some_and(|limit| time >= limit);
        match self.held {
            None => Phase::Without,
            Some(held) if reached(held.response.expires, now) => Phase::Without,
            Some(Held { rejected: Some(_), .. }) => Phase::Rejected,
            Some(held) if reached(held.mandatory, now) || reached(held.wall, wall) => {
                Phase::Mandatory
            }
            Some(held) if reached(held.refresh, now) => Phase::Advisory,
            Some(_) => Phase::Fresh,
        }
    }

    pub(super) fn live(&self, now: i64) -> Option<Running> {
        self.running.filter(|running| now - running.began < OVERDUE_AFTER)
    }

    fn concerns(mode: FetchMode) -> impl Fn(&&Trouble) -> bool {
        // A background fetch never closes the gate of callers.
        move |trouble| mode == BACKGROUND || trouble.mode == FOREGROUND
    }

    fn is_deferral(trouble: &Trouble) -> bool {
        trouble.mode == BACKGROUND && trouble.failure == Failure::Deferred
    }

    /// Returns from when a fetch of this mode may start, and whether a failure or a deferral of
    /// that mode is the reason.
    fn gate(&self, mode: FetchMode) -> (i64, bool) {
        let concerned = || self.troubles.iter().filter(Self::concerns(mode));
        let Some(last) = concerned().next_back() else { return (self.settled, false) };
        let failures = concerned().filter(|trouble| !Self::is_deferral(trouble)).count();
        let deferrals = concerned().rev().take_while(|trouble| Self::is_deferral(trouble)).count();
        let times = if deferrals > 0 { deferrals } else { failures };
        let (shortest, longest) = match (mode, last.left) {
            (FOREGROUND, _) => {
                let c = doubled(SECOND, times, 10 * SECOND);
                // Callers have a session 10 s after an outage.
                (c, (c + c / 4).min(10 * SECOND))
            }
            (_, None) => {
                let c = doubled(SECOND, times, 300 * SECOND);
                (c, c + c / 4)
            }
            (_, Some(left)) => {
                let permanent = last.failure == Failure::Permanent;
                let first = if permanent { 30 * SECOND } else { SECOND };
                let c = doubled(first, times, (300 * SECOND).min(left / 4)).max(SECOND);
                (c / 2, c)
            }
        };
        (last.at + shortest + (longest - shortest) * last.draw / 2, true)
    }

    pub(super) fn opens(&self, mode: FetchMode, phase: Phase) -> i64 {
        match (phase, self.gate(mode)) {
            (Phase::Rejected, (_, false)) => self.spaced_until,
            (Phase::Rejected, (opens, true)) => opens.max(self.spaced_until),
            (_, (opens, _)) => opens,
        }
    }

    /// Returns the mode of the fetch whose error is remembered.
    fn remembered(&self, mode: FetchMode, now: i64) -> Option<FetchMode> {
        let concerned = || self.troubles.iter().filter(Self::concerns(mode)).rev();
        let last = concerned().next()?;
        let failure = concerned().find(|trouble| !Self::is_deferral(trouble));
        (now < self.gate(mode).0).then_some(failure.unwrap_or(last).mode)
    }

    pub(super) fn says(&self, request: Request, mode: FetchMode, now: i64, wall: i64) -> Says {
        let phase = self.phase(now, wall);
        let live = self.live(now);
        // A caller waits for a background fetch for 2 s, and then starts another one.
        let for_others = live.filter(|live| live.mode == BACKGROUND && mode == FOREGROUND);
        let (start, until) = match (live, for_others) {
            (_, Some(live)) if now < live.began + 2 * SECOND => (false, live.began + 2 * SECOND),
            (Some(live), None) => (false, live.began + OVERDUE_AFTER),
            (_, Some(_)) | (None, None) => (true, now + OVERDUE_AFTER),
        };
        let without_fallback = Says::Wait { start, until, fallback: None };
        let error = match live.is_none() || for_others.is_some() {
            true => self.remembered(mode, now),
            false => None,
        };
        let held = self.held.filter(|_| phase != Phase::Without);
        let left = held.map(|held| held.response.expires.map(|expires| expires - now));
        let lasts = |time: i64| left.is_some_and(|left| left.is_none_or(|left| left >= time));
        match (request, held) {
            _ if self.removed => Says::Removed,
            (Request::NewerThan(generation), Some(held)) if self.newest > generation => {
                Says::Session { id: held.response.id, refresh: false }
            }
            (Request::NewerThan(_), _) => without_fallback,
            (_, None) => error.map_or(without_fallback, Says::Error),
            (Request::Session, Some(held)) => self.says_held(held, mode, phase, now),
            (Request::ValidFor(min), Some(held)) => {
                let min = i64::try_from(min.as_micros()).unwrap();
                if lasts(min) {
                    let answer = self.says_held(held, mode, phase, now);
                    return match answer {
                        Says::Wait { start, until, .. }
                            if phase == Phase::Mandatory && !lasts(min + until - now) =>
                        {
                            let gate = now >= self.opens(BACKGROUND, phase);
                            let refresh = start && gate && !self.queued;
                            Says::Session { id: held.response.id, refresh }
                        }
                        answer => answer,
                    };
                }
                let since_request = now - held.response.requested;
                let never_lasts = since_request < 30 * SECOND && !lasts(min - since_request);
                match (live, error) {
                    (_, Some(mode)) => Says::Error(mode),
                    (Some(_), None) => without_fallback,
                    (None, None) if never_lasts => Says::TooShort,
                    (None, None) if now < self.opens(mode, phase) => Says::TooShort,
                    (None, None) => without_fallback,
                }
            }
        }
    }

    /// The rows of the table with a session.
    fn says_held(&self, held: Held, mode: FetchMode, phase: Phase, now: i64) -> Says {
        let id = held.response.id;
        let live = self.live(now);
        let may_start = |mode| live.is_none() && now >= self.opens(mode, phase);
        match phase {
            Phase::Without | Phase::Fresh => Says::Session { id, refresh: false },
            Phase::Advisory => Says::Session { id, refresh: may_start(BACKGROUND) && !self.queued },
            Phase::Mandatory | Phase::Rejected => {
                let began = live.map(|live| live.began).or(may_start(mode).then_some(now));
                match began.map(|began| began + 2 * SECOND).filter(|until| now < *until) {
                    Some(until) => Says::Wait { start: live.is_none(), until, fallback: Some(id) },
                    None => Says::Session { id, refresh: false },
                }
            }
        }
    }

    /// Returns whether the timer is to start a refresh now.
    pub(super) fn is_due(&self, now: i64, wall: i64, wanted: bool, always: bool) -> bool {
        let phase = self.phase(now, wall);
        let open = self.live(now).is_none() && now >= self.opens(BACKGROUND, phase);
        let has_reason = match phase {
            Phase::Without => always && self.was_asked(),
            Phase::Fresh => false,
            Phase::Advisory | Phase::Mandatory | Phase::Rejected => wanted,
        };
        open && has_reason && !self.queued && !self.removed
    }

    fn was_asked(&self) -> bool {
        self.held.is_some() || self.running.is_some() || !self.troubles.is_empty()
    }

    pub(super) fn begin(&mut self, generation: u64, mode: FetchMode, forced: bool, time: [i64; 2]) {
        let [now, wall] = time;
        let replaced = self.live(now).is_some_and(|live| {
            let waited = now >= live.began + 2 * SECOND;
            live.mode == BACKGROUND && mode == FOREGROUND && waited
        });
        assert!(self.live(now).is_none() || replaced, "two fetches at a time");
        let was_rejected = self.phase(now, wall) == Phase::Rejected;
        let joined = mode == FOREGROUND;
        let began = now;
        self.queued = false;
        self.running = Some(Running { generation, began, mode, joined, forced, was_rejected });
    }

    /// Returns whether a response is adopted.
    pub(super) fn is_useful(
        &self,
        generation: u64,
        response: Response,
        now: i64,
        wall: i64,
    ) -> bool {
        let Some(held) = self.held else {
            return response.expires.is_none_or(|at| at > now + SECOND);
        };
        let phase = self.phase(now, wall);
        let fetch = self.running.filter(|running| running.generation == generation);
        let forced = fetch.is_some_and(|fetch| fetch.forced);
        let sooner = match (response.expires, held.response.expires) {
            (Some(new), Some(old)) => new < old - 10 * SECOND,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let wall_expired = held.wall.is_some_and(|at| wall >= at);
        let protected = !matches!(phase, Phase::Without | Phase::Rejected)
            && held.response.measured
            && !forced
            && !wall_expired;
        response.expires.is_none_or(|at| at > now + SECOND)
            && !(phase == Phase::Rejected && response.id == held.response.id)
            && !(sooner && protected)
    }

    pub(super) fn adopt(&mut self, generation: u64, response: Response, draw: i64, time: [i64; 2]) {
        let [now, wall] = time;
        let fetch = self.running.filter(|running| running.generation == generation);
        let was_rejected = fetch.is_some_and(|fetch| fetch.was_rejected);
        if was_rejected || self.phase(now, wall) == Phase::Rejected {
            self.charges += 1;
            self.spaced_until = now + spacing(self.charges);
        }
        let waited_for = self.running.is_some_and(|fetch| fetch.joined);
        if fetch.is_some() {
            self.running = None;
        }
        self.newest = generation;
        self.queued = false;
        self.troubles.clear();
        let old = self.held.map(|held| held.response);
        if let Some(old) = old
            && let (Some(before), Some(after)) = (old.expires, response.expires)
            && old.id == response.id
            && now < before
            && (before - after).abs() <= 10 * SECOND
        {
            let left = before - now;
            self.settled = now + (30 * SECOND).max(left / 4).min(left);
            return;
        }
        self.settled = now + SECOND;
        let (refresh, mandatory) = match response.expires {
            _ if self.never_ahead => (response.expires, response.expires),
            None if response.is_static => (None, None),
            None => (Some(now + 15 * MINUTE + 90 * SECOND * draw / 2), None),
            Some(expires) => {
                let lifetime = expires - response.requested;
                let tier = match lifetime {
                    _ if lifetime <= 20 * MINUTE => 5 * MINUTE,
                    _ if lifetime < 90 * MINUTE => 15 * MINUTE,
                    _ => 60 * MINUTE,
                };
                let window = tier.min(lifetime / 3);
                let last = expires - window / 2;
                let first =
                    if waited_for { response.requested + lifetime / 3 } else { expires - window };
                let mandatory = expires - MINUTE.min(lifetime / 10);
                (Some(first + (last - first) * draw / 2), Some(mandatory))
            }
        };
        let wall = response.expires.map(|expires| wall + expires - now);
        self.held = Some(Held { response, wall, refresh, mandatory, rejected: None });
    }

    /// Returns whether it counts as a failure.
    pub(super) fn fail(&mut self, failure: Failure, draw: i64, time: [i64; 2]) -> bool {
        let [now, wall] = time;
        let Some(fetch) = self.running.take() else { return false };
        if now - fetch.began >= OVERDUE_AFTER {
            return false;
        }
        if failure == Failure::Refused && fetch.was_rejected {
            self.charges += 1;
            self.spaced_until = now + spacing(self.charges);
        }
        let left = match self.phase(now, wall) {
            Phase::Without | Phase::Rejected => None,
            // Never, for keys without an expiration.
            _ => self.held.map(|held| held.response.expires.map_or(i64::MAX / 8, |at| at - now)),
        };
        self.troubles.push(Trouble { at: now, mode: fetch.mode, failure, left, draw });
        true
    }

    pub(super) fn failures(&self) -> usize {
        self.troubles.iter().filter(|trouble| !Self::is_deferral(trouble)).count()
    }

    pub(super) fn reject(&mut self, reason: InvalidSession, now: i64) {
        let Some(held) = &mut self.held else { return };
        let quiet_since = self.spaced_until.max(self.last_rejection);
        if now >= quiet_since + 300 * SECOND {
            self.charges = 0;
        }
        self.last_rejection = now;
        let age = now - held.response.requested;
        let is_recent = held.response.measured && age < 10 * SECOND;
        match (held.rejected, reason) {
            (Some(InvalidSession::Expired), _) => {}
            (_, InvalidSession::Unknown) if is_recent => {}
            _ => held.rejected = Some(reason),
        }
    }

    pub(super) fn accept(&mut self) {
        if let Some(held) = &mut self.held
            && held.rejected == Some(InvalidSession::Unknown)
        {
            held.rejected = None;
        }
    }
}
