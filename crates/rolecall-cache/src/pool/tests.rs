use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc as StdArc, Mutex as StdMutex};
use std::time::Duration;

use rolecall_core::{ErrorKind, Event, FetchContext, Session};
use tokio::runtime::Handle;

use super::*;
use crate::script::{HOUR, IN_ADVISORY_WINDOW, IN_MANDATORY_WINDOW, Response, ScriptedProvider};

mod status;
mod sweep;
mod tasks;
mod warm;

fn pool(script: &ScriptedProvider) -> SessionPoolBuilder<u32> {
    let provider = script.clone();
    SessionPool::builder(move |_| StdArc::new(provider.clone()) as StdArc<dyn ProvideSession>)
        .clock(script.clock())
}

async fn request(provider: &CachedProvider) -> Result<Session, SessionError> {
    let session = provider.provide_session(FetchContext::foreground());
    tokio::time::timeout(Duration::from_secs(20), session).await.expect("the call hangs")
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Waits until evicted entries are freed. The map does that once no thread of this process reads
/// any map of its kind, and other tests read theirs.
async fn wait_until(pool: &SessionPool<u32>, is_freed: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !is_freed() {
        assert!(std::time::Instant::now() < deadline, "{:?}", pool.statuses());
        for _ in 0..200 {
            // Each call may free some.
            pool.0.retained.get(&u32::MAX);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_gets_share_entry_and_fetch() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    let callers: Vec<_> = (0..400)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move { request(&pool.get(&(n % 4))).await.map(drop) })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!((script.fetches(), pool.status().entries(), pool.status().ready), (4, 4, 4));
}

#[tokio::test]
async fn evicted_entry_in_use_stays_the_only_one() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).capacity(2).build();
    let held = pool.get(&0);
    request(&held).await.unwrap();
    for key in 1..100 {
        request(&pool.get(&key)).await.unwrap();
    }
    pool.0.retained.run_pending_evictions();
    pool.0.report_evicted();
    let fetches = script.fetches();
    let again = pool.get(&0);
    let (first, second) = (request(&held).await.unwrap(), request(&again).await.unwrap());
    assert_eq!(first.access_key_id(), second.access_key_id());
    assert_eq!(script.fetches(), fetches);
}

#[tokio::test]
async fn unused_entries_are_bounded_and_freed() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).capacity(50).build();
    for key in 0..5000 {
        request(&pool.get(&key)).await.unwrap();
    }
    pool.0.retained.run_pending_evictions();
    pool.0.report_evicted();
    // The map frees evicted entries in batches of up to 64.
    wait_until(&pool, || pool.status().entries() <= 50 + 64).await;
    let entries = pool.0.registry.entries();
    assert!(entries <= 2 * (50 + 64) + 16 * 16, "{entries} are registered");
}

#[tokio::test]
async fn removed_key_closes_providers_and_starts_over() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    assert!(!pool.remove(&7), "there is no entry");
    let old = pool.get(&7);
    request(&old).await.unwrap();
    assert!(pool.remove(&7));
    let error = request(&old).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed);
    assert_eq!(
        error.to_string(),
        "the session of custom provider was removed; hint: get a new provider from the pool"
    );
    assert_eq!(old.status().state, State::Removed);
    request(&pool.get(&7)).await.unwrap();
    assert_eq!(script.fetches(), 2);
    assert_eq!(request(&old).await.unwrap_err().kind(), ErrorKind::Removed);
}

#[tokio::test]
async fn remove_where_closes_matching_keys_only() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    let providers: Vec<_> = (0..100).map(|key| pool.get(&key)).collect();
    for provider in &providers {
        request(provider).await.unwrap();
    }
    assert_eq!(pool.remove_where(|key| key % 10 == 7), 10);
    assert_eq!((pool.remove_where(|key| key % 10 == 7), pool.status().entries()), (0, 90));
    for (key, provider) in providers.iter().enumerate() {
        assert_eq!(provider.status().state == State::Removed, key % 10 == 7, "{key}");
    }
}

