//! The refresh state machine: functions of a state and a moment, with no clock, no task and no lock
//! in them.

mod asking;
mod look;

use std::time::Duration;

use rolecall_core::{FetchMode, Moment};

pub(crate) use self::asking::Ask;
#[cfg(feature = "pool")]
pub(crate) use self::look::Look;
pub(crate) use self::look::is_failing;
use crate::schedule::{
    AFTER_SUCCESS, HARD_WAIT, SAME_END, Windows, pause_while_valid, recheck_after,
    rejection_spacing, remembered_for,
};

/// What the machine must know of a session.
pub(crate) trait SameSession: Clone {
    /// Whether both are the same keys.
    fn same(&self, other: &Self) -> bool;
}

/// The state: what is held, what runs, what failed, what was rejected.
#[derive(Clone, Debug)]
pub(crate) struct Slot<S, E> {
    overdue: Duration,
    /// Whether sessions are refreshed before their end.
    ahead: bool,
    held: Option<Held<S>>,
    running: Option<Running>,
    failures: Failures<E>,
    put_offs: Deferrals<E>,
    rejections: Rejections,
    generation: u64,
    /// Fetches lost since the last that was not.
    losses: u32,
    /// When the last fetch ended.
    ended: Moment,
    removed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Held<S> {
    session: S,
    windows: Windows,
    rejected: bool,
    /// When it came in.
    since: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    generation: u64,
    /// From then on it counts as lost.
    overdue_at: Moment,
    waited_for: bool,
    /// As they were before this was started on account of one.
    rejections_before: Option<Rejections>,
}

#[derive(Clone, Debug)]
struct Failures<E> {
    in_a_row: u32,
    last: Option<E>,
    /// No fetch starts before.
    not_before: Moment,
    /// Whom the held session does not help hears of the last until then.
    remembered_until: Moment,
}

/// Fetches in the background that found no turn: STS was not asked. They are no failures, and bind
/// no caller, who waits for a turn.
#[derive(Clone, Debug)]
struct Deferrals<E> {
    in_a_row: u32,
    last: Option<E>,
    /// No fetch starts in the background before.
    not_before: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Rejections {
    close_together: u32,
    /// No fetch starts on account of a rejection before.
    not_before: Moment,
    /// No fetch has been started on account of the last one.
    unanswered: bool,
}

/// What a call gets, and what it sets off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision<S, E> {
    /// The session; a refresh starts beside it if `refresh`.
    Hand { session: S, refresh: bool },
    /// Wait for the one fetch, which starts now if `start`.
    Wait(Wait<S>),
    /// The remembered error.
    Fail(E),
    /// What is held is good for less than was asked for, and so is any other that can be had now.
    TooShort(Duration),
    /// The slot was removed.
    Removed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wait<S> {
    pub(crate) start: bool,
    /// Until when: then decide again.
    pub(crate) until: Moment,
    /// What the caller gets if the fetch fails, and its end.
    pub(crate) otherwise: Option<(S, Moment)>,
}

/// What the timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    Refresh,
    SleepUntil(Moment),
}

/// What a fetch brought.
#[derive(Clone, Debug)]
pub(crate) struct Fetched<S> {
    pub(crate) session: S,
    /// When it began to be good.
    pub(crate) since: Moment,
    pub(crate) end: Moment,
}

/// Why an answer counts as a failed fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Expired,
    ExpiresSooner,
    Rejected,
}

/// A fetch's failure, as the machine must know it.
#[derive(Clone, Debug)]
pub(crate) struct Failure<E> {
    pub(crate) error: E,
    pub(crate) retryable: bool,
}

impl<S: SameSession, E: Clone> Slot<S, E> {
    /// An empty one, whose fetches are taken over when they have run for `overdue`.
    pub(crate) fn new(overdue: Duration, ahead: bool) -> Self {
        Self {
            overdue,
            ahead,
            held: None,
            running: None,
            failures: Failures::none(Moment::ZERO),
            put_offs: Deferrals::none(),
            rejections: Rejections {
                close_together: 0,
                not_before: Moment::ZERO,
                unanswered: false,
            },
            generation: 0,
            losses: 0,
            ended: Moment::ZERO,
            removed: false,
        }
    }

