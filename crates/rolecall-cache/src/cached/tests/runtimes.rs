//! Runtimes that end, stand still, or are not there.

use super::*;

#[test]
fn when_a_runtime_shuts_down_amid_a_fetch_a_caller_on_another_takes_over() {
    let script = Script::new();
    script.block();
    let cached = script.provider();
    let doomed = std::thread::spawn({
        let (script, cached) = (script.clone(), cached.clone());
        move || {
            let doomed = runtime();
            doomed.block_on(async {
                assert!(at_once(&cached).is_none());
                until(|| script.fetches() == 1).await;
            });
            doomed
        }
    });
    let doomed = doomed.join().unwrap();
    runtime().block_on(async {
        let mut caller = pin!(ask(&cached));
        assert!(poll(&mut caller).is_none());
        assert_eq!(script.fetches(), 1, "it waits for the fetch on the other runtime");
        doomed.shutdown_background();
        assert!(poll(&mut caller).is_none());
        until(|| script.fetches() == 2).await;
        script.unblock();
        assert_eq!(number(&patiently(caller).await.unwrap()), 2);
    });
}

#[test]
fn when_a_runtime_stands_still_a_caller_on_another_takes_over_and_the_late_session_is_discarded() {
    let script = Script::new();
    script.block();
    let cached = script.provider();
    let frozen = runtime();
    frozen.block_on(async {
        assert!(at_once(&cached).is_none());
        until(|| script.fetches() == 1).await;
    });
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| {
            runtime().block_on(async {
                let mut caller = pin!(ask(&cached));
                for (seconds, fetches) in [(0, 1), (15, 1), (1, 2)] {
                    script.advance(seconds);
                    assert!(poll(&mut caller).is_none());
                    settle().await;
                    assert_eq!(script.fetches(), fetches, "{seconds}");
                }
                script.unblock();
                assert_eq!(number(&patiently(caller).await.unwrap()), 2);
            });
        });
        elsewhere.join().unwrap();
    });
    frozen.block_on(async {
        settle().await;
        assert_eq!((held_at_once(&cached), script.fetches()), (2, 2));
    });
}

#[test]
fn outside_a_runtime_no_session_is_an_error() {
    let error = at_once(&Script::new().provider()).expect("no wait").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().unwrap().contains("Tokio"), "{error}");
}

#[test]
fn outside_a_runtime_a_held_session_is_handed_out_until_its_end() {
    let script = Script::new();
    let cached = script.provider();
    runtime().block_on(get(&cached));
    for _ in ["before the windows", "the refresh window", "the hard window"] {
        assert_eq!(held_at_once(&cached), 1);
        script.advance(INTO_THE_HARD_WINDOW / 2);
    }
    assert!(at_once(&cached).expect("no wait").is_err());
    assert_eq!(script.fetches(), 1);
}

#[test]
fn on_a_runtime_that_is_gone_a_call_is_an_error() {
    let (done, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let cached = Script::new().provider();
        let gone = runtime();
        let handle = gone.handle().clone();
        drop(gone);
        let _guard = handle.enter();
        done.send(at_once(&cached)).unwrap();
    });
    let answer = answer.recv_timeout(Duration::from_secs(10)).expect("it hangs");
    assert!(answer.expect("no wait").is_err());
}

#[test]
fn those_who_ask_last_on_a_runtime_that_ends_leave_no_error_to_others() {
    let script = Script::new();
    let cached = script.provider();
    script.block();
    let doomed = runtime();
    let handle = doomed.handle().clone();
    doomed.block_on(async {
        let cached = cached.clone();
        tokio::spawn(async move { ask(&cached).await.map(drop) });
        until(|| script.fetches() == 1).await;
    });
    drop(doomed);
    script.unblock();
    {
        let _guard = handle.enter();
        for _ in 0..3 {
            assert!(at_once(&cached).expect("no wait").is_err());
        }
    }
    runtime().block_on(async {
        assert_eq!((get(&cached).await, script.fetches()), (2, 2));
    });
}

