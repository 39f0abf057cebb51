//! Tests of the state machine: no clock, no task, no runtime.

use std::time::{Duration, UNIX_EPOCH};

use rolecall_core::{FetchMode, InvalidSession, Moment};

use super::decide::{Decision, Report, Request, Wait, Wakeup};
use super::fetched::{Failure, Fetched, Refusal};
use super::invalidation::Invalidation;
use super::machine::{Cacheable, Machine, Now};

mod calls;
mod expiration;
mod histories;
mod invalidation;
mod losses;
mod oracle;
mod outcomes;
mod recovery;
mod requests;
mod status;
mod wakeups;
mod world;

const FOREGROUND: FetchMode = FetchMode::Foreground;
const BACKGROUND: FetchMode = FetchMode::Background;

/// The age at which a fetch of a provider with a timeout of 15 s is overdue.
const OVERDUE: u64 = 16;

/// The windows of the session of [`holding`], in seconds: one hour, without a caller that waited,
/// drawn at 0.0.
const REFRESH_AT: u64 = 2700;
const MANDATORY_AT: u64 = 3540;
const EXPIRES_AT: u64 = 3600;

/// A session as the machine sees it: its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keys(u32);

impl Cacheable for Keys {
    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

type Entry = Machine<Keys, &'static str>;
type Answer = Decision<Keys, &'static str>;

/// Checks a session of the running fetch, or of the last one.
fn check_session(entry: &Entry, now: Now, fetched: &Fetched<Keys>) -> Result<(), Refusal> {
    entry.check(now, entry.newest_generation(), fetched)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn at(seconds: u64) -> Moment {
    Moment::from_nanos((1_000_000 + seconds) * 1_000_000_000)
}

/// Returns a time on both clocks, which run together.
fn now(seconds: u64) -> Now {
    now_with_wall(seconds, seconds)
}

fn now_with_wall(seconds: u64, wall: u64) -> Now {
    Now { at: at(seconds), wall: UNIX_EPOCH + secs(1_700_000_000 + wall) }
}

/// Returns a session with a measured lifetime.
fn fetched(id: u32, since: u64, expires_at: u64) -> Fetched<Keys> {
    Fetched {
        session: Keys(id),
        since: at(since),
        expires_at: at(expires_at),
        measured: true,
        is_static: false,
    }
}

/// Returns a session whose expiration was read on the wall clock.
fn read(id: u32, since: u64, expires_at: u64) -> Fetched<Keys> {
    Fetched { measured: false, ..fetched(id, since, expires_at) }
}

/// Returns keys without an expiration.
fn unlimited(id: u32, since: u64) -> Fetched<Keys> {
    Fetched { expires_at: Moment::MAX, ..read(id, since, 0) }
}

fn empty() -> Entry {
    Machine::new(secs(OVERDUE))
}

fn holding() -> Entry {
    adopting(empty(), 0, fetched(1, 0, EXPIRES_AT))
}

/// Starts a fetch.
fn running(mut entry: Entry, mode: FetchMode, when: u64) -> Entry {
    entry.begin_fetch(now(when), mode, false);
    entry
}

/// Adopts a session that no caller waited for, drawn at 0.0.
fn adopting(entry: Entry, when: u64, fetched: Fetched<Keys>) -> Entry {
    let mut entry = running(entry, BACKGROUND, when);
    complete(&mut entry, when, fetched);
    entry
}

/// Completes the running fetch with a session.
fn complete(entry: &mut Entry, when: u64, fetched: Fetched<Keys>) {
    let (generation, _) = entry.running_fetch().unwrap();
    assert!(entry.accepts_session(generation));
    assert_eq!(check_session(entry, now(when), &fetched), Ok(()));
    entry.succeed(now(when), generation, fetched, true, 0.0);
}

/// Starts a fetch that fails at once.
fn failing(entry: Entry, mode: FetchMode, when: u64) -> Entry {
    failing_with(entry, mode, Failure::Retryable, when)
}

fn failing_with(entry: Entry, mode: FetchMode, failure: Failure, when: u64) -> Entry {
    let mut entry = running(entry, mode, when);
    assert!(entry.fail(now(when), failure, error_of(failure), 0.0));
    entry
}

fn error_of(failure: Failure) -> &'static str {
    match failure {
        Failure::Retryable => "unavailable",
        Failure::Permanent => "denied",
        Failure::Deferred => "deferred",
        Failure::Refused => "refused",
    }
}

/// Invalidates the cached session definitely.
fn invalidated(entry: Entry, when: u64) -> Entry {
    invalidated_as(entry, InvalidSession::Expired, when)
}

fn invalidated_as(mut entry: Entry, reason: InvalidSession, when: u64) -> Entry {
    assert_eq!(entry.invalidate(now(when), reason), Invalidation::New);
    entry
}

fn removed(mut entry: Entry) -> Entry {
    entry.remove();
    entry
}

fn queued(mut entry: Entry) -> Entry {
    entry.set_queued(true);
    entry
}

/// Returns what a caller of `session()` receives.
fn call(entry: &Entry, when: u64) -> Answer {
    entry.decide(Request::Session, FOREGROUND, now(when))
}

/// Returns what a background fetch of another entry receives.
fn call_in_background(entry: &Entry, when: u64) -> Answer {
    entry.decide(Request::Session, BACKGROUND, now(when))
}

fn session(id: u32) -> Answer {
    Decision::Return { session: Keys(id), refresh: false }
}

fn session_and_refresh(id: u32) -> Answer {
    Decision::Return { session: Keys(id), refresh: true }
}

fn error(error: &'static str) -> Answer {
    Decision::Fail(error)
}

/// Starts a fetch and waits for its result.
fn start(until: u64) -> Answer {
    Decision::Wait(Wait { start: true, until: at(until), fallback: None })
}

/// Waits for the result of the running fetch.
fn join(until: u64) -> Answer {
    Decision::Wait(Wait { start: false, until: at(until), fallback: None })
}

/// Starts a fetch and waits for it, with a session to fall back to.
fn start_or(until: u64, id: u32, expires_at: u64) -> Answer {
    let fallback = Some((Keys(id), at(expires_at)));
    Decision::Wait(Wait { start: true, until: at(until), fallback })
}

/// Waits for the running fetch, with a session to fall back to.
fn join_or(until: u64, id: u32, expires_at: u64) -> Answer {
    let fallback = Some((Keys(id), at(expires_at)));
    Decision::Wait(Wait { start: false, until: at(until), fallback })
}

/// Returns `true` if the caller starts a fetch.
fn starts(answer: &Answer) -> bool {
    match answer {
        Decision::Return { refresh, .. } => *refresh,
        Decision::Wait(wait) => wait.start,
        _ => false,
    }
}
