//! The refresh scenarios that the AWS SDKs share, each as a test of what we do.
//!
//! They are public beside the "static stability" cache of the SDK for Rust (smithy-rs,
//! `credential-refresh-tests.json`) and in its counterparts in botocore, Java, Kotlin, Go, Ruby and
//! JavaScript. *Advisory* there is our refresh window, *mandatory* our hard window. Where we
//! differ, we do so on purpose:
//!
//! 1. **Advisory window**: the SDK's caller waits for the refresh that it happens to begin. Ours
//!    never does; the next session is for the next call. A caller is not to wait while there is a
//!    good session.
//! 2. **Mandatory window**: the wait is at most 2 s. The session is good for 6 to 60 s more.
//! 3. **Expired, and the refresh fails**: the SDK hands out the expired session. Ours is an error:
//!    a session past its end is refused by every service, with an error that sends people looking
//!    in the wrong place.
//! 4. **Backoff**: 300 to 600 s there, which can be all that a session of 15 min has left. Ours
//!    begins at 1 s (30 s for what does not pass by itself), and is never more than a quarter of
//!    what is left; without a session, 10 s.
//! 5. **No session, and the first fetch fails**: the next caller fetches again there, so that 20
//!    callers are 20 calls. Ours get the remembered error for 1 to 10 s.
//! 6. **An error that does not pass by itself** (non-recoverable) reaches the caller there though
//!    its session is good. Ours gets the session; `status()` and the log have the error.
//! 7. **Window by lifetime**: the same tiers, but never more than a third of the lifetime, and
//!    drawn within the first half of the window: a fleet that started together does not refresh
//!    together. Nobody configures it.
//! 8. **A session that ends sooner than the held one** is taken there. Ours is a failed refresh,
//!    unless it is within 10 s, as two readings of one expiration are.
//! 9. **Rejected sessions**: one fetch in 10 s on their account, and ever fewer; there, one for
//!    each rejection.

use super::*;
use crate::State;

/// A slot in one of the states that the scenarios begin with.
struct Scenario {
    script: Script,
    cached: CachedProvider<Script>,
}

/// What a call got: the number of the fetch that brought the session, or the error's kind. Whether
/// it waited. How often the source was asked, from the call until all came to rest.
type Got = (Result<usize, ErrorKind>, Wait, usize);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    AtOnce,
    Waited,
}

use Wait::{AtOnce, Waited};

const HELD: Result<usize, ErrorKind> = Ok(1);
const NEW: Result<usize, ErrorKind> = Ok(2);
const FAILED: Result<usize, ErrorKind> = Err(ErrorKind::Unavailable);
const DENIED: Result<usize, ErrorKind> = Err(ErrorKind::Denied);

impl Scenario {
    fn with_none() -> Self {
        let script = Script::new();
        let cached = script.provider();
        Self { script, cached }
    }

    /// The first session was fetched, so long ago.
    async fn after(seconds: u64) -> Self {
        let scenario = Self::with_none();
        assert_eq!(scenario.call(Answer::Session).await, (HELD, Waited, 1));
        scenario.script.advance(seconds);
        scenario
    }

    async fn valid() -> Self {
        Self::after(10).await
    }

    async fn advisory() -> Self {
        Self::after(INTO_THE_WINDOW).await
    }

    async fn mandatory() -> Self {
        Self::after(INTO_THE_HARD_WINDOW).await
    }

    async fn expired() -> Self {
        Self::after(HOUR).await
    }

    /// A call, while the source would give this answer. It comes before the timer: what happens is
    /// on its account.
    async fn call(&self, answer: Answer) -> Got {
        let before = self.script.fetches();
        self.script.0.answers.lock().unwrap().clear();
        self.script.then([answer; 10]);
        let mut caller = pin!(ask(&self.cached));
        let (result, wait) = match poll(&mut caller) {
            Some(result) => (result, AtOnce),
            None => (patiently(caller).await, Waited),
        };
        settle().await;
        let result = result.map(|session| number(&session)).map_err(|error| error.kind());
        (result, wait, self.script.fetches() - before)
    }

    fn invalidate(&self, number: usize) {
        self.cached.invalidate_credentials(self.script.given(number).credentials());
    }

    /// How long before its end a session may be refreshed, in seconds, as the draws have it: the
    /// earliest and latest.
    async fn window(lifetime: u64, waited_for: bool) -> (u64, u64) {
        let mut all = Vec::new();
        for seed in 0..300 {
            fastrand::seed(seed);
            let scenario = Self::with_none();
            assert_eq!(scenario.call(Answer::Lasting(lifetime)).await, (HELD, Waited, 1));
            if !waited_for {
                // Past every draw after a first load, and the next comes in the background.
                scenario.script.advance(lifetime - (lifetime / 10).min(300) - 1);
                assert_eq!(scenario.call(Answer::Lasting(lifetime)).await, (HELD, AtOnce, 1));
            }
            all.push(scenario.seconds_before_the_end());
        }
        (*all.iter().max().unwrap(), *all.iter().min().unwrap())
    }

