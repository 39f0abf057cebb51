//! Requests other than for a valid session.

use std::time::SystemTime;

use super::*;
use crate::State;

const HALF: Duration = Duration::from_secs(HOUR / 2);

#[tokio::test]
async fn session_valid_for_returns_cached_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    let session =
        poll(&mut pin!(cached.session_valid_for(HALF))).expect("the caller waits").unwrap();
    assert_eq!((number(&session), script.fetches()), (1, 1));
    // It counts as used: the timer refreshes the next one, too.
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2);
    let next = poll(&mut pin!(cached.session_valid_for(HALF))).expect("the caller waits").unwrap();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!((number(&next), script.fetches()), (2, 3));
}

#[tokio::test]
async fn session_valid_for_refreshes_short_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached_with(Refresh::Never);
    get_number(&cached).await;
    script.advance(HOUR / 2 + 1);
    let session = with_timeout(cached.session_valid_for(HALF)).await.unwrap();
    assert_eq!((number(&session), script.fetches()), (2, 2));
}

#[tokio::test]
async fn session_valid_for_spaces_fetches_of_short_sessions() {
    let script = ScriptedProvider::new();
    let cached = script.cached_with(Refresh::Never);
    let twice = Duration::from_secs(2 * HOUR);
    for _ in 0..120 {
        let error = with_timeout(cached.session_valid_for(twice)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        script.advance(1);
    }
    // One in 30 seconds.
    assert_eq!(script.fetches(), 4);
    let error = with_timeout(cached.session_valid_for(twice)).await.unwrap_err();
    let text = "no session of custom provider is valid for 7200 s: the newest has 3600 s of 3600 s \
                remaining";
    assert_eq!(error.message(), text);
    assert_eq!(immediate_number(&cached), 5, "a shorter session is cached");
}

#[tokio::test]
async fn session_valid_for_fails_while_session_succeeds() {
    let script = ScriptedProvider::with_responses([Response::Session, Response::Unavailable]);
    let cached = script.cached_with(Refresh::Never);
    get_number(&cached).await;
    script.advance(HOUR / 2 + 1);
    for _ in ["the provider is called", "the error is remembered"] {
        let error = with_timeout(cached.session_valid_for(HALF)).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "unavailable 2"));
        assert_eq!((immediate_number(&cached), script.fetches()), (1, 2));
    }
}

#[tokio::test]
async fn ready_waits_for_session_or_returns_error() {
    let script = ScriptedProvider::with_responses([Response::Unavailable]);
    let cached = script.cached();
    assert!(poll(&mut pin!(cached.ready())).is_none());
    assert_eq!(with_timeout(cached.ready()).await.unwrap_err().message(), "unavailable 1");
    script.advance(2);
    with_timeout(cached.ready()).await.unwrap();
    assert!(matches!(poll(&mut pin!(cached.ready())), Some(Ok(()))));
    assert_eq!((immediate_number(&cached), script.fetches()), (2, 2));
}

#[tokio::test]
async fn concurrent_refreshes_share_one_fetch() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(10);
    script.block();
    let mut callers = [(); 50].map(|()| Box::pin(cached.refresh()));
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()));
    assert_eq!(immediate_number(&cached), 1, "other callers do not wait");
    script.unblock();
    for caller in callers {
        assert_eq!(number(&with_timeout(caller).await.unwrap()), 2);
    }
    // A later call requests a session that is newer than this one.
    assert_eq!(number(&with_timeout(cached.refresh()).await.unwrap()), 3);
    assert_eq!(script.fetches(), 3);
}

#[tokio::test]
async fn refresh_failure_leaves_cached_session() {
    let script = ScriptedProvider::with_responses([Response::Session, Response::Denied]);
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(10);
    let error = with_timeout(cached.refresh()).await.unwrap_err();
    assert_eq!((error.message(), immediate_number(&cached)), ("denied 2", 1));
    // The back-off does not apply to it.
    assert_eq!(number(&with_timeout(cached.refresh()).await.unwrap()), 3);
}

