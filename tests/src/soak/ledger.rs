//! What each slot holds, by what it says itself, and what must never be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rolecall::{
    AssumeRole, AssumedRole, Clock, ErrorKind, Event, FetchContext, FetchError, Moment, Observer,
    Session, SessionSource,
};

use crate::figures::{Figure, Goal};

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Never {
    FailedWhileHeld,
    WaitedWhileHeld,
    FailedForLong,
    LostByRefresh,
    PastItsEnd,
    ShorterThanAsked,
    UnderAnotherKey,
    TwoLiveFetches,
}

impl Never {
    const ALL: [Self; 8] = [
        Self::FailedWhileHeld,
        Self::WaitedWhileHeld,
        Self::FailedForLong,
        Self::LostByRefresh,
        Self::PastItsEnd,
        Self::ShorterThanAsked,
        Self::UnderAnotherKey,
        Self::TwoLiveFetches,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::FailedWhileHeld => "failed_while_a_valid_session_was_held",
            Self::WaitedWhileHeld => "waited_while_a_session_was_held_outside_the_hard_window",
            Self::FailedForLong => "failed_while_one_for_as_long_as_was_asked_for_was_held",
            Self::LostByRefresh => "lost_by_a_refresh_that_failed",
            Self::PastItsEnd => "served_past_their_end",
            Self::ShorterThanAsked => "served_for_less_than_was_asked_for",
            Self::UnderAnotherKey => "served_under_another_key",
            Self::TwoLiveFetches => "second_live_fetches_of_a_slot",
        }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Calls for a session.
    pub calls: u64,
    /// Those that had to wait.
    pub waited: u64,
    /// Those that failed: no session was held.
    pub failed: u64,
    /// Calls for a session that is good for long.
    pub for_long: u64,
    /// Those of them that failed.
    pub for_long_failed: u64,
    /// Refreshes that were asked for.
    pub refreshes: u64,
    /// Those of them that failed.
    pub refreshes_failed: u64,
    /// Fetches that brought a session.
    pub fetched: u64,
    /// Fetches that failed.
    pub fetches_failed: u64,
    /// Sessions that a service rejected.
    pub rejected: u64,
    /// Slots that were removed.
    pub removed: u64,
    /// Slots that the pool let go of.
    pub evicted: u64,
}

pub(super) struct Ledger {
    clock: Clock,
    tenants: Vec<Mutex<Tenant>>,
    slots: AtomicU64,
    counts: Mutex<Counts>,
    violations: Mutex<BTreeMap<Never, (u64, String)>>,
}

#[derive(Debug)]
struct Tenant {
    /// The newest slot; 0 before the first.
    slot: u64,
    /// The newest session that it was told of. What is told may come late, and out of order: a session's own rejection,
    /// and even the next session, may be told of before it.
    held: Option<Held>,
    /// When the newest session that a service rejected was asked for.
    rejected: Moment,
    /// The fetch that runs: of which slot, and since when.
    live: Option<(u64, Moment)>,
}

impl Tenant {
    const fn new() -> Self {
        Self { slot: 0, held: None, rejected: Moment::ZERO, live: None }
    }
}

#[derive(Clone, Copy, Debug)]
struct Held {
    end: Moment,
    /// When it was asked for.
    since: Moment,
}

/// From when before a session's end callers wait for the next, for sessions of ten minutes or more.
const HARD_WINDOW: Duration = Duration::from_secs(60);

/// What the sessions of a tenant are called: STS says it in its answer.
pub(super) fn session_name(tenant: usize) -> String {
    format!("tenant-{tenant}")
}

/// How a tenant stood before a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    slot: u64,
    end: Moment,
    /// When what it holds was asked for.
    since: Moment,
    /// What it holds was rejected.
    rejected: bool,
    /// When the newest session that was rejected was asked for: it changes when another is.
    newest_rejected: Moment,
}

impl Look {
    /// Whether one slot was there all the time up to that look, and no rejection is a reason to do without what it holds:
    /// one in between is, though the next session has come since.
    fn is_held_until(&self, later: Self) -> bool {
        let same = self.slot != 0 && self.slot == later.slot;
        same && !self.rejected && self.newest_rejected == later.newest_rejected
    }
}

