use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rolecall_core::{ErrorKind, FetchMode};
use tokio::runtime::{Builder, Handle, Runtime};

use super::*;
use crate::script::{Answer, HOUR, INTO_THE_HARD_WINDOW, INTO_THE_WINDOW, Script};

mod asking;
mod deferred;
mod looks;
mod runtimes;
mod scenarios;
mod use_and_limits;

async fn ask<S: ProvideSession>(cached: &CachedProvider<S>) -> Result<Session, SessionError> {
    cached.provide_session(FetchContext::foreground()).await
}

/// The number of the fetch that brought the session which a caller gets.
async fn get(cached: &CachedProvider<Script>) -> usize {
    number(&patiently(ask(cached)).await.unwrap())
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

/// What a caller gets at once, if anything.
fn at_once(cached: &CachedProvider<Script>) -> Option<Result<usize, SessionError>> {
    let answer = poll(&mut pin!(ask(cached)))?;
    Some(answer.map(|session| number(&session)))
}

fn held_at_once(cached: &CachedProvider<Script>) -> usize {
    at_once(cached).expect("no wait").expect("no error")
}

/// Makes a failure of what would hang.
async fn patiently<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("it hangs")
}

/// Yields until it is so.
async fn until(mut so: impl FnMut() -> bool) {
    patiently(async {
        while !so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Lets every task of a current-thread runtime come to rest.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_at_a_cold_slot_share_one_fetch() {
    let script = Script::new();
    script.block();
    let cached = script.provider();
    let waiting = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let (cached, waiting) = (cached.clone(), Arc::clone(&waiting));
            tokio::spawn(async move {
                let mut caller = pin!(ask(&cached));
                assert!(poll(&mut caller).is_none());
                waiting.fetch_add(1, Ordering::Relaxed);
                number(&patiently(caller).await.unwrap())
            })
        })
        .collect();
    until(|| waiting.load(Ordering::Relaxed) == 1000).await;
    script.unblock();
    for caller in callers {
        assert_eq!(patiently(caller).await.unwrap(), 1);
    }
    assert_eq!(script.fetches(), 1);
}

#[tokio::test]
async fn first_fetch_error_is_shared_remembered_and_retried() {
    let script = Script::will([Answer::Fail]);
    script.block();
    let cached = script.provider();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let cached = cached.clone();
            tokio::spawn(async move { patiently(ask(&cached)).await.unwrap_err().to_string() })
        })
        .collect();
    settle().await;
    script.unblock();
    for caller in callers {
        assert_eq!(patiently(caller).await.unwrap(), "no 1");
    }
    script.0.hands.advance(Duration::from_millis(999));
    let remembered = at_once(&cached).expect("no wait").unwrap_err();
    assert_eq!((remembered.to_string().as_str(), script.fetches()), ("no 1", 1));
    script.advance(1);
    assert_eq!((get(&cached).await, script.fetches()), (2, 2));
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_end_the_fetch() {
    let script = Script::new();
    script.block();
    let cached = script.provider();
    tokio::time::timeout(Duration::ZERO, ask(&cached)).await.unwrap_err();
    assert!(at_once(&cached).is_none(), "polled once and dropped");
    settle().await;
    assert_eq!(script.fetches(), 1);
    script.unblock();
    settle().await;
    assert_eq!((held_at_once(&cached), script.fetches()), (1, 1));
}

#[tokio::test]
async fn advisory_window_callers_get_session_beside_one_refresh() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.block();
    script.advance(INTO_THE_WINDOW);
    for _ in 0..10 {
        assert_eq!(held_at_once(&cached), 1);
        settle().await;
        assert_eq!(script.fetches(), 2);
    }
    assert_eq!(*script.0.urgencies.lock().unwrap(), [FetchMode::Foreground, FetchMode::Background]);
    script.unblock();
    settle().await;
    assert_eq!((held_at_once(&cached), script.fetches()), (2, 2));
}

#[tokio::test]
async fn advisory_window_call_refreshes_unused_session() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    for _ in ["the timer refreshes the first", "nobody had the second"] {
        script.advance(INTO_THE_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), 2);
    }
    assert_eq!((script.fetches(), held_at_once(&cached)), (2, 2));
    settle().await;
    assert_eq!((script.fetches(), held_at_once(&cached)), (3, 3));
}

