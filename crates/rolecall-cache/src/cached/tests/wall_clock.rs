//! Wall clocks that are wrong or set, and machines that were paused.

use std::time::SystemTime;

use super::*;

const TEN_HOURS: i64 = 10 * 3600;

/// Advances second by second until a condition holds. Returns the seconds that it took.
async fn seconds_until(script: &ScriptedProvider, mut condition: impl FnMut() -> bool) -> u64 {
    for second in 0..600 {
        settle().await;
        if condition() {
            return second;
        }
        script.advance(1);
    }
    panic!("the condition did not hold within 600 s")
}

#[tokio::test]
async fn wall_clock_set_backward_changes_nothing() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    settle().await;
    script.step_wall_clock(-10 * 365 * 24 * 3600);
    for _ in 0..10 {
        script.advance(60);
        settle().await;
        assert_eq!((immediate_number(&cached), script.fetches()), (1, 1));
    }
    script.advance(IN_ADVISORY_WINDOW - 600);
    settle().await;
    assert_eq!((immediate_number(&cached), script.fetches()), (2, 2), "refreshed in time");
}

#[tokio::test]
async fn wall_clock_set_forward_within_the_lifetime_changes_nothing() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    settle().await;
    script.step_wall_clock(1800);
    for _ in 0..10 {
        script.advance(60);
        settle().await;
        assert_eq!((immediate_number(&cached), script.fetches()), (1, 1));
    }
}

/// A virtual machine was paused: only the wall clock shows that the session has expired.
#[tokio::test]
async fn wall_clock_set_forward_refreshes_within_a_minute() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    settle().await;
    script.step_wall_clock(TEN_HOURS);
    let seconds = seconds_until(&script, || script.fetches() == 2).await;
    assert!(seconds <= 60, "{seconds}");
    assert_eq!(immediate_number(&cached), 2);
}

#[tokio::test]
async fn wall_clock_set_forward_refreshes_unused_session_of_refresh_always() {
    let script = ScriptedProvider::new();
    let cached = script.cached_with(Refresh::Always);
    get_number(&cached).await;
    for number in 2..5 {
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), number);
    }
    script.step_wall_clock(TEN_HOURS);
    assert!(seconds_until(&script, || script.fetches() == 5).await <= 60);
}

#[tokio::test]
async fn wall_clock_set_forward_delays_callers_for_two_seconds() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    settle().await;
    script.push_responses([Response::Hang; 100]);
    script.step_wall_clock(TEN_HOURS);
    let (mut longest, mut waits) = (0, 0);
    for _ in 0..120 {
        let mut caller = pin!(request(&cached));
        let mut waited = 0;
        while poll(&mut caller).is_none() {
            settle().await;
            script.advance(1);
            waited += 1;
            assert!(waited <= 2, "the caller waits for more than 2 s");
        }
        (longest, waits) = (longest.max(waited), waits + usize::from(waited > 0));
        settle().await;
        script.advance(1);
    }
    assert!(longest <= 2 && waits <= 2 * script.fetches(), "{longest} {waits}");
    assert!(script.fetches() > 1, "a fetch was started");
}

#[tokio::test]
async fn paused_machine_is_noticed_at_the_next_tick_without_hits() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    settle().await;
    // A step of less than 5 s is an adjustment.
    script.step_wall_clock(4);
    for _ in 0..3 {
        script.advance(60);
        settle().await;
    }
    assert_eq!(script.fetches(), 1);
    let expires_at = cached.status().expires_at.unwrap();
    script.manual_clock().set_wall(expires_at);
    assert!(seconds_until(&script, || script.fetches() == 2).await <= 60);
}

/// Keys of a metadata service are loaded while the wall clock is 10 hours behind, and the clock is
/// set right later.
#[tokio::test]
async fn wrong_wall_clock_at_load_does_not_keep_expired_keys() {
    let script = ScriptedProvider::new();
    let true_now = script.clock().wall();
    let hour = Duration::from_secs(HOUR);
    script.step_wall_clock(-TEN_HOURS);
    script.push_responses([Response::ExpiringAt(true_now + hour)]);
    let cached = script.cached();
    get_number(&cached).await;
    settle().await;
    script.advance(60);
    settle().await;
    assert_eq!(script.fetches(), 1, "the keys seem to be valid for 11 hours");
    script.step_wall_clock(TEN_HOURS);
    // An hour later the keys have expired, although the boot clock counts 10 hours more.
    script.advance(HOUR);
    let expires_at = |script: &ScriptedProvider| -> SystemTime { script.clock().wall() + hour };
    script.push_responses([Response::ExpiringAt(expires_at(&script)); 10]);
    assert!(seconds_until(&script, || script.fetches() == 2).await <= 60);
    assert_eq!(immediate_number(&cached), 2);
    let status = cached.status();
    assert_eq!((status.state, status.refused_responses), (State::Fresh, 0));
}

/// Of expirations that are known by the wall clock only, the newer reading wins.
#[tokio::test]
async fn unmeasured_expiration_may_be_sooner_than_the_cached_one() {
    let script = ScriptedProvider::new();
    let now = script.clock().wall();
    let at = |hours: u64| Response::ExpiringAt(now + Duration::from_secs(hours * HOUR));
    script.push_responses([at(11), at(10), at(9)]);
    let cached = script.cached();
    get_number(&cached).await;
    // In the advisory window of the first session, which is an hour long.
    script.advance(11 * HOUR - 5400);
    for number in [2, 3] {
        assert_eq!(
            with_timeout(cached.refresh()).await.map(|s| super::number(&s)).ok(),
            Some(number)
        );
        if number == 2 {
            break;
        }
    }
    let status = cached.status();
    assert_eq!((status.state, status.refused_responses), (State::Fresh, 0));
}

#[tokio::test]
async fn background_fetch_adopts_sooner_unmeasured_expiration() {
    let script = ScriptedProvider::new();
    let now = script.clock().wall();
    let at = |seconds: u64| Response::ExpiringAt(now + Duration::from_secs(seconds));
    script.push_responses([at(HOUR), at(HOUR - 200)]);
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2);
    assert_eq!((immediate_number(&cached), cached.status().consecutive_failures), (2, 0));
}

/// New keys that expire with the cached ones, as all keys of one shift or parent session do.
#[tokio::test]
async fn background_fetch_adopts_equal_expiration() {
    for measured in [true, false] {
        let script = ScriptedProvider::new();
        let expires_at = script.clock().wall() + Duration::from_secs(HOUR);
        match measured {
            true => script.push_responses([
                Response::Session,
                Response::ValidFor(HOUR - IN_ADVISORY_WINDOW - 5),
            ]),
            false => script.push_responses([Response::ExpiringAt(expires_at); 2]),
        }
        let cached = script.cached();
        get_number(&cached).await;
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), 2);
        let status = cached.status();
        assert_eq!((immediate_number(&cached), status.refused_responses), (2, 0), "{measured}");
    }
}

#[tokio::test]
async fn refused_responses_are_counted_until_a_session_is_adopted() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.push_responses([Response::ValidFor(10); 3]);
    script.advance(IN_ADVISORY_WINDOW);
    for refused in 1..=3 {
        let seconds = seconds_until(&script, || cached.status().refused_responses == refused).await;
        assert!(seconds <= 100);
        let status = cached.status();
        assert_eq!((immediate_number(&cached), status.is_healthy()), (1, false));
        assert!(status.is_ready());
    }
    seconds_until(&script, || cached.status().refused_responses == 0).await;
    assert_eq!(immediate_number(&cached), 5);
    assert!(cached.status().is_healthy());
}
