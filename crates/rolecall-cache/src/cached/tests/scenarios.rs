//! The refresh scenarios that the AWS SDKs share, each as a test of this cache.
//!
//! They are published beside the static stability cache of the SDK for Rust (smithy-rs,
//! `credential-refresh-tests.json`) and with its counterparts in botocore, Java, Kotlin, Go, Ruby
//! and JavaScript. The differences are deliberate:
//!
//! 1. **Advisory window**: the SDK's caller waits for the refresh that it starts. A caller of this
//!    cache receives the cached session, and the next session is for the next call.
//! 2. **Mandatory window**: the wait ends 2 s after the fetch began, since the cached session is
//!    valid for 6 to 60 s more.
//! 3. **Expired, and the refresh fails**: the SDK returns the expired session. Here it is an error:
//!    every service rejects an expired session, with an error that hides the cause.
//! 4. **Back-off**: 300 to 600 s in the SDKs, which can be all that remains of a 15-minute session.
//!    Here it starts at up to 1 s (30 s for errors that are not retryable) and is at most a quarter
//!    of the remaining lifetime. Callers that need a session wait for 1 to 10 s.
//! 5. **No session, and the first fetch fails**: the SDK's next caller fetches again, so that 20
//!    callers cause 20 requests. Here they receive the remembered error for 1 to 10 s.
//! 6. **An error that is not retryable** reaches the SDK's caller although its session is valid.
//!    Here the caller receives the session, and the status and the log have the error.
//! 7. **Windows**: the same tiers, but at most a third of the lifetime, and the refresh time is
//!    drawn from the first half of the window. There is no setting.
//! 8. **A session that expires sooner than the cached one** is adopted by the SDK. Here that is a
//!    failed refresh if the cached lifetime was measured, unless the difference is within 10 s, as
//!    that of two readings of one expiration is.
//! 9. **Invalidated sessions**: one fetch in 10 s, and fewer while invalidations continue; the SDK
//!    fetches for each.

use super::*;
use crate::State;

/// An entry in one of the states that the scenarios begin with.
struct Scenario {
    script: ScriptedProvider,
    cached: CachedProvider<ScriptedProvider>,
}

/// The result of a call: the number of the fetch whose session it returned or the error's kind,
/// whether the caller waited, and the number of fetches that it started.
type Outcome = (Result<usize, ErrorKind>, Wait, usize);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    Immediate,
    Waited,
}

use Wait::{Immediate, Waited};

const CACHED: Result<usize, ErrorKind> = Ok(1);
const NEW: Result<usize, ErrorKind> = Ok(2);
const FAILED: Result<usize, ErrorKind> = Err(ErrorKind::Unavailable);
const DENIED: Result<usize, ErrorKind> = Err(ErrorKind::Denied);

impl Scenario {
    fn with_none() -> Self {
        let script = ScriptedProvider::new();
        let cached = script.cached();
        Self { script, cached }
    }

    /// The first session was fetched this many seconds ago.
    async fn after(seconds: u64) -> Self {
        let scenario = Self::with_none();
        assert_eq!(scenario.call(Response::Session).await, (CACHED, Waited, 1));
        scenario.script.advance(seconds);
        scenario
    }

    async fn valid() -> Self {
        Self::after(10).await
    }

    async fn advisory() -> Self {
        Self::after(IN_ADVISORY_WINDOW).await
    }

    async fn mandatory() -> Self {
        Self::after(IN_MANDATORY_WINDOW).await
    }

    async fn expired() -> Self {
        Self::after(HOUR).await
    }

    /// Calls the entry while the provider has this response. The call runs before the timer does.
    async fn call(&self, response: Response) -> Outcome {
        let before = self.script.fetches();
        self.script.clear_responses();
        self.script.push_responses([response; 10]);
        let mut caller = pin!(request(&self.cached));
        let (result, wait) = match poll(&mut caller) {
            Some(result) => (result, Immediate),
            None => (with_timeout(caller).await, Waited),
        };
        settle().await;
        let result = result.map(|session| number(&session)).map_err(|error| error.kind());
        (result, wait, self.script.fetches() - before)
    }

