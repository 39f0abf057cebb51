//! What a caller may ask for beside "a session".

use std::time::SystemTime;

use super::*;
use crate::State;

const HALF: Duration = Duration::from_secs(HOUR / 2);

#[tokio::test]
async fn a_session_that_is_held_and_good_for_long_enough_is_given_at_once() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    let session = poll(&mut pin!(cached.session_valid_for(HALF))).expect("no wait").unwrap();
    assert_eq!((number(&session), script.fetches()), (1, 1));
    // It was handed out: the timer refreshes the next one, too.
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2);
    let next = poll(&mut pin!(cached.session_valid_for(HALF))).expect("no wait").unwrap();
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!((number(&next), script.fetches()), (2, 3));
}

#[tokio::test]
async fn one_that_is_held_and_too_short_is_refreshed_first() {
    let script = Script::new();
    let cached = script.cached_with(Refresh::Never);
    get(&cached).await;
    script.advance(HOUR / 2 + 1);
    let session = patiently(cached.session_valid_for(HALF)).await.unwrap();
    assert_eq!((number(&session), script.fetches()), (2, 2));
}

#[tokio::test]
async fn a_source_whose_sessions_are_too_short_is_not_asked_at_every_call() {
    let script = Script::new();
    let cached = script.cached_with(Refresh::Never);
    let twice = Duration::from_secs(2 * HOUR);
    for _ in 0..120 {
        let error = patiently(cached.session_valid_for(twice)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        script.advance(1);
    }
    // One in half a minute.
    assert_eq!(script.fetches(), 4);
    let error = patiently(cached.session_valid_for(twice)).await.unwrap_err();
    let text = "no session of custom provider is valid for 7200 s: the newest has 3600 s of 3600 s \
                remaining";
    assert_eq!(error.message(), text);
    assert_eq!(held_at_once(&cached), 5, "others have no trouble");
}

#[tokio::test]
async fn while_the_source_is_down_a_session_for_long_enough_is_an_error_and_a_session_is_none() {
    let script = Script::will([Answer::Session, Answer::Fail]);
    let cached = script.cached_with(Refresh::Never);
    get(&cached).await;
    script.advance(HOUR / 2 + 1);
    for _ in ["it is asked", "it is remembered"] {
        let error = patiently(cached.session_valid_for(HALF)).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "no 2"));
        assert_eq!((held_at_once(&cached), script.fetches()), (1, 2));
    }
}

#[tokio::test]
async fn ready_waits_for_the_first_session_and_says_why_there_is_none() {
    let script = Script::will([Answer::Fail]);
    let cached = script.provider();
    assert!(poll(&mut pin!(cached.ready())).is_none());
    assert_eq!(patiently(cached.ready()).await.unwrap_err().message(), "no 1");
    script.advance(2);
    patiently(cached.ready()).await.unwrap();
    assert!(matches!(poll(&mut pin!(cached.ready())), Some(Ok(()))));
    assert_eq!((held_at_once(&cached), script.fetches()), (2, 2));
}

#[tokio::test]
async fn another_session_now_is_one_fetch_for_all_who_ask_in_the_same_second() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.advance(10);
    script.block();
    let mut callers = [(); 50].map(|()| Box::pin(cached.refresh()));
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()));
    assert_eq!(held_at_once(&cached), 1, "who asks for a session does not wait");
    script.unblock();
    for caller in callers {
        assert_eq!(number(&patiently(caller).await.unwrap()), 2);
    }
    script.0.hands.advance(Duration::from_millis(999));
    assert_eq!(number(&patiently(cached.refresh()).await.unwrap()), 2);
    script.0.hands.advance(Duration::from_millis(1));
    assert_eq!(number(&patiently(cached.refresh()).await.unwrap()), 3);
    assert_eq!(script.fetches(), 3);
}

#[tokio::test]
async fn where_another_session_now_fails_callers_go_on_with_the_one_that_is_held() {
    let script = Script::will([Answer::Session, Answer::Denied]);
    let cached = script.provider();
    get(&cached).await;
    script.advance(10);
    let error = patiently(cached.refresh()).await.unwrap_err();
    assert_eq!((error.message(), held_at_once(&cached)), ("denied 2", 1));
    // It is for whoever asks for it to ask again: no backoff stands in the way.
    script.advance(1);
    assert_eq!(number(&patiently(cached.refresh()).await.unwrap()), 3);
}

