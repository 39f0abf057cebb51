use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rolecall_core::{ErrorKind, FetchMode};
use tokio::runtime::{Builder, Handle, Runtime};

use super::*;
use crate::script::{HOUR, IN_ADVISORY_WINDOW, IN_MANDATORY_WINDOW, Response, ScriptedProvider};
use crate::status::State;

mod deferred;
mod events;
mod frozen;
mod invalidation;
mod late_polls;
mod limit;
mod logs;
mod requests;
mod runtimes;
mod scenarios;
mod use_and_limits;
mod wall_clock;

/// Requests a session as a caller that waits for it.
async fn request<P: ProvideSession>(cached: &CachedProvider<P>) -> Result<Session, SessionError> {
    cached.provide_session(FetchContext::foreground()).await
}

/// Returns the number of the fetch whose session a caller receives.
async fn get_number(cached: &CachedProvider<ScriptedProvider>) -> usize {
    number(&with_timeout(request(cached)).await.unwrap())
}

fn number(session: &Session) -> usize {
    session.access_key_id().strip_prefix("AKIA").unwrap().parse().unwrap()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Returns what a caller receives without waiting, if anything.
fn immediate(cached: &CachedProvider<ScriptedProvider>) -> Option<Result<usize, SessionError>> {
    let result = poll(&mut pin!(request(cached)))?;
    Some(result.map(|session| number(&session)))
}

fn immediate_number(cached: &CachedProvider<ScriptedProvider>) -> usize {
    immediate(cached).expect("the caller waits").expect("the caller receives an error")
}

/// Fails the test instead of hanging.
async fn with_timeout<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("the future hangs")
}

/// Yields until `condition` returns `true`.
async fn wait_until(mut condition: impl FnMut() -> bool) {
    with_timeout(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Runs the tasks of a current-thread runtime until none makes progress.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousand_callers_without_session_share_one_fetch() {
    let script = ScriptedProvider::new();
    script.block();
    let cached = script.cached();
    let waiting = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let (cached, waiting) = (cached.clone(), Arc::clone(&waiting));
            tokio::spawn(async move {
                let mut caller = pin!(request(&cached));
                assert!(poll(&mut caller).is_none());
                waiting.fetch_add(1, Ordering::Relaxed);
                number(&with_timeout(caller).await.unwrap())
            })
        })
        .collect();
    wait_until(|| waiting.load(Ordering::Relaxed) == 1000).await;
    script.unblock();
    for caller in callers {
        assert_eq!(with_timeout(caller).await.unwrap(), 1);
    }
    assert_eq!(script.fetches(), 1);
}

#[tokio::test]
async fn first_error_is_shared_remembered_and_retried() {
    let script = ScriptedProvider::with_responses([Response::Unavailable]);
    script.block();
    let cached = script.cached();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let cached = cached.clone();
            tokio::spawn(
                async move { with_timeout(request(&cached)).await.unwrap_err().to_string() },
            )
        })
        .collect();
    settle().await;
    script.unblock();
    for caller in callers {
        assert_eq!(with_timeout(caller).await.unwrap(), "unavailable 1");
    }
    script.advance_millis(999);
    let remembered = immediate(&cached).expect("the caller waits").unwrap_err();
    assert_eq!((remembered.to_string().as_str(), script.fetches()), ("unavailable 1", 1));
    script.advance(1);
    assert_eq!((get_number(&cached).await, script.fetches()), (2, 2));
}

#[tokio::test]
async fn cancelled_caller_does_not_cancel_the_fetch() {
    let script = ScriptedProvider::new();
    script.block();
    let cached = script.cached();
    tokio::time::timeout(Duration::ZERO, request(&cached)).await.unwrap_err();
    assert!(immediate(&cached).is_none(), "polled once and dropped");
    settle().await;
    assert_eq!(script.fetches(), 1);
    script.unblock();
    settle().await;
    assert_eq!((immediate_number(&cached), script.fetches()), (1, 1));
}