    fn invalidate(&self, number: usize) {
        self.cached.invalidate_credentials(self.script.returned(number).credentials());
    }

    /// Returns the earliest and the latest time of a refresh, in seconds before the expiration, of
    /// many draws.
    async fn window(lifetime: u64, caller_waits: bool) -> (u64, u64) {
        let mut all = Vec::new();
        for seed in 0..300 {
            fastrand::seed(seed);
            let scenario = Self::with_none();
            assert_eq!(scenario.call(Response::ValidFor(lifetime)).await, (CACHED, Waited, 1));
            if !caller_waits {
                // Past every draw after a foreground fetch: the next fetch is a background one.
                scenario.script.advance(lifetime - (lifetime / 10).min(300) - 1);
                assert_eq!(
                    scenario.call(Response::ValidFor(lifetime)).await,
                    (CACHED, Immediate, 1)
                );
            }
            all.push(scenario.seconds_before_expiration());
        }
        (*all.iter().max().unwrap(), *all.iter().min().unwrap())
    }

    fn seconds_before_expiration(&self) -> u64 {
        let status = self.cached.status();
        let (expires_at, next) = (status.expires_at.unwrap(), status.next_attempt.unwrap());
        expires_at.duration_since(next).unwrap().as_secs()
    }
}

/// Checks that the draws lie between `from` and `to`, and come close to both.
fn assert_drawn((earliest, latest): (u64, u64), from: u64, to: u64) {
    let twentieth = (from - to) / 20 + 1;
    assert!((from - twentieth..=from).contains(&earliest), "{earliest} of {from}");
    assert!((to..=to + twentieth).contains(&latest), "{latest} of {to}");
}

#[tokio::test]
async fn valid_session_is_returned_without_fetch() {
    let scenario = Scenario::valid().await;
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0));
}

#[tokio::test]
async fn advisory_refresh_serves_the_next_call() {
    let scenario = Scenario::advisory().await;
    // Difference 1: the cached session, and the new one for the next call.
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 1));
    assert_eq!(scenario.call(Response::Session).await, (NEW, Immediate, 0));
}

#[tokio::test]
async fn advisory_refresh_failure_backs_off() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Response::Unavailable).await, (CACHED, Immediate, 1));
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0), "back-off");
    let status = scenario.cached.status();
    assert_eq!((status.state, status.consecutive_failures), (State::Stale, 1));
    // Difference 4.
    scenario.script.advance(1);
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 1));
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Immediate, 0));
    assert_eq!(scenario.cached.status().consecutive_failures, 0);
}

#[tokio::test]
async fn mandatory_refresh_serves_the_caller() {
    let scenario = Scenario::mandatory().await;
    assert_eq!(scenario.call(Response::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn mandatory_refresh_failure_returns_cached() {
    let scenario = Scenario::mandatory().await;
    assert_eq!(scenario.call(Response::Unavailable).await, (CACHED, Waited, 1));
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0), "back-off");
}

#[tokio::test]
async fn mandatory_callers_share_one_refresh() {
    let Scenario { script, cached } = Scenario::mandatory().await;
    script.block();
    let mut callers = [(); 50].map(|()| Box::pin(request(&cached)));
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()));
    script.unblock();
    for caller in callers {
        assert_eq!(number(&with_timeout(caller).await.unwrap()), 2);
    }
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn expired_session_is_replaced_for_the_caller() {
    let scenario = Scenario::expired().await;
    assert_eq!(scenario.call(Response::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn expired_session_refresh_failure_is_an_error() {
    let scenario = Scenario::expired().await;
    // Difference 3.
    assert_eq!(scenario.call(Response::Unavailable).await, (FAILED, Waited, 1));
    assert_eq!(
        scenario.call(Response::Session).await,
        (FAILED, Immediate, 0),
        "the error is remembered"
    );
    scenario.script.advance(2);
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Waited, 1));
}

#[tokio::test]
async fn first_fetch_failure_is_remembered_briefly() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Response::Unavailable).await, (FAILED, Waited, 1));
    // Difference 5.
    assert_eq!(scenario.call(Response::Session).await, (FAILED, Immediate, 0));
    scenario.script.advance(2);
    assert_eq!(scenario.call(Response::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn first_fetch_denial_is_remembered_briefly() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Response::Denied).await, (DENIED, Waited, 1));
    // Difference 5.
    scenario.script.advance_millis(999);
    assert_eq!(scenario.call(Response::Session).await, (DENIED, Immediate, 0));
    scenario.script.advance_millis(251);
    assert_eq!(scenario.call(Response::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn advisory_refresh_with_expired_session_fails() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Response::Expired).await, (CACHED, Immediate, 1));
    let status = scenario.cached.status();
    assert_eq!((status.refused_responses, status.is_healthy()), (1, false));
    let error = status.last_error.unwrap();
    assert_eq!((status.consecutive_failures, error.kind()), (1, ErrorKind::InvalidResponse));
    assert!(error.message().ends_with("has already expired"), "{error}");
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0), "back-off");
}

