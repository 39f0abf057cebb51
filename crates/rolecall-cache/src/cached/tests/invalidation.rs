//! Sessions that services reject: suspicion, acceptance, spacing and back-off.

use super::*;

use InvalidSession::{Expired, Unknown};
use InvalidSessionAnswer::{Replaced, RetryAfter, Unchanged};

type Cached = CachedProvider<ScriptedProvider>;

/// Returns a provider whose session was fetched this many seconds ago.
async fn cached_since(script: &ScriptedProvider, seconds: u64) -> Cached {
    let cached = script.cached();
    assert_eq!(get_number(&cached).await, 1);
    script.advance(seconds);
    cached
}

/// Calls once a second until the session of `number` arrives. Returns the seconds that it took.
async fn seconds_until(cached: &Cached, script: &ScriptedProvider, number: usize) -> u64 {
    for second in 0..2000 {
        if with_timeout(request(cached))
            .await
            .is_ok_and(|session| super::number(&session) == number)
        {
            return second;
        }
        settle().await;
        script.advance(1);
    }
    panic!("session {number} did not arrive")
}

/// A role is deleted, which services report as an unknown session, and recreated.
#[tokio::test]
async fn invalidated_session_recovers_soon_after_denials() {
    for (denials, within) in [(4, 20), (8, 72)] {
        let script = ScriptedProvider::new();
        let cached = cached_since(&script, 60).await;
        script.push_responses(vec![Response::Denied; denials]);
        assert_eq!(cached.report_invalid("AKIA1", Unknown), Replaced);
        let seconds = seconds_until(&cached, &script, denials + 2).await;
        assert!(seconds <= within, "{denials} denials: {seconds} s");
    }
}

#[tokio::test]
async fn hanging_provider_delays_invalidated_callers_briefly() {
    let script = ScriptedProvider::new();
    let cached = cached_since(&script, 60).await;
    script.push_responses([Response::Hang; 1000]);
    cached.report_invalid("AKIA1", Expired);
    let mut waited = 0;
    // One caller after the other for 300 s.
    let mut second = 0;
    while second < 300 {
        let mut caller = pin!(request(&cached));
        loop {
            settle().await;
            match poll(&mut caller) {
                Some(result) => break assert_eq!(number(&result.unwrap()), 1),
                None => (waited, second) = (waited + 1, second + 1),
            }
            script.advance(1);
        }
        script.advance(1);
        second += 1;
    }
    let fetches = script.fetches() - 1;
    assert!(waited <= 2 * fetches, "{waited} of 300 s, {fetches} fetches");
    assert!(waited <= 40, "{waited} of 300 s");
}

/// One call a second in the mandatory window: only those of the first 2 seconds of a fetch wait.
#[tokio::test]
async fn hanging_provider_delays_mandatory_callers_for_two_seconds() {
    let script = ScriptedProvider::new();
    let cached = cached_since(&script, IN_MANDATORY_WINDOW - 8).await;
    script.push_responses([Response::Hang; 100]);
    let mut waiting = Vec::new();
    let mut waits = Vec::new();
    for second in 0..15 {
        let mut caller = Box::pin(request(&cached));
        match poll(&mut caller) {
            Some(result) => assert_eq!(number(&result.unwrap()), 1),
            None => {
                waits.push(second);
                waiting.push(caller);
            }
        }
        settle().await;
        script.advance(1);
    }
    assert_eq!((waits, script.fetches()), (vec![0, 1], 2));
    for caller in waiting {
        assert_eq!(number(&with_timeout(caller).await.unwrap()), 1);
    }
}

#[tokio::test]
async fn unknown_recent_session_is_not_replaced() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    let half_second = RetryAfter(Duration::from_millis(500));
    for seconds in [0, 9] {
        script.advance(seconds);
        assert_eq!(cached.report_invalid("AKIA1", Unknown), half_second);
        assert_eq!((immediate_number(&cached), cached.suspicion()), (1, 0));
    }
    script.advance_millis(999);
    assert_eq!(cached.report_invalid("AKIA1", Unknown), half_second);
    script.advance_millis(1);
    assert_eq!(cached.report_invalid("AKIA1", Unknown), Replaced);
    assert_eq!((get_number(&cached).await, script.fetches()), (2, 2));
}

#[tokio::test]
async fn expired_recent_session_is_replaced_at_once() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    assert_eq!(cached.report_invalid("AKIA1", Expired), Replaced);
    assert_eq!(get_number(&cached).await, 2);
}

/// Keys whose request was not measured may be of any age.
#[tokio::test]
async fn unknown_unmeasured_session_is_replaced() {
    let script = ScriptedProvider::new();
    let expires_at = script.clock().wall() + Duration::from_secs(HOUR);
    script.push_responses([Response::ExpiringAt(expires_at)]);
    let cached = script.cached();
    get_number(&cached).await;
    assert_eq!(cached.report_invalid("AKIA1", Unknown), Replaced);
}

