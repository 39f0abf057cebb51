//! Which calls count as use, and from when limits and windows are counted.

use super::*;
use crate::observed::Observed;

/// A slot whose session came in the background, was handed out to nobody, and is in its refresh
/// window.
async fn with_an_unused_session(script: &Script) -> CachedProvider<Script> {
    let cached = script.provider();
    get(&cached).await;
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2, "the timer refreshes the first");
    cached
}

#[tokio::test]
async fn calls_in_the_refresh_window_alone_are_use() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    assert!(cached.0.was_touched());
    script.advance(INTO_THE_WINDOW);
    assert!(!cached.0.was_touched());
    assert_eq!(held_at_once(&cached), 1);
    assert!(cached.0.was_touched());
}

#[tokio::test]
async fn who_gets_the_held_session_after_a_refresh_that_failed_has_used_it() {
    let script = Script::new();
    let cached = with_an_unused_session(&script).await;
    script.then([Answer::Fail]);
    script.advance(INTO_THE_HARD_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2, "nobody had the second");
    assert_eq!((get(&cached).await, script.fetches()), (2, 3));
    // Nobody calls from here on.
    script.advance(2);
    settle().await;
    assert_eq!(script.fetches(), 4, "the timer tries again");
}

#[test]
fn who_gets_the_held_session_outside_a_runtime_has_used_it() {
    let script = Script::new();
    let runtime = runtime();
    let cached = runtime.block_on(with_an_unused_session(&script));
    assert!(cached.0.was_touched(), "the first was");
    script.advance(INTO_THE_HARD_WINDOW);
    assert!(!cached.0.was_touched());
    assert_eq!((held_at_once(&cached), script.fetches()), (2, 2));
    assert!(cached.0.was_touched());
    // The timer, which stood still with its runtime, has a reason to refresh it now.
    runtime.block_on(settle());
    assert_eq!(script.fetches(), 3);
}

#[tokio::test]
async fn in_the_refresh_window_one_who_fetches_in_the_background_sets_off_a_refresh_as_callers_do()
{
    let script = Script::new();
    let cached = with_an_unused_session(&script).await;
    script.advance(INTO_THE_WINDOW);
    settle().await;
    let background = poll(&mut pin!(cached.provide_session(FetchContext::background())));
    assert_eq!(number(&background.expect("no wait").unwrap()), 2);
    settle().await;
    assert_eq!((held_at_once(&cached), script.fetches()), (3, 3));
}

/// A source that says when it was asked, as STS clients do.
#[derive(Debug)]
struct Measured(Script, Duration);

#[async_trait]
impl ProvideSession for Measured {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let clock = self.0.0.hands.clock();
        let asked = clock.now();
        let credentials = self.0.provide_session(cx).await?.credentials().clone();
        Ok(Session::builder(credentials).lifetime(asked, self.1, &clock).build())
    }
}

#[tokio::test]
async fn windows_are_counted_from_the_request_however_long_the_answer_takes() {
    let script = Script::new();
    let source = Measured(script.clone(), Duration::from_secs(100));
    let cached = CachedProvider::builder(source).clock(script.0.hands.clock()).build();
    script.block();
    let mut caller = pin!(ask(&cached));
    assert!(poll(&mut caller).is_none());
    settle().await;
    script.advance(5);
    script.unblock();
    patiently(caller).await.unwrap();
    // A tenth of 100 s before the end a caller waits, and not a tenth of 95 s.
    script.advance(100 - 5 - 10);
    assert!(poll(&mut pin!(ask(&cached))).is_none(), "it gets what ends in 10 s");
}

#[tokio::test]
async fn the_limit_of_a_fetch_is_counted_from_its_start_though_its_task_is_late() {
    let script = Script::will([Answer::Hang]);
    let cached = script.provider();
    let mut caller = pin!(ask(&cached));
    assert!(poll(&mut caller).is_none());
    assert_eq!(script.fetches(), 0, "its task had no turn yet");
    script.advance(10);
    settle().await;
    assert!(poll(&mut caller).is_none());
    script.advance(5);
    settle().await;
    let error = poll(&mut caller).expect("it goes on").unwrap_err();
    assert_eq!(error.message(), "custom provider did not return a session within 15s");
    assert_eq!(script.fetches(), 1);
}