#[tokio::test]
async fn mandatory_refresh_with_expired_session_fails() {
    let scenario = Scenario::mandatory().await;
    assert_eq!(scenario.call(Response::Expired).await, (CACHED, Waited, 1));
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0), "back-off");
}

#[tokio::test]
async fn first_fetch_with_expired_session_fails() {
    let scenario = Scenario::with_none();
    let expired = Err(ErrorKind::InvalidResponse);
    assert_eq!(scenario.call(Response::Expired).await, (expired, Waited, 1));
    assert_eq!(scenario.call(Response::Session).await, (expired, Immediate, 0));
}

#[tokio::test]
async fn advisory_refresh_that_expires_sooner_fails() {
    let scenario = Scenario::advisory().await;
    // Difference 8: the cached session has 400 s left, and two readings of one expiration differ
    // by up to 10 s.
    assert_eq!(scenario.call(Response::ValidFor(389)).await, (CACHED, Immediate, 1));
    let error = scenario.cached.status().last_error.unwrap();
    assert!(error.message().ends_with("expires sooner than the cached session"), "{error}");
    scenario.script.advance(1);
    assert_eq!(scenario.call(Response::ValidFor(389)).await, (CACHED, Immediate, 1));
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Immediate, 0));
}

#[tokio::test]
async fn unchanged_session_is_no_failure() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Response::Repeat(1)).await, (CACHED, Immediate, 1));
    let status = scenario.cached.status();
    assert_eq!((status.state, status.consecutive_failures), (State::Due, 0), "no failure");
    // A quarter of the remaining 400 s.
    scenario.script.advance(99);
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0));
    scenario.script.advance(1);
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 1));
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Immediate, 0));
}

#[tokio::test]
async fn window_of_10_minute_sessions() {
    // Difference 7: a third of 600 instead of 300, and the first half of it.
    assert_drawn(Scenario::window(600, false).await, 200, 100);
}

#[tokio::test]
async fn window_of_15_minute_sessions() {
    assert_drawn(Scenario::window(900, false).await, 300, 150);
}

#[tokio::test]
async fn window_of_20_minute_sessions() {
    // Difference 7: a third of 1,230 instead of 900.
    assert_drawn(Scenario::window(1230, false).await, 410, 205);
}

#[tokio::test]
async fn window_of_one_hour_sessions() {
    assert_drawn(Scenario::window(3600, false).await, 900, 450);
}

#[tokio::test]
async fn window_of_6_hour_sessions() {
    assert_drawn(Scenario::window(21_600, false).await, 3600, 1800);
}

#[tokio::test]
async fn window_after_foreground_fetch_starts_at_a_third() {
    assert_drawn(Scenario::window(3600, true).await, 2400, 450);
}

#[tokio::test]
async fn window_follows_each_session() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Response::ValidFor(21_600)).await, (CACHED, Waited, 1));
    scenario.script.advance(21_600 - 500);
    assert_eq!(scenario.call(Response::ValidFor(600)).await, (CACHED, Immediate, 1));
    let before = scenario.seconds_before_expiration();
    assert!((100..=200).contains(&before), "{before}");
}

