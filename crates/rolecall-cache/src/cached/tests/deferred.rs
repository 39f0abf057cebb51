//! A budget that has turns for callers, who wait for them, and none for refreshes.

use super::*;

#[derive(Debug)]
struct ForCallers(Script);

#[async_trait]
impl ProvideSession for ForCallers {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let session = self.0.provide_session(cx.clone()).await?;
        match cx.mode() {
            FetchMode::Foreground => Ok(session),
            _ => Err(SessionError::deferred("no permit")),
        }
    }
}

fn cached(script: &Script, refresh: Refresh) -> CachedProvider<ForCallers> {
    let source = ForCallers(script.clone());
    CachedProvider::builder(source).clock(script.0.hands.clock()).refresh(refresh).build()
}

#[tokio::test]
async fn a_caller_waits_for_a_turn_though_one_in_the_background_has_just_been_put_off() {
    let script = Script::new();
    let cached = cached(&script, Refresh::WhileUsed);
    for _ in 0..3 {
        let deferred =
            patiently(cached.provide_session(FetchContext::background())).await.unwrap_err();
        assert_eq!(deferred.kind(), ErrorKind::Throttled);
    }
    assert_eq!(script.fetches(), 1, "those in the background share what is remembered");
    assert_eq!(number(&patiently(ask(&cached)).await.unwrap()), 2);
}

#[tokio::test]
async fn a_session_whose_refreshes_were_put_off_to_its_end_is_there_for_the_next_caller() {
    let script = Script::new();
    let cached = cached(&script, Refresh::Always);
    patiently(cached.ready()).await.unwrap();
    for _ in 0..100 {
        script.advance(60);
        settle().await;
    }
    let deferred = script.fetches() - 1;
    assert!(deferred > 10, "{deferred}");
    assert!(patiently(ask(&cached)).await.is_ok());
    let error = patiently(cached.session_valid_for(Duration::from_secs(HOUR / 2))).await;
    assert!(error.is_ok());
}

#[tokio::test]
async fn a_session_that_is_rejected_while_refreshes_are_put_off_is_replaced_for_the_next_caller() {
    let script = Script::new();
    let cached = cached(&script, Refresh::WhileUsed);
    let first = patiently(ask(&cached)).await.unwrap();
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert!(script.fetches() > 1, "some were put off");
    cached.invalidate(&first);
    assert!(cached.0.replaces(first.access_key_id()));
    let next = patiently(ask(&cached)).await.unwrap();
    assert_ne!(next.access_key_id(), first.access_key_id());
}

#[tokio::test]
async fn who_joins_a_refresh_that_is_put_off_gets_another_session_all_the_same() {
    // Rejected; asked for now.
    for rejected in [true, false] {
        let script = Script::new();
        let cached = cached(&script, Refresh::WhileUsed);
        let first = patiently(ask(&cached)).await.unwrap();
        script.block();
        script.advance(INTO_THE_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), 2, "one runs in the background");
        if rejected {
            cached.invalidate(&first);
        }
        let next = async {
            match rejected {
                true => ask(&cached).await,
                false => cached.refresh().await,
            }
        };
        let mut next = pin!(next);
        assert!(poll(&mut next).is_none());
        script.unblock();
        let next = patiently(next).await.unwrap();
        assert_ne!(next.access_key_id(), first.access_key_id(), "rejected: {rejected}");
    }
}

#[tokio::test]
async fn in_the_hard_window_a_caller_takes_a_turn_though_refreshes_are_put_off() {
    let script = Script::new();
    let cached = cached(&script, Refresh::WhileUsed);
    patiently(ask(&cached)).await.unwrap();
    let mut held = 1;
    for _ in 1..HOUR {
        script.advance(1);
        settle().await;
        held = number(&patiently(ask(&cached)).await.unwrap());
        if held != 1 {
            break;
        }
    }
    assert!(held > 2, "put off, and then another before the end: {held}");
}

#[tokio::test]
async fn a_caller_who_joined_a_fetch_in_the_background_waits_for_a_turn_once_it_is_put_off() {
    let script = Script::new();
    let cached = cached(&script, Refresh::WhileUsed);
    script.block();
    let mut background = pin!(cached.provide_session(FetchContext::background()));
    assert!(poll(&mut background).is_none());
    let mut caller = pin!(ask(&cached));
    assert!(poll(&mut caller).is_none());
    script.unblock();
    assert_eq!(patiently(background).await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!(number(&patiently(caller).await.unwrap()), 2);
}

#[tokio::test]
async fn one_refresh_that_is_put_off_is_all_that_a_hundred_calls_of_one_moment_set_off() {
    let script = Script::new();
    let cached = cached(&script, Refresh::WhileUsed);
    patiently(ask(&cached)).await.unwrap();
    script.advance(INTO_THE_WINDOW);
    for _ in 0..100 {
        let held = poll(&mut pin!(ask(&cached))).expect("no wait").unwrap();
        assert_eq!(number(&held), 1);
        settle().await;
    }
    assert_eq!(script.fetches(), 2, "the next comes after a pause");
    script.advance(2);
    settle().await;
    assert_eq!(script.fetches(), 3);
}