impl Ledger {
    pub(super) fn new(tenants: usize, clock: Clock) -> Self {
        Self {
            clock,
            tenants: (0..tenants).map(|_| Mutex::new(Tenant::new())).collect(),
            slots: AtomicU64::new(0),
            counts: Mutex::default(),
            violations: Mutex::default(),
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn tenants(&self) -> usize {
        self.tenants.len()
    }

    fn tenant(&self, tenant: usize) -> MutexGuard<'_, Tenant> {
        locked(&self.tenants[tenant])
    }

    pub(super) fn look(&self, tenant: usize) -> Look {
        let tenant = self.tenant(tenant);
        let (end, since) =
            tenant.held.map_or((Moment::ZERO, Moment::ZERO), |held| (held.end, held.since));
        let newest_rejected = tenant.rejected;
        Look { slot: tenant.slot, end, since, rejected: newest_rejected >= since, newest_rejected }
    }

    /// Before a service says so.
    pub(super) fn will_be_rejected(&self, tenant: usize, session: &Session) {
        let mut tenant = self.tenant(tenant);
        tenant.rejected = tenant.rejected.max(asked_for(session));
    }

    /// A call failed that began when it stood so.
    pub(super) fn failed(&self, tenant: usize, before: Look, error: &FetchError) {
        let (now, after) = (self.clock.now(), self.look(tenant));
        self.count(|counts| counts.failed += 1);
        if before.slot != 0 && before.slot == after.slot && before.end > now {
            let left = before.end - now;
            self.never(Never::FailedWhileHeld, || {
                format!("tenant {tenant}: a session was good for {left:?} more: {error}")
            });
        }
    }

    /// A call for a session that is good for this long failed, that began when it stood so. Whatever was held for longer
    /// than that at its end was so all the time, and so there was no moment at which it could fail.
    pub(super) fn failed_for_long(
        &self,
        tenant: usize,
        before: Look,
        least: Duration,
        error: &FetchError,
    ) {
        let (now, after) = (self.clock.now(), self.look(tenant));
        self.count(|counts| counts.for_long_failed += 1);
        if before.is_held_until(after) && before.end - now >= least {
            let left = before.end - now;
            self.never(Never::FailedForLong, || {
                format!("tenant {tenant}: a session was good for {left:?} more: {error}")
            });
        }
    }

    /// What a call got after a refresh failed that began when it stood so.
    pub(super) fn after_a_failed_refresh(
        &self,
        tenant: usize,
        before: Look,
        got: Result<&Session, &FetchError>,
    ) {
        let (now, after) = (self.clock.now(), self.look(tenant));
        self.count(|counts| counts.refreshes_failed += 1);
        let lost = match got {
            Ok(session) => asked_for(session) < before.since,
            Err(error) => error.kind() != ErrorKind::Removed,
        };
        if lost && before.is_held_until(after) && before.end > now {
            let left = before.end - now;
            self.never(Never::LostByRefresh, || {
                let got = got.map_or_else(ToString::to_string, |_| "an older session".to_owned());
                format!("tenant {tenant}: one was good for {left:?} more, and it got: {got}")
            });
        }
    }

    /// A call for a session that is good for this long, which began when it stood so, was not answered at once, at this
    /// moment.
    pub(super) fn waited(&self, tenant: usize, before: Look, least: Duration, at: Moment) {
        let after = self.look(tenant);
        let reason = least.max(HARD_WINDOW);
        if before.is_held_until(after) && before.end - at > reason {
            let left = before.end - at;
            self.never(Never::WaitedWhileHeld, || {
                format!("tenant {tenant}: a session was good for {left:?} more")
            });
        }
    }

    /// A session was handed out by a call that was looked after last at this moment.
    pub(super) fn served(&self, tenant: usize, session: &Session, least: Duration, at: Moment) {
        let name = session.role().and_then(AssumedRole::session_name);
        if name != Some(&session_name(tenant)) {
            self.never(Never::UnderAnotherKey, || format!("tenant {tenant}: it is of {name:?}"));
        }
        let end = session.ends(&self.clock);
        let kind = match least.is_zero() {
            true if end <= at => Never::PastItsEnd,
            false if end - at < least => Never::ShorterThanAsked,
            _ => return,
        };
        self.never(kind, || format!("tenant {tenant}: it ended at {end:?}, asked at {at:?}"));
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut locked(&self.counts));
    }

    pub(super) fn counts(&self) -> Counts {
        *locked(&self.counts)
    }

    fn never(&self, what: Never, words: impl FnOnce() -> String) {
        let mut violations = locked(&self.violations);
        violations.entry(what).or_insert_with(|| (0, words())).0 += 1;
    }