#[tokio::test]
async fn refresh_failure_does_not_move_the_window() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Response::Unavailable).await, (CACHED, Immediate, 1));
    scenario.script.advance(IN_MANDATORY_WINDOW - IN_ADVISORY_WINDOW);
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Waited, 1), "the mandatory window");
}

#[tokio::test]
async fn keys_without_expiration_are_reloaded_every_15_minutes() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Response::WithoutExpiration).await, (CACHED, Waited, 1));
    for number in 1..5 {
        assert_eq!(scenario.cached.status().expires_at, None);
        scenario.script.advance(899);
        assert_eq!(scenario.call(Response::WithoutExpiration).await, (Ok(number), Immediate, 0));
        // Plus up to a tenth of the interval.
        scenario.script.advance(91);
        assert_eq!(scenario.call(Response::WithoutExpiration).await, (Ok(number), Immediate, 1));
    }
}

#[tokio::test]
async fn failed_reload_keeps_keys_without_expiration() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Response::WithoutExpiration).await, (CACHED, Waited, 1));
    scenario.script.push_responses([Response::Denied; 10_000]);
    for _ in 0..24 {
        scenario.script.advance(HOUR);
        assert_eq!(scenario.call(Response::Denied).await.0, CACHED);
    }
    let status = scenario.cached.status();
    assert_eq!((status.state, status.is_ready()), (State::Stale, true));
    scenario.script.advance(300);
    assert_eq!(scenario.call(Response::WithoutExpiration).await.0, CACHED);
    assert_ne!(scenario.call(Response::WithoutExpiration).await.0, CACHED, "rotated keys");
}

#[tokio::test]
async fn static_keys_are_fetched_once() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Response::StaticKeys).await, (CACHED, Waited, 1));
    for _ in 0..5 {
        scenario.script.advance(365 * 24 * HOUR);
        settle().await;
        assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0));
    }
    let status = scenario.cached.status();
    assert_eq!((status.expires_at, status.next_attempt), (None, None));
}

#[tokio::test]
async fn invalidated_keys_without_expiration_are_replaced() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Response::WithoutExpiration).await, (CACHED, Waited, 1));
    scenario.invalidate(1);
    assert_eq!(scenario.call(Response::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn advisory_refresh_denial_backs_off_30_seconds() {
    let scenario = Scenario::advisory().await;
    // Difference 6: the session is good.
    assert_eq!(scenario.call(Response::Denied).await, (CACHED, Immediate, 1));
    let status = scenario.cached.status();
    assert_eq!(status.last_error.map(|error| error.kind()), Some(ErrorKind::Denied));
    // Difference 4: 15 to 30 s.
    scenario.script.advance(14);
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0));
    scenario.script.advance(16);
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 1));
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Immediate, 0));
}

#[tokio::test]
async fn mandatory_refresh_denial_backs_off_briefly() {
    let scenario = Scenario::mandatory().await;
    // Differences 4 and 6.
    assert_eq!(scenario.call(Response::Denied).await, (CACHED, Waited, 1));
    scenario.script.advance_millis(999);
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0));
    scenario.script.advance_millis(251);
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Waited, 1));
}

#[tokio::test]
async fn invalidated_session_is_replaced_for_the_caller() {
    let scenario = Scenario::valid().await;
    scenario.invalidate(1);
    assert_eq!(scenario.cached.status().state, State::Invalidated);
    assert_eq!(scenario.call(Response::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn invalidated_session_fetch_failure_returns_cached() {
    let scenario = Scenario::valid().await;
    scenario.invalidate(1);
    assert_eq!(scenario.call(Response::Unavailable).await, (CACHED, Waited, 1));
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0));
}

#[tokio::test]
async fn invalidated_session_returned_again_is_refused() {
    let scenario = Scenario::valid().await;
    scenario.invalidate(1);
    assert_eq!(scenario.call(Response::Repeat(1)).await, (CACHED, Waited, 1));
    let error = scenario.cached.status().last_error.unwrap();
    assert!(error.message().ends_with("is the one that a service rejected"), "{error}");
    // The provider returned a session, so that the next fetch keeps the distance.
    scenario.script.advance_millis(9_999);
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0));
    scenario.script.advance_millis(1);
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Waited, 1));
}