#[tokio::test]
async fn cancelled_refresh_completes_for_others() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(10);
    assert!(poll(&mut pin!(cached.refresh())).is_none(), "polled once and dropped");
    settle().await;
    assert_eq!((immediate_number(&cached), script.fetches()), (2, 2));
}

#[tokio::test]
async fn refresh_during_running_fetch_returns_later_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    script.block();
    let mut first = pin!(request(&cached));
    assert!(poll(&mut first).is_none());
    settle().await;
    let mut refresh = pin!(cached.refresh());
    assert!(poll(&mut refresh).is_none());
    script.unblock();
    assert_eq!(number(&with_timeout(first).await.unwrap()), 1);
    assert_eq!(number(&with_timeout(refresh).await.unwrap()), 2);
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn refresh_does_not_return_error_of_earlier_fetch() {
    let script = ScriptedProvider::with_responses([Response::Denied]);
    let cached = script.cached();
    script.block();
    let mut first = pin!(request(&cached));
    assert!(poll(&mut first).is_none());
    settle().await;
    let mut refresh = pin!(cached.refresh());
    assert!(poll(&mut refresh).is_none());
    script.unblock();
    assert_eq!(with_timeout(first).await.unwrap_err().message(), "denied 1");
    assert_eq!(number(&with_timeout(refresh).await.unwrap()), 2);
}

#[tokio::test]
async fn refresh_adopts_a_session_that_expires_sooner() {
    let script = ScriptedProvider::with_responses([Response::Session, Response::ValidFor(900)]);
    let cached = script.cached();
    get_number(&cached).await;
    assert_eq!(number(&with_timeout(cached.refresh()).await.unwrap()), 2);
    assert_eq!(immediate_number(&cached), 2);
}

#[tokio::test]
async fn subscriber_receives_each_new_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    let mut sessions = cached.subscribe();
    assert!(sessions.borrow_and_update().is_none());
    settle().await;
    assert_eq!(script.fetches(), 0, "subscribing starts no fetch");
    for expected in 1..=3 {
        get_number(&cached).await;
        with_timeout(sessions.changed()).await.unwrap();
        let session = sessions.borrow_and_update().clone();
        assert_eq!(session.map(|session| number(&session)), Some(expected));
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
    }
    let mut latest = cached.subscribe();
    let is_latest = |shown: &Option<Session>| shown.as_ref().map(number) == Some(4);
    with_timeout(latest.wait_for(is_latest)).await.unwrap();
}

#[test]
fn subscriber_is_not_told_of_failures_or_the_same_keys() {
    // With one thread, a notification is complete once later work is.
    let runtime =
        Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let notified = || async { tokio::task::spawn_blocking(|| ()).await.unwrap() };
    runtime.block_on(async {
        let script = ScriptedProvider::new();
        let cached = script.cached();
        get_number(&cached).await;
        let mut sessions = cached.subscribe();
        script.push_responses([Response::Repeat(1), Response::Unavailable]);
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        script.advance(120);
        settle().await;
        notified().await;
        assert_eq!(script.fetches(), 3);
        assert!(!sessions.has_changed().unwrap());
        script.advance(2);
        settle().await;
        notified().await;
        assert!(sessions.has_changed().unwrap());
        assert_eq!(sessions.borrow_and_update().as_ref().map(number), Some(4));
    });
}

#[tokio::test]
async fn subscription_closes_with_removal_or_last_clone() {
    let script = ScriptedProvider::new();
    let (removed, dropped) = (script.cached(), script.cached());
    let mut subscriptions = [removed.subscribe(), dropped.subscribe()];
    removed.0.remove();
    drop(dropped);
    for sessions in &mut subscriptions {
        assert!(with_timeout(sessions.changed()).await.is_err());
    }
}

#[tokio::test]
async fn subscribing_is_no_use_of_the_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    let _sessions = cached.subscribe();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2, "the second session is unused");
}

