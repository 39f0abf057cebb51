//! Runtimes that end or do not run, and calls outside of any runtime.

use super::*;

#[test]
fn caller_takes_over_after_runtime_shutdown() {
    let script = ScriptedProvider::new();
    script.block();
    let cached = script.cached();
    let ending = std::thread::spawn({
        let (script, cached) = (script.clone(), cached.clone());
        move || {
            let ending = runtime();
            ending.block_on(async {
                assert!(immediate(&cached).is_none());
                wait_until(|| script.fetches() == 1).await;
            });
            ending
        }
    });
    let ending = ending.join().unwrap();
    runtime().block_on(async {
        let mut caller = pin!(request(&cached));
        assert!(poll(&mut caller).is_none());
        assert_eq!(script.fetches(), 1, "the caller joins the fetch of the other runtime");
        ending.shutdown_background();
        assert!(poll(&mut caller).is_none());
        wait_until(|| script.fetches() == 2).await;
        script.unblock();
        assert_eq!(number(&with_timeout(caller).await.unwrap()), 2);
    });
}

#[test]
fn older_session_from_stopped_runtime_is_discarded() {
    let script = ScriptedProvider::new();
    script.block();
    let cached = script.cached();
    let frozen = runtime();
    frozen.block_on(async {
        assert!(immediate(&cached).is_none());
        wait_until(|| script.fetches() == 1).await;
    });
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| {
            runtime().block_on(async {
                let mut caller = pin!(request(&cached));
                for (seconds, fetches) in [(0, 1), (15, 1), (1, 2)] {
                    script.advance(seconds);
                    assert!(poll(&mut caller).is_none());
                    settle().await;
                    assert_eq!(script.fetches(), fetches, "{seconds}");
                }
                script.unblock();
                assert_eq!(number(&with_timeout(caller).await.unwrap()), 2);
            });
        });
        elsewhere.join().unwrap();
    });
    frozen.block_on(async {
        settle().await;
        assert_eq!((immediate_number(&cached), script.fetches()), (2, 2));
    });
}

#[test]
fn call_outside_runtime_without_session_fails() {
    let error =
        immediate(&ScriptedProvider::new().cached()).expect("the caller waits").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().unwrap().contains("Tokio"), "{error}");
}

#[test]
fn call_outside_runtime_returns_valid_session() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    runtime().block_on(get_number(&cached));
    for _ in ["fresh", "the advisory window", "the mandatory window"] {
        assert_eq!(immediate_number(&cached), 1);
        script.advance(IN_MANDATORY_WINDOW / 2);
    }
    assert!(immediate(&cached).expect("the caller waits").is_err());
    assert_eq!(script.fetches(), 1);
}

#[test]
fn call_on_ended_runtime_fails() {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let cached = ScriptedProvider::new().cached();
        let ended = runtime();
        let handle = ended.handle().clone();
        drop(ended);
        let _guard = handle.enter();
        sender.send(immediate(&cached)).unwrap();
    });
    let result = receiver.recv_timeout(Duration::from_secs(10)).expect("the call hangs");
    assert!(result.expect("the caller waits").is_err());
}

#[test]
fn calls_on_ended_runtime_leave_no_error() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    script.block();
    let ending = runtime();
    let handle = ending.handle().clone();
    ending.block_on(async {
        let cached = cached.clone();
        tokio::spawn(async move { request(&cached).await.map(drop) });
        wait_until(|| script.fetches() == 1).await;
    });
    drop(ending);
    script.unblock();
    {
        let _guard = handle.enter();
        for _ in 0..3 {
            assert!(immediate(&cached).expect("the caller waits").is_err());
        }
    }
    runtime().block_on(async {
        assert_eq!((get_number(&cached).await, script.fetches()), (2, 2));
    });
}

#[test]
fn call_outside_runtime_does_not_join_fetch() {
    let script = ScriptedProvider::new();
    let cached = CachedProvider::new(script.clone());
    script.block();
    let frozen = runtime();
    frozen.block_on(async {
        assert!(immediate(&cached).is_none());
        wait_until(|| script.fetches() == 1).await;
    });
    assert!(immediate(&cached).expect("the caller waits").is_err());
}

#[test]
fn timer_moves_to_the_runtime_of_next_fetch() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    runtime().block_on(get_number(&cached));
    script.advance(HOUR);
    runtime().block_on(async {
        assert_eq!(get_number(&cached).await, 2);
        settle().await;
        script.advance(IN_ADVISORY_WINDOW);
        wait_until(|| script.fetches() == 3).await;
    });
}

#[test]
fn fetch_continues_in_second_block_on() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    let runtime = runtime();
    script.block();
    runtime.block_on(async {
        assert!(immediate(&cached).is_none());
        wait_until(|| script.fetches() == 1).await;
    });
    script.unblock();
    script.advance(10);
    let session = runtime.block_on(async { with_timeout(request(&cached)).await.unwrap() });
    assert_eq!((number(&session), script.fetches()), (1, 1));
}

#[test]
fn overdue_fetch_is_replaced_in_second_block_on() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    let runtime = runtime();
    script.block();
    runtime.block_on(async {
        assert!(immediate(&cached).is_none());
        wait_until(|| script.fetches() == 1).await;
    });
    script.unblock();
    script.advance(HOUR);
    runtime.block_on(async {
        assert_eq!((get_number(&cached).await, script.fetches()), (2, 2));
        settle().await;
        assert_eq!(immediate_number(&cached), 2, "the first one is older");
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the timer's task");
    });
}

