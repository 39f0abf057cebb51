//! The pool under the model checker shuttle: who gets, what makes room and what is removed, in
//! whatever order.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use rolecall_core::{ErrorKind, FetchContext, ManualClock};
use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};

use std::future::Future;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const INTERLEAVINGS: usize = 2000;

/// What the sources of one pool share.
#[derive(Default)]
struct Shelf {
    /// By key.
    fetches: [AtomicUsize; 2],
    live: [AtomicUsize; 2],
    sources: AtomicUsize,
    /// The handle of key 0 that is removed.
    old: OnceLock<CachedProvider>,
}

/// The sessions of a key, of one slot.
struct Numbered {
    shelf: Arc<Shelf>,
    key: usize,
    number: usize,
    clock: Clock,
}

impl fmt::Debug for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbered")
    }
}

struct Live<'a>(&'a AtomicUsize);

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl ProvideSession for Numbered {
    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        let Self { shelf, key, number, clock } = self;
        shelf.fetches[*key].fetch_add(1, Ordering::SeqCst);
        let live = &shelf.live[*key];
        match shelf.old.get().filter(|_| *number > 1) {
            // One that was removed may not be gone yet.
            Some(old) => assert_eq!(old.status().state, State::Removed, "beside an open one"),
            None => assert_eq!(live.load(Ordering::SeqCst), 0, "two live fetches for one key"),
        }
        live.fetch_add(1, Ordering::SeqCst);
        let _live = Live(live);
        for _ in 0..thread_rng().gen_range(0..3) {
            yield_now().await;
        }
        let keys = Credentials::new(format!("AKIA{key}x{number}"), "secret", None, None, "model");
        Ok(Session::builder(keys).lifetime(clock.now(), HOUR, clock).build())
    }
}

fn pool(capacity: u64) -> (SessionPool<usize>, Arc<Shelf>, ManualClock) {
    fastrand::seed(4711);
    let hands = ManualClock::at(std::time::UNIX_EPOCH + 400_000 * HOUR);
    let (shelf, clock) = (Arc::new(Shelf::default()), hands.clock());
    let of_factory = Arc::clone(&shelf);
    let pool = SessionPool::builder(move |key: &usize| {
        let shelf = Arc::clone(&of_factory);
        let number = shelf.sources.fetch_add(1, Ordering::SeqCst) + 1;
        Arc::new(Numbered { shelf, key: *key, number, clock: clock.clone() })
            as Arc<dyn ProvideSession>
    });
    (pool.capacity(capacity).clock(hands.clock()).build(), shelf, hands)
}

async fn ask(handle: &CachedProvider) -> Result<String, SessionError> {
    let session = handle.provide_session(FetchContext::foreground()).await?;
    Ok(session.access_key_id().to_owned())
}

fn check(model: impl Fn() + Copy + Send + Sync + 'static) {
    shuttle::check_random(model, INTERLEAVINGS);
    shuttle::check_pct(model, INTERLEAVINGS, 3);
}

#[test]
fn whoever_holds_a_handle_of_a_key_shares_its_one_fetch_though_its_slot_makes_room() {
    check(|| {
        let (pool, shelf, _) = pool(1);
        let callers = [0, 0, 1, 0].map(|key| {
            let pool = pool.clone();
            shuttle::thread::spawn(move || {
                let handle = pool.get(&key);
                let session = block_on(async { ask(&handle).await.unwrap() });
                (key, session, handle)
            })
        });
        let answers = callers.map(|caller| caller.join().unwrap());
        assert_eq!(shelf.fetches.each_ref().map(|n| n.load(Ordering::SeqCst)), [1, 1]);
        for (key, session, _) in &answers {
            assert!(session.starts_with(&format!("AKIA{key}x")), "a session of another key");
            assert_eq!(block_on(async { ask(&pool.get(key)).await.unwrap() }), *session);
        }
    });
}

#[test]
fn nobody_who_comes_and_goes_while_slots_make_room_goes_without_a_session() {
    check(|| {
        let (pool, _, _) = pool(1);
        let callers = [0, 1, 0].map(|key| {
            let pool = pool.clone();
            shuttle::thread::spawn(move || {
                for _ in 0..2 {
                    let session = block_on(async { ask(&pool.get(&key)).await.unwrap() });
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
fn whoever_gets_while_a_key_is_removed_has_the_old_one_or_the_next_and_they_never_fetch_at_once() {
    check(|| {
        let (pool, shelf, _) = pool(2);
        assert!(shelf.old.set(pool.get(&0)).is_ok());
        let callers = [(); 2].map(|()| {
            let pool = pool.clone();
            shuttle::thread::spawn(move || {
                let handle = pool.get(&0);
                match block_on(async { ask(&handle).await }) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Removed),
                }
            })
        });
        let remover = {
            let pool = pool.clone();
            shuttle::thread::spawn(move || {
                assert!(pool.remove(&0));
                let after = block_on(async { ask(&pool.get(&0)).await.unwrap() });
                assert_ne!(after, "AKIA0x1", "a session of before");
            })
        };
        remover.join().unwrap();
        for caller in callers {
            caller.join().unwrap();
        }
        let old = shelf.old.get().unwrap();
        assert_eq!(block_on(async { ask(old).await.unwrap_err().kind() }), ErrorKind::Removed);
    });
}

#[test]
fn of_two_who_remove_a_key_one_is_told_so() {
    check(|| {
        let (pool, _, _) = pool(2);
        let handle = pool.get(&0);
        let removers = [(); 2].map(|()| {
            let pool = pool.clone();
            shuttle::thread::spawn(move || pool.remove(&0))
        });
        let told = removers.map(|remover| usize::from(remover.join().unwrap()));
        assert_eq!((told.iter().sum::<usize>(), handle.status().state), (1, State::Removed));
    });
}

#[test]
fn a_pool_and_its_handles_may_go_in_any_order_and_leave_nothing() {
    shuttle::check_random(
        || {
            let (pool, shelf, hands) = pool(2);
            let handles = [pool.get(&0), pool.get(&1)];
            block_on(async { ask(&handles[0]).await.unwrap() });
            let users = handles.map(|handle| {
                shuttle::thread::spawn(move || {
                    let mut asked = Box::pin(ask(&handle));
                    let waker = std::task::Waker::noop();
                    let _ = asked.as_mut().poll(&mut std::task::Context::from_waker(waker));
                })
            });
            let turns = shuttle::thread::spawn(move || hands.advance(HOUR));
            drop(pool);
            for thread in users.into_iter().chain([turns]) {
                thread.join().unwrap();
            }
            block_on(async {
                while Arc::strong_count(&shelf) > 1 {
                    yield_now().await;
                }
            });
        },
        INTERLEAVINGS,
    );
}