    /// What a caller gets who asks for a session.
    pub(crate) fn decide(&self, now: Moment) -> Decision<S, E> {
        self.decide_for(Ask::Session, FetchMode::Foreground, now)
    }

    /// The table of the crate's documentation.
    fn decide_session(&self, mode: FetchMode, now: Moment) -> Decision<S, E> {
        let running = self.running_at(now);
        let may_start = |mode| running.is_none() && now >= self.not_before(mode);
        let Some(held) = self.held.as_ref().filter(|held| now < held.windows.end) else {
            // Expired, or none.
            return match (self.remembered(mode, now), running) {
                (Some(error), None) => Decision::Fail(error.clone()),
                _ => self.wait(now, self.overdue, None),
            };
        };
        let Held { session, windows, rejected, .. } = held;
        let hand = |refresh| Decision::Hand { session: session.clone(), refresh };
        let otherwise = Some((session.clone(), windows.end));
        if *rejected {
            let allowed = may_start(mode) && now >= self.rejections.not_before;
            return match running {
                None if !allowed => hand(false),
                _ => self.wait(now, self.overdue, otherwise),
            };
        }
        if now < windows.refresh_at {
            return hand(false);
        }
        if now < windows.hard_at {
            return hand(may_start(FetchMode::Background));
        }
        match running {
            None if !may_start(mode) => hand(false),
            _ => self.wait(now, HARD_WAIT, otherwise),
        }
    }

    /// From when a fetch may start, for a caller who waits or in the background.
    fn not_before(&self, mode: FetchMode) -> Moment {
        match mode {
            FetchMode::Foreground => self.failures.not_before,
            _ => self.failures.not_before.max(self.put_offs.not_before),
        }
    }

    /// Why there is no session, if no fetch may start yet.
    fn remembered(&self, mode: FetchMode, now: Moment) -> Option<&E> {
        match now < self.failures.not_before {
            true => self.failures.last.as_ref(),
            false if now < self.not_before(mode) => self.put_offs.last.as_ref(),
            false => None,
        }
    }

    fn wait(
        &self,
        now: Moment,
        patience: Duration,
        otherwise: Option<(S, Moment)>,
    ) -> Decision<S, E> {
        let running = self.running_at(now);
        let overdue_at = running.map_or(now + self.overdue, |running| running.overdue_at);
        let until = overdue_at.min(now + patience);
        Decision::Wait(Wait { start: running.is_none(), until, otherwise })
    }

    /// The fetch that runs, unless it is overdue: then somebody takes over.
    fn running_at(&self, now: Moment) -> Option<Running> {
        self.running.filter(|running| now < running.overdue_at)
    }

    /// Until when the held session can be handed out without a look at the rest of the state.
    pub(crate) fn quiet_until(&self) -> Moment {
        let Some(held) = self.held.as_ref().filter(|held| !held.rejected) else {
            return Moment::ZERO;
        };
        let Windows { refresh_at, hard_at, end } = held.windows;
        match self.running {
            Some(running) => refresh_at.max(hard_at.min(running.overdue_at)).min(end),
            // From hard-at on, callers start one themselves, though it was put off in the
            // background.
            None => {
                let deferred = self.put_offs.not_before.min(hard_at);
                refresh_at.max(self.failures.not_before).max(deferred).min(end)
            }
        }
    }

