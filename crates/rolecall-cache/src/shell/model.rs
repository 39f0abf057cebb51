//! The shell under the model checker shuttle: what must hold in whatever order its threads and
//! tasks go on.
//!
//! A caller that would wait for ever is found as a deadlock: nothing else goes on then. In every
//! model, no fetch lives beside another.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use aws_credential_types::Credentials;
use rolecall_core::{ErrorKind, ManualClock};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};

use super::*;

mod giving_up;
mod lost;

const HOUR: Duration = Duration::from_secs(3600);
/// Into the refresh window, wherever it was drawn.
const INTO_THE_WINDOW: Duration = Duration::from_secs(3200);
const INTO_THE_HARD_WINDOW: Duration = Duration::from_secs(3550);
const INTERLEAVINGS: usize = 3000;

/// Sessions by number; how many fetches there were, and how many live.
struct Counted {
    clock: Clock,
    fetches: AtomicUsize,
    live: AtomicUsize,
    /// How many began beside another that had not been given up. They do not panic: the shell makes
    /// errors of panics.
    beside_another: Arc<AtomicUsize>,
    answers: Answers,
}

#[derive(Clone, Copy, PartialEq)]
enum Answers {
    Sessions,
    /// Every other fetch fails.
    FailsAtFirst,
    /// All but the first fail.
    FailsLater,
    Hangs,
    /// The first never ends.
    HangsAtFirst,
}