#[tokio::test]
async fn who_gives_up_on_another_session_now_leaves_it_to_others() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.advance(10);
    assert!(poll(&mut pin!(cached.refresh())).is_none(), "polled once and dropped");
    settle().await;
    assert_eq!((held_at_once(&cached), script.fetches()), (2, 2));
}

#[tokio::test]
async fn the_status_is_told_by_the_wall_clock_of_now() {
    let script = Script::new();
    let cached = script.provider();
    assert_eq!(cached.status().state, State::Empty);
    get(&cached).await;
    let wall = || script.0.hands.clock().wall();
    let (end, next) = (wall() + 2 * HALF, cached.status().next_attempt.unwrap());
    assert_eq!(cached.status().expires_at, Some(end));
    let third = Duration::from_secs(HOUR / 3);
    assert!(wall() + third <= next && next < end);
    // Stepped by a day: what is left is the same.
    let day = Duration::from_secs(24 * HOUR);
    script.0.hands.set_wall(wall() + day);
    let stepped = |time: SystemTime| Some(time + day);
    let status = cached.status();
    assert_eq!((status.expires_at, status.next_attempt), (stepped(end), stepped(next)));
    script.advance(HOUR + 5);
    let status = cached.status();
    assert_eq!((status.state, status.expires_at), (State::Expired, stepped(end)), "5 s ago");
    assert!(status.is_healthy(), "nobody has asked since");
    assert_eq!(script.fetches(), 1, "it is a look");
}

#[tokio::test]
async fn one_that_is_good_for_just_long_enough_is_given_at_once() {
    let script = Script::will([Answer::Session, Answer::Fail]);
    let cached = script.provider();
    get(&cached).await;
    // In the hard window: two seconds of waiting would leave too little.
    script.advance(HOUR - 41);
    let session = patiently(cached.session_valid_for(Duration::from_secs(40))).await.unwrap();
    settle().await;
    assert_eq!((number(&session), script.fetches()), (1, 2));
}

#[tokio::test]
async fn one_that_became_too_short_while_its_caller_waited_is_not_given() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.advance(HOUR - 58);
    script.block();
    let mut asked = pin!(cached.session_valid_for(Duration::from_secs(50)));
    assert!(poll(&mut asked).is_none());
    // The machine was suspended.
    script.advance(20);
    assert!(poll(&mut asked).is_none());
    script.unblock();
    assert_eq!(number(&patiently(asked).await.unwrap()), 2);
}

/// A source whose sessions all expire at the same time, as those that a web identity token or an
/// instance role bounds do. Each reading of that time is a little different.
#[tokio::test]
async fn refresh_accepts_new_keys_with_equal_expiration() {
    let script = Script::will([Answer::Lasting(HOUR), Answer::Lasting(HOUR - 10)]);
    let cached = script.provider();
    get(&cached).await;
    // STS says whole seconds: the second lifetime is measured half a second shorter.
    script.0.hands.advance(Duration::from_millis(9_500));
    assert_eq!(number(&patiently(cached.refresh()).await.unwrap()), 2);
    assert_eq!(cached.status().last_error.map(|error| error.to_string()), None);
}

#[tokio::test]
async fn refresh_accepts_equal_expiration_after_clock_step() {
    let script = Script::new();
    let wall = || script.0.hands.clock().wall();
    let expires_at = wall() + 2 * HALF;
    script.then([Answer::ExpiringAt(expires_at); 4]);
    let cached = script.provider();
    get(&cached).await;
    // A slewed wall clock, and one that was set: the provider says the same time.
    for (fetch, step) in [(2, 0), (3, 1), (4, 600_000)] {
        script.advance(2);
        script.0.hands.set_wall(wall() + Duration::from_millis(step));
        assert_eq!(number(&patiently(cached.refresh()).await.unwrap()), fetch, "{step} ms");
        let status = cached.status();
        assert_eq!((status.state, status.consecutive_failures), (State::Fresh, 0), "{step} ms");
    }
}