#[tokio::test]
async fn a_first_load_counts_as_use_though_its_caller_gave_up() {
    let script = Script::new();
    let cached = script.provider();
    assert!(at_once(&cached).is_none());
    settle().await;
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn mandatory_window_caller_gets_new_session_in_time() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.advance(INTO_THE_HARD_WINDOW);
    assert_eq!((get(&cached).await, script.fetches()), (2, 2));
}

#[tokio::test]
async fn in_the_hard_window_a_caller_waits_two_seconds_at_most() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.block();
    script.advance(INTO_THE_HARD_WINDOW);
    let mut caller = pin!(ask(&cached));
    for millis in [0, 1999] {
        script.0.hands.advance(Duration::from_millis(millis));
        settle().await;
        assert!(poll(&mut caller).is_none(), "{millis}");
    }
    script.0.hands.advance(Duration::from_millis(1));
    assert_eq!(number(&patiently(caller).await.unwrap()), 1);
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn mandatory_window_refresh_failure_keeps_session() {
    let script = Script::will([Answer::Session, Answer::Fail, Answer::Fail]);
    let cached = script.provider();
    get(&cached).await;
    script.advance(INTO_THE_HARD_WINDOW);
    assert_eq!((get(&cached).await, script.fetches()), (1, 2));
    assert_eq!(held_at_once(&cached), 1, "backoff forbids another");
    script.advance(HOUR - INTO_THE_HARD_WINDOW);
    assert_eq!(patiently(ask(&cached)).await.unwrap_err().to_string(), "no 3");
}

#[tokio::test]
async fn an_expired_session_is_never_handed_out() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.then([Answer::Fail; 100]);
    for _ in 0..HOUR / 100 - 1 {
        script.advance(100);
        settle().await;
        assert_eq!(get(&cached).await, 1);
    }
    script.0.hands.advance(Duration::from_secs(100) - Duration::from_nanos(1));
    assert_eq!(get(&cached).await, 1);
    script.0.hands.advance(Duration::from_nanos(1));
    assert!(patiently(ask(&cached)).await.is_err());
}

#[tokio::test]
async fn caller_waiting_past_expiration_gets_no_expired_session() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.block();
    script.advance(HOUR - 1);
    let mut caller = pin!(ask(&cached));
    assert!(poll(&mut caller).is_none());
    settle().await;
    script.advance(2);
    assert!(poll(&mut caller).is_none());
    script.unblock();
    assert_eq!(number(&patiently(caller).await.unwrap()), 2);
}

#[tokio::test]
async fn the_timer_refreshes_a_used_session_and_an_unused_one_lapses() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2, "a first load counts as use");
    for _ in 0..2 {
        script.advance(INTO_THE_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), 2, "nobody had the second");
    }
    assert_eq!(get(&cached).await, 3);
}

#[tokio::test]
async fn the_timer_goes_on_while_somebody_calls() {
    let script = Script::new();
    let cached = script.provider();
    for number in 1..=5 {
        assert_eq!(get(&cached).await, number);
        script.advance(INTO_THE_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), number + 1);
    }
}

#[tokio::test]
async fn refresh_always_goes_on_with_no_caller_and_past_an_outage() {
    let script = Script::new();
    let cached = script.cached_with(Refresh::Always);
    get(&cached).await;
    for fetches in 2..=4 {
        script.advance(INTO_THE_WINDOW);
        settle().await;
        assert_eq!(script.fetches(), fetches);
    }
    script.then([Answer::Fail]);
    script.advance(HOUR);
    settle().await;
    assert!(at_once(&cached).expect("no wait").is_err());
    script.advance(13);
    settle().await;
    assert_eq!((script.fetches(), held_at_once(&cached)), (6, 6));
}

#[tokio::test]
async fn refresh_failure_keeps_session_and_backs_off() {
    let script = Script::will([Answer::Session, Answer::Fail, Answer::Fail]);
    let cached = script.provider();
    get(&cached).await;
    script.advance(INTO_THE_WINDOW);
    settle().await;
    // The first pause is 1 s, the second 1 to 2 s.
    for (millis, fetches) in [(0, 2), (999, 2), (1, 3), (999, 3)] {
        script.0.hands.advance(Duration::from_millis(millis));
        settle().await;
        assert_eq!((held_at_once(&cached), script.fetches()), (1, fetches), "{millis}");
    }
    script.0.hands.advance(Duration::from_millis(1001));
    settle().await;
    assert_eq!((held_at_once(&cached), script.fetches()), (4, 4));
}