#[test]
fn a_slot_around_another_gives_it_a_second_more_than_its_source_has() {
    let script = Script::will([Answer::Hang]);
    let inner = script.provider();
    assert_eq!(inner.timeout(), Duration::from_secs(16));
    // The inner one's fetch stands still with its runtime: nobody says at its limit that it took
    // too long.
    let stands_still = runtime();
    stands_still.block_on(async {
        assert!(at_once(&inner).is_none());
        settle().await;
    });
    assert_eq!(script.fetches(), 1);
    let outer = CachedProvider::builder(inner).clock(script.0.hands.clock()).build();
    runtime().block_on(async {
        let mut caller = pin!(ask(&outer));
        for millis in [0, 15_999] {
            script.0.hands.advance(Duration::from_millis(millis));
            assert!(poll(&mut caller).is_none(), "{millis}");
            settle().await;
            assert!(poll(&mut caller).is_none(), "{millis}");
        }
        script.0.hands.advance(Duration::from_millis(1));
        settle().await;
        let error = poll(&mut caller).expect("it goes on").unwrap_err();
        assert_eq!(error.message(), "custom provider did not return a session within 16s");
    });
}

#[tokio::test]
async fn credentials_that_are_invalidated_go_out_of_what_is_within_too() {
    let script = Script::new();
    let outer = CachedProvider::builder(script.provider()).clock(script.0.hands.clock()).build();
    let first = patiently(outer.provide_credentials()).await.unwrap();
    outer.invalidate_credentials(&first);
    let second = patiently(outer.provide_credentials()).await.unwrap();
    assert_eq!((first.access_key_id(), second.access_key_id()), ("AKIA1", "AKIA2"));
}

/// A source without a limit.
#[derive(Debug)]
struct Unlimited(Script);

#[async_trait]
impl ProvideSession for Unlimited {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        self.0.provide_session(cx).await
    }

    fn timeout(&self) -> Duration {
        Duration::MAX
    }
}

#[tokio::test]
async fn a_source_may_take_for_ever() {
    let script = Script::new();
    let clock = script.0.hands.clock();
    let inner = CachedProvider::builder(Unlimited(script.clone())).clock(clock.clone()).build();
    let outer = CachedProvider::builder(inner).clock(clock).build();
    script.block();
    let mut caller = pin!(ask(&outer));
    assert!(poll(&mut caller).is_none());
    for _ in 0..10 {
        settle().await;
        script.advance(365 * 24 * HOUR);
        settle().await;
        assert!(poll(&mut caller).is_none());
    }
    script.unblock();
    assert_eq!((number(&patiently(caller).await.unwrap()), script.fetches()), (1, 1));
}

#[tokio::test]
async fn a_key_that_was_removed_has_no_other_session() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.advance(10);
    patiently(cached.refresh()).await.unwrap();
    cached.invalidate_credentials(script.given(2).credentials());
    assert!(cached.0.replaces("AKIA1") && cached.0.replaces("AKIA2"));
    assert!(cached.0.remove());
    // Neither the one that was held nor the one before.
    assert!(!cached.0.replaces("AKIA1") && !cached.0.replaces("AKIA2"));
}

#[tokio::test]
async fn handles_that_are_dropped_leave_nothing_to_the_timer_they_share() {
    let script = Script::new();
    let timer = Timer::new(script.0.hands.clock());
    let mut handles = Vec::new();
    for _ in 0..10_000 {
        let timer = Arc::clone(&timer);
        let setup = Setup { refresh: Refresh::WhileUsed, timer, observed: Observed::default() };
        let cached = CachedProvider(Shared::new(ProviderOrigin(Arc::new(script.clone())), setup));
        get(&cached).await;
        handles.push(cached);
    }
    assert_eq!(timer.entries(), 10_000);
    drop(handles);
    assert_eq!(timer.entries(), 0);
}