    /// What the timer does now; `wanted` says whether anybody has use for another session.
    pub(crate) fn tick(&self, now: Moment, wanted: bool, even_when_over: bool) -> Tick {
        if self.removed {
            return Tick::SleepUntil(Moment::MAX);
        }
        if let Some(running) = self.running_at(now) {
            return Tick::SleepUntil(running.overdue_at);
        }
        let Some(held) = &self.held else {
            // A first load that failed: somebody asked once.
            let again = self.not_before(FetchMode::Background);
            return match even_when_over && self.generation > 0 {
                true if now < again => Tick::SleepUntil(again),
                true => Tick::Refresh,
                false => Tick::SleepUntil(Moment::MAX),
            };
        };
        let due = held.windows.refresh_at.max(self.not_before(FetchMode::Background));
        if now >= held.windows.end && !even_when_over {
            // It lapsed: the next caller fetches.
            return Tick::SleepUntil(Moment::MAX);
        }
        match wanted {
            _ if now < due => Tick::SleepUntil(due),
            true => Tick::Refresh,
            false => Tick::SleepUntil(Moment::MAX),
        }
    }

    /// A fetch begins. Its generation is what its result must be handed in under.
    pub(crate) fn start(&mut self, now: Moment) -> u64 {
        let mut rejections_before = None;
        if self.held.as_ref().is_some_and(|held| held.rejected && now < held.windows.end) {
            rejections_before = Some(self.rejections);
            // Further tries on account of the same rejection keep its spacing.
            if self.rejections.unanswered {
                self.rejections.unanswered = false;
                self.rejections.close_together = self.rejections.close_together.saturating_add(1);
            }
            let before = self.rejections.close_together.saturating_sub(1);
            self.rejections.not_before = now + rejection_spacing(before);
        }
        self.generation += 1;
        self.running = Some(Running {
            generation: self.generation,
            overdue_at: now + self.overdue,
            waited_for: false,
            rejections_before,
        });
        self.generation
    }

    /// A caller waits for the fetch that runs.
    pub(crate) fn waited_for(&mut self) {
        if let Some(running) = &mut self.running {
            running.waited_for = true;
        }
    }

    /// The task of a fetch is gone without a result. Its runtime has ended, mostly, and whoever
    /// waits on another may start the next at once: `true`. If one after the other goes so that has
    /// asked its source, that is a failure, to be handed in as one. (A runtime that shuts down
    /// takes no more tasks: its last waiters start in vain.)
    pub(crate) fn lost(&mut self, asked: bool) -> bool {
        if !asked {
            self.not_asked();
            return true;
        }
        self.running = None;
        self.losses = self.losses.saturating_add(1);
        self.losses == 1
    }

    /// The fetch that runs is none: its source was not asked, on account of a rejection or
    /// otherwise.
    fn not_asked(&mut self) {
        if let Some(before) = self.running.take().and_then(|running| running.rejections_before) {
            self.rejections = before;
        }
    }

    /// Whether a result of this generation would be taken.
    pub(crate) fn awaits(&self, generation: u64) -> bool {
        self.running.is_some_and(|running| running.generation == generation)
    }

    /// A fetch succeeded. `Err` says why the answer is no use; it is a failure then, to be handed
    /// in as one.
    pub(crate) fn check(&self, now: Moment, fetched: &Fetched<S>) -> Result<(), Refused> {
        // One that ends at once is no use either: the next call would ask again.
        if fetched.end <= now + AFTER_SUCCESS {
            return Err(Refused::Expired);
        }
        match self.held.as_ref().filter(|held| now < held.windows.end) {
            Some(held) if held.rejected && held.session.same(&fetched.session) => {
                Err(Refused::Rejected)
            }
            Some(held) if held.rejected => Ok(()),
            // Two readings of one expiration differ: the wall clock drifts, and STS says whole
            // seconds. Without the tolerance, new keys that expire together with the cached ones
            // would be a failed refresh at random.
            Some(held) if fetched.end + SAME_END < held.windows.end => Err(Refused::ExpiresSooner),
            _ => Ok(()),
        }
    }

