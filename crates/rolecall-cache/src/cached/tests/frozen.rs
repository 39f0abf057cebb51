//! Background fetches and callers, and processes that were frozen during a fetch.

use super::*;

/// A fetch is overdue a second after its timeout of 15 seconds.
const OVERDUE: u64 = 16;

/// Spawns callers, and returns the numbers of the sessions that they receive.
async fn concurrent_numbers(
    cached: &CachedProvider<ScriptedProvider>,
    callers: usize,
) -> Vec<usize> {
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let cached = cached.clone();
            tokio::spawn(async move { get_number(&cached).await })
        })
        .collect();
    let mut numbers = Vec::new();
    for caller in callers {
        numbers.push(caller.await.unwrap());
    }
    numbers
}

#[tokio::test]
async fn caller_joining_failed_background_fetch_starts_foreground() {
    let script = ScriptedProvider::with_responses([Response::ValidFor(12)]);
    let cached = script.cached();
    get_number(&cached).await;
    script.push_responses([Response::Unavailable]);
    script.block();
    script.advance(10);
    assert_eq!(immediate_number(&cached), 1, "starts a background fetch");
    settle().await;
    script.advance(2);
    let mut callers = [(); 20].map(|()| Box::pin(request(&cached)));
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()), "the session has expired");
    script.unblock();
    for caller in callers {
        assert_eq!(number(&with_timeout(caller).await.unwrap()), 3);
    }
    use FetchMode::{Background, Foreground};
    assert_eq!(script.modes(), [Foreground, Background, Foreground]);
}

#[tokio::test]
async fn failed_background_fetch_without_session_blocks_no_caller() {
    let script = ScriptedProvider::new();
    let cached = script.cached_with(Refresh::Always);
    get_number(&cached).await;
    script.push_responses([Response::Denied; 1]);
    script.advance(HOUR);
    settle().await;
    assert_eq!((script.fetches(), cached.status().state), (2, State::Failing));
    assert_eq!(get_number(&cached).await, 3);
}

/// A background fetch hangs while the process is frozen until its session has expired. Its late
/// result must not reach the first requests after the thaw.
#[tokio::test]
async fn first_requests_after_freeze_succeed_after_late_failure() {
    // The fetch times out, fails, or fails for good once the process continues.
    for response in [Response::Hang, Response::Unavailable, Response::Denied, Response::Expired] {
        for requests_first in [true, false] {
            let script = ScriptedProvider::new();
            let cached = script.cached();
            get_number(&cached).await;
            script.push_responses([response]);
            script.block();
            script.advance(IN_ADVISORY_WINDOW);
            settle().await;
            assert_eq!(script.fetches(), 2, "a background fetch is running");
            script.advance(HOUR);
            script.unblock();
            if !requests_first {
                settle().await;
                let status = cached.status();
                assert_eq!((status.state, status.consecutive_failures), (State::Expired, 0));
            }
            let numbers = concurrent_numbers(&cached, 10).await;
            assert_eq!(numbers, [3; 10], "{response:?}, requests first: {requests_first}");
            assert_eq!(cached.status().consecutive_failures, 0);
        }
    }
}

#[tokio::test]
async fn first_requests_after_freeze_succeed_after_late_success() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.block();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    script.advance(HOUR);
    script.unblock();
    settle().await;
    assert_eq!(immediate_number(&cached), 2, "the late session is adopted");
    assert_eq!(concurrent_numbers(&cached, 10).await, [2; 10]);
    assert_eq!(script.fetches(), 2);
}

/// The session that arrives late has expired in the meantime.
#[tokio::test]
async fn late_session_that_has_expired_is_refused() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.push_responses([Response::Repeat(1)]);
    script.block();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    script.advance(HOUR);
    script.unblock();
    settle().await;
    assert_eq!(cached.status().consecutive_failures, 0, "it is late, and no failure");
    assert_eq!(get_number(&cached).await, 3);
}

#[tokio::test]
async fn callers_waiting_during_freeze_receive_a_session() {
    for response in [Response::Hang, Response::Unavailable, Response::Denied, Response::Session] {
        let script = ScriptedProvider::with_responses([response]);
        let cached = script.cached();
        script.block();
        let mut callers = [(); 10].map(|()| Box::pin(request(&cached)));
        assert!(callers.iter_mut().all(|caller| poll(caller).is_none()));
        settle().await;
        assert_eq!(script.fetches(), 1);
        script.advance(60);
        script.unblock();
        settle().await;
        for caller in callers {
            let number = number(&with_timeout(caller).await.unwrap());
            assert!((1..=2).contains(&number), "{response:?}");
        }
        assert!(script.fetches() <= 2);
    }
}

