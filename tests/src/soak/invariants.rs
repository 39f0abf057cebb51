//! The invariants that a soak checks, and the state that the checks need.
//!
//! The checks do not look into the pool. Everything they know comes from its public interface:
//!
//! - the [`Observer`] of the pool reports which session each cache entry holds;
//! - [`MonitoredProvider`], which wraps the provider of each entry, sees every fetch begin and end;
//! - the callers take a [`Snapshot`] of a tenant before a call and report the outcome afterwards.
//!
//! A call runs concurrently with refreshes, invalidations and removals, and events may be observed
//! late. So a violation is reported only if nothing that happened between the two snapshots can
//! explain the outcome. The checks may miss a violation; they must not report a false one.

mod provider;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rolecall::observe::{Event, Observer};
use rolecall::provider::{AssumedRole, FetchMode};
use rolecall::time::{Clock, Moment};
use rolecall::{ErrorKind, Session, SessionError};

use crate::figures::{Figure, Goal};

pub(super) use self::provider::MonitoredProvider;

/// A kind of violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Violation {
    FailedWithValidSession,
    WaitedOutsideMandatoryWindow,
    FailedWithLongEnoughSession,
    LostByFailedRefresh,
    ExpiredSessionServed,
    ShorterThanRequested,
    SessionOfAnotherKey,
    ConcurrentFetches,
    FailedWithoutAttemptAfterFreeze,
}

impl Violation {
    const ALL: [Self; 9] = [
        Self::FailedWithValidSession,
        Self::WaitedOutsideMandatoryWindow,
        Self::FailedWithLongEnoughSession,
        Self::LostByFailedRefresh,
        Self::ExpiredSessionServed,
        Self::ShorterThanRequested,
        Self::SessionOfAnotherKey,
        Self::ConcurrentFetches,
        Self::FailedWithoutAttemptAfterFreeze,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::FailedWithValidSession => "failed_with_valid_session",
            Self::WaitedOutsideMandatoryWindow => "waited_outside_mandatory_window",
            Self::FailedWithLongEnoughSession => "session_valid_for_failed_with_such_a_session",
            Self::LostByFailedRefresh => "sessions_lost_by_failed_refresh",
            Self::ExpiredSessionServed => "expired_sessions_served",
            Self::ShorterThanRequested => "session_valid_for_served_too_short",
            Self::SessionOfAnotherKey => "sessions_of_another_key_served",
            Self::ConcurrentFetches => "concurrent_fetches_of_an_entry",
            Self::FailedWithoutAttemptAfterFreeze => "failed_without_attempt_after_freeze",
        }
    }
}

/// Numbers of events so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Calls for a session.
    pub calls: u64,
    /// Calls that had to wait.
    pub waited: u64,
    /// Calls that failed, since no session was cached.
    pub failed: u64,
    /// Calls of `session_valid_for`.
    pub valid_for_calls: u64,
    /// Calls of `session_valid_for` that failed.
    pub valid_for_failed: u64,
    /// Calls of `refresh`.
    pub refreshes: u64,
    /// Calls of `refresh` that failed.
    pub refreshes_failed: u64,
    /// Fetches that returned a session.
    pub fetched: u64,
    /// Fetches that failed.
    pub fetches_failed: u64,
    /// Sessions that were invalidated.
    pub invalidated: u64,
    /// Cache entries that were removed.
    pub removed: u64,
    /// Cache entries that the pool evicted.
    pub evicted: u64,
    /// First calls of a cache entry after a freeze.
    pub first_calls: u64,
}

/// Tracks the cache entry of each tenant and records violations.
pub(super) struct InvariantMonitor {
    clock: Clock,
    tenants: Vec<Mutex<Tenant>>,
    /// Number of entries created so far, from which each gets a number of its own.
    entries: AtomicU64,
    /// When waits are no longer excused by a wall clock that was set.
    excused_until: AtomicU64,
    counts: Mutex<Counts>,
    /// The number of violations of each kind, and a description of the first.
    violations: Mutex<BTreeMap<Violation, (u64, String)>>,
}