#[tokio::test]
async fn status_times_follow_the_wall_clock() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    assert_eq!(cached.status().state, State::Empty);
    get_number(&cached).await;
    let wall = || script.clock().wall();
    let (expires_at, next) = (wall() + 2 * HALF, cached.status().next_attempt.unwrap());
    assert_eq!(cached.status().expires_at, Some(expires_at));
    let third = Duration::from_secs(HOUR / 3);
    assert!(wall() + third <= next && next < expires_at);
    // The wall clock is set forward by a minute: the remaining lifetime is the same.
    let minute = Duration::from_secs(60);
    script.manual_clock().set_wall(wall() + minute);
    let stepped = |time: SystemTime| Some(time + minute);
    let status = cached.status();
    assert_eq!((status.expires_at, status.next_attempt), (stepped(expires_at), stepped(next)));
    script.advance(HOUR + 5);
    let status = cached.status();
    assert_eq!((status.state, status.expires_at), (State::Expired, stepped(expires_at)), "5 s ago");
    assert!(status.is_healthy(), "no caller since");
    assert_eq!(script.fetches(), 1, "reading a status fetches nothing");
}

#[tokio::test]
async fn session_valid_for_skips_wait_if_just_enough() {
    let script = ScriptedProvider::with_responses([Response::Session, Response::Unavailable]);
    let cached = script.cached();
    get_number(&cached).await;
    // In the mandatory window: after a wait of 2 seconds it would be too short.
    script.advance(HOUR - 41);
    let session = with_timeout(cached.session_valid_for(Duration::from_secs(40))).await.unwrap();
    settle().await;
    assert_eq!((number(&session), script.fetches()), (1, 2));
}

#[tokio::test]
async fn session_valid_for_rejects_short_fallback_after_wait() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(HOUR - 58);
    script.block();
    let mut caller = pin!(cached.session_valid_for(Duration::from_secs(50)));
    assert!(poll(&mut caller).is_none());
    // The machine was suspended.
    script.advance(10);
    assert!(poll(&mut caller).is_none());
    script.unblock();
    assert_eq!(number(&with_timeout(caller).await.unwrap()), 2);
}

/// The sessions of some providers all expire at the same time, such as that of a web identity
/// token. Each reading of that time is a little different.
#[tokio::test]
async fn refresh_accepts_new_keys_with_equal_expiration() {
    let script =
        ScriptedProvider::with_responses([Response::ValidFor(HOUR), Response::ValidFor(HOUR - 10)]);
    let cached = script.cached();
    get_number(&cached).await;
    // STS states whole seconds: the second lifetime is measured half a second shorter.
    script.advance_millis(9_500);
    assert_eq!(number(&with_timeout(cached.refresh()).await.unwrap()), 2);
    assert_eq!(cached.status().last_error.map(|error| error.to_string()), None);
}

#[tokio::test]
async fn refresh_accepts_equal_expiration_after_clock_step() {
    let script = ScriptedProvider::new();
    let wall = || script.clock().wall();
    let expires_at = wall() + 2 * HALF;
    script.push_responses([Response::ExpiringAt(expires_at); 4]);
    let cached = script.cached();
    get_number(&cached).await;
    // The wall clock is adjusted, or set: the provider states the same time.
    for (fetch, step) in [(2, 0), (3, 1), (4, 600_000)] {
        script.advance(2);
        script.manual_clock().set_wall(wall() + Duration::from_millis(step));
        assert_eq!(number(&with_timeout(cached.refresh()).await.unwrap()), fetch, "{step} ms");
        let status = cached.status();
        assert_eq!((status.state, status.consecutive_failures), (State::Fresh, 0), "{step} ms");
    }
}

/// A subscriber that reads its receiver keeps the channel locked. Neither callers nor the entry
/// wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn subscriber_that_reads_delays_no_caller() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    let mut sessions = cached.subscribe();
    let (sender, receiver) = std::sync::mpsc::channel();
    {
        let _guard = sessions.borrow();
        let cached = cached.clone();
        tokio::spawn(async move {
            let session = cached.refresh().await.unwrap();
            sender.send((number(&session), cached.status().state)).unwrap();
        });
        // This thread still reads.
        let received = receiver.recv_timeout(Duration::from_secs(10));
        assert_eq!(received, Ok((2, State::Fresh)));
    }
    with_timeout(sessions.changed()).await.unwrap();
    assert_eq!(sessions.borrow().as_ref().map(number), Some(2));
}
