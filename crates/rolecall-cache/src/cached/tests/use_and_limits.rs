//! Which calls count as use, and when timeouts and windows begin.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::observed::Observed;

/// Returns an entry in its advisory window whose session was fetched in the background and is
/// unused.
async fn with_unused_session(script: &ScriptedProvider) -> CachedProvider<ScriptedProvider> {
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2, "the timer refreshes the first");
    cached
}

#[tokio::test]
async fn calls_in_advisory_window_count_as_use() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    assert!(cached.0.take_touched());
    script.advance(IN_ADVISORY_WINDOW);
    assert!(!cached.0.take_touched());
    assert_eq!(immediate_number(&cached), 1);
    assert!(cached.0.take_touched());
}

#[tokio::test]
async fn fallback_after_failed_refresh_counts_as_use() {
    let script = ScriptedProvider::new();
    let cached = with_unused_session(&script).await;
    script.push_responses([Response::Unavailable]);
    script.advance(IN_MANDATORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2, "the second is unused");
    assert_eq!((get_number(&cached).await, script.fetches()), (2, 3));
    // No caller from here on.
    script.advance(2);
    settle().await;
    assert_eq!(script.fetches(), 4, "the timer retries");
}

#[test]
fn call_outside_runtime_counts_as_use() {
    let script = ScriptedProvider::new();
    let runtime = runtime();
    let cached = runtime.block_on(with_unused_session(&script));
    assert!(cached.0.take_touched(), "the first was used");
    script.advance(IN_MANDATORY_WINDOW);
    assert!(!cached.0.take_touched());
    assert_eq!((immediate_number(&cached), script.fetches()), (2, 2));
    assert!(cached.0.take_touched());
    // The timer, which did not run, refreshes the used session now.
    runtime.block_on(settle());
    assert_eq!(script.fetches(), 3);
}

#[tokio::test]
async fn background_call_in_advisory_window_starts_refresh() {
    let script = ScriptedProvider::new();
    let cached = with_unused_session(&script).await;
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    let background = poll(&mut pin!(cached.provide_session(FetchContext::background())));
    assert_eq!(number(&background.expect("the caller waits").unwrap()), 2);
    settle().await;
    assert_eq!((immediate_number(&cached), script.fetches()), (3, 3));
}

/// Measures lifetimes from the request, as an STS client does.
#[derive(Debug)]
struct Measured(ScriptedProvider, Duration);

#[async_trait]
impl ProvideSession for Measured {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let clock = self.0.clock();
        let requested_at = clock.now();
        let credentials = self.0.provide_session(cx).await?.credentials().clone();
        Ok(Session::builder(credentials).lifetime(requested_at, self.1, &clock).build())
    }
}

#[tokio::test]
async fn windows_count_from_the_request() {
    let script = ScriptedProvider::new();
    let provider = Measured(script.clone(), Duration::from_secs(100));
    let cached = CachedProvider::builder(provider).clock(script.clock()).build();
    script.block();
    let mut caller = pin!(request(&cached));
    assert!(poll(&mut caller).is_none());
    settle().await;
    script.advance(5);
    script.unblock();
    with_timeout(caller).await.unwrap();
    // The mandatory window is a tenth of 100 s, not of 95 s.
    script.advance(100 - 5 - 10);
    assert!(poll(&mut pin!(request(&cached))).is_none(), "the session expires in 10 s");
}

#[tokio::test]
async fn fetch_timeout_counts_from_its_start() {
    let script = ScriptedProvider::with_responses([Response::Hang]);
    let cached = script.cached();
    let mut caller = pin!(request(&cached));
    assert!(poll(&mut caller).is_none());
    assert_eq!(script.fetches(), 0, "its task has not run");
    script.advance(10);
    settle().await;
    assert!(poll(&mut caller).is_none());
    script.advance(5);
    settle().await;
    let error = poll(&mut caller).expect("the caller waits").unwrap_err();
    assert_eq!(error.message(), "custom provider did not return a session within 15s");
    assert_eq!(script.fetches(), 1);
}

#[test]
fn outer_cache_allows_one_second_more() {
    let script = ScriptedProvider::with_responses([Response::Hang]);
    let inner = script.cached();
    assert_eq!(inner.timeout(), Duration::from_secs(16));
    // The inner fetch does not run, so that nothing ends it at its timeout.
    let stopped = runtime();
    stopped.block_on(async {
        assert!(immediate(&inner).is_none());
        settle().await;
    });
    assert_eq!(script.fetches(), 1);
    let outer = CachedProvider::builder(inner).clock(script.clock()).build();
    runtime().block_on(async {
        let mut caller = pin!(request(&outer));
        for millis in [0, 15_999] {
            script.advance_millis(millis);
            assert!(poll(&mut caller).is_none(), "{millis}");
            settle().await;
            assert!(poll(&mut caller).is_none(), "{millis}");
        }
        script.advance_millis(1);
        settle().await;
        let error = poll(&mut caller).expect("the caller waits").unwrap_err();
        assert_eq!(error.message(), "custom provider did not return a session within 16s");
    });
}