#[derive(Debug)]
struct Tenant {
    /// Number of the newest cache entry; 0 before the first.
    entry: u64,
    /// Newest session of that entry. Events may be observed late and out of order: the
    /// invalidation of a session, and even the next session, may be reported before the session
    /// itself.
    cached: Option<CachedSession>,
    /// Request time of the newest invalidated session.
    newest_invalidated: Moment,
    /// Entry, start and mode of the running fetch.
    running: Option<(u64, Moment, FetchMode)>,
    /// Start of the newest fetch.
    newest_fetch: Moment,
}

impl Tenant {
    const fn new() -> Self {
        Self {
            entry: 0,
            cached: None,
            newest_invalidated: Moment::ZERO,
            running: None,
            newest_fetch: Moment::ZERO,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct CachedSession {
    expires_at: Moment,
    requested_at: Moment,
}

/// Length of the mandatory refresh window, in which callers wait, for sessions of ten minutes or
/// more.
const MANDATORY_WINDOW: Duration = Duration::from_secs(60);

/// Returns the role session name of a tenant. STS returns it with each session, so that a session
/// served under another key is noticed.
pub(super) fn session_name(tenant: usize) -> String {
    format!("tenant-{tenant}")
}

/// The state of a tenant at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    entry: u64,
    expires_at: Moment,
    requested_at: Moment,
    /// The cached session has been invalidated.
    invalidated: bool,
    /// Request time of the newest invalidated session. It changes with each further invalidation.
    newest_invalidated: Moment,
}

impl Snapshot {
    /// Returns `true` if the cached session was usable at every moment until `later`.
    ///
    /// The entry must be the same, and no invalidation may have happened in between. Comparing the
    /// sessions alone would miss an invalidation that the next session has already followed.
    fn is_usable_until(&self, later: Self) -> bool {
        let same_entry = self.entry != 0 && self.entry == later.entry;
        same_entry && !self.invalidated && self.newest_invalidated == later.newest_invalidated
    }
}

impl InvariantMonitor {
    pub(super) fn new(tenants: usize, clock: Clock) -> Self {
        Self {
            clock,
            tenants: (0..tenants).map(|_| Mutex::new(Tenant::new())).collect(),
            entries: AtomicU64::new(0),
            excused_until: AtomicU64::new(0),
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
        lock(&self.tenants[tenant])
    }

    /// Returns the state of a tenant.
    pub(super) fn snapshot(&self, tenant: usize) -> Snapshot {
        let tenant = self.tenant(tenant);
        let (expires_at, requested_at) =
            tenant.cached.map_or((Moment::ZERO, Moment::ZERO), |cached| {
                (cached.expires_at, cached.requested_at)
            });
        let newest_invalidated = tenant.newest_invalidated;
        let invalidated = newest_invalidated >= requested_at;
        Snapshot { entry: tenant.entry, expires_at, requested_at, invalidated, newest_invalidated }
    }

    /// Records that `session` is about to be invalidated.
    ///
    /// The caller reports it before it invalidates the session. Otherwise another call could wait
    /// because of an invalidation that is not recorded yet, and count as a violation.
    pub(super) fn record_invalidation(&self, tenant: usize, session: &Session) {
        let mut tenant = self.tenant(tenant);
        tenant.newest_invalidated = tenant.newest_invalidated.max(requested_at(session));
    }

    /// Checks a failed call.
    ///
    /// Unlike in the other checks, an invalidation is no excuse: an invalidated session is still
    /// served if it cannot be replaced.
    pub(super) fn check_failed_call(&self, tenant: usize, before: Snapshot, error: &SessionError) {
        let (now, after) = (self.clock.now(), self.snapshot(tenant));
        self.count(|counts| counts.failed += 1);
        if before.entry != 0 && before.entry == after.entry && before.expires_at > now {
            let remaining = before.expires_at - now;
            self.report(Violation::FailedWithValidSession, || {
                format!("tenant {tenant}: a session was valid for {remaining:?} more: {error}")
            });
        }
    }

    /// Checks a failed call of `session_valid_for(min_remaining)`.
    ///
    /// A session that remains valid for `min_remaining` when the call ends did so during the whole
    /// call, so that there was no moment at which the call could fail.
    pub(super) fn check_failed_valid_for(
        &self,
        tenant: usize,
        before: Snapshot,
        min_remaining: Duration,
        error: &SessionError,
    ) {
        let (now, after) = (self.clock.now(), self.snapshot(tenant));
        self.count(|counts| counts.valid_for_failed += 1);
        if before.is_usable_until(after) && before.expires_at - now >= min_remaining {
            let remaining = before.expires_at - now;
            self.report(Violation::FailedWithLongEnoughSession, || {
                format!("tenant {tenant}: a session was valid for {remaining:?} more: {error}")
            });
        }
    }

    /// Checks the call that followed a failed `refresh`: the cached session must still be served.
    pub(super) fn check_call_after_failed_refresh(
        &self,
        tenant: usize,
        before: Snapshot,
        result: Result<&Session, &SessionError>,
    ) {
        let (now, after) = (self.clock.now(), self.snapshot(tenant));
        self.count(|counts| counts.refreshes_failed += 1);
        let lost = match result {
            Ok(session) => requested_at(session) < before.requested_at,
            Err(error) => error.kind() != ErrorKind::Removed,
        };
        if lost && before.is_usable_until(after) && before.expires_at > now {
            let remaining = before.expires_at - now;
            self.report(Violation::LostByFailedRefresh, || {
                let got =
                    result.map_or_else(ToString::to_string, |_| "an older session".to_owned());
                format!("tenant {tenant}: a session was valid for {remaining:?} more, got: {got}")
            });
        }
    }

    /// Checks a call that was not ready when first polled, at `pending_at`.
    ///
    /// Waiting is permitted in the mandatory window, and when the cached session expires before
    /// `min_remaining`.
    pub(super) fn check_wait(
        &self,
        tenant: usize,
        before: Snapshot,
        min_remaining: Duration,
        pending_at: Moment,
    ) {
        let after = self.snapshot(tenant);
        let permitted = min_remaining.max(MANDATORY_WINDOW);
        if pending_at.as_nanos() <= self.excused_until.load(Ordering::Relaxed) {
            return;
        }
        if before.is_usable_until(after) && before.expires_at - pending_at > permitted {
            let remaining = before.expires_at - pending_at;
            self.report(Violation::WaitedOutsideMandatoryWindow, || {
                format!("tenant {tenant}: a session was valid for {remaining:?} more")
            });
        }
    }

    /// Excuses waits until `moment`: while the wall clock is set forward, a session that is valid
    /// by its lifetime has expired by its wall time, and callers may wait for another one.
    pub(super) fn excuse_waits_until(&self, moment: Moment) {
        self.excused_until.store(moment.as_nanos(), Ordering::Relaxed);
    }

    /// Checks the first call after a freeze that was longer than the timeout of any fetch.
    ///
    /// A fetch that was in flight was overdue, and its error is not the caller's; errors that are
    /// remembered are older. A call can fail only if STS was asked after the freeze.
    pub(super) fn check_first_call_after_freeze(
        &self,
        tenant: usize,
        thawed_at: Moment,
        result: Result<&Session, &SessionError>,
    ) {
        self.count(|counts| counts.first_calls += 1);
        let newest_fetch = self.tenant(tenant).newest_fetch;
        if let Err(error) = result
            && error.kind() != ErrorKind::Removed
            && newest_fetch < thawed_at
        {
            self.report(Violation::FailedWithoutAttemptAfterFreeze, || {
                format!("tenant {tenant}: the last fetch began at {newest_fetch:?}: {error}")
            });
        }
    }

    /// Checks a session that a call returned. `polled_at` is the time before its last poll.
    ///
    /// The time after the call would not do: the task may be descheduled between the moment at
    /// which the pool compared the session with the clock and the moment at which the call returns.
    pub(super) fn check_served(
        &self,
        tenant: usize,
        session: &Session,
        min_remaining: Duration,
        polled_at: Moment,
    ) {
        let name = session.role().and_then(AssumedRole::session_name);
        if name != Some(&session_name(tenant)) {
            self.report(Violation::SessionOfAnotherKey, || {
                format!("tenant {tenant}: the session's name is {name:?}")
            });
        }
        let expires_at = session.expiration(&self.clock);
        let violation = match min_remaining.is_zero() {
            true if expires_at <= polled_at => Violation::ExpiredSessionServed,
            false if expires_at - polled_at < min_remaining => Violation::ShorterThanRequested,
            _ => return,
        };
        self.report(violation, || {
            format!("tenant {tenant}: expired at {expires_at:?}, served at {polled_at:?}")
        });
    }

    pub(super) fn count(&self, update: impl FnOnce(&mut Counts)) {
        update(&mut lock(&self.counts));
    }

    pub(super) fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    fn report(&self, violation: Violation, describe: impl FnOnce() -> String) {
        let mut violations = lock(&self.violations);
        violations.entry(violation).or_insert_with(|| (0, describe())).0 += 1;
    }

    /// Describes the first violation of each kind.
    pub(super) fn violations(&self) -> Vec<String> {
        let violations = lock(&self.violations);
        let line = |(violation, (count, first)): (&Violation, &(u64, String))| {
            format!("{} ({count} times): {first}", violation.name())
        };
        violations.iter().map(line).collect()
    }

    /// Returns the counts of violations, whose goal is zero, and those of events.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let counts = self.counts();
        let violations = lock(&self.violations);
        let invariants = Violation::ALL.map(|violation| {
            let count = violations.get(&violation).map_or(0, |(count, _)| *count);
            Figure::with_goal(violation.name(), count as f64, Goal::Exactly(0.0))
        });
        let events = [
            ("calls", counts.calls),
            ("calls_that_waited", counts.waited),
            ("calls_that_failed", counts.failed),
            ("session_valid_for_calls", counts.valid_for_calls),
            ("session_valid_for_calls_that_failed", counts.valid_for_failed),
            ("refreshes", counts.refreshes),
            ("refreshes_that_failed", counts.refreshes_failed),
            ("fetches", counts.fetched),
            ("fetches_that_failed", counts.fetches_failed),
            ("invalidations", counts.invalidated),
            ("removals", counts.removed),
            ("evictions", counts.evicted),
            ("first_calls_after_freeze", counts.first_calls),
        ];
        let events = events.map(|(name, count)| Figure::informational(name, count as f64));
        invariants.into_iter().chain(events).collect()
    }
}

impl fmt::Debug for InvariantMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvariantMonitor").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Observer for InvariantMonitor {
    fn observe(&self, source: &str, event: &Event<'_>) {
        self.count(|counts| match event {
            Event::FetchCompleted { result: Ok(_), .. } => counts.fetched += 1,
            Event::FetchCompleted { result: Err(_), .. } => counts.fetches_failed += 1,
            Event::Invalidated { .. } => counts.invalidated += 1,
            Event::Removed => counts.removed += 1,
            Event::Evicted => counts.evicted += 1,
            _ => {}
        });
        let (Event::FetchCompleted { result: Ok(session), .. }, Some((tenant, entry))) =
            (event, parse_label(source))
        else {
            return;
        };
        let mut tenant = self.tenant(tenant);
        let requested_at = requested_at(session);
        // An event of a removed entry, or of a session that a newer one has replaced, may arrive
        // late and says nothing about the session that is cached now.
        if tenant.entry == entry
            && tenant.cached.is_none_or(|cached| cached.requested_at < requested_at)
        {
            let expires_at = session.expiration(&self.clock);
            tenant.cached = Some(CachedSession { expires_at, requested_at });
        }
    }
}

fn requested_at(session: &Session) -> Moment {
    session.requested_at().unwrap_or(Moment::ZERO)
}

/// Parses the label of a [`MonitoredProvider`] into the tenant and the number of its entry.
fn parse_label(label: &str) -> Option<(usize, u64)> {
    let (tenant, entry) = label.strip_prefix("tenant ")?.split_once(", entry ")?;
    Some((tenant.parse().ok()?, entry.parse().ok()?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