struct Live<'a>(&'a AtomicUsize);

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Origin for Arc<Counted> {
    type Item = Session;
    type With = ();

    async fn fetch(&self, _: FetchContext, (): ()) -> Result<Session, SessionError> {
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let before = self.live.fetch_add(1, Ordering::SeqCst);
        // One that is given up may not be gone yet.
        let given_up = usize::from(self.answers == Answers::HangsAtFirst);
        if before > given_up {
            self.beside_another.fetch_add(1, Ordering::SeqCst);
        }
        let _live = Live(&self.live);
        for _ in 0..thread_rng().gen_range(0..3) {
            yield_now().await;
        }
        match self.answers {
            Answers::Sessions => {}
            Answers::FailsAtFirst if number % 2 == 0 => {}
            Answers::FailsAtFirst => return Err(unavailable("no")),
            Answers::FailsLater if number == 1 => {}
            Answers::FailsLater => return Err(unavailable("no")),
            Answers::HangsAtFirst if number > 1 => {}
            Answers::Hangs | Answers::HangsAtFirst => return std::future::pending().await,
        }
        let keys = Credentials::new(format!("AKIA{number}"), "secret", None, None, "model");
        Ok(Session::builder(keys).lifetime(self.clock.now(), HOUR, &self.clock).build())
    }

    fn unattended(&self) -> Option<()> {
        Some(())
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn name(&self) -> &str {
        "model"
    }
}

type Slot = Arc<Shared<Arc<Counted>, Session>>;

struct World {
    slot: Slot,
    counted: Arc<Counted>,
    hands: ManualClock,
}

fn world(answers: Answers) -> World {
    fastrand::seed(4711);
    let hands = ManualClock::at(std::time::UNIX_EPOCH + 400_000 * HOUR);
    let counted = Arc::new(Counted {
        clock: hands.clock(),
        fetches: AtomicUsize::new(0),
        live: AtomicUsize::new(0),
        beside_another: Arc::default(),
        answers,
    });
    let setup = Setup {
        refresh: Refresh::WhileUsed,
        timer: Timer::new(hands.clock()),
        observed: Observed::default(),
    };
    World { slot: Shared::new(Arc::clone(&counted), setup), counted, hands }
}

async fn ask(slot: &Slot) -> Result<Session, SessionError> {
    match slot.hit(Session::clone) {
        Some(session) => Ok(session),
        None => slot.obtain(Ask::Session, FetchContext::foreground(), || ()).await,
    }
}

/// Gives up at the so-manieth await.
async fn give_up(call: impl Future, polls: usize) {
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

/// So many callers at once, each in a thread of its own.
fn callers<T: Send + 'static>(
    slot: &Slot,
    many: usize,
    call: impl Fn(&Slot) -> T + Copy + Send + 'static,
) -> Vec<shuttle::thread::JoinHandle<T>> {
    (0..many)
        .map(|_| {
            let slot = Arc::clone(slot);
            shuttle::thread::spawn(move || call(&slot))
        })
        .collect()
}

fn answers<T>(callers: Vec<shuttle::thread::JoinHandle<T>>) -> Vec<T> {
    callers.into_iter().map(|caller| caller.join().unwrap()).collect()
}

/// The key of the session that a caller gets.
fn key(slot: &Slot) -> String {
    block_on(async { ask(slot).await.unwrap().access_key_id().to_owned() })
}

/// So many callers, each in a task of its own.
fn tasks(
    slot: &Slot,
    many: usize,
) -> Vec<shuttle::future::JoinHandle<Result<Session, SessionError>>> {
    (0..many)
        .map(|_| {
            let slot = Arc::clone(slot);
            spawn(async move { ask(&slot).await })
        })
        .collect()
}

/// For models that poll for what they wait for: a scheduler by priorities may let them poll for
/// ever.
fn check_fairly(answers: Answers, model: impl Fn(World) + Copy + Send + Sync + 'static) {
    shuttle::check_random(move || run(answers, model), 2 * INTERLEAVINGS);
}

fn check(answers: Answers, model: impl Fn(World) + Copy + Send + Sync + 'static) {
    shuttle::check_random(move || run(answers, model), INTERLEAVINGS);
    shuttle::check_pct(move || run(answers, model), INTERLEAVINGS, 3);
}

fn run(answers: Answers, model: impl Fn(World)) {
    let world = world(answers);
    let beside_another = Arc::clone(&world.counted.beside_another);
    model(world);
    assert_eq!(beside_another.load(Ordering::SeqCst), 0, "two live fetches");
}

#[test]
fn callers_at_a_cold_slot_share_one_fetch() {
    check(Answers::Sessions, |world| {
        assert_eq!(answers(callers(&world.slot, 3, key)), ["AKIA1"; 3]);
        assert_eq!(world.counted.fetches.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn callers_share_an_error_or_come_after_it() {
    check(Answers::FailsAtFirst, |world| {
        let failed = |slot: &Slot| block_on(async { ask(slot).await.is_err() });
        assert_eq!(answers(callers(&world.slot, 3, failed)), [true; 3]);
        assert_eq!(world.counted.fetches.load(Ordering::SeqCst), 1, "it is remembered");
    });
}

#[test]
fn the_timer_refreshes_what_was_used_and_callers_never_wait_for_it() {
    check_fairly(Answers::Sessions, |world| {
        let World { slot, counted, hands } = world;
        block_on(async { ask(&slot).await.unwrap() });
        let turns = shuttle::thread::spawn(move || hands.advance(INTO_THE_WINDOW));
        let caller = {
            let slot = Arc::clone(&slot);
            shuttle::thread::spawn(move || {
                for _ in 0..2 {
                    let mut asked = pin!(ask(&slot));
                    let waker = std::task::Waker::noop();
                    let answer = asked.as_mut().poll(&mut std::task::Context::from_waker(waker));
                    assert!(matches!(answer, Poll::Ready(Ok(_))), "a caller waits");
                }
            })
        };
        turns.join().unwrap();
        // By the timer or by the caller: the next comes in, and nobody misses it.
        block_on(async {
            while !slot.hit(|session| session.access_key_id() == "AKIA2").unwrap_or(false) {
                yield_now().await;
            }
        });
        caller.join().unwrap();
        assert_eq!(counted.fetches.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_rejected_session_is_replaced_once_however_many_reject_it() {
    check(Answers::Sessions, |world| {
        block_on(async { ask(&world.slot).await.unwrap() });
        let another = |slot: &Slot| {
            slot.invalidate("AKIA1");
            key(slot)
        };
        assert_eq!(answers(callers(&world.slot, 3, another)), ["AKIA2"; 3]);
        assert_eq!(world.counted.fetches.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn whoever_asks_while_it_is_removed_gets_an_answer_and_nobody_after_it_a_session() {
    check(Answers::Sessions, |world| {
        let callers = tasks(&world.slot, 2);
        let remover = {
            let slot = Arc::clone(&world.slot);
            shuttle::thread::spawn(move || {
                slot.remove();
                let after = block_on(async { ask(&slot).await });
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
        assert!(world.slot.hit(Session::clone).is_none());
    });
}

#[test]
fn the_last_handle_may_go_at_any_moment() {
    check_fairly(Answers::Hangs, |world| {
        let World { slot, counted, hands } = world;
        let polls = thread_rng().gen_range(1..4);
        let caller = spawn(async move { give_up(ask(&slot), polls).await });
        let turns = shuttle::thread::spawn(move || hands.advance(INTO_THE_WINDOW));
        block_on(async { caller.await.unwrap() });
        turns.join().unwrap();
        // Its fetch never ends by itself: it is dropped, with nothing left behind.
        block_on(async {
            while counted.live.load(Ordering::SeqCst) > 0 || Arc::strong_count(&counted) > 1 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn a_pools_timer_that_moves_to_another_runtime_forgets_nobody() {
    check_fairly(Answers::Sessions, |world| {
        let World { slot, counted, hands } = world;
        block_on(async { ask(&slot).await.unwrap() });
        let moves = {
            let (slot, hands) = (Arc::clone(&slot), hands.clone());
            shuttle::thread::spawn(move || {
                hands.advance(INTO_THE_WINDOW);
                slot.timer.keep(&Runtime);
            })
        };
        block_on(async {
            while counted.fetches.load(Ordering::SeqCst) < 2 {
                yield_now().await;
            }
        });
        moves.join().unwrap();
        assert_eq!(counted.fetches.load(Ordering::SeqCst), 2);
    });
}

/// What a caller gets that does not wait.
fn at_once(slot: &Slot) -> Session {
    let mut asked = pin!(ask(slot));
    match asked.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("a caller waits"),
    }
}

#[test]
fn who_asks_for_another_session_now_shares_it_and_makes_nobody_wait() {
    check(Answers::Sessions, |world| {
        block_on(async { ask(&world.slot).await.unwrap() });
        world.hands.advance(Duration::from_secs(10));
        let for_another = callers(&world.slot, 2, |slot| {
            let another = slot.obtain(Ask::Now, FetchContext::foreground(), || ());
            block_on(async { another.await.unwrap().access_key_id().to_owned() })
        });
        for _ in 0..3 {
            at_once(&world.slot);
            shuttle::thread::yield_now();
        }
        assert_eq!(answers(for_another), ["AKIA2"; 2]);
        assert_eq!(at_once(&world.slot).access_key_id(), "AKIA2");
        assert_eq!(world.counted.fetches.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_rejection_amid_a_refresh_is_answered_by_it() {
    check(Answers::Sessions, |world| {
        block_on(async { ask(&world.slot).await.unwrap() });
        world.hands.advance(INTO_THE_WINDOW);
        // A refresh begins, by this or by the timer.
        at_once(&world.slot);
        let another = |slot: &Slot| {
            slot.invalidate("AKIA1");
            key(slot)
        };
        assert_eq!(answers(callers(&world.slot, 2, another)), ["AKIA2"; 2]);
        assert_eq!(world.counted.fetches.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_refresh_that_fails_fails_none_of_those_who_wait_for_it() {
    check(Answers::FailsLater, |world| {
        block_on(async { ask(&world.slot).await.unwrap() });
        world.hands.advance(INTO_THE_HARD_WINDOW);
        assert_eq!(answers(callers(&world.slot, 3, key)), ["AKIA1"; 3]);
        assert_eq!(world.counted.fetches.load(Ordering::SeqCst), 2, "and one backoff");
    });
}

#[test]
fn whoever_waits_for_a_fetch_that_hangs_is_answered_when_its_time_is_over() {
    check_fairly(Answers::HangsAtFirst, |world| {
        let World { slot, counted, hands } = world;
        let callers = tasks(&slot, 2);
        // Past the limit of the fetch, and past the patience of who waits: either may be first.
        let begun = Arc::clone(&counted);
        let turns = spawn(async move {
            while begun.fetches.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            hands.advance(Duration::from_secs(16));
        });
        block_on(async {
            turns.await.unwrap();
            for caller in callers {
                match caller.await.unwrap() {
                    Ok(session) => assert_eq!(session.access_key_id(), "AKIA2"),
                    Err(error) => assert!(
                        error.message().contains("did not return a session within"),
                        "{error}"
                    ),
                }
            }
        });
        assert!(counted.fetches.load(Ordering::SeqCst) <= 2);
        drop(slot);
        block_on(async {
            while Arc::strong_count(&counted) > 1 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn what_is_removed_while_its_timer_looks_fetches_nothing_more() {
    check_fairly(Answers::Sessions, |world| {
        let World { slot, counted, hands } = world;
        block_on(async { ask(&slot).await.unwrap() });
        let turns = {
            let hands = hands.clone();
            shuttle::thread::spawn(move || hands.advance(INTO_THE_WINDOW))
        };
        slot.remove();
        let after = counted.fetches.load(Ordering::SeqCst);
        turns.join().unwrap();
        hands.advance(HOUR);
        block_on(async {
            while counted.live.load(Ordering::SeqCst) > 0 {
                yield_now().await;
            }
            for _ in 0..20 {
                yield_now().await;
            }
        });
        // One that was on its way to its task may still begin there, and be dropped.
        assert!(counted.fetches.load(Ordering::SeqCst) <= after + 1);
        assert!(slot.hit(Session::clone).is_none());
        assert_eq!(slot.status().state, crate::State::Removed);
    });
}

struct Probe(AtomicUsize);

impl Timed for Probe {
    fn tick(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_timer_wakes_for_what_is_to_be_looked_at_before_what_it_sleeps_for() {
    let model = || {
        let hands = ManualClock::at(std::time::UNIX_EPOCH + 400_000 * HOUR);
        let timer = Timer::new(hands.clock());
        let probe = || Arc::new(Probe(AtomicUsize::new(0)));
        let (late, soon) = (probe(), probe());
        let now = timer.clock().now();
        let arm = |timer: &Timer, probe: &Arc<Probe>, to| {
            let who: Weak<Probe> = Arc::downgrade(probe);
            timer.arm(timer.id(), Moment::MAX, to, who);
        };
        arm(&timer, &late, now + HOUR);
        timer.keep(&Runtime);
        let other = {
            let (timer, soon) = (Arc::clone(&timer), Arc::clone(&soon));
            shuttle::thread::spawn(move || arm(&timer, &soon, now + Duration::from_secs(10)))
        };
        hands.advance(Duration::from_secs(20));
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