#[test]
fn idle_runtime_calls_wait_in_mandatory_window_only() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    let runtime = runtime();
    runtime.block_on(get_number(&cached));
    let mut waited = 0;
    for _ in 0..3 * HOUR / 10 {
        script.advance(10);
        let expires_at = cached.status().expires_at.unwrap();
        let remaining = expires_at.duration_since(script.clock().wall()).unwrap_or_default();
        runtime.block_on(async {
            let mut call = pin!(request(&cached));
            if poll(&mut call).is_none() {
                waited += 1;
                assert!(remaining <= Duration::from_secs(60), "a call waits with {remaining:?}");
                with_timeout(call).await.unwrap();
            }
        });
    }
    // A refresh that a call starts without waiting has no time to run.
    assert!(waited <= 3 * 2, "{waited} calls waited");
    assert!(script.fetches() <= 8, "{} fetches", script.fetches());
}

#[test]
fn waiting_callers_end_with_their_runtime() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    script.block();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn({
        let (script, cached) = (script.clone(), cached.clone());
        move || {
            let ending =
                Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            for _ in 0..20 {
                let cached = cached.clone();
                ending.spawn(async move { request(&cached).await.map(drop) });
            }
            ending.block_on(wait_until(|| script.fetches() == 1));
            drop(ending);
            sender.send(()).unwrap();
        }
    });
    receiver.recv_timeout(Duration::from_secs(20)).expect("the runtime does not end");
    script.unblock();
    runtime().block_on(async {
        assert_eq!((get_number(&cached).await, script.fetches()), (2, 2));
    });
}

#[test]
fn ending_runtimes_do_not_fetch_on_every_call() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    script.block();
    let mut errors = 0;
    for _ in 0..50 {
        let (ending, before) = (runtime(), script.fetches());
        ending.block_on(async {
            match immediate(&cached) {
                None => wait_until(|| script.fetches() > before).await,
                Some(result) => {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Unavailable);
                    assert!(error.hint().unwrap().starts_with("keep one runtime"), "{error}");
                    errors += 1;
                }
            }
        });
        drop(ending);
    }
    assert_eq!((script.fetches(), errors), (2, 48));
    script.unblock();
    script.advance(2);
    assert_eq!(runtime().block_on(get_number(&cached)), 3);
}

#[test]
fn provider_outlives_its_runtime() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    runtime().block_on(get_number(&cached));
    assert_eq!(immediate_number(&cached), 1, "outside of any runtime");
    runtime().block_on(async {
        assert_eq!(immediate_number(&cached), 1);
        settle().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "nothing was due");
    });
    script.advance(IN_ADVISORY_WINDOW);
    runtime().block_on(async {
        assert_eq!(immediate_number(&cached), 1);
        wait_until(|| script.fetches() == 2).await;
        settle().await;
        assert_eq!(immediate_number(&cached), 2);
    });
    assert_eq!(immediate_number(&cached), 2, "outside of any runtime");
}

#[test]
fn last_clone_drops_outside_any_runtime() {
    let script = ScriptedProvider::new();
    let cached = script.cached();
    let frozen = runtime();
    frozen.block_on(get_number(&cached));
    script.block();
    script.advance(IN_ADVISORY_WINDOW);
    frozen.block_on(async {
        immediate_number(&cached);
        wait_until(|| script.fetches() == 2).await;
    });
    let entry = Arc::downgrade(&cached.0);
    drop(cached);
    assert_eq!(entry.strong_count(), 0);
    frozen.block_on(async {
        settle().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    });
    script.unblock();

    let cached = script.cached();
    let ended = runtime();
    ended.block_on(get_number(&cached));
    drop(ended);
    drop(cached);
}

#[tokio::test]
async fn dropping_chain_ends_tasks_of_all_entries() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let script = ScriptedProvider::new();
    let cached = |provider: Arc<dyn ProvideSession>| -> Arc<dyn ProvideSession> {
        Arc::new(CachedProvider::builder(provider).clock(script.clock()).build())
    };
    let chain = cached(cached(cached(Arc::new(script.clone()))));
    with_timeout(chain.provide_session(FetchContext::foreground())).await.unwrap();
    assert_eq!(tasks(), 3, "a timer for each entry");
    script.block();
    script.advance(HOUR);
    let caller = tokio::spawn({
        let chain = Arc::clone(&chain);
        async move { chain.provide_session(FetchContext::foreground()).await.map(drop) }
    });
    wait_until(|| script.fetches() == 2).await;
    assert_eq!(tasks(), 3 + 3 + 1, "a timer and a fetch for each entry, and the caller");
    caller.abort();
    drop(chain);
    settle().await;
    assert_eq!(tasks(), 0);
}

/// The first fetch blocks its thread, so that it cannot be cancelled.
#[derive(Debug)]
struct BlocksThread {
    script: ScriptedProvider,
    release: std::sync::Mutex<Option<std::sync::mpsc::Receiver<()>>>,
}

#[async_trait]
impl ProvideSession for BlocksThread {
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
fn session_of_replaced_fetch_is_discarded() {
    let script = ScriptedProvider::new();
    let (sender, release) = std::sync::mpsc::channel();
    let provider =
        BlocksThread { script: script.clone(), release: std::sync::Mutex::new(Some(release)) };
    let cached = CachedProvider::builder(provider).clock(script.clock()).build();
    let blocked = std::thread::spawn({
        let cached = cached.clone();
        move || runtime().block_on(async { request(&cached).await.map(|session| number(&session)) })
    });
    runtime().block_on(async {
        wait_until(|| script.fetches() == 1).await;
        script.advance(16);
        assert_eq!(number(&with_timeout(request(&cached)).await.unwrap()), 2);
    });
    sender.send(()).unwrap();
    assert_eq!(blocked.join().unwrap().unwrap(), 2, "its caller receives the second session");
    assert_eq!(poll(&mut pin!(request(&cached))).map(|session| number(&session.unwrap())), Some(2));
}