#[tokio::test]
async fn advisory_window_starts_one_refresh_without_waiting() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.block();
    script.advance(IN_ADVISORY_WINDOW);
    for _ in 0..10 {
        assert_eq!(immediate_number(&cached), 1);
        settle().await;
        assert_eq!(script.fetches(), 2);
    }
    assert_eq!(script.modes(), [FetchMode::Foreground, FetchMode::Background]);
    script.unblock();
    settle().await;
    assert_eq!((immediate_number(&cached), script.fetches()), (2, 2));
}

#[tokio::test]
async fn advisory_window_call_refreshes_unused_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    for _ in ["the timer refreshes the first", "the second is unused"] {
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), 2);
    }
    assert_eq!((script.fetches(), immediate_number(&cached)), (2, 2));
    settle().await;
    assert_eq!((script.fetches(), immediate_number(&cached)), (3, 3));
}

#[tokio::test]
async fn first_fetch_counts_as_use_after_cancellation() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    assert!(immediate(&cached).is_none());
    settle().await;
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn mandatory_window_caller_receives_new_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(IN_MANDATORY_WINDOW);
    assert_eq!((get_number(&cached).await, script.fetches()), (2, 2));
}

#[tokio::test]
async fn mandatory_window_caller_waits_two_seconds() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.block();
    script.advance(IN_MANDATORY_WINDOW);
    let mut caller = pin!(request(&cached));
    for millis in [0, 1999] {
        script.advance_millis(millis);
        settle().await;
        assert!(poll(&mut caller).is_none(), "{millis}");
    }
    script.advance_millis(1);
    assert_eq!(number(&with_timeout(caller).await.unwrap()), 1);
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn mandatory_refresh_failure_keeps_valid_session() {
    let script = ScriptedProvider::with_responses([
        Response::Session,
        Response::Unavailable,
        Response::Unavailable,
    ]);
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(IN_MANDATORY_WINDOW);
    assert_eq!((get_number(&cached).await, script.fetches()), (1, 2));
    assert_eq!(immediate_number(&cached), 1, "the back-off delays the next fetch");
    script.advance(HOUR - IN_MANDATORY_WINDOW);
    assert_eq!(with_timeout(request(&cached)).await.unwrap_err().to_string(), "unavailable 3");
}

#[tokio::test]
async fn expired_session_is_never_returned() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.push_responses([Response::Unavailable; 100]);
    for _ in 0..HOUR / 100 - 1 {
        script.advance(100);
        settle().await;
        assert_eq!(get_number(&cached).await, 1);
    }
    script.manual_clock().advance(Duration::from_secs(100) - Duration::from_nanos(1));
    assert_eq!(get_number(&cached).await, 1);
    script.manual_clock().advance(Duration::from_nanos(1));
    assert!(with_timeout(request(&cached)).await.is_err());
}

#[tokio::test]
async fn caller_waiting_past_expiration_receives_next_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.block();
    script.advance(HOUR - 1);
    let mut caller = pin!(request(&cached));
    assert!(poll(&mut caller).is_none());
    settle().await;
    script.advance(2);
    assert!(poll(&mut caller).is_none());
    script.unblock();
    assert_eq!(number(&with_timeout(caller).await.unwrap()), 2);
}

#[tokio::test]
async fn timer_refreshes_used_session_and_unused_expires() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2, "a first fetch counts as use");
    for _ in 0..2 {
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), 2, "the second is unused");
    }
    assert_eq!(get_number(&cached).await, 3);
}

#[tokio::test]
async fn timer_refreshes_while_session_is_used() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    for number in 1..=5 {
        assert_eq!(get_number(&cached).await, number);
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), number + 1);
    }
}

#[tokio::test]
async fn refresh_always_continues_after_outage() {
    let script = ScriptedProvider::new();
    let cached = script.cached_with(Refresh::Always);
    get_number(&cached).await;
    for fetches in 2..=4 {
        script.advance(IN_ADVISORY_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), fetches);
    }
    script.push_responses([Response::Unavailable]);
    script.advance(HOUR);
    settle().await;
    assert_eq!((script.fetches(), cached.status().state), (5, State::Failing));
    script.advance(2);
    settle().await;
    assert_eq!((script.fetches(), immediate_number(&cached)), (6, 6));
}