#[test]
fn outside_a_runtime_nobody_waits_for_the_fetch_of_another() {
    let script = Script::new();
    let cached = CachedProvider::new(script.clone());
    script.block();
    let frozen = runtime();
    frozen.block_on(async {
        assert!(at_once(&cached).is_none());
        until(|| script.fetches() == 1).await;
    });
    assert!(at_once(&cached).expect("no wait").is_err());
}

#[test]
fn the_timer_goes_on_on_the_runtime_of_the_next_fetch() {
    let script = Script::new();
    let cached = script.provider();
    runtime().block_on(get(&cached));
    script.advance(HOUR);
    runtime().block_on(async {
        assert_eq!(get(&cached).await, 2);
        settle().await;
        script.advance(INTO_THE_WINDOW);
        until(|| script.fetches() == 3).await;
    });
}

#[test]
fn a_fetch_stands_still_between_two_block_on_and_goes_on_in_the_second() {
    let script = Script::new();
    let cached = script.provider();
    let runtime = runtime();
    script.block();
    runtime.block_on(async {
        assert!(at_once(&cached).is_none());
        until(|| script.fetches() == 1).await;
    });
    script.unblock();
    script.advance(10);
    let session = runtime.block_on(async { patiently(ask(&cached)).await.unwrap() });
    assert_eq!((number(&session), script.fetches()), (1, 1));
}

#[test]
fn a_fetch_that_stood_still_for_too_long_between_two_block_on_is_taken_over_in_the_second() {
    let script = Script::new();
    let cached = script.provider();
    let runtime = runtime();
    script.block();
    runtime.block_on(async {
        assert!(at_once(&cached).is_none());
        until(|| script.fetches() == 1).await;
    });
    script.unblock();
    script.advance(HOUR);
    runtime.block_on(async {
        assert_eq!((get(&cached).await, script.fetches()), (2, 2));
        settle().await;
        assert_eq!(held_at_once(&cached), 2, "the first is discarded");
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the timer's alone");
    });
}

#[test]
fn where_nothing_runs_between_calls_no_call_fails_and_none_waits_before_the_hard_window() {
    let script = Script::new();
    let cached = script.provider();
    let runtime = runtime();
    runtime.block_on(get(&cached));
    let mut waited = 0;
    for _ in 0..3 * HOUR / 10 {
        script.advance(10);
        let ends = cached.status().expires_at.unwrap();
        let left = ends.duration_since(script.0.hands.clock().wall()).unwrap_or_default();
        runtime.block_on(async {
            let mut call = pin!(ask(&cached));
            if poll(&mut call).is_none() {
                waited += 1;
                assert!(left <= Duration::from_secs(60), "a call waits with {left:?} left");
                patiently(call).await.unwrap();
            }
        });
    }
    // A refresh that begins beside a call that does not wait has no time to run.
    assert!(waited <= 3 * 2, "{waited} calls waited");
    assert!(script.fetches() <= 8, "{} fetches", script.fetches());
}

#[test]
fn who_waits_on_a_runtime_that_ends_is_dropped_with_it_and_the_next_runtime_starts_anew() {
    let script = Script::new();
    let cached = script.provider();
    script.block();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn({
        let (script, cached) = (script.clone(), cached.clone());
        move || {
            let doomed =
                Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            for _ in 0..20 {
                let cached = cached.clone();
                doomed.spawn(async move { ask(&cached).await.map(drop) });
            }
            doomed.block_on(until(|| script.fetches() == 1));
            drop(doomed);
            done.send(()).unwrap();
        }
    });
    ended.recv_timeout(Duration::from_secs(20)).expect("the runtime does not end");
    script.unblock();
    runtime().block_on(async {
        assert_eq!((get(&cached).await, script.fetches()), (2, 2));
    });
}

#[test]
fn runtimes_that_end_amid_every_fetch_are_no_fetch_for_every_call() {
    let script = Script::new();
    let cached = script.provider();
    script.block();
    let mut errors = 0;
    for _ in 0..50 {
        let (doomed, before) = (runtime(), script.fetches());
        doomed.block_on(async {
            match at_once(&cached) {
                None => until(|| script.fetches() > before).await,
                Some(result) => {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Unavailable);
                    assert!(error.hint().unwrap().starts_with("keep one runtime"), "{error}");
                    errors += 1;
                }
            }
        });
        drop(doomed);
    }
    assert_eq!((script.fetches(), errors), (2, 48));
    script.unblock();
    script.advance(2);
    assert_eq!(runtime().block_on(get(&cached)), 3);
}