    fn seconds_before_the_end(&self) -> u64 {
        let status = self.cached.status();
        let (end, next) = (status.expires_at.unwrap(), status.next_attempt.unwrap());
        end.duration_since(next).unwrap().as_secs()
    }
}

/// Between the first and the last draw, and near both.
fn drawn((earliest, latest): (u64, u64), from: u64, to: u64) {
    let twentieth = (from - to) / 20 + 1;
    assert!((from - twentieth..=from).contains(&earliest), "{earliest} of {from}");
    assert!((to..=to + twentieth).contains(&latest), "{latest} of {to}");
}

#[tokio::test]
async fn valid_the_session_is_handed_out_and_the_source_is_not_asked() {
    let scenario = Scenario::valid().await;
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0));
}

#[tokio::test]
async fn advisory_and_the_refresh_succeeds() {
    let scenario = Scenario::advisory().await;
    // Difference 1: the session that is held, and the new one for the next call.
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 1));
    assert_eq!(scenario.call(Answer::Session).await, (NEW, AtOnce, 0));
}

#[tokio::test]
async fn advisory_and_the_refresh_fails() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Answer::Fail).await, (HELD, AtOnce, 1));
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0), "backoff");
    let status = scenario.cached.status();
    assert_eq!((status.state, status.consecutive_failures), (State::Stale, 1));
    // Difference 4.
    scenario.script.advance(1);
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 1));
    assert_eq!(scenario.call(Answer::Session).await, (Ok(3), AtOnce, 0));
    assert_eq!(scenario.cached.status().consecutive_failures, 0);
}

#[tokio::test]
async fn mandatory_and_the_refresh_succeeds() {
    let scenario = Scenario::mandatory().await;
    assert_eq!(scenario.call(Answer::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn mandatory_and_the_refresh_fails() {
    let scenario = Scenario::mandatory().await;
    assert_eq!(scenario.call(Answer::Fail).await, (HELD, Waited, 1));
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0), "backoff");
}

#[tokio::test]
async fn mandatory_and_one_refresh_is_for_all_who_wait() {
    let Scenario { script, cached } = Scenario::mandatory().await;
    script.block();
    let mut callers = [(); 50].map(|()| Box::pin(ask(&cached)));
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()));
    script.unblock();
    for caller in callers {
        assert_eq!(number(&patiently(caller).await.unwrap()), 2);
    }
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn expired_and_the_refresh_succeeds() {
    let scenario = Scenario::expired().await;
    assert_eq!(scenario.call(Answer::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn expired_and_the_refresh_fails() {
    let scenario = Scenario::expired().await;
    // Difference 3.
    assert_eq!(scenario.call(Answer::Fail).await, (FAILED, Waited, 1));
    assert_eq!(scenario.call(Answer::Session).await, (FAILED, AtOnce, 0), "it is remembered");
    scenario.script.advance(2);
    assert_eq!(scenario.call(Answer::Session).await, (Ok(3), Waited, 1));
}

#[tokio::test]
async fn none_and_the_first_fetch_fails() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Answer::Fail).await, (FAILED, Waited, 1));
    // Difference 5: for a moment.
    assert_eq!(scenario.call(Answer::Session).await, (FAILED, AtOnce, 0));
    scenario.script.advance(2);
    assert_eq!(scenario.call(Answer::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn none_and_the_first_fetch_fails_with_what_does_not_pass_by_itself() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Answer::Denied).await, (DENIED, Waited, 1));
    // Difference 5: 5 s at least.
    scenario.script.0.hands.advance(Duration::from_millis(4999));
    assert_eq!(scenario.call(Answer::Session).await, (DENIED, AtOnce, 0));
    scenario.script.advance(2);
    assert_eq!(scenario.call(Answer::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn advisory_and_the_source_gives_a_session_that_is_over() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Answer::Ended).await, (HELD, AtOnce, 1));
    let status = scenario.cached.status();
    let error = status.last_error.unwrap();
    assert_eq!((status.consecutive_failures, error.kind()), (1, ErrorKind::InvalidResponse));
    assert!(error.message().ends_with("has already expired"), "{error}");
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0), "backoff");
}

#[tokio::test]
async fn mandatory_and_the_source_gives_a_session_that_is_over() {
    let scenario = Scenario::mandatory().await;
    assert_eq!(scenario.call(Answer::Ended).await, (HELD, Waited, 1));
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0), "backoff");
}