    /// A fetch brought a session that [`check`](Self::check) let pass. Whether callers waited for
    /// it, though they may have gone since.
    pub(crate) fn succeeded(&mut self, now: Moment, fetched: Fetched<S>, draw: f64) -> bool {
        let waited_for = self.running.take().is_some_and(|running| running.waited_for);
        self.ended = now;
        self.losses = 0;
        // A session that came in after its own window had opened does not start another at once.
        self.failures = Failures::none(now + AFTER_SUCCESS);
        self.put_offs = Deferrals::none();
        let Fetched { session, since, end } = fetched;
        // One that turns out to last longer (the wall clock was wrong when it came) is as good as
        // another.
        let unchanged = |held: &&Held<S>| {
            let lasts_longer = now >= held.windows.end || end > held.windows.end + SAME_END;
            !held.rejected && held.session.same(&session) && !lasts_longer
        };
        if let Some(held) = self.held.as_ref().filter(unchanged) {
            self.failures.not_before = now + recheck_after(held.windows.end - now);
            return waited_for;
        }
        let windows = match self.ahead {
            true => Windows::drawn(since, end, waited_for, draw),
            false => Windows { refresh_at: end, hard_at: end, end },
        };
        self.held = Some(Held { session, windows, rejected: false, since: now });
        waited_for
    }

    /// A fetch failed, or its answer is no use.
    pub(crate) fn failed(&mut self, now: Moment, failure: Failure<E>, draw: f64) {
        self.running = None;
        self.ended = now;
        let Failure { error, retryable } = failure;
        let in_a_row = self.failures.in_a_row.saturating_add(1);
        let remembered_until = now + remembered_for(in_a_row, retryable, draw);
        let not_before = now + self.pause(now, in_a_row, retryable, draw);
        self.failures = Failures { in_a_row, last: Some(error), not_before, remembered_until };
        self.put_offs = Deferrals::none();
    }

    /// A fetch in the background found no turn. The next in the background comes after a pause, as
    /// after a failure.
    pub(crate) fn deferred(&mut self, now: Moment, error: E, draw: f64) {
        self.not_asked();
        let in_a_row = self.put_offs.in_a_row.saturating_add(1);
        let not_before = now + self.pause(now, in_a_row, true, draw);
        self.put_offs = Deferrals { in_a_row, last: Some(error), not_before };
    }

    /// Before the next try.
    fn pause(&self, now: Moment, in_a_row: u32, retryable: bool, draw: f64) -> Duration {
        match self.end() - now {
            Duration::ZERO => remembered_for(in_a_row, retryable, draw),
            left => pause_while_valid(in_a_row, retryable, left, draw),
        }
    }

    /// A service refused this session. Another than the held one is old news.
    pub(crate) fn invalidate(&mut self, now: Moment, rejected: &S) -> bool {
        let Some(held) = self.held.as_mut().filter(|held| held.session.same(rejected)) else {
            return false;
        };
        if held.rejected {
            return false;
        }
        held.rejected = true;
        self.rejections.unanswered = true;
        if self.failures.last.is_none() {
            // The pause was for a look at an unchanged session: this is a reason to look now.
            self.failures.not_before = now;
        }
        // Quiet for as long again as the spacing was: a new story.
        let Rejections { close_together, not_before, .. } = self.rejections;
        if close_together > 0 && now >= not_before + rejection_spacing(close_together - 1) {
            self.rejections.close_together = 0;
        }
        true
    }

    /// Nothing is held from now on, and nothing is taken in.
    #[cfg(any(feature = "pool", test))]
    pub(crate) fn remove(&mut self) {
        self.removed = true;
        self.held = None;
        self.running = None;
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed
    }

    /// The end of what is held.
    pub(crate) fn end(&self) -> Moment {
        self.held.as_ref().map_or(Moment::ZERO, |held| held.windows.end)
    }

    /// The session that is held, whatever its state.
    pub(crate) fn session(&self) -> Option<&S> {
        self.held.as_ref().map(|held| &held.session)
    }
}

impl<E> Failures<E> {
    fn none(not_before: Moment) -> Self {
        Self { in_a_row: 0, last: None, not_before, remembered_until: Moment::ZERO }
    }
}

impl<E> Deferrals<E> {
    fn none() -> Self {
        Self { in_a_row: 0, last: None, not_before: Moment::ZERO }
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;
