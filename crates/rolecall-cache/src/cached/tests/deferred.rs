//! A rate limit with permits for callers, and none for background fetches.

use super::*;

#[derive(Debug)]
pub(super) struct DefersBackground(pub(super) ScriptedProvider);

#[async_trait]
impl ProvideSession for DefersBackground {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let session = self.0.provide_session(cx.clone()).await?;
        match cx.mode() {
            FetchMode::Foreground => Ok(session),
            _ => Err(SessionError::deferred("no permit")),
        }
    }
}

fn cached(script: &ScriptedProvider, refresh: Refresh) -> CachedProvider<DefersBackground> {
    let provider = DefersBackground(script.clone());
    CachedProvider::builder(provider).clock(script.clock()).refresh(refresh).build()
}

#[tokio::test]
async fn foreground_call_fetches_after_deferred_background() {
    let script = ScriptedProvider::new();
    let cached = cached(&script, Refresh::WhileUsed);
    for _ in 0..3 {
        let deferred =
            with_timeout(cached.provide_session(FetchContext::background())).await.unwrap_err();
        assert_eq!(deferred.kind(), ErrorKind::Throttled);
    }
    assert_eq!(script.fetches(), 1, "the error is remembered for background fetches");
    assert_eq!(number(&with_timeout(request(&cached)).await.unwrap()), 2);
}

#[tokio::test]
async fn session_expires_while_refreshes_are_deferred() {
    let script = ScriptedProvider::new();
    let cached = cached(&script, Refresh::Always);
    with_timeout(cached.ready()).await.unwrap();
    for _ in 0..100 {
        script.advance(60);
        settle().await;
    }
    let deferred = script.fetches() - 1;
    assert!(deferred > 10, "{deferred}");
    assert!(with_timeout(request(&cached)).await.is_ok());
    let error = with_timeout(cached.session_valid_for(Duration::from_secs(HOUR / 2))).await;
    assert!(error.is_ok());
}

#[tokio::test]
async fn invalidated_session_is_replaced_despite_deferral() {
    let script = ScriptedProvider::new();
    let cached = cached(&script, Refresh::WhileUsed);
    let first = with_timeout(request(&cached)).await.unwrap();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert!(script.fetches() > 1, "some were deferred");
    cached.invalidate(&first);
    let next = with_timeout(request(&cached)).await.unwrap();
    assert_ne!(next.access_key_id(), first.access_key_id());
}

#[tokio::test]
async fn caller_joining_deferred_refresh_receives_session() {
    let script = ScriptedProvider::new();
    let cached = cached(&script, Refresh::WhileUsed);
    let first = with_timeout(request(&cached)).await.unwrap();
    script.block();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2, "a background fetch is running");
    let mut refresh = pin!(cached.refresh());
    assert!(poll(&mut refresh).is_none());
    script.unblock();
    let next = with_timeout(refresh).await.unwrap();
    assert_ne!(next.access_key_id(), first.access_key_id());
}

#[tokio::test]
async fn invalidated_caller_joining_deferred_refresh_falls_back() {
    let script = ScriptedProvider::new();
    let cached = cached(&script, Refresh::WhileUsed);
    let first = with_timeout(request(&cached)).await.unwrap();
    script.block();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    cached.invalidate(&first);
    let mut caller = pin!(request(&cached));
    assert!(poll(&mut caller).is_none());
    script.unblock();
    assert_eq!(number(&with_timeout(caller).await.unwrap()), 1, "the fetch failed");
    // The background fetch closed no gate of callers.
    assert_eq!(number(&with_timeout(request(&cached)).await.unwrap()), 3);
}

#[tokio::test]
async fn mandatory_window_call_fetches_despite_deferral() {
    let script = ScriptedProvider::new();
    let cached = cached(&script, Refresh::WhileUsed);
    with_timeout(request(&cached)).await.unwrap();
    let mut number = 1;
    for _ in 1..HOUR {
        script.advance(1);
        settle().await;
        number = super::number(&with_timeout(request(&cached)).await.unwrap());
        if number != 1 {
            break;
        }
    }
    assert!(number > 2, "deferred, and replaced before the expiration: {number}");
}

#[tokio::test]
async fn caller_joining_deferred_first_fetch_retries() {
    let script = ScriptedProvider::new();
    let cached = cached(&script, Refresh::WhileUsed);
    script.block();
    let mut background = pin!(cached.provide_session(FetchContext::background()));
    assert!(poll(&mut background).is_none());
    let mut caller = pin!(request(&cached));
    assert!(poll(&mut caller).is_none());
    script.unblock();
    assert_eq!(with_timeout(background).await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!(number(&with_timeout(caller).await.unwrap()), 2);
}

#[tokio::test]
async fn hundred_calls_start_one_deferred_refresh() {
    let script = ScriptedProvider::new();
    let cached = cached(&script, Refresh::WhileUsed);
    with_timeout(request(&cached)).await.unwrap();
    script.advance(IN_ADVISORY_WINDOW);
    for _ in 0..100 {
        let session = poll(&mut pin!(request(&cached))).expect("the caller waits").unwrap();
        assert_eq!(number(&session), 1);
        settle().await;
    }
    assert_eq!(script.fetches(), 2, "the next comes after a pause");
    script.advance(2);
    settle().await;
    assert_eq!(script.fetches(), 3);
}

/// Only the rate limiter defers a fetch. A service that throttles is a failure, whatever its code.
#[tokio::test]
async fn throttled_response_is_a_failure_and_no_deferral() {
    for deferred in [true, false] {
        let script = ScriptedProvider::new();
        let (clock, provider) = (script.clock(), script.clone());
        let throttled = rolecall_core::provide_session_fn("throttled", move |context| {
            let provider = provider.clone();
            async move {
                match context.mode() {
                    FetchMode::Foreground => provider.provide_session(context).await,
                    _ if deferred => Err(SessionError::deferred("no permit")),
                    _ => Err(SessionError::new(ErrorKind::Throttled, "HTTP 429")),
                }
            }
        });
        let cached = CachedProvider::builder(throttled).clock(clock).build();
        with_timeout(request(&cached)).await.unwrap();
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        let status = cached.status();
        match deferred {
            true => assert_eq!((status.state, status.consecutive_failures), (State::Due, 0)),
            false => assert_eq!((status.state, status.consecutive_failures), (State::Stale, 1)),
        }
    }
}

#[tokio::test]
async fn deferred_fetches_return_at_different_times() {
    let mut pauses = std::collections::BTreeSet::new();
    for seed in 0..50 {
        fastrand::seed(seed);
        let script = ScriptedProvider::new();
        let cached = cached(&script, Refresh::WhileUsed);
        with_timeout(request(&cached)).await.unwrap();
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        let next = cached.status().next_attempt.unwrap();
        let pause = next.duration_since(script.clock().wall()).unwrap();
        assert!((500..=1000).contains(&pause.as_millis()), "{pause:?}");
        pauses.insert(pause);
    }
    assert!(pauses.len() > 40, "{} different pauses", pauses.len());
}