/// A session that arrives while a newer fetch runs serves the callers of that fetch.
#[tokio::test]
async fn late_session_serves_callers_of_the_newer_fetch() {
    let script = ScriptedProvider::with_responses([Response::Session, Response::Hang]);
    let cached = script.cached();
    script.block();
    let mut first = pin!(request(&cached));
    assert!(poll(&mut first).is_none());
    settle().await;
    script.advance(OVERDUE);
    // Not the runtime's turn yet: the overdue fetch has not run since the freeze.
    let mut second = pin!(request(&cached));
    assert!(poll(&mut second).is_none());
    assert_eq!(cached.status().state, State::Loading);
    script.unblock();
    assert_eq!(number(&with_timeout(second).await.unwrap()), 1);
    assert_eq!(number(&with_timeout(first).await.unwrap()), 1);
    settle().await;
    assert_eq!((immediate_number(&cached), script.fetches()), (1, 2));
    // The newer fetch continues, and its session would still be adopted.
    assert_eq!(cached.status().state, State::Refreshing);
    script.advance(15);
    settle().await;
    assert_eq!((immediate_number(&cached), cached.status().state), (1, State::Stale));
}

#[tokio::test]
async fn late_session_older_than_the_cached_one_is_discarded() {
    let script = ScriptedProvider::new();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    #[derive(Debug)]
    struct FirstIsLate(
        ScriptedProvider,
        std::sync::Mutex<Option<tokio::sync::oneshot::Receiver<()>>>,
    );
    #[async_trait]
    impl ProvideSession for FirstIsLate {
        async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
            let receiver = self.1.lock().unwrap().take();
            let session = self.0.provide_session(context).await;
            if let Some(receiver) = receiver {
                let _ = receiver.await;
            }
            session
        }
    }
    let provider = FirstIsLate(script.clone(), std::sync::Mutex::new(Some(receiver)));
    let cached = CachedProvider::builder(provider).clock(script.clock()).build();
    let mut first = pin!(request(&cached));
    assert!(poll(&mut first).is_none());
    settle().await;
    // The runtime does not run the timeout of the first fetch before its session arrives.
    script.advance(OVERDUE);
    let mut second = pin!(request(&cached));
    assert!(poll(&mut second).is_none());
    sender.send(()).unwrap();
    let numbers = [with_timeout(second).await, with_timeout(first).await];
    assert!(numbers.iter().all(|session| number(session.as_ref().unwrap()) <= 2));
    settle().await;
    let cached = poll(&mut pin!(request(&cached))).expect("the caller waits").unwrap();
    assert_eq!((number(&cached), script.fetches()), (2, 2), "the newest session stays");
}

/// Each fetch is overdue, and the next one takes over. The one before the last is given up.
#[test]
fn hanging_fetches_run_in_two_tasks_at_most() {
    let script = ScriptedProvider::with_responses([Response::Hang; 5]);
    let cached = script.cached();
    let stopped = runtime();
    {
        // The runtime does not run, so that no fetch ends at its timeout.
        let _guard = stopped.enter();
        for _ in 0..5 {
            assert!(immediate(&cached).is_none());
            script.advance(OVERDUE);
        }
    }
    stopped.block_on(async {
        tokio::task::yield_now().await;
        let tasks = Handle::current().metrics().num_alive_tasks();
        assert!(tasks <= 3, "{tasks} tasks: the timer, and two fetches");
    });
    assert!(script.fetches() <= 2, "{} fetches called the provider", script.fetches());
}

/// Starts a fetch whose session is valid for 10 minutes and arrives late, while a caller waits for
/// the fetch that took over, which hangs.
macro_rules! caller_beside_late_session {
    ($script:ident, $cached:ident, $caller:expr) => {{
        let $script = ScriptedProvider::with_responses([Response::ValidFor(300)]);
        let $cached = $script.cached();
        get_number(&$cached).await;
        $script.push_responses([Response::ValidFor(600), Response::Hang]);
        $script.block();
        let mut first = Box::pin($cached.refresh());
        assert!(poll(&mut first).is_none());
        settle().await;
        $script.advance(60);
        let mut caller = Box::pin($caller);
        assert!(poll(&mut caller).is_none(), "starts the next fetch");
        $script.unblock();
        settle().await;
        assert_eq!(($script.fetches(), immediate_number(&$cached)), (3, 2), "the late session");
        assert!(poll(&mut caller).is_none(), "the late session is not what was requested");
        $script.advance(OVERDUE);
        with_timeout(caller).await
    }};
}

#[tokio::test]
async fn refresh_does_not_return_late_session_of_earlier_fetch() {
    let received = caller_beside_late_session!(script, cached, cached.refresh());
    assert_eq!(number(&received.unwrap()), 4);
}

#[tokio::test]
async fn valid_for_waits_beside_late_session_that_is_too_short() {
    let min_remaining = Duration::from_secs(3598);
    let received =
        caller_beside_late_session!(script, cached, cached.session_valid_for(min_remaining));
    // The provider's sessions became shorter.
    assert_eq!(received.unwrap_err().kind(), ErrorKind::InvalidConfig);
}