#[tokio::test]
async fn none_and_the_source_gives_a_session_that_is_over() {
    let scenario = Scenario::with_none();
    let over = Err(ErrorKind::InvalidResponse);
    assert_eq!(scenario.call(Answer::Ended).await, (over, Waited, 1));
    assert_eq!(scenario.call(Answer::Session).await, (over, AtOnce, 0));
}

#[tokio::test]
async fn advisory_refresh_that_expires_sooner_fails() {
    let scenario = Scenario::advisory().await;
    // Difference 8: the cached session has 400 s left, and two readings of one expiration differ
    // by up to 10 s.
    assert_eq!(scenario.call(Answer::Lasting(389)).await, (HELD, AtOnce, 1));
    let error = scenario.cached.status().last_error.unwrap();
    assert!(error.message().ends_with("expires sooner than the cached session"), "{error}");
    scenario.script.advance(1);
    assert_eq!(scenario.call(Answer::Lasting(389)).await, (HELD, AtOnce, 1));
    assert_eq!(scenario.call(Answer::Session).await, (Ok(3), AtOnce, 0));
}

#[tokio::test]
async fn the_source_gives_the_session_that_is_held() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Answer::Repeat(1)).await, (HELD, AtOnce, 1));
    let status = scenario.cached.status();
    assert_eq!((status.state, status.consecutive_failures), (State::Due, 0), "it has not failed");
    // A quarter of the 400 s that are left.
    scenario.script.advance(99);
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0));
    scenario.script.advance(1);
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 1));
    assert_eq!(scenario.call(Answer::Session).await, (Ok(3), AtOnce, 0));
}

#[tokio::test]
async fn the_window_of_a_lifetime_of_10_minutes() {
    // Difference 7: not 300, but a third of 600. And from the first half of it.
    drawn(Scenario::window(600, false).await, 200, 100);
}

#[tokio::test]
async fn the_window_of_a_lifetime_of_15_minutes() {
    drawn(Scenario::window(900, false).await, 300, 150);
}

#[tokio::test]
async fn the_window_of_a_lifetime_of_20_minutes_and_a_half() {
    // Difference 7: not 900, but a third of 1230.
    drawn(Scenario::window(1230, false).await, 410, 205);
}

#[tokio::test]
async fn the_window_of_a_lifetime_of_an_hour() {
    drawn(Scenario::window(3600, false).await, 900, 450);
}

#[tokio::test]
async fn the_window_of_a_lifetime_of_6_hours() {
    drawn(Scenario::window(21_600, false).await, 3600, 1800);
}

#[tokio::test]
async fn the_window_after_a_first_load_begins_at_a_third_of_the_lifetime() {
    drawn(Scenario::window(3600, true).await, 2400, 450);
}

#[tokio::test]
async fn the_window_is_that_of_each_session_anew() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Answer::Lasting(21_600)).await, (HELD, Waited, 1));
    scenario.script.advance(21_600 - 500);
    assert_eq!(scenario.call(Answer::Lasting(600)).await, (HELD, AtOnce, 1));
    let before = scenario.seconds_before_the_end();
    assert!((100..=200).contains(&before), "{before}");
}

#[tokio::test]
async fn a_refresh_that_fails_does_not_move_the_window() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Answer::Fail).await, (HELD, AtOnce, 1));
    scenario.script.advance(INTO_THE_HARD_WINDOW - INTO_THE_WINDOW);
    assert_eq!(scenario.call(Answer::Session).await, (Ok(3), Waited, 1), "the hard window");
}

#[tokio::test]
async fn keys_without_an_end_are_asked_for_once() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Answer::Endless).await, (HELD, Waited, 1));
    for _ in 0..5 {
        scenario.script.advance(365 * 24 * HOUR);
        settle().await;
        assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0));
    }
    let status = scenario.cached.status();
    assert_eq!((status.expires_at, status.next_attempt), (None, None));
}

#[tokio::test]
async fn keys_without_an_end_that_a_service_rejects_are_asked_for_again() {
    let scenario = Scenario::with_none();
    assert_eq!(scenario.call(Answer::Endless).await, (HELD, Waited, 1));
    scenario.invalidate(1);
    assert_eq!(scenario.call(Answer::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn advisory_and_the_refresh_fails_with_what_does_not_pass_by_itself() {
    let scenario = Scenario::advisory().await;
    // Difference 6: the session is good.
    assert_eq!(scenario.call(Answer::Denied).await, (HELD, AtOnce, 1));
    let status = scenario.cached.status();
    assert_eq!(status.last_error.map(|error| error.kind()), Some(ErrorKind::Denied));
    // Difference 4: 15 to 30 s.
    scenario.script.advance(14);
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0));
    scenario.script.advance(16);
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 1));
    assert_eq!(scenario.call(Answer::Session).await, (Ok(3), AtOnce, 0));
}