#[tokio::test]
async fn refresh_failure_keeps_valid_session_and_backs_off() {
    let script = ScriptedProvider::with_responses([
        Response::Session,
        Response::Unavailable,
        Response::Unavailable,
    ]);
    let cached = script.cached();
    get_number(&cached).await;
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    // The first pause is 0.5 to 1 s, the second 1 to 2 s.
    for (millis, fetches) in [(0, 2), (499, 2), (501, 3), (999, 3)] {
        script.advance_millis(millis);
        settle().await;
        assert_eq!((immediate_number(&cached), script.fetches()), (1, fetches), "{millis}");
    }
    script.advance_millis(1001);
    settle().await;
    assert_eq!((immediate_number(&cached), script.fetches()), (4, 4));
}

#[tokio::test]
async fn provider_panic_is_an_error_and_retried() {
    let script = ScriptedProvider::with_responses([Response::Panic]);
    let cached = script.cached();
    let error = with_timeout(request(&cached)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unavailable, "custom provider panicked")
    );
    script.advance(2);
    assert_eq!((get_number(&cached).await, script.fetches()), (2, 2));
}

#[tokio::test]
async fn hanging_provider_fails_at_its_timeout() {
    let script = ScriptedProvider::with_responses([Response::Hang]);
    let cached = script.cached();
    let mut caller = pin!(request(&cached));
    for millis in [0, 14_999] {
        assert!(poll(&mut caller).is_none());
        settle().await;
        script.advance_millis(millis);
    }
    settle().await;
    assert!(poll(&mut caller).is_none());
    script.advance_millis(1);
    let error = with_timeout(caller).await.unwrap_err();
    assert_eq!(error.message(), "custom provider did not return a session within 15s");
    assert_eq!(script.fetches(), 1);
}

#[tokio::test]
async fn dropping_last_clone_ends_the_timer() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let cached = ScriptedProvider::new().cached();
    let clone = cached.clone();
    get_number(&cached).await;
    drop(cached);
    settle().await;
    assert_eq!((tasks(), immediate_number(&clone)), (1, 1));
    let entry = Arc::downgrade(&clone.0);
    drop(clone);
    settle().await;
    assert_eq!((tasks(), entry.strong_count()), (0, 0));
}

#[tokio::test]
async fn invalidations_fetch_with_doubling_spacing() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    for number in 1_usize..=4 {
        let session = with_timeout(request(&cached)).await.unwrap();
        cached.invalidate(&session);
        // The first fetch is not caused by an invalidation. The next ones are 10, 20 and 40 s
        // apart.
        if let Some(spacing) = [10_u64, 20, 40].get(number.wrapping_sub(2)) {
            script.advance(spacing - 1);
            assert_eq!((immediate_number(&cached), script.fetches()), (number, number));
            script.advance(1);
        }
        assert_eq!((get_number(&cached).await, script.fetches()), (number + 1, number + 1));
    }
}

#[tokio::test]
async fn invalidated_session_is_returned_without_another() {
    let script = ScriptedProvider::with_responses([Response::Session, Response::Unavailable]);
    let cached = script.cached();
    let invalidated = with_timeout(request(&cached)).await.unwrap();
    cached.invalidate(&invalidated);
    assert_eq!((get_number(&cached).await, script.fetches()), (1, 2));
    assert_eq!((immediate_number(&cached), script.fetches()), (1, 2));
    script.advance(10);
    assert_eq!(get_number(&cached).await, 3);
    cached.invalidate(&invalidated);
    assert_eq!((immediate_number(&cached), script.fetches()), (3, 3), "it was replaced");
}

#[tokio::test]
async fn cached_session_is_ready_on_first_poll() {
    let cached = ScriptedProvider::new().cached();
    get_number(&cached).await;
    let keys = poll(&mut pin!(cached.provide_credentials())).expect("the caller waits").unwrap();
    assert_eq!(keys.access_key_id(), "AKIA1");
}

#[test]
fn cache_hit_takes_no_lock() {
    let cached = ScriptedProvider::new().cached();
    runtime().block_on(get_number(&cached));
    let (sender, receiver) = std::sync::mpsc::channel();
    let lock = cached.0.lock();
    let caller = std::thread::spawn({
        let cached = cached.clone();
        move || sender.send(immediate_number(&cached))
    });
    let number = receiver.recv_timeout(Duration::from_secs(20));
    drop(lock);
    assert_eq!(number, Ok(1));
    caller.join().unwrap().unwrap();
}