    pub(super) fn violations(&self) -> Vec<String> {
        let violations = locked(&self.violations);
        let line = |(what, (count, first)): (&Never, &(u64, String))| {
            format!("{} ({count} times): {first}", what.name())
        };
        violations.iter().map(line).collect()
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let counts = self.counts();
        let violations = locked(&self.violations);
        let never = Never::ALL.map(|what| {
            let count = violations.get(&what).map_or(0, |(count, _)| *count);
            Figure::with_goal(what.name(), count as f64, Goal::Exactly(0.0))
        });
        let plain = [
            ("calls", counts.calls),
            ("calls_that_waited", counts.waited),
            ("calls_that_failed", counts.failed),
            ("calls_for_long", counts.for_long),
            ("calls_for_long_that_failed", counts.for_long_failed),
            ("refreshes_asked_for", counts.refreshes),
            ("refreshes_that_failed", counts.refreshes_failed),
            ("fetches", counts.fetched),
            ("fetches_that_failed", counts.fetches_failed),
            ("rejections", counts.rejected),
            ("removals", counts.removed),
            ("evictions", counts.evicted),
        ];
        let plain = plain.map(|(name, count)| Figure::of(name, count as f64));
        never.into_iter().chain(plain).collect()
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Observer for Ledger {
    fn observe(&self, source: &str, event: &Event<'_>) {
        self.count(|counts| match event {
            Event::FetchEnded { result: Ok(_), .. } => counts.fetched += 1,
            Event::FetchEnded { result: Err(_), .. } => counts.fetches_failed += 1,
            Event::Rejected { .. } => counts.rejected += 1,
            Event::Removed => counts.removed += 1,
            Event::Evicted => counts.evicted += 1,
            _ => {}
        });
        let (Event::FetchEnded { result: Ok(session), .. }, Some((tenant, slot))) =
            (event, of_label(source))
        else {
            return;
        };
        let mut tenant = self.tenant(tenant);
        let since = asked_for(session);
        if tenant.slot == slot && tenant.held.is_none_or(|held| held.since < since) {
            tenant.held = Some(Held { end: session.ends(&self.clock), since });
        }
    }
}

fn asked_for(session: &Session) -> Moment {
    session.requested_at().unwrap_or(Moment::ZERO)
}

/// A tenant and its slot.
fn of_label(label: &str) -> Option<(usize, u64)> {
    let (tenant, slot) = label.strip_prefix("tenant ")?.split_once(", slot ")?;
    Some((tenant.parse().ok()?, slot.parse().ok()?))
}

/// The source of one slot of a tenant.
pub(super) struct Watched {
    inner: AssumeRole,
    tenant: usize,
    slot: u64,
    label: String,
    ledger: Arc<Ledger>,
}

impl Watched {
    pub(super) fn new(inner: AssumeRole, tenant: usize, ledger: &Arc<Ledger>) -> Self {
        let slot = 1 + ledger.slots.fetch_add(1, Ordering::Relaxed);
        {
            let mut entry = ledger.tenant(tenant);
            (entry.slot, entry.held) = (slot, None);
        }
        let label = format!("tenant {tenant}, slot {slot}");
        Self { inner, tenant, slot, label, ledger: Arc::clone(ledger) }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

#[async_trait]
impl SessionSource for Watched {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        let _live = Live::begin(self);
        self.inner.session(cx).await
    }

    fn reject(&self, rejected: &Session) {
        self.inner.reject(rejected);
    }

    fn limit(&self) -> Duration {
        self.inner.limit()
    }

    fn label(&self) -> &str {
        &self.label
    }
}

/// A fetch that runs.
struct Live<'a> {
    of: &'a Watched,
    since: Moment,
}

impl<'a> Live<'a> {
    fn begin(of: &'a Watched) -> Self {
        let since = of.ledger.clock.now();
        let before = of.ledger.tenant(of.tenant).live.replace((of.slot, since));
        // One that has run for longer than it may was given up, and its result would not be taken.
        if let Some((slot, started)) = before
            && slot == of.slot
            && since - started < of.limit()
        {
            of.ledger.never(Never::TwoLiveFetches, || {
                format!("{}: one has run for {:?}", of.label, since - started)
            });
        }
        Self { of, since }
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        let mut tenant = self.of.ledger.tenant(self.of.tenant);
        if tenant.live == Some((self.of.slot, self.since)) {
            tenant.live = None;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