#[tokio::test]
async fn invalidated_credentials_reach_inner_cache() {
    let script = ScriptedProvider::new();
    let outer = CachedProvider::builder(script.cached()).clock(script.clock()).build();
    let first = with_timeout(outer.provide_credentials()).await.unwrap();
    outer.invalidate_credentials(&first);
    let second = with_timeout(outer.provide_credentials()).await.unwrap();
    assert_eq!((first.access_key_id(), second.access_key_id()), ("AKIA1", "AKIA2"));
}

/// A provider whose timeout is as long as possible.
#[derive(Debug)]
struct WithoutTimeout(ScriptedProvider);

#[async_trait]
impl ProvideSession for WithoutTimeout {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        self.0.provide_session(cx).await
    }

    fn timeout(&self) -> Duration {
        Duration::MAX
    }
}

#[tokio::test]
async fn endless_timeout_is_limited_to_an_hour() {
    let script = ScriptedProvider::with_responses([Response::Hang]);
    let inner =
        CachedProvider::builder(WithoutTimeout(script.clone())).clock(script.clock()).build();
    let outer = CachedProvider::builder(inner).clock(script.clock()).build();
    let mut caller = pin!(request(&outer));
    for seconds in [0, HOUR - 1] {
        assert!(poll(&mut caller).is_none());
        settle().await;
        script.advance(seconds);
        settle().await;
    }
    assert!(poll(&mut caller).is_none());
    script.advance(1);
    settle().await;
    let error = poll(&mut caller).expect("the caller waits").unwrap_err();
    assert_eq!(error.message(), "custom provider did not return a session within 3600s");
    script.advance(2);
    assert_eq!(number(&with_timeout(request(&outer)).await.unwrap()), 2);
}

#[tokio::test]
async fn endless_timeout_keeps_the_timer_running() {
    let script = ScriptedProvider::new();
    let cached =
        CachedProvider::builder(WithoutTimeout(script.clone())).clock(script.clock()).build();
    with_timeout(request(&cached)).await.unwrap();
    for fetches in 2..=4 {
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), fetches);
        with_timeout(request(&cached)).await.unwrap();
    }
}

#[tokio::test]
async fn removed_entry_answers_unchanged() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(10);
    with_timeout(cached.refresh()).await.unwrap();
    let answers =
        || ["AKIA1", "AKIA2"].map(|key| cached.report_invalid(key, InvalidSession::Expired));
    assert_eq!(answers(), [InvalidSessionAnswer::Replaced; 2]);
    assert!(cached.0.remove());
    // Neither for the cached session nor for the one before.
    assert_eq!(answers(), [InvalidSessionAnswer::Unchanged; 2]);
}

#[tokio::test]
async fn dropped_entries_disarm_the_shared_timer() {
    let script = ScriptedProvider::new();
    let timer = Timer::new(script.clock());
    let shared = Shared::new(Arc::clone(&timer), Refresh::WhileUsed, Observed::default());
    let mut providers = Vec::new();
    for _ in 0..10_000 {
        let origin = ProviderOrigin::new(Arc::new(script.clone()));
        let cached = CachedProvider(Entry::new(origin, Arc::clone(&shared)));
        get_number(&cached).await;
        providers.push(cached);
    }
    assert_eq!(timer.armed(), 10_000);
    drop(providers);
    assert_eq!(timer.armed(), 0);
}

/// A provider whose timeout is known once its settings are loaded.
#[derive(Debug)]
struct LoadsTimeout(ScriptedProvider, AtomicU64);

#[async_trait]
impl ProvideSession for LoadsTimeout {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        self.0.provide_session(cx).await
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.1.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn timeout_that_changes_applies_to_the_next_fetch() {
    let script = ScriptedProvider::new();
    let provider = LoadsTimeout(script.clone(), AtomicU64::new(15));
    let cached = CachedProvider::builder(provider).clock(script.clock()).build();
    cached.inner().1.store(100, Ordering::Relaxed);
    script.block();
    let mut caller = Box::pin(cached.session());
    for _ in 0..9 {
        assert!(poll(&mut caller).is_none());
        settle().await;
        script.advance(10);
    }
    assert!(poll(&mut caller).is_none());
    script.unblock();
    assert_eq!(number(&with_timeout(caller).await.unwrap()), 1, "one fetch of 90 s");
    script.push_responses([Response::Hang]);
    script.advance(HOUR);
    cached.inner().1.store(5, Ordering::Relaxed);
    let mut caller = Box::pin(cached.session());
    assert!(poll(&mut caller).is_none());
    settle().await;
    script.advance(5);
    assert!(with_timeout(caller).await.is_err(), "a fetch of 5 s");
}
