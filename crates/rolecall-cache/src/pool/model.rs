//! The pool under the model checker shuttle: gets, evictions and removals in every order.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use rolecall_core::{ErrorKind, FetchContext, ManualClock};
use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const INTERLEAVINGS: usize = 2000;

/// What the providers of one pool count.
#[derive(Default)]
struct Counters {
    /// By key.
    fetches: [AtomicUsize; 2],
    running: [AtomicUsize; 2],
    providers: AtomicUsize,
    /// The provider of key 0 that is removed.
    old: OnceLock<CachedProvider>,
}

/// Provides the sessions of one entry of a key.
struct CountingProvider {
    counters: Arc<Counters>,
    key: usize,
    number: usize,
    clock: Clock,
}

impl fmt::Debug for CountingProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountingProvider")
    }
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl ProvideSession for CountingProvider {
    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        let Self { counters, key, number, clock } = self;
        counters.fetches[*key].fetch_add(1, Ordering::SeqCst);
        let running = &counters.running[*key];
        match counters.old.get().filter(|_| *number > 1) {
            // The fetch of a removed entry may still be running.
            Some(old) => assert_eq!(old.status().state, State::Removed, "beside an open entry"),
            None => {
                assert_eq!(running.load(Ordering::SeqCst), 0, "two fetches at once for one key")
            }
        }
        running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(running);
        for _ in 0..thread_rng().gen_range(0..3) {
            yield_now().await;
        }
        let keys = Credentials::new(format!("AKIA{key}x{number}"), "secret", None, None, "model");
        Ok(Session::builder(keys).lifetime(clock.now(), HOUR, clock).build())
    }
}

fn pool(capacity: u64) -> (SessionPool<usize>, Arc<Counters>, ManualClock) {
    fastrand::seed(4711);
    let manual = ManualClock::at(std::time::UNIX_EPOCH + 400_000 * HOUR);
    let (counters, clock) = (Arc::new(Counters::default()), manual.clock());
    let factory_counters = Arc::clone(&counters);
    let pool = SessionPool::builder(move |key: &usize| {
        let counters = Arc::clone(&factory_counters);
        let number = counters.providers.fetch_add(1, Ordering::SeqCst) + 1;
        Arc::new(CountingProvider { counters, key: *key, number, clock: clock.clone() })
            as Arc<dyn ProvideSession>
    });
    (pool.capacity(capacity).clock(manual.clock()).build(), counters, manual)
}

async fn request(provider: &CachedProvider) -> Result<String, SessionError> {
    let session = provider.provide_session(FetchContext::foreground()).await?;
    Ok(session.access_key_id().to_owned())
}

fn check(model: impl Fn() + Copy + Send + Sync + 'static) {
    shuttle::check_random(model, INTERLEAVINGS);
    shuttle::check_pct(model, INTERLEAVINGS, 3);
}

#[test]
fn evicted_key_in_use_shares_one_fetch() {
    check(|| {
        let (pool, counters, _) = pool(1);
        let callers = [0, 0, 1, 0].map(|key| {
            let pool = pool.clone();
            shuttle::thread::spawn(move || {
                let provider = pool.get(&key);
                let session = block_on(async { request(&provider).await.unwrap() });
                (key, session, provider)
            })
        });
        let results = callers.map(|caller| caller.join().unwrap());
        assert_eq!(counters.fetches.each_ref().map(|n| n.load(Ordering::SeqCst)), [1, 1]);
        for (key, session, _) in &results {
            assert!(session.starts_with(&format!("AKIA{key}x")), "a session of another key");
            assert_eq!(block_on(async { request(&pool.get(key)).await.unwrap() }), *session);
        }
    });
}

#[test]
fn evictions_fail_no_caller() {
    check(|| {
        let (pool, _, _) = pool(1);
        let callers = [0, 1, 0].map(|key| {
            let pool = pool.clone();
            shuttle::thread::spawn(move || {
                for _ in 0..2 {
                    let session = block_on(async { request(&pool.get(&key)).await.unwrap() });
                    assert!(session.starts_with(&format!("AKIA{key}x")));
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
    });
}

#[test]
fn get_racing_remove_never_fetches_twice_at_once() {
    check(|| {
        let (pool, counters, _) = pool(2);
        assert!(counters.old.set(pool.get(&0)).is_ok());
        let callers = [(); 2].map(|()| {
            let pool = pool.clone();
            shuttle::thread::spawn(move || {
                let provider = pool.get(&0);
                match block_on(async { request(&provider).await }) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Removed),
                }
            })
        });
        let remover = {
            let pool = pool.clone();
            shuttle::thread::spawn(move || {
                assert!(pool.remove(&0));
                let after = block_on(async { request(&pool.get(&0)).await.unwrap() });
                assert_ne!(after, "AKIA0x1", "a session from before the removal");
            })
        };
        remover.join().unwrap();
        for caller in callers {
            caller.join().unwrap();
        }
        let old = counters.old.get().unwrap();
        assert_eq!(block_on(async { request(old).await.unwrap_err().kind() }), ErrorKind::Removed);
    });
}

#[test]
fn concurrent_removals_report_one() {
    check(|| {
        let (pool, _, _) = pool(2);
        let provider = pool.get(&0);
        let removers = [(); 2].map(|()| {
            let pool = pool.clone();
            shuttle::thread::spawn(move || pool.remove(&0))
        });
        let reports = removers.map(|remover| usize::from(remover.join().unwrap()));
        assert_eq!((reports.iter().sum::<usize>(), provider.status().state), (1, State::Removed));
    });
}

#[test]
fn drops_in_any_order_leave_nothing() {
    shuttle::check_random(
        || {
            let (pool, counters, manual) = pool(2);
            let providers = [pool.get(&0), pool.get(&1)];
            block_on(async { request(&providers[0]).await.unwrap() });
            let users = providers.map(|provider| {
                shuttle::thread::spawn(move || {
                    let mut caller = Box::pin(request(&provider));
                    let waker = std::task::Waker::noop();
                    let _ = caller.as_mut().poll(&mut std::task::Context::from_waker(waker));
                })
            });
            let clock = shuttle::thread::spawn(move || manual.advance(HOUR));
            drop(pool);
            for thread in users.into_iter().chain([clock]) {
                thread.join().unwrap();
            }
            block_on(async {
                while Arc::strong_count(&counters) > 1 {
                    yield_now().await;
                }
            });
        },
        INTERLEAVINGS,
    );
}