#[tokio::test]
async fn acceptance_signed_after_invalidation_clears_suspicion() {
    let script = ScriptedProvider::new();
    let cached = cached_since(&script, 60).await;
    let signed_before = cached.suspicion();
    assert_eq!(signed_before, 0);
    cached.report_invalid("AKIA1", Unknown);
    let signed_after = cached.suspicion();
    assert!(signed_after > signed_before);
    cached.report_accepted("AKIA1", signed_before);
    cached.report_accepted("AKIA2", signed_after);
    assert_eq!(cached.status().state, State::Invalidated, "nothing accepted it since");
    cached.report_accepted("AKIA1", signed_after);
    assert_eq!((cached.status().state, cached.suspicion()), (State::Fresh, 0));
    assert_eq!((immediate_number(&cached), script.fetches()), (1, 1));
}

#[tokio::test]
async fn acceptance_of_an_older_suspicion_does_not_clear_a_newer_one() {
    let script = ScriptedProvider::new();
    let cached = cached_since(&script, 60).await;
    cached.report_invalid("AKIA1", Unknown);
    let first = cached.suspicion();
    cached.report_invalid("AKIA1", Unknown);
    let second = cached.suspicion();
    assert!(second > first);
    cached.report_accepted("AKIA1", first);
    assert_eq!(cached.status().state, State::Invalidated);
    cached.report_accepted("AKIA1", second);
    assert_eq!(cached.status().state, State::Fresh);
}

#[tokio::test]
async fn acceptance_does_not_clear_an_expired_session() {
    let script = ScriptedProvider::new();
    let cached = cached_since(&script, 60).await;
    cached.report_invalid("AKIA1", Unknown);
    let suspicion = cached.suspicion();
    cached.report_invalid("AKIA1", Expired);
    assert_eq!(cached.suspicion(), 0);
    cached.report_accepted("AKIA1", suspicion);
    // An expired session stays expired, whatever another service says of it.
    cached.report_invalid("AKIA1", Unknown);
    cached.report_accepted("AKIA1", u64::MAX);
    assert_eq!(cached.status().state, State::Invalidated);
    assert_eq!(get_number(&cached).await, 2);
}

/// Two services use one session: the first accepts it, and the second rejects every session.
#[tokio::test]
async fn acceptance_does_not_reset_the_spacing() {
    let script = ScriptedProvider::new();
    let cached = cached_since(&script, 60).await;
    let mut fetched_at = Vec::new();
    let mut fetches = script.fetches();
    for second in 0..1200_u64 {
        let key = with_timeout(request(&cached)).await.unwrap().access_key_id().to_owned();
        cached.report_invalid(&key, Unknown);
        let key = with_timeout(request(&cached)).await.unwrap().access_key_id().to_owned();
        cached.report_accepted(&key, cached.suspicion());
        settle().await;
        if script.fetches() > fetches {
            fetches = script.fetches();
            fetched_at.push(second);
        }
        script.advance(1);
    }
    let distances: Vec<_> = fetched_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let spacing = [10, 20, 40, 80, 160, 300, 300];
    assert!(!distances.is_empty() && distances.len() <= spacing.len(), "{distances:?}");
    for (distance, at_least) in distances.iter().zip(spacing) {
        assert!(*distance >= at_least, "{distances:?}");
    }
}

/// A service accepts each session from 3 s after it first saw it, as AWS may. One call every half
/// second for 90 s.
#[tokio::test]
async fn service_that_accepts_late_costs_few_calls_and_sessions() {
    for (reason, answer_allowed) in [(Unknown, 5), (Expired, 90)] {
        let script = ScriptedProvider::new();
        let cached = script.cached();
        let mut first_seen = std::collections::HashMap::new();
        let mut failed = 0;
        for _ in 0..180 {
            let session = with_timeout(request(&cached)).await.unwrap();
            let suspicion = cached.suspicion();
            let now = script.clock().now();
            let seen = *first_seen.entry(session.access_key_id().to_owned()).or_insert(now);
            match now - seen < Duration::from_secs(3) {
                true => {
                    // The retry with the same session comes after a pause, so it is the next call.
                    cached.report_invalid(session.access_key_id(), reason);
                    failed += 1;
                }
                false => cached.report_accepted(session.access_key_id(), suspicion),
            }
            script.advance_millis(500);
        }
        assert!(failed <= answer_allowed + 1, "{reason:?}: {failed} failed calls");
        let sessions = first_seen.len();
        match reason {
            Unknown => assert!(sessions <= 2, "{sessions} sessions"),
            // Definite: replaced at once, within the spacing.
            _ => assert!((3..=5).contains(&sessions), "{sessions} sessions"),
        }
    }
}

#[tokio::test]
async fn failed_fetches_after_invalidation_are_not_charged() {
    let script = ScriptedProvider::new();
    let cached = cached_since(&script, 60).await;
    script.push_responses([Response::Unavailable; 3]);
    cached.report_invalid("AKIA1", Expired);
    // 1, 2 and 4 s, and the jitter, in whole seconds.
    assert!(seconds_until(&cached, &script, 5).await <= 10);
    // The one session that was fetched since counts: the next one comes 10 s later.
    cached.report_invalid("AKIA5", Expired);
    assert_eq!(cached.report_invalid("AKIA5", Expired), Unchanged);
    let seconds = seconds_until(&cached, &script, 6).await;
    assert!((9..=11).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn report_of_unknown_key_is_unchanged() {
    let script = ScriptedProvider::new();
    let cached = cached_since(&script, 60).await;
    assert_eq!(cached.report_invalid("AKIA77", Expired), Unchanged);
    assert_eq!(cached.status().state, State::Fresh);
}