#[test]
fn a_handle_that_outlives_its_runtime_serves_on_another_and_outside_of_any() {
    let script = Script::new();
    let cached = script.provider();
    runtime().block_on(get(&cached));
    assert_eq!(held_at_once(&cached), 1, "outside of any");
    runtime().block_on(async {
        assert_eq!(held_at_once(&cached), 1);
        settle().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "nothing was to be done");
    });
    script.advance(INTO_THE_WINDOW);
    runtime().block_on(async {
        assert_eq!(held_at_once(&cached), 1);
        until(|| script.fetches() == 2).await;
        settle().await;
        assert_eq!(held_at_once(&cached), 2);
    });
    assert_eq!(held_at_once(&cached), 2, "outside of any");
}

#[test]
fn the_last_handle_may_go_outside_of_any_runtime_and_after_its_own_has_gone() {
    let script = Script::new();
    let cached = script.provider();
    let frozen = runtime();
    frozen.block_on(get(&cached));
    script.block();
    script.advance(INTO_THE_WINDOW);
    frozen.block_on(async {
        held_at_once(&cached);
        until(|| script.fetches() == 2).await;
    });
    let slot = Arc::downgrade(&cached.0);
    drop(cached);
    assert_eq!(slot.strong_count(), 0);
    frozen.block_on(async {
        settle().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    });
    script.unblock();

    let cached = script.provider();
    let gone = runtime();
    gone.block_on(get(&cached));
    drop(gone);
    drop(cached);
}

#[tokio::test]
async fn the_last_handle_of_a_chain_ends_the_tasks_of_all_its_slots() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let script = Script::new();
    let slot = |source: Arc<dyn ProvideSession>| -> Arc<dyn ProvideSession> {
        Arc::new(CachedProvider::builder(source).clock(script.0.hands.clock()).build())
    };
    let chain = slot(slot(slot(Arc::new(script.clone()))));
    patiently(chain.provide_session(FetchContext::foreground())).await.unwrap();
    assert_eq!(tasks(), 3, "a timer each");
    script.block();
    script.advance(HOUR);
    let caller = tokio::spawn({
        let chain = Arc::clone(&chain);
        async move { chain.provide_session(FetchContext::foreground()).await.map(drop) }
    });
    until(|| script.fetches() == 2).await;
    assert_eq!(tasks(), 3 + 3 + 1, "a timer each, a fetch each, and the caller");
    caller.abort();
    drop(chain);
    settle().await;
    assert_eq!(tasks(), 0);
}

/// Its first fetch keeps its thread, so that nothing can end it.
#[derive(Debug)]
struct Stuck {
    script: Script,
    release: std::sync::Mutex<Option<std::sync::mpsc::Receiver<()>>>,
}

#[async_trait]
impl ProvideSession for Stuck {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let release = self.release.lock().unwrap().take();
        let session = self.script.provide_session(cx).await;
        if let Some(release) = release {
            release.recv().unwrap();
        }
        session
    }
}

#[test]
fn a_session_that_comes_though_its_fetch_was_given_up_is_discarded() {
    let script = Script::new();
    let (free, release) = std::sync::mpsc::channel();
    let source = Stuck { script: script.clone(), release: std::sync::Mutex::new(Some(release)) };
    let cached = CachedProvider::builder(source).clock(script.0.hands.clock()).build();
    let stuck = std::thread::spawn({
        let cached = cached.clone();
        move || runtime().block_on(async { ask(&cached).await.map(|session| number(&session)) })
    });
    runtime().block_on(async {
        until(|| script.fetches() == 1).await;
        script.advance(16);
        assert_eq!(number(&patiently(ask(&cached)).await.unwrap()), 2);
    });
    free.send(()).unwrap();
    assert_eq!(stuck.join().unwrap().unwrap(), 2, "who waited for the first gets the second");
    assert_eq!(poll(&mut pin!(ask(&cached))).map(|session| number(&session.unwrap())), Some(2));
}