#[tokio::test]
async fn removal_cancels_running_fetch() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    script.block();
    let old = pool.get(&7);
    let caller = tokio::spawn(async move { request(&old).await.unwrap_err().kind() });
    settle().await;
    assert_eq!(script.fetches(), 1);
    assert!(pool.remove(&7));
    assert_eq!(caller.await.unwrap(), ErrorKind::Removed, "waiting callers are told at once");
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the timer's task");
    script.unblock();
    request(&pool.get(&7)).await.unwrap();
    assert_eq!(script.fetches(), 2);
}

#[tokio::test]
async fn removal_fails_callers_waiting_with_fallback() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    let provider = pool.get(&7);
    request(&provider).await.unwrap();
    script.block();
    script.advance(IN_MANDATORY_WINDOW);
    let caller = tokio::spawn(async move { request(&provider).await.map(drop) });
    settle().await;
    assert!(!caller.is_finished());
    assert!(pool.remove(&7));
    assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Removed);
}

#[tokio::test]
async fn invalidated_entry_without_other_session_is_failing() {
    let script =
        ScriptedProvider::with_responses([Response::Session, Response::Session, Response::Denied]);
    let pool = pool(&script).build();
    request(&pool.get(&1)).await.unwrap();
    let provider = pool.get(&2);
    let session = request(&provider).await.unwrap();
    provider.invalidate(&session);
    let status = pool.status();
    assert_eq!((status.ready, status.failing), (2, 0), "no other session was requested yet");
    assert!(provider.status().is_healthy() && status.is_healthy());
    let same = request(&provider).await.unwrap();
    assert_eq!(same.access_key_id(), session.access_key_id());
    let status = pool.status();
    assert_eq!((status.ready, status.failing, status.by_state[&State::Invalidated]), (1, 1, 1));
    assert!(!provider.status().is_healthy() && !status.is_healthy());
    script.advance(60);
    assert_ne!(request(&provider).await.unwrap().access_key_id(), session.access_key_id());
    let status = pool.status();
    assert_eq!((status.ready, status.failing), (2, 0));
    assert!(provider.status().is_healthy() && status.is_healthy());
}

#[tokio::test]
async fn eviction_and_removal_are_observed() {
    #[derive(Debug, Default)]
    struct Recorder(StdMutex<Vec<&'static str>>, AtomicUsize);
    impl Observer for Recorder {
        fn observe(&self, provider: &str, event: &Event<'_>) {
            assert_eq!(provider, "custom provider");
            if let Event::FetchCompleted { .. } | Event::FetchStarted { .. } = event {
                self.1.fetch_add(1, Ordering::Relaxed);
            } else {
                self.0.lock().unwrap().push(event.name());
            }
        }
    }
    let script = ScriptedProvider::new();
    let recorder = StdArc::new(Recorder::default());
    let pool = pool(&script)
        .observer(recorder.clone())
        .idle(Duration::from_secs(60))
        .refresh(Refresh::Never)
        .build();
    request(&pool.get(&1)).await.unwrap();
    request(&pool.get(&2)).await.unwrap();
    pool.remove(&1);
    for _ in 0..20 {
        script.advance(10);
        settle().await;
    }
    assert_eq!(*recorder.0.lock().unwrap(), ["removed", "evicted"]);
    assert_eq!(recorder.1.load(Ordering::Relaxed), 4);
    wait_until(&pool, || pool.status().entries() == 0).await;
}

#[tokio::test]
async fn outage_keeps_valid_sessions() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    let providers: Vec<_> = (0..50).map(|key| pool.get(&key)).collect();
    for provider in &providers {
        request(provider).await.unwrap();
    }
    script.push_responses([Response::Unavailable; 10_000]);
    for _ in 0..HOUR / 10 - 1 {
        script.advance(10);
        settle().await;
        for provider in &providers {
            request(provider).await.unwrap();
        }
    }
    assert!(script.fetches() < 50 * 60, "{} attempts", script.fetches());
    assert!(pool.status().by_state[&State::Stale] > 40, "{:?}", pool.status());
}