#[tokio::test]
async fn a_source_that_panics_is_an_error_and_the_next_try_works() {
    let script = Script::will([Answer::Panic]);
    let cached = script.provider();
    let error = patiently(ask(&cached)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unavailable, "custom provider panicked")
    );
    script.advance(2);
    assert_eq!((get(&cached).await, script.fetches()), (2, 2));
}

#[tokio::test]
async fn a_source_that_hangs_is_an_error_at_the_limit() {
    let script = Script::will([Answer::Hang]);
    let cached = script.provider();
    let mut caller = pin!(ask(&cached));
    for millis in [0, 14_999] {
        assert!(poll(&mut caller).is_none());
        settle().await;
        script.0.hands.advance(Duration::from_millis(millis));
    }
    settle().await;
    assert!(poll(&mut caller).is_none());
    script.0.hands.advance(Duration::from_millis(1));
    let error = patiently(caller).await.unwrap_err();
    assert_eq!(error.message(), "custom provider did not return a session within 15s");
    assert_eq!(script.fetches(), 1);
}

#[tokio::test]
async fn the_last_handle_that_is_dropped_ends_the_timer() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let cached = Script::new().provider();
    let clone = cached.clone();
    get(&cached).await;
    drop(cached);
    settle().await;
    assert_eq!((tasks(), held_at_once(&clone)), (1, 1));
    let slot = Arc::downgrade(&clone.0);
    drop(clone);
    settle().await;
    assert_eq!((tasks(), slot.strong_count()), (0, 0));
}

#[tokio::test]
async fn invalidated_session_is_replaced_within_the_spacing() {
    let script = Script::new();
    let cached = script.provider();
    for number in 1_usize..=4 {
        let session = patiently(ask(&cached)).await.unwrap();
        cached.invalidate(&session);
        // The first fetch is no rejection's; then it is 10, 20, 40 s from one to the next.
        if let Some(spacing) = [10_u64, 20, 40].get(number.wrapping_sub(2)) {
            script.advance(spacing - 1);
            assert_eq!((held_at_once(&cached), script.fetches()), (number, number));
            script.advance(1);
        }
        assert_eq!((get(&cached).await, script.fetches()), (number + 1, number + 1));
    }
}

#[tokio::test]
async fn a_rejected_session_is_handed_out_if_there_is_no_other() {
    let script = Script::will([Answer::Session, Answer::Fail]);
    let cached = script.provider();
    let rejected = patiently(ask(&cached)).await.unwrap();
    cached.invalidate(&rejected);
    assert_eq!((get(&cached).await, script.fetches()), (1, 2));
    assert_eq!((held_at_once(&cached), script.fetches()), (1, 2));
    script.advance(10);
    assert_eq!(get(&cached).await, 3);
    cached.invalidate(&rejected);
    assert_eq!((held_at_once(&cached), script.fetches()), (3, 3), "old news");
}

#[tokio::test]
async fn a_session_in_hand_is_ready_on_the_first_poll() {
    let cached = Script::new().provider();
    get(&cached).await;
    let keys = poll(&mut pin!(cached.provide_credentials())).expect("no wait").unwrap();
    assert_eq!(keys.access_key_id(), "AKIA1");
}

#[test]
fn a_session_in_hand_takes_no_lock() {
    let cached = Script::new().provider();
    runtime().block_on(get(&cached));
    let (tell, told) = std::sync::mpsc::channel();
    let lock = cached.0.lock();
    let caller = std::thread::spawn({
        let cached = cached.clone();
        move || tell.send(held_at_once(&cached))
    });
    let number = told.recv_timeout(Duration::from_secs(20));
    drop(lock);
    assert_eq!(number, Ok(1));
    caller.join().unwrap().unwrap();
}

#[tokio::test]
async fn sdk_receives_first_session_and_kind_of_error() {
    let script = Script::will([Answer::Fail]);
    let cached = script.provider();
    let error = cached.provide_credentials().await.unwrap_err();
    assert!(matches!(error, provider::error::CredentialsError::ProviderError(_)), "{error:?}");
    script.advance(2);
    assert_eq!(cached.provide_credentials().await.unwrap().access_key_id(), "AKIA2");
}

