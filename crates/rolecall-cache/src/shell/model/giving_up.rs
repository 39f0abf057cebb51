//! Callers who give up: at any await, whatever they wait for, they leave others what they came for.

use super::*;

#[test]
fn whoever_gives_up_wherever_leaves_others_what_they_came_for() {
    check(Answers::Sessions, |world| {
        let polls = thread_rng().gen_range(1..5);
        let impatient = {
            let slot = Arc::clone(&world.slot);
            spawn(async move { give_up(ask(&slot), polls).await })
        };
        let patient = {
            let slot = Arc::clone(&world.slot);
            spawn(async move { ask(&slot).await })
        };
        block_on(async {
            impatient.await.unwrap();
            assert_eq!(patient.await.unwrap().unwrap().access_key_id(), "AKIA1");
            assert_eq!(ask(&world.slot).await.unwrap().access_key_id(), "AKIA1");
        });
        assert_eq!(world.counted.fetches.load(Ordering::SeqCst), 1);
    });
}

/// What callers wait for who have given up meanwhile.
#[derive(Clone, Copy)]
enum Waiting {
    Cold,
    HardWindow,
    Rejected,
    /// For another, while the held one is as good as any.
    Now,
    ValidFor(Duration),
}

impl Waiting {
    /// Until it is so.
    fn come_about(self, world: &World) {
        if let Self::Cold = self {
            return;
        }
        assert_eq!(key(&world.slot), "AKIA1");
        match self {
            Self::Cold => {}
            Self::HardWindow => world.hands.advance(INTO_THE_HARD_WINDOW),
            Self::Rejected => assert!(world.slot.invalidate("AKIA1").is_some()),
            // Past the moment in which what came in is new.
            Self::Now | Self::ValidFor(_) => world.hands.advance(Duration::from_secs(60)),
        }
    }

    async fn ask(self, slot: &Slot) -> String {
        let asked = match self {
            Self::Now => Ask::Now,
            Self::ValidFor(least) => Ask::ValidFor(least),
            Self::Cold | Self::HardWindow | Self::Rejected => Ask::Session,
        };
        let session = slot.obtain(asked, FetchContext::foreground(), || ()).await.unwrap();
        session.access_key_id().to_owned()
    }
}

/// Two give up; a third, who came at the same time, and a fourth, who comes when they are gone, get
/// the one session.
fn two_give_up(waiting: Waiting) {
    check(Answers::Sessions, move |world| {
        waiting.come_about(&world);
        let before = world.counted.fetches.load(Ordering::SeqCst);
        let impatient = callers(&world.slot, 2, move |slot| {
            let polls = thread_rng().gen_range(1..6);
            block_on(give_up(waiting.ask(slot), polls));
        });
        if let Waiting::Now | Waiting::ValidFor(_) = waiting {
            at_once(&world.slot);
        }
        let next = match waiting {
            Waiting::Cold => "AKIA1",
            _ => "AKIA2",
        };
        assert_eq!(block_on(waiting.ask(&world.slot)), next);
        answers(impatient);
        assert_eq!(block_on(waiting.ask(&world.slot)), next);
        assert_eq!(at_once(&world.slot).access_key_id(), next);
        let fetches = world.counted.fetches.load(Ordering::SeqCst);
        // The timer may have been first, in the hard window.
        assert_eq!((fetches, before), (next[4..].parse().unwrap(), before.min(fetches)));
    });
}

#[test]
fn callers_who_wait_for_the_first_session_may_give_up_at_any_await() {
    two_give_up(Waiting::Cold);
}

#[test]
fn callers_who_wait_in_the_hard_window_may_give_up_at_any_await() {
    two_give_up(Waiting::HardWindow);
}

#[test]
fn callers_who_wait_after_a_rejection_may_give_up_at_any_await() {
    two_give_up(Waiting::Rejected);
}

#[test]
fn callers_who_wait_for_another_session_now_may_give_up_at_any_await() {
    two_give_up(Waiting::Now);
}

#[test]
fn callers_who_wait_for_a_session_that_is_good_for_long_may_give_up_at_any_await() {
    two_give_up(Waiting::ValidFor(HOUR - Duration::from_secs(10)));
}

/// The held one is there for those who stay, and one pause holds for all.
#[test]
fn callers_who_give_up_on_a_refresh_that_fails_leave_others_the_held_session() {
    check(Answers::FailsLater, |world| {
        Waiting::HardWindow.come_about(&world);
        let impatient = callers(&world.slot, 2, |slot| {
            let polls = thread_rng().gen_range(1..6);
            block_on(give_up(ask(slot), polls));
        });
        assert_eq!(key(&world.slot), "AKIA1");
        answers(impatient);
        assert_eq!(key(&world.slot), "AKIA1");
        assert_eq!(world.counted.fetches.load(Ordering::SeqCst), 2);
    });
}