/// The observer runs without any lock of the pool.
#[test]
fn observer_may_call_the_pool() {
    #[derive(Debug, Default)]
    struct CallsPool {
        pool: std::sync::OnceLock<SessionPool<u32>>,
        evicted: AtomicUsize,
        removed: AtomicUsize,
    }
    impl Observer for CallsPool {
        fn observe(&self, _: &str, event: &Event<'_>) {
            let pool = self.pool.get().unwrap();
            match event {
                Event::Evicted => {
                    pool.status();
                    // Once, since these calls evict others.
                    if self.evicted.fetch_add(1, Ordering::Relaxed) == 0 {
                        for key in 0..200 {
                            drop(pool.get(&key));
                        }
                    }
                }
                Event::Removed => {
                    let after = pool.get(&999);
                    assert_eq!(
                        after.status().state,
                        State::Empty,
                        "the removed entry was returned"
                    );
                    self.removed.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
        }
    }
    let (script, observer) = (ScriptedProvider::new(), StdArc::new(CallsPool::default()));
    let pool = pool(&script).capacity(3).observer(observer.clone()).build();
    observer.pool.set(pool.clone()).unwrap();
    assert!(completes(move || {
        for key in 0..1000 {
            drop(pool.get(&key));
        }
        // Whether or not it is retained, the observer finds another entry.
        drop(pool.get(&999));
        assert!(pool.remove(&999));
    }));
    assert!(observer.evicted.load(Ordering::Relaxed) > 800, "{observer:?}");
    assert_eq!(observer.removed.load(Ordering::Relaxed), 1);
}

/// Each thread gets and removes the same keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn get_racing_remove_leaves_one_open_entry() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).capacity(2).build();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let pool = pool.clone();
            tokio::task::spawn_blocking(move || {
                for n in 0..2000_u32 {
                    let key = n % 4;
                    let provider = pool.get(&key);
                    if n % 3 == thread % 3 {
                        pool.remove(&key);
                        assert_eq!(provider.status().state, State::Removed);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        tokio::time::timeout(Duration::from_secs(60), thread)
            .await
            .expect("the thread hangs")
            .unwrap();
    }
    for key in 0..4 {
        let (one, other) = (pool.get(&key), pool.get(&key));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!(one.status().state, State::Empty);
    }
    // No removed entry is retained.
    pool.0.retained.run_pending_evictions();
    assert!(pool.0.retained.all().iter().all(|entry| !entry.is_removed()));
}

/// Returns `true` if `work`, in a thread of its own, completes.
fn completes(work: impl FnOnce() + Send + 'static) -> bool {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        work();
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(Duration::from_secs(20)).is_ok()
}

#[test]
fn provider_may_wrap_other_keys_of_the_pool() {
    let script = ScriptedProvider::new();
    let own_pool = StdArc::new(std::sync::OnceLock::<SessionPool<u32>>::new());
    let (factory_pool, provider) = (StdArc::clone(&own_pool), script.clone());
    // A chain of keys: each wraps the one below.
    let pool = SessionPool::builder(move |key: &u32| match key {
        0 => StdArc::new(provider.clone()) as StdArc<dyn ProvideSession>,
        key => StdArc::new(factory_pool.get().unwrap().get(&(key - 1))),
    });
    let pool = pool.clock(script.clock()).build();
    own_pool.set(pool.clone()).unwrap();
    assert!(completes(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            request(&pool.get(&100)).await.unwrap();
            assert_eq!(pool.status().ready, 101);
        });
    }));
    assert_eq!(script.fetches(), 1);
}

/// The clone of a key drops the last provider of its entry, whose drop calls the pool.
#[test]
fn visiting_all_keys_drops_no_entry_under_lock() {
    #[derive(Debug, Default)]
    struct Last {
        provider: StdMutex<Option<CachedProvider>>,
        pool: std::sync::OnceLock<SessionPool<Key>>,
        dropped: AtomicUsize,
    }
    #[derive(Debug)]
    struct Key(StdArc<Last>);
    impl Clone for Key {
        fn clone(&self) -> Self {
            drop(self.0.provider.lock().unwrap().take());
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
    struct CallsPoolOnDrop(StdArc<Last>);
    #[async_trait::async_trait]
    impl ProvideSession for CallsPoolOnDrop {
        async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
            std::future::pending().await
        }
    }
    impl Drop for CallsPoolOnDrop {
        fn drop(&mut self) {
            self.0.pool.get().unwrap().status_of(&Key(StdArc::clone(&self.0)));
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
    let visits: [fn(&SessionPool<Key>); 3] = [
        |pool| assert_eq!(pool.remove_where(|_| false), 0),
        |pool| _ = pool.statuses(),
        |pool| _ = pool.status(),
    ];
    for visit in visits {
        let last = StdArc::new(Last::default());
        let key = Key(StdArc::clone(&last));
        let pool = SessionPool::new(|key: &Key| {
            StdArc::new(CallsPoolOnDrop(StdArc::clone(&key.0))) as StdArc<dyn ProvideSession>
        });
        last.pool.set(pool.clone()).unwrap();
        let provider = pool.get(&key);
        assert!(pool.0.retained.release(key.clone(), &provider.0));
        pool.0.retained.run_pending_evictions();
        drop(pool.0.retained.take_evicted());
        // The map frees it once no thread of this process reads any map of its kind.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while StdArc::strong_count(&provider.0) > 1 {
            assert!(std::time::Instant::now() < deadline, "the map does not free it");
            for _ in 0..200 {
                pool.0.retained.get(&key);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        *last.provider.lock().unwrap() = Some(provider);
        assert!(completes(move || visit(&pool)));
        drop(last.provider.lock().unwrap().take());
        assert_eq!(last.dropped.load(Ordering::Relaxed), 1);
    }
}

/// As by a sweep that visited the entry before it was removed.
#[test]
fn removed_entry_is_not_retained_again() {
    let pool = pool(&ScriptedProvider::new()).build();
    let late = pool.get(&1);
    assert!(pool.remove(&1));
    pool.0.retained.retain(1, &late.0);
    assert!(pool.0.retained.get(&1).is_none());
    // It neither replaces nor releases the next entry.
    let next = pool.get(&1);
    pool.0.retained.retain(1, &late.0);
    assert!(!pool.0.retained.release(1, &late.0));
    pool.0.registry.forget(&1, &late.0);
    assert!(Arc::ptr_eq(&pool.0.retained.get(&1).unwrap(), &next.0));
    assert!(Arc::ptr_eq(&pool.0.registry.find(&1).unwrap(), &next.0));
}

#[test]
fn get_takes_no_lock_of_the_entry() {
    let pool = pool(&ScriptedProvider::new()).build();
    let provider = pool.get(&1);
    let lock = provider.0.lock();
    let completed = completes({
        let pool = pool.clone();
        move || drop(pool.get(&1))
    });
    drop(lock);
    assert!(completed);
}

/// Half of the keys are deleted roles. They must not keep the others from their refresh.
#[tokio::test]
async fn failing_keys_do_not_delay_refreshes_of_others() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    let providers: Vec<_> = (0..400).map(|key| pool.get(&key)).collect();
    for provider in &providers {
        request(provider).await.unwrap();
    }
    script.push_responses([Response::Denied; 200]);
    script.advance(IN_ADVISORY_WINDOW);
    for _ in 0..30 {
        settle().await;
    }
    assert_eq!(script.fetches(), 800);
    let status = pool.status();
    assert_eq!((status.by_state[&State::Stale], status.by_state[&State::Fresh]), (200, 200));
}