#[tokio::test]
async fn sdk_receives_session_and_error_kind() {
    let script = ScriptedProvider::with_responses([Response::Unavailable]);
    let cached = script.cached();
    let error = cached.provide_credentials().await.unwrap_err();
    assert!(matches!(error, provider::error::CredentialsError::ProviderError(_)), "{error:?}");
    script.advance(2);
    assert_eq!(cached.provide_credentials().await.unwrap().access_key_id(), "AKIA2");
}

#[tokio::test]
async fn debug_output_contains_no_secret() {
    let script = ScriptedProvider::new();
    let builder = format!("{:?}", CachedProvider::builder(script.clone()));
    let cached = script.cached();
    get_number(&cached).await;
    let shown = format!("{builder} {cached:?} {cached:#?}");
    assert!(shown.contains("ScriptedProvider"), "{shown}");
    assert!(!shown.contains("the-secret") && !shown.contains("the-token"), "{shown}");
}

#[tokio::test]
async fn provider_panic_before_its_future_is_an_error() {
    #[derive(Debug)]
    struct PanicsEarly(AtomicUsize);
    impl ProvideSession for PanicsEarly {
        fn provide_session<'a, 'b>(
            &'a self,
            _: FetchContext,
        ) -> Pin<Box<dyn Future<Output = Result<Session, SessionError>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("scripted panic")
        }
    }
    let cached = CachedProvider::new(PanicsEarly(AtomicUsize::new(0)));
    let error = request(&cached).await.unwrap_err();
    assert_eq!(error.message(), "custom provider panicked");
    assert_eq!(cached.inner().0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn refresh_failure_keeps_session_used() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.push_responses([Response::Unavailable]);
    // No caller from here on.
    script.advance(IN_ADVISORY_WINDOW);
    wait_until(|| script.fetches() == 2).await;
    settle().await;
    script.advance(60);
    wait_until(|| script.fetches() == 3).await;
}

#[tokio::test]
async fn invalidation_reaches_inner_cache() {
    let script = ScriptedProvider::new();
    let inner = script.cached();
    let outer = CachedProvider::builder(inner).clock(script.clock()).build();
    let first = with_timeout(request(&outer)).await.unwrap();
    outer.invalidate(&first);
    let second = with_timeout(request(&outer)).await.unwrap();
    assert_eq!((number(&first), number(&second)), (1, 2));
}

#[tokio::test]
async fn entry_removed_before_spawn_fetches_nothing() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    let remove = || {
        cached.0.remove();
    };
    let context = FetchContext::foreground();
    let error = with_timeout(cached.0.obtain(Request::Session, context, remove)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Removed);
    settle().await;
    assert_eq!(script.fetches(), 0);
}

#[test]
fn provider_name_is_read_without_lock() {
    struct ReadsItself(std::sync::OnceLock<CachedProvider<Arc<ReadsItself>>>);
    impl fmt::Debug for ReadsItself {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("ReadsItself")
        }
    }
    #[async_trait]
    impl ProvideSession for ReadsItself {
        async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
            Err(SessionError::new(ErrorKind::Unavailable, "none"))
        }
        fn name(&self) -> &str {
            if let Some(cached) = self.0.get() {
                cached.0.is_loading();
            }
            "reads itself"
        }
    }
    let provider = Arc::new(ReadsItself(std::sync::OnceLock::new()));
    let cached = CachedProvider::new(Arc::clone(&provider));
    assert!(provider.0.set(cached.clone()).is_ok());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        cached.0.remove();
        let kind = runtime().block_on(request(&cached)).unwrap_err().kind();
        sender.send(kind).unwrap();
    });
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(ErrorKind::Removed));
}

#[tokio::test]
async fn use_before_refresh_is_seen_after_it() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    assert!(cached.0.take_touched());
    assert!(!cached.0.take_touched(), "taken before");
    get_number(&cached).await;
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2);
    assert!(cached.0.take_touched());
    assert!(!cached.0.take_touched());
}