#[tokio::test]
async fn a_step_of_the_wall_clock_changes_nothing() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    let decade = Duration::from_secs(10 * 365 * 24 * HOUR);
    let wall = script.0.hands.clock().wall();
    for step in [wall + decade, wall - decade] {
        script.0.hands.set_wall(step);
        settle().await;
        assert_eq!((held_at_once(&cached), script.fetches()), (1, 1));
    }
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!((held_at_once(&cached), script.fetches()), (2, 2), "refreshed in its time");
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let script = Script::new();
    let builder = format!("{:?}", CachedProvider::builder(script.clone()));
    let cached = script.provider();
    get(&cached).await;
    let shown = format!("{builder} {cached:?} {cached:#?}");
    assert!(shown.contains("Script"), "{shown}");
    assert!(!shown.contains("the-secret") && !shown.contains("the-token"), "{shown}");
}

#[tokio::test]
async fn a_source_that_panics_before_it_gives_a_future() {
    #[derive(Debug)]
    struct Rash(AtomicUsize);
    impl ProvideSession for Rash {
        fn provide_session<'a, 'b>(
            &'a self,
            _: FetchContext,
        ) -> Pin<Box<dyn Future<Output = Result<Session, SessionError>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("rash")
        }
    }
    let cached = CachedProvider::new(Rash(AtomicUsize::new(0)));
    let error = ask(&cached).await.unwrap_err();
    assert_eq!(error.message(), "custom provider panicked");
    assert_eq!(cached.inner().0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_refresh_that_fails_does_not_make_the_session_an_unused_one() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    script.then([Answer::Fail]);
    // No caller from here on.
    script.advance(INTO_THE_WINDOW);
    until(|| script.fetches() == 2).await;
    settle().await;
    script.advance(60);
    until(|| script.fetches() == 3).await;
}

#[tokio::test]
async fn a_rejection_goes_on_to_what_is_within() {
    let script = Script::new();
    let inner = script.provider();
    let outer = CachedProvider::builder(inner).clock(script.0.hands.clock()).build();
    let first = patiently(ask(&outer)).await.unwrap();
    outer.invalidate(&first);
    let second = patiently(ask(&outer)).await.unwrap();
    assert_eq!((number(&first), number(&second)), (1, 2));
}

#[tokio::test]
async fn entry_removed_before_fetch_starts_fetches_nothing() {
    let script = Script::new();
    let cached = script.provider();
    let removes = || {
        cached.0.remove();
    };
    let error = patiently(cached.0.obtain(Ask::Session, FetchContext::foreground(), removes)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Removed);
    settle().await;
    assert_eq!(script.fetches(), 0);
}

#[test]
fn a_source_is_asked_for_its_label_under_no_lock() {
    struct Nosy(std::sync::OnceLock<CachedProvider<Arc<Nosy>>>);
    impl fmt::Debug for Nosy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Nosy")
        }
    }
    #[async_trait]
    impl ProvideSession for Nosy {
        async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
            Err(SessionError::new(ErrorKind::Unavailable, "none"))
        }
        fn name(&self) -> &str {
            if let Some(cached) = self.0.get() {
                cached.0.is_loading();
            }
            "nosy"
        }
    }
    let nosy = Arc::new(Nosy(std::sync::OnceLock::new()));
    let cached = CachedProvider::new(Arc::clone(&nosy));
    assert!(nosy.0.set(cached.clone()).is_ok());
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        cached.0.remove();
        let kind = runtime().block_on(ask(&cached)).unwrap_err().kind();
        done.send(kind).unwrap();
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Ok(ErrorKind::Removed));
}

#[tokio::test]
async fn a_use_before_a_refresh_counts_when_somebody_looks_after_it() {
    let script = Script::new();
    let cached = script.provider();
    get(&cached).await;
    assert!(cached.0.was_touched());
    assert!(!cached.0.was_touched(), "it was looked at");
    get(&cached).await;
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!(script.fetches(), 2);
    assert!(cached.0.was_touched());
    assert!(!cached.0.was_touched());
}