#[tokio::test]
async fn invalidation_during_background_backoff_fetches() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Response::Denied).await, (CACHED, Immediate, 1));
    scenario.script.advance(10);
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 0), "back-off");
    scenario.invalidate(1);
    // The failed fetch was a background one: it closed no gate of callers.
    assert_eq!(scenario.call(Response::Session).await, (Ok(3), Waited, 1));
}

#[tokio::test]
async fn invalidation_of_replaced_session_changes_nothing() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Response::Session).await, (CACHED, Immediate, 1));
    scenario.invalidate(1);
    assert_eq!(scenario.call(Response::Session).await, (NEW, Immediate, 0));
}

#[tokio::test]
async fn repeated_invalidations_fetch_less_and_less_often() {
    let scenario = Scenario::valid().await;
    let mut cached = 1;
    // Difference 9: a service rejects every session, at every call, for ten minutes.
    for _ in 0..600 {
        scenario.invalidate(cached);
        let (result, ..) = scenario.call(Response::Session).await;
        cached = result.unwrap();
        scenario.script.advance(1);
    }
    // At 0, 10, 30, 70, 150 and 310 s.
    assert_eq!(scenario.script.fetches() - 1, 6);
}

#[tokio::test]
async fn outage_attempts_back_off_and_end_in_time() {
    // No caller notices an outage that ends before the session expires.
    for outage in [10, 60, 300, 390] {
        let scenario = Scenario::advisory().await;
        for _ in 0..outage {
            let (result, wait, fetches) = scenario.call(Response::Unavailable).await;
            assert_eq!(result, CACHED);
            assert!(wait == Immediate || fetches == 1, "a caller waits for a fetch only");
            scenario.script.advance(1);
        }
        let attempts = scenario.script.fetches() - 1;
        assert!(attempts <= 30, "{attempts} attempts in {outage} s");
        let remaining = 400 - outage;
        // The next one starts within a quarter of what remained.
        scenario.script.advance(remaining / 4 + 1);
        let _ = scenario.call(Response::Session).await;
        let (result, ..) = scenario.call(Response::Session).await;
        assert_eq!(result, Ok(attempts + 2), "{outage}");
    }
}

#[tokio::test]
async fn outage_beyond_expiration_is_an_error() {
    let scenario = Scenario::advisory().await;
    let mut attempts = 0;
    for second in IN_ADVISORY_WINDOW..HOUR + 600 {
        let (result, _, fetches) = scenario.call(Response::Unavailable).await;
        assert_eq!(result, if second < HOUR { CACHED } else { FAILED }, "{second}");
        attempts += if second < HOUR { 0 } else { fetches };
        scenario.script.advance(1);
    }
    // Every 10 to 12.5 s.
    assert!((48..=64).contains(&attempts), "{attempts} attempts in 600 s");
    scenario.script.advance(13);
    assert!(matches!(scenario.call(Response::Session).await, (Ok(_), Waited, 1)));
}

/// The role was deleted: no caller is served, and the attempts continue with pauses of 300 s.
#[tokio::test]
async fn refresh_always_backs_off_to_300_seconds() {
    let script = ScriptedProvider::new();
    let cached = script.cached_with(Refresh::Always);
    get_number(&cached).await;
    script.push_responses([Response::Denied; 10_000]);
    script.advance(HOUR);
    settle().await;
    let before = script.fetches();
    for _ in 0..6 * HOUR / 10 {
        script.advance(10);
        settle().await;
    }
    let fetches = script.fetches() - before;
    // 300 to 375 s each, after the first ones.
    assert!((57..=81).contains(&fetches), "{fetches} fetches in 6 h");
}
