//! The entry under the model checker shuttle: what holds in every interleaving of its threads and
//! tasks.
//!
//! Shuttle reports a caller that waits forever as a deadlock. In every model, no fetch runs beside
//! another that was not taken over.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use aws_credential_types::Credentials;
use rolecall_core::{ErrorKind, FetchContext, InvalidSession, ManualClock, Moment, Session};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};

use super::error::unavailable;
use super::*;

mod cancellation;
mod late;
mod lost;
mod queue;

const HOUR: Duration = Duration::from_secs(3600);
/// An age within the advisory window, whatever refresh time was drawn.
const IN_ADVISORY_WINDOW: Duration = Duration::from_secs(3200);
const IN_MANDATORY_WINDOW: Duration = Duration::from_secs(3550);
const INTERLEAVINGS: usize = 3000;

/// Numbers its sessions, and counts its fetches.
struct CountingOrigin {
    clock: Clock,
    fetches: AtomicUsize,
    running: AtomicUsize,
    /// Fetches that started beside another that was not taken over. Counted instead of asserted,
    /// since the entry turns panics into errors.
    overlapping: Arc<AtomicUsize>,
    responses: Responses,
}

#[derive(Clone, Copy, PartialEq)]
enum Responses {
    Sessions,
    OddFail,
    FailAfterFirst,
    Hang,
    FirstHangs,
    /// The first fetch returns its session once the clock has passed its timeout.
    FirstIsLate,
    /// The same, and the second fails.
    FirstIsLateSecondFails,
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Origin for Arc<CountingOrigin> {
    type Item = Session;
    type Input = ();

    async fn fetch(&self, _: FetchContext, (): ()) -> Result<Session, SessionError> {
        let started = self.clock.now();
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let before = self.running.fetch_add(1, Ordering::SeqCst);
        // An overdue fetch continues beside the one that takes over.
        let overdue = match self.responses {
            Responses::Hang
            | Responses::FirstHangs
            | Responses::FirstIsLate
            | Responses::FirstIsLateSecondFails => 1,
            Responses::Sessions | Responses::OddFail | Responses::FailAfterFirst => 0,
        };
        if before > overdue {
            self.overlapping.fetch_add(1, Ordering::SeqCst);
        }
        let _running = Running(&self.running);
        for _ in 0..thread_rng().gen_range(0..3) {
            yield_now().await;
        }
        match self.responses {
            Responses::Sessions => {}
            Responses::OddFail if number % 2 == 0 => {}
            Responses::FailAfterFirst if number == 1 => {}
            Responses::OddFail | Responses::FailAfterFirst => return Err(unavailable("no")),
            Responses::FirstHangs if number > 1 => {}
            Responses::Hang | Responses::FirstHangs => return std::future::pending().await,
            Responses::FirstIsLateSecondFails if number == 2 => return Err(unavailable("no")),
            Responses::FirstIsLate | Responses::FirstIsLateSecondFails if number > 1 => {}
            Responses::FirstIsLate | Responses::FirstIsLateSecondFails => {
                while self.clock.now() == started {
                    yield_now().await;
                }
            }
        }
        let keys = Credentials::new(format!("AKIA{number}"), "secret", None, None, "model");
        Ok(Session::builder(keys).lifetime(self.clock.now(), HOUR, &self.clock).build())
    }

    fn background_input(&self) -> Option<()> {
        Some(())
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn name(&self) -> &str {
        "model"
    }
}

type ModelEntry = Arc<Entry<Arc<CountingOrigin>, Session>>;

struct World {
    entry: ModelEntry,
    origin: Arc<CountingOrigin>,
    manual: ManualClock,
}

fn origin(manual: &ManualClock, responses: Responses) -> Arc<CountingOrigin> {
    Arc::new(CountingOrigin {
        clock: manual.clock(),
        fetches: AtomicUsize::new(0),
        running: AtomicUsize::new(0),
        overlapping: Arc::default(),
        responses,
    })
}

fn world(responses: Responses) -> World {
    fastrand::seed(4711);
    let manual = ManualClock::at(std::time::UNIX_EPOCH + 400_000 * HOUR);
    let origin = origin(&manual, responses);
    let timer = Timer::new(manual.clock());
    let shared = Shared::new(timer, Refresh::WhileUsed, Observed::default());
    World { entry: Entry::new(Arc::clone(&origin), shared), origin, manual }
}

async fn request(entry: &ModelEntry) -> Result<Session, SessionError> {
    match entry.hit(Session::clone) {
        Some(session) => Ok(session),
        None => entry.obtain(Request::Session, FetchContext::foreground(), || ()).await,
    }
}

/// Polls a call this many times, and cancels it.
async fn poll_times(call: impl Future, polls: usize) {
    let mut call = pin!(call);
    let mut polled = 0;
    std::future::poll_fn(|cx| {
        polled += 1;
        match call.as_mut().poll(cx) {
            _ if polled >= polls => Poll::Ready(()),
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    })
    .await;
}

/// Starts callers, each in a thread of its own.
fn callers<T: Send + 'static>(
    entry: &ModelEntry,
    count: usize,
    call: impl Fn(&ModelEntry) -> T + Copy + Send + 'static,
) -> Vec<shuttle::thread::JoinHandle<T>> {
    (0..count)
        .map(|_| {
            let entry = Arc::clone(entry);
            shuttle::thread::spawn(move || call(&entry))
        })
        .collect()
}

fn join<T>(callers: Vec<shuttle::thread::JoinHandle<T>>) -> Vec<T> {
    callers.into_iter().map(|caller| caller.join().unwrap()).collect()
}

/// Returns the key of the session that a caller receives.
fn key(entry: &ModelEntry) -> String {
    block_on(async { request(entry).await.unwrap().access_key_id().to_owned() })
}

/// Starts callers, each in a task of its own.
fn tasks(
    entry: &ModelEntry,
    count: usize,
) -> Vec<shuttle::future::JoinHandle<Result<Session, SessionError>>> {
    (0..count)
        .map(|_| {
            let entry = Arc::clone(entry);
            spawn(async move { request(&entry).await })
        })
        .collect()
}

/// Checks models that poll for a condition: a scheduler by priorities may let them poll forever.
fn check_fairly(responses: Responses, model: impl Fn(World) + Copy + Send + Sync + 'static) {
    shuttle::check_random(move || run(responses, model), 2 * INTERLEAVINGS);
}

fn check(responses: Responses, model: impl Fn(World) + Copy + Send + Sync + 'static) {
    shuttle::check_random(move || run(responses, model), INTERLEAVINGS);
    shuttle::check_pct(move || run(responses, model), INTERLEAVINGS, 3);
}

fn run(responses: Responses, model: impl Fn(World)) {
    let world = world(responses);
    let overlapping = Arc::clone(&world.origin.overlapping);
    let (origin, timer) =
        (Arc::downgrade(&world.origin), Arc::downgrade(&world.entry.shared.timer));
    model(world);
    // Shuttle drops the tasks that remain wherever they are, even with a lock held.
    block_on(async {
        while origin.strong_count() > 0 || timer.strong_count() > 0 {
            yield_now().await;
        }
    });
    assert_eq!(overlapping.load(Ordering::SeqCst), 0, "two fetches at once");
}

#[test]
fn callers_without_session_share_one_fetch() {
    check(Responses::Sessions, |world| {
        assert_eq!(join(callers(&world.entry, 3, key)), ["AKIA1"; 3]);
        assert_eq!(world.origin.fetches.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn first_error_is_shared_and_remembered() {
    check(Responses::OddFail, |world| {
        let failed = |entry: &ModelEntry| block_on(async { request(entry).await.is_err() });
        assert_eq!(join(callers(&world.entry, 3, failed)), [true; 3]);
        assert_eq!(world.origin.fetches.load(Ordering::SeqCst), 1, "the error is remembered");
    });
}

#[test]
fn refresh_delays_no_caller() {
    check_fairly(Responses::Sessions, |world| {
        let World { entry, origin, manual } = world;
        block_on(async { request(&entry).await.unwrap() });
        let clock = shuttle::thread::spawn(move || manual.advance(IN_ADVISORY_WINDOW));
        let caller = {
            let entry = Arc::clone(&entry);
            shuttle::thread::spawn(move || {
                for _ in 0..2 {
                    let mut caller = pin!(request(&entry));
                    let waker = std::task::Waker::noop();
                    let result = caller.as_mut().poll(&mut std::task::Context::from_waker(waker));
                    assert!(matches!(result, Poll::Ready(Ok(_))), "a caller waits");
                }
            })
        };
        clock.join().unwrap();
        // Started by the timer or by the caller, the refresh completes.
        block_on(async {
            while !entry.hit(|session| session.access_key_id() == "AKIA2").unwrap_or(false) {
                yield_now().await;
            }
        });
        caller.join().unwrap();
        assert_eq!(origin.fetches.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn concurrent_invalidations_replace_the_session_once() {
    check(Responses::Sessions, |world| {
        block_on(async { request(&world.entry).await.unwrap() });
        let another = |entry: &ModelEntry| {
            entry.invalidate("AKIA1", InvalidSession::Expired);
            key(entry)
        };
        assert_eq!(join(callers(&world.entry, 3, another)), ["AKIA2"; 3]);
        assert_eq!(world.origin.fetches.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn removal_answers_every_caller() {
    check(Responses::Sessions, |world| {
        let callers = tasks(&world.entry, 2);
        let remover = {
            let entry = Arc::clone(&world.entry);
            shuttle::thread::spawn(move || {
                entry.remove();
                let after = block_on(async { request(&entry).await });
                assert_eq!(after.unwrap_err().kind(), ErrorKind::Removed);
            })
        };
        remover.join().unwrap();
        block_on(async {
            for caller in callers {
                if let Err(error) = caller.await.unwrap() {
                    assert_eq!(error.kind(), ErrorKind::Removed);
                }
            }
        });
        assert!(world.entry.hit(Session::clone).is_none());
    });
}

#[test]
fn dropping_last_reference_leaves_nothing() {
    check_fairly(Responses::Hang, |world| {
        let World { entry, origin, manual } = world;
        let polls = thread_rng().gen_range(1..4);
        let caller = spawn(async move { poll_times(request(&entry), polls).await });
        let clock = shuttle::thread::spawn(move || manual.advance(IN_ADVISORY_WINDOW));
        block_on(async { caller.await.unwrap() });
        clock.join().unwrap();
        // The hanging fetch is dropped, and nothing remains.
        block_on(async {
            while origin.running.load(Ordering::SeqCst) > 0 || Arc::strong_count(&origin) > 1 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn timer_moving_to_another_runtime_calls_every_entry() {
    check_fairly(Responses::Sessions, |world| {
        let World { entry, origin, manual } = world;
        block_on(async { request(&entry).await.unwrap() });
        let mover = {
            let (entry, manual) = (Arc::clone(&entry), manual.clone());
            shuttle::thread::spawn(move || {
                manual.advance(IN_ADVISORY_WINDOW);
                entry.shared.timer.ensure_task(&Runtime);
            })
        };
        block_on(async {
            while origin.fetches.load(Ordering::SeqCst) < 2 {
                yield_now().await;
            }
        });
        mover.join().unwrap();
        assert_eq!(origin.fetches.load(Ordering::SeqCst), 2);
    });
}

/// Returns what a caller receives without waiting.
fn immediate(entry: &ModelEntry) -> Session {
    let mut caller = pin!(request(entry));
    match caller.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("a caller waits"),
    }
}

#[test]
fn refresh_is_shared_and_delays_no_caller() {
    check(Responses::Sessions, |world| {
        block_on(async { request(&world.entry).await.unwrap() });
        world.manual.advance(Duration::from_secs(10));
        let newer = world.entry.refresh_request();
        let refreshing = callers(&world.entry, 2, move |entry| {
            let session = entry.obtain(newer, FetchContext::foreground(), || ());
            block_on(async { session.await.unwrap().access_key_id().to_owned() })
        });
        for _ in 0..3 {
            immediate(&world.entry);
            shuttle::thread::yield_now();
        }
        assert_eq!(join(refreshing), ["AKIA2"; 2]);
        assert_eq!(immediate(&world.entry).access_key_id(), "AKIA2");
        assert_eq!(world.origin.fetches.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn invalidation_during_refresh_is_served_by_it() {
    check(Responses::Sessions, |world| {
        block_on(async { request(&world.entry).await.unwrap() });
        world.manual.advance(IN_ADVISORY_WINDOW);
        // This call or the timer starts a refresh.
        immediate(&world.entry);
        let another = |entry: &ModelEntry| {
            entry.invalidate("AKIA1", InvalidSession::Expired);
            key(entry)
        };
        assert_eq!(join(callers(&world.entry, 2, another)), ["AKIA2"; 2]);
        assert_eq!(world.origin.fetches.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn failed_refresh_fails_no_waiting_caller() {
    check(Responses::FailAfterFirst, |world| {
        block_on(async { request(&world.entry).await.unwrap() });
        world.manual.advance(IN_MANDATORY_WINDOW);
        assert_eq!(join(callers(&world.entry, 3, key)), ["AKIA1"; 3]);
        // One by the timer, which closes no gate of callers, and one by a caller.
        assert!(world.origin.fetches.load(Ordering::SeqCst) <= 3);
    });
}

#[test]
fn callers_of_hanging_fetch_receive_the_next_session() {
    check_fairly(Responses::FirstHangs, |world| {
        let World { entry, origin, manual } = world;
        let callers = tasks(&entry, 2);
        // The fetch is overdue, and past its timeout: either may be noticed first.
        let started = Arc::clone(&origin);
        let clock = spawn(async move {
            while started.fetches.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            manual.advance(Duration::from_secs(16));
        });
        block_on(async {
            clock.await.unwrap();
            for caller in callers {
                // A failure that arrives late is no failure.
                let session = caller.await.unwrap().unwrap();
                assert_eq!(session.access_key_id(), "AKIA2");
            }
        });
        assert!(origin.fetches.load(Ordering::SeqCst) <= 2);
        drop(entry);
        block_on(async {
            while Arc::strong_count(&origin) > 1 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn entry_removed_during_tick_fetches_nothing_more() {
    check_fairly(Responses::Sessions, |world| {
        let World { entry, origin, manual } = world;
        block_on(async { request(&entry).await.unwrap() });
        let clock = {
            let manual = manual.clone();
            shuttle::thread::spawn(move || manual.advance(IN_ADVISORY_WINDOW))
        };
        entry.remove();
        let after = origin.fetches.load(Ordering::SeqCst);
        clock.join().unwrap();
        manual.advance(HOUR);
        block_on(async {
            while origin.running.load(Ordering::SeqCst) > 0 {
                yield_now().await;
            }
            for _ in 0..20 {
                yield_now().await;
            }
        });
        // A task that was spawned before may still call the provider, and is dropped.
        assert!(origin.fetches.load(Ordering::SeqCst) <= after + 1);
        assert!(entry.hit(Session::clone).is_none());
        assert_eq!(entry.status().state, crate::State::Removed);
    });
}

struct Probe(AtomicUsize);

impl Timed for Probe {
    fn tick(self: Arc<Self>, _: Option<FetchPermit>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn timer_wakes_for_an_earlier_deadline() {
    let model = || {
        let manual = ManualClock::at(std::time::UNIX_EPOCH + 400_000 * HOUR);
        let timer = Timer::new(manual.clock());
        let probe = || Arc::new(Probe(AtomicUsize::new(0)));
        let (late, soon) = (probe(), probe());
        let now = timer.clock().now();
        let arm = |timer: &Timer, probe: &Arc<Probe>, to| {
            let weak: Weak<Probe> = Arc::downgrade(probe);
            timer.arm(timer.next_id(), Moment::MAX, to, weak);
        };
        arm(&timer, &late, now + HOUR);
        timer.ensure_task(&Runtime);
        let other = {
            let (timer, soon) = (Arc::clone(&timer), Arc::clone(&soon));
            shuttle::thread::spawn(move || arm(&timer, &soon, now + Duration::from_secs(10)))
        };
        manual.advance(Duration::from_secs(20));
        block_on(async {
            while soon.0.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
        });
        other.join().unwrap();
        assert_eq!(late.0.load(Ordering::SeqCst), 0);
    };
    shuttle::check_random(model, 2 * INTERLEAVINGS);
}