#[tokio::test]
async fn mandatory_and_the_refresh_fails_with_what_does_not_pass_by_itself() {
    let scenario = Scenario::mandatory().await;
    // Differences 4 and 6: a quarter of the 50 s that are left, at most.
    assert_eq!(scenario.call(Answer::Denied).await, (HELD, Waited, 1));
    scenario.script.advance(6);
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0));
    scenario.script.advance(7);
    assert_eq!(scenario.call(Answer::Session).await, (Ok(3), Waited, 1));
}

#[tokio::test]
async fn rejected_and_the_fetch_succeeds() {
    let scenario = Scenario::valid().await;
    scenario.invalidate(1);
    assert_eq!(scenario.cached.status().state, State::Invalidated);
    assert_eq!(scenario.call(Answer::Session).await, (NEW, Waited, 1));
}

#[tokio::test]
async fn rejected_and_the_fetch_fails() {
    let scenario = Scenario::valid().await;
    scenario.invalidate(1);
    assert_eq!(scenario.call(Answer::Fail).await, (HELD, Waited, 1));
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0));
}

#[tokio::test]
async fn rejected_and_the_source_gives_the_same_again() {
    let scenario = Scenario::valid().await;
    scenario.invalidate(1);
    assert_eq!(scenario.call(Answer::Repeat(1)).await, (HELD, Waited, 1));
    let error = scenario.cached.status().last_error.unwrap();
    assert!(error.message().ends_with("is the one that a service rejected"), "{error}");
    scenario.script.advance(9);
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0));
}

#[tokio::test]
async fn rejected_amid_a_backoff_does_not_end_it() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Answer::Denied).await, (HELD, AtOnce, 1));
    scenario.script.advance(10);
    scenario.invalidate(1);
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 0));
    scenario.script.advance(20);
    assert_eq!(scenario.call(Answer::Session).await, (Ok(3), Waited, 1));
}

#[tokio::test]
async fn rejected_though_another_took_its_place_changes_nothing() {
    let scenario = Scenario::advisory().await;
    assert_eq!(scenario.call(Answer::Session).await, (HELD, AtOnce, 1));
    scenario.invalidate(1);
    assert_eq!(scenario.call(Answer::Session).await, (NEW, AtOnce, 0));
}

#[tokio::test]
async fn rejected_again_and_again_is_one_fetch_in_ten_seconds_and_ever_fewer() {
    let scenario = Scenario::valid().await;
    let mut held = 1;
    // Difference 9. A service that rejects whatever it gets, at every call, for ten minutes.
    for _ in 0..600 {
        scenario.invalidate(held);
        let (got, ..) = scenario.call(Answer::Session).await;
        held = got.unwrap();
        scenario.script.advance(1);
    }
    // At 0, 10, 30, 70, 150 and 310 s.
    assert_eq!(scenario.script.fetches() - 1, 6);
}

#[tokio::test]
async fn while_the_source_is_down_it_is_asked_ever_less_often_and_in_time() {
    // Static stability: nobody notices an outage that ends before the session does.
    for outage in [10, 60, 300, 390] {
        let scenario = Scenario::advisory().await;
        for _ in 0..outage {
            let (got, wait, asked) = scenario.call(Answer::Fail).await;
            assert_eq!(got, HELD);
            assert!(wait == AtOnce || asked == 1, "whoever waits does so for a fetch");
            scenario.script.advance(1);
        }
        let tries = scenario.script.fetches() - 1;
        assert!(tries <= 30, "{tries} tries in {outage} s");
        let left = 400 - outage;
        // The next comes within a quarter of what was left, so before the end.
        scenario.script.advance(left / 4 + 1);
        let _ = scenario.call(Answer::Session).await;
        let (got, ..) = scenario.call(Answer::Session).await;
        assert_eq!(got, Ok(tries + 2), "{outage}");
    }
}

#[tokio::test]
async fn an_outage_that_outlasts_the_session_is_an_error_from_its_end_on() {
    let scenario = Scenario::advisory().await;
    let mut asked = 0;
    for second in INTO_THE_WINDOW..HOUR + 600 {
        let (got, _, more) = scenario.call(Answer::Fail).await;
        assert_eq!(got, if second < HOUR { HELD } else { FAILED }, "{second}");
        asked += if second < HOUR { 0 } else { more };
        scenario.script.advance(1);
    }
    // Every 10 to 12.5 s: the pause before the end is a part of what was left then.
    assert!((48..=64).contains(&asked), "{asked} tries in 600 s");
    scenario.script.advance(13);
    assert!(matches!(scenario.call(Answer::Session).await, (Ok(_), Waited, 1)));
}
