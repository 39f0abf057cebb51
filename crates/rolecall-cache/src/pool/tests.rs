use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc as StdArc, Mutex as StdMutex};
use std::time::Duration;

use rolecall_core::{ErrorKind, Event, FetchContext, Session};
use tokio::runtime::Handle;

use super::*;
use crate::script::{Answer, HOUR, INTO_THE_HARD_WINDOW, INTO_THE_WINDOW, Script};

mod sweep;
mod warm;

fn pool(script: &Script) -> SessionPoolBuilder<u32> {
    let source = script.clone();
    SessionPool::builder(move |_| StdArc::new(source.clone()) as StdArc<dyn ProvideSession>)
        .clock(script.0.hands.clock())
}

async fn ask(handle: &CachedProvider) -> Result<Session, SessionError> {
    let answer = handle.provide_session(FetchContext::foreground());
    tokio::time::timeout(Duration::from_secs(20), answer).await.expect("it hangs")
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Waits until what was let go is freed. The map does that once no thread of this process is
/// reading any map of its kind, and other tests read theirs.
async fn until(pool: &SessionPool<u32>, freed: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !freed() {
        assert!(std::time::Instant::now() < deadline, "{:?}", pool.statuses());
        for _ in 0..200 {
            // Each may free some.
            pool.0.retained.get(&u32::MAX);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_is_one_slot_and_one_fetch_for_a_key_however_many_ask() {
    let script = Script::new();
    let pool = pool(&script).build();
    let callers: Vec<_> = (0..400)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move { ask(&pool.get(&(n % 4))).await.map(drop) })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!((script.fetches(), pool.status().entries(), pool.status().ready), (4, 4, 4));
}

#[tokio::test]
async fn a_slot_that_a_handle_uses_is_the_one_of_its_key_though_there_is_no_room_for_it() {
    let script = Script::new();
    let pool = pool(&script).capacity(2).build();
    let held = pool.get(&0);
    ask(&held).await.unwrap();
    for key in 1..100 {
        ask(&pool.get(&key)).await.unwrap();
    }
    pool.0.retained.run_pending_evictions();
    pool.0.report_evicted();
    let fetches = script.fetches();
    let again = pool.get(&0);
    let (first, second) = (ask(&held).await.unwrap(), ask(&again).await.unwrap());
    assert_eq!(first.access_key_id(), second.access_key_id());
    assert_eq!(script.fetches(), fetches);
}

#[tokio::test]
async fn what_nobody_holds_is_bounded_and_its_memory_is_given_back() {
    let script = Script::new();
    let pool = pool(&script).capacity(50).build();
    for key in 0..5000 {
        ask(&pool.get(&key)).await.unwrap();
    }
    pool.0.retained.run_pending_evictions();
    pool.0.report_evicted();
    // The map frees what it has let go of in batches of up to 64.
    until(&pool, || pool.status().entries() <= 50 + 64).await;
    let entries = pool.0.registry.entries();
    assert!(entries <= 2 * (50 + 64) + 16 * 16, "{entries} entries are kept");
}

#[tokio::test]
async fn a_key_that_is_removed_is_closed_for_its_handles_and_starts_anew_for_others() {
    let script = Script::new();
    let pool = pool(&script).build();
    assert!(!pool.remove(&7), "there is none");
    let old = pool.get(&7);
    ask(&old).await.unwrap();
    assert!(pool.remove(&7));
    let error = ask(&old).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed);
    assert_eq!(
        error.to_string(),
        "the session of custom provider was removed; hint: get a new provider from the pool"
    );
    assert_eq!(old.status().state, State::Removed);
    ask(&pool.get(&7)).await.unwrap();
    assert_eq!(script.fetches(), 2);
    assert_eq!(ask(&old).await.unwrap_err().kind(), ErrorKind::Removed);
}

#[tokio::test]
async fn all_that_a_rule_names_is_closed_and_nothing_else() {
    let script = Script::new();
    let pool = pool(&script).build();
    let handles: Vec<_> = (0..100).map(|key| pool.get(&key)).collect();
    for handle in &handles {
        ask(handle).await.unwrap();
    }
    assert_eq!(pool.remove_where(|key| key % 10 == 7), 10);
    assert_eq!((pool.remove_where(|key| key % 10 == 7), pool.status().entries()), (0, 90));
    for (key, handle) in handles.iter().enumerate() {
        assert_eq!(handle.status().state == State::Removed, key % 10 == 7, "{key}");
    }
}

#[tokio::test]
async fn what_is_on_its_way_when_its_key_is_removed_reaches_nobody() {
    let script = Script::new();
    let pool = pool(&script).build();
    script.block();
    let old = pool.get(&7);
    let caller = tokio::spawn(async move { ask(&old).await.unwrap_err().kind() });
    settle().await;
    assert_eq!(script.fetches(), 1);
    assert!(pool.remove(&7));
    assert_eq!(caller.await.unwrap(), ErrorKind::Removed, "who waits is told at once");
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the timer's alone");
    script.unblock();
    ask(&pool.get(&7)).await.unwrap();
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn who_waits_for_the_next_session_of_a_key_that_is_removed_does_not_get_the_last() {
    let script = Script::new();
    let pool = pool(&script).build();
    let handle = pool.get(&7);
    ask(&handle).await.unwrap();
    script.block();
    script.advance(INTO_THE_HARD_WINDOW);
    let caller = tokio::spawn(async move { ask(&handle).await.map(drop) });
    settle().await;
    assert!(!caller.is_finished());
    assert!(pool.remove(&7));
    assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Removed);
}

#[tokio::test]
async fn one_task_refreshes_all_and_ends_with_the_last_handle() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let script = Script::new();
    let pool = pool(&script).build();
    for key in 0..300 {
        ask(&pool.get(&key)).await.unwrap();
    }
    assert_eq!((script.fetches(), tasks()), (300, 1));
    script.advance(INTO_THE_WINDOW);
    for _ in 0..20 {
        settle().await;
    }
    assert_eq!((script.fetches(), tasks()), (600, 1));
    let handle = pool.get(&5);
    drop(pool);
    settle().await;
    ask(&handle).await.unwrap();
    assert_eq!((script.fetches(), tasks()), (600, 1), "a handle lives without its pool");
    drop(handle);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn the_last_handle_ends_a_fetch_that_nobody_can_wait_for() {
    let script = Script::new();
    let pool = pool(&script).build();
    script.block();
    let handle = pool.get(&1);
    let caller = tokio::spawn(async move { ask(&handle).await.map(drop) });
    settle().await;
    caller.abort();
    settle().await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    assert_eq!((script.fetches(), tasks()), (1, 2), "it goes on: the pool retains the slot");
    drop(pool);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn one_that_is_rejected_and_has_no_other_is_failing() {
    let script = Script::will([Answer::Session, Answer::Session, Answer::Denied]);
    let pool = pool(&script).build();
    ask(&pool.get(&1)).await.unwrap();
    let handle = pool.get(&2);
    let session = ask(&handle).await.unwrap();
    handle.invalidate(&session);
    let status = pool.status();
    assert_eq!((status.ready, status.failing), (2, 0), "nobody has asked for another yet");
    assert!(handle.status().is_healthy() && status.is_healthy());
    let same = ask(&handle).await.unwrap();
    assert_eq!(same.access_key_id(), session.access_key_id());
    let status = pool.status();
    assert_eq!((status.ready, status.failing, status.by_state[&State::Invalidated]), (1, 1, 1));
    assert!(!handle.status().is_healthy() && !status.is_healthy());
    script.advance(60);
    assert_ne!(ask(&handle).await.unwrap().access_key_id(), session.access_key_id());
    let status = pool.status();
    assert_eq!((status.ready, status.failing), (2, 0));
    assert!(handle.status().is_healthy() && status.is_healthy());
}

#[tokio::test]
async fn what_is_evicted_and_removed_is_told() {
    #[derive(Debug, Default)]
    struct Told(StdMutex<Vec<&'static str>>, AtomicUsize);
    impl Observer for Told {
        fn observe(&self, source: &str, event: &Event<'_>) {
            assert_eq!(source, "custom provider");
            if let Event::FetchCompleted { .. } | Event::FetchStarted { .. } = event {
                self.1.fetch_add(1, Ordering::Relaxed);
            } else {
                self.0.lock().unwrap().push(event.name());
            }
        }
    }
    let script = Script::new();
    let told = StdArc::new(Told::default());
    let pool = pool(&script)
        .observer(told.clone())
        .idle(Duration::from_secs(60))
        .refresh(Refresh::Never)
        .build();
    ask(&pool.get(&1)).await.unwrap();
    ask(&pool.get(&2)).await.unwrap();
    pool.remove(&1);
    for _ in 0..20 {
        script.advance(10);
        settle().await;
    }
    assert_eq!(*told.0.lock().unwrap(), ["removed", "evicted"]);
    assert_eq!(told.1.load(Ordering::Relaxed), 4);
    until(&pool, || pool.status().entries() == 0).await;
}

#[tokio::test]
async fn an_outage_of_an_hour_fails_nobody_whose_session_is_good() {
    let script = Script::new();
    let pool = pool(&script).build();
    let handles: Vec<_> = (0..50).map(|key| pool.get(&key)).collect();
    for handle in &handles {
        ask(handle).await.unwrap();
    }
    script.then([Answer::Fail; 10_000]);
    for _ in 0..HOUR / 10 - 1 {
        script.advance(10);
        settle().await;
        for handle in &handles {
            ask(handle).await.unwrap();
        }
    }
    assert!(script.fetches() < 50 * 60, "{} tries", script.fetches());
    assert!(pool.status().by_state[&State::Stale] > 40, "{:?}", pool.status());
}

/// What is told may come back to the pool: no lock of its own is held meanwhile.
#[test]
fn an_observer_may_call_the_pool() {
    #[derive(Debug, Default)]
    struct Asks {
        pool: std::sync::OnceLock<SessionPool<u32>>,
        evicted: AtomicUsize,
        removed: AtomicUsize,
    }
    impl Observer for Asks {
        fn observe(&self, _: &str, event: &Event<'_>) {
            let pool = self.pool.get().unwrap();
            match event {
                Event::Evicted => {
                    pool.status();
                    // Once: what is asked for here evicts others.
                    if self.evicted.fetch_add(1, Ordering::Relaxed) == 0 {
                        for key in 0..200 {
                            drop(pool.get(&key));
                        }
                    }
                }
                Event::Removed => {
                    let after = pool.get(&999);
                    assert_eq!(after.status().state, State::Empty, "it is the one that was closed");
                    self.removed.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
        }
    }
    let (script, asks) = (Script::new(), StdArc::new(Asks::default()));
    let pool = pool(&script).capacity(3).observer(asks.clone()).build();
    asks.pool.set(pool.clone()).unwrap();
    assert!(comes_to_an_end(move || {
        for key in 0..1000 {
            drop(pool.get(&key));
        }
        // Retained or not: whoever asks when it is told of finds another.
        drop(pool.get(&999));
        assert!(pool.remove(&999));
    }));
    assert!(asks.evicted.load(Ordering::Relaxed) > 800, "{asks:?}");
    assert_eq!(asks.removed.load(Ordering::Relaxed), 1);
}

/// Each thread removes and asks for the same keys, and looks whether what it is given is closed, or
/// another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_removed_while_others_ask_for_it_has_one_slot_that_is_open() {
    let script = Script::new();
    let pool = pool(&script).capacity(2).build();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let pool = pool.clone();
            tokio::task::spawn_blocking(move || {
                for n in 0..2000_u32 {
                    let key = n % 4;
                    let handle = pool.get(&key);
                    if n % 3 == thread % 3 {
                        pool.remove(&key);
                        assert_eq!(handle.status().state, State::Removed);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        tokio::time::timeout(Duration::from_secs(60), thread).await.expect("it hangs").unwrap();
    }
    for key in 0..4 {
        let (one, other) = (pool.get(&key), pool.get(&key));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!(one.status().state, State::Empty);
    }
    // None that is removed is retained.
    pool.0.retained.run_pending_evictions();
    assert!(pool.0.retained.all().iter().all(|slot| !slot.is_removed()));
}

#[tokio::test]
async fn the_last_of_a_pool_and_its_handles_ends_all_that_is_on_its_way() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let script = Script::new();
    let pool = pool(&script).build();
    for key in 0..50 {
        ask(&pool.get(&key)).await.unwrap();
    }
    script.block();
    script.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!((script.fetches(), tasks()), (100, 51), "a refresh each, and one timer");
    let kept = pool.get(&7);
    drop(pool);
    settle().await;
    assert_eq!(tasks(), 2, "the refresh of the one that has a handle, and the timer");
    drop(kept);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[test]
fn a_pool_that_outlives_its_runtime_refreshes_all_on_the_next() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let script = Script::new();
    let pool = pool(&script).build();
    runtime().block_on(async {
        for key in 0..100 {
            ask(&pool.get(&key)).await.unwrap();
        }
    });
    runtime().block_on(async {
        settle().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "nothing was to be done");
        script.advance(INTO_THE_WINDOW);
        // One call begins a refresh, and the timer looks at all others.
        ask(&pool.get(&5)).await.unwrap();
        for _ in 0..10 {
            settle().await;
        }
        assert_eq!(script.fetches(), 200);
    });
    runtime().block_on(async {
        for key in 0..100 {
            ask(&pool.get(&key)).await.unwrap();
        }
    });
    assert_eq!(script.fetches(), 200);
}

#[test]
fn a_runtime_that_ends_amid_the_fetches_of_a_pool_costs_one_more_for_each() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let script = Script::new();
    let pool = pool(&script).build();
    script.block();
    let doomed = runtime();
    doomed.block_on(async {
        for key in 0..40 {
            let handle = pool.get(&key);
            tokio::spawn(async move { ask(&handle).await.map(drop) });
        }
        settle().await;
    });
    assert_eq!(script.fetches(), 40);
    drop(doomed);
    script.unblock();
    runtime().block_on(async {
        for key in 0..40 {
            ask(&pool.get(&key)).await.unwrap();
        }
    });
    assert_eq!(script.fetches(), 80);
}

/// Does something with the pool, in a thread of its own, and says whether it came to an end.
fn comes_to_an_end(work: impl FnOnce() + Send + 'static) -> bool {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(20)).is_ok()
}

#[test]
fn a_source_may_be_made_of_others_of_the_same_pool() {
    let script = Script::new();
    let it = StdArc::new(std::sync::OnceLock::<SessionPool<u32>>::new());
    let (of_factory, source) = (StdArc::clone(&it), script.clone());
    // A chain of keys: each on the next.
    let pool = SessionPool::builder(move |key: &u32| match key {
        0 => StdArc::new(source.clone()) as StdArc<dyn ProvideSession>,
        key => StdArc::new(of_factory.get().unwrap().get(&(key - 1))),
    });
    let pool = pool.clock(script.0.hands.clock()).build();
    it.set(pool.clone()).unwrap();
    assert!(comes_to_an_end(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            ask(&pool.get(&100)).await.unwrap();
            assert_eq!(pool.status().ready, 101);
        });
    }));
    assert_eq!(script.fetches(), 1);
}

#[test]
fn who_waits_hears_of_the_removal_though_the_fetch_stands_still_with_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let script = Script::new();
    let pool = pool(&script).build();
    script.block();
    let stands_still = runtime();
    stands_still.block_on(async {
        let handle = pool.get(&1);
        tokio::spawn(async move { ask(&handle).await.map(drop) });
        settle().await;
    });
    assert_eq!(script.fetches(), 1);
    runtime().block_on(async {
        let handle = pool.get(&1);
        let waits = tokio::spawn(async move { ask(&handle).await.map(drop) });
        settle().await;
        assert!(pool.remove(&1) && !waits.is_finished());
        settle().await;
        assert!(waits.is_finished());
        assert_eq!(waits.await.unwrap().unwrap_err().kind(), ErrorKind::Removed);
    });
}

/// A key whose clone lets go of the last handle, and a source whose drop comes back to the pool.
#[test]
fn who_looks_at_all_keys_lets_go_of_no_slot_under_a_lock() {
    #[derive(Debug, Default)]
    struct Last {
        handle: StdMutex<Option<CachedProvider>>,
        pool: std::sync::OnceLock<SessionPool<Key>>,
        dropped: AtomicUsize,
    }
    #[derive(Debug)]
    struct Key(StdArc<Last>);
    impl Clone for Key {
        fn clone(&self) -> Self {
            drop(self.0.handle.lock().unwrap().take());
            Self(StdArc::clone(&self.0))
        }
    }
    impl PartialEq for Key {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }
    impl Eq for Key {}
    impl Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }
    #[derive(Debug)]
    struct Source(StdArc<Last>);
    #[async_trait::async_trait]
    impl ProvideSession for Source {
        async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
            std::future::pending().await
        }
    }
    impl Drop for Source {
        fn drop(&mut self) {
            self.0.pool.get().unwrap().status_of(&Key(StdArc::clone(&self.0)));
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
    let looks: [fn(&SessionPool<Key>); 3] = [
        |pool| assert_eq!(pool.remove_where(|_| false), 0),
        |pool| _ = pool.statuses(),
        |pool| _ = pool.status(),
    ];
    for look in looks {
        let last = StdArc::new(Last::default());
        let key = Key(StdArc::clone(&last));
        let pool = SessionPool::new(|key: &Key| {
            StdArc::new(Source(StdArc::clone(&key.0))) as StdArc<dyn ProvideSession>
        });
        last.pool.set(pool.clone()).unwrap();
        let handle = pool.get(&key);
        assert!(pool.0.retained.release(key.clone(), &handle.0));
        pool.0.retained.run_pending_evictions();
        drop(pool.0.retained.take_evicted());
        // The map frees it once no thread of this process is reading any map of its kind.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while StdArc::strong_count(&handle.0) > 1 {
            assert!(std::time::Instant::now() < deadline, "the map does not let go of it");
            for _ in 0..200 {
                pool.0.retained.get(&key);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        *last.handle.lock().unwrap() = Some(handle);
        assert!(comes_to_an_end(move || look(&pool)));
        drop(last.handle.lock().unwrap().take());
        assert_eq!(last.dropped.load(Ordering::Relaxed), 1);
    }
}

/// As a sweep does that saw it before.
#[test]
fn what_is_removed_is_retained_by_nobody_who_comes_late() {
    let pool = pool(&Script::new()).build();
    let late = pool.get(&1);
    assert!(pool.remove(&1));
    pool.0.retained.retain(1, &late.0);
    assert!(pool.0.retained.get(&1).is_none());
    // Nor does it take the place of the next, or take that away.
    let next = pool.get(&1);
    pool.0.retained.retain(1, &late.0);
    assert!(!pool.0.retained.release(1, &late.0));
    pool.0.registry.forget(&1, &late.0);
    assert!(Arc::ptr_eq(&pool.0.retained.get(&1).unwrap(), &next.0));
    assert!(Arc::ptr_eq(&pool.0.registry.find(&1).unwrap(), &next.0));
}
