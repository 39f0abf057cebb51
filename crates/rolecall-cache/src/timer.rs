//! One task that looks at slots when it is time to: of a pool's, or of a lone one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rolecall_core::{Clock, Moment};
use tokio::sync::Notify;

use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Runtime, Task, Weak, yield_now};

/// What the timer looks at.
pub(crate) trait Timed: Send + Sync {
    /// Its time has come. It arms itself again.
    fn tick(self: Arc<Self>);
}

/// How many are looked at before other tasks have a turn.
const AT_ONCE: usize = 64;

/// A look that is late by this much: the task stands still with its runtime, and moves to another.
const STANDS_STILL: Duration = Duration::from_secs(5);

/// Who is to be looked at, and when.
pub(crate) struct Timer {
    clock: Clock,
    due: Mutex<Due>,
}

struct Due {
    entries: BTreeMap<(Moment, u64), Weak<dyn Timed>>,
    ids: u64,
    task: Option<Task>,
    /// To wake the task: each has its own, so that one that stands still with its runtime, and is
    /// given up, does not take what is meant for the next.
    changed: Arc<Notify>,
    asleep_until: Moment,
    /// When the task last looked.
    looked: Moment,
}

impl Timer {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let due = Due {
            entries: BTreeMap::new(),
            ids: 0,
            task: None,
            changed: Arc::default(),
            asleep_until: Moment::ZERO,
            looked: Moment::ZERO,
        };
        Arc::new(Self { clock, due: Mutex::new(due) })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    fn lock(&self) -> MutexGuard<'_, Due> {
        // What is done under it does not panic.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name to be armed under.
    pub(crate) fn id(&self) -> u64 {
        let mut due = self.lock();
        due.ids += 1;
        due.ids
    }

    /// To be looked at at `to` and no longer at `from`; [`Moment::MAX`] is never.
    pub(crate) fn arm(&self, id: u64, from: Moment, to: Moment, who: Weak<dyn Timed>) {
        let mut due = self.lock();
        due.entries.remove(&(from, id));
        if to == Moment::MAX {
            return;
        }
        due.entries.insert((to, id), who);
        let sooner = to < due.asleep_until;
        let changed = sooner.then(|| Arc::clone(&due.changed));
        drop(due);
        if let Some(changed) = changed {
            changed.notify_one();
        }
    }

    /// Not to be looked at any more.
    pub(crate) fn disarm(&self, id: u64, from: Moment) {
        self.lock().entries.remove(&(from, id));
    }

    #[cfg(not(shuttle))]
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        self.lock().entries.len()
    }

    /// There is a task that looks, on a runtime that runs, if there is anything to look at.
    pub(crate) fn keep(self: &Arc<Self>, runtime: &Runtime) {
        let mut due = self.lock();
        let Some(((first, _), _)) = due.entries.first_key_value() else { return };
        // One that has much to do is behind, and does not stand still.
        let late = self.clock.now() - (*first).max(due.looked) > STANDS_STILL;
        if due.task.as_ref().is_some_and(|task| !task.is_finished() && !late) {
            return;
        }
        due.asleep_until = Moment::ZERO;
        due.changed = Arc::default();
        // It holds no timer while it sleeps: dropped here and now by a runtime that shuts down, it
        // takes no lock.
        let task = runtime.spawn(look(Arc::downgrade(self), Arc::clone(&due.changed)));
        let before = due.task.replace(task);
        drop(due);
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Those whose time has come, some of them; and when to look again.
    fn take_due(&self) -> (Vec<Arc<dyn Timed>>, Moment) {
        let now = self.clock.now();
        let mut due = self.lock();
        due.looked = now;
        let mut taken = Vec::new();
        let next = loop {
            let Some(first) = due.entries.first_entry() else { break Moment::MAX };
            let (moment, _) = *first.key();
            if moment > now || taken.len() == AT_ONCE {
                break moment;
            }
            taken.extend(first.remove().upgrade());
        };
        due.asleep_until = next;
        (taken, next)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(task) = self.lock().task.take() {
            task.abort();
        }
    }
}

async fn look(timer: Weak<Timer>, changed: Arc<Notify>) {
    loop {
        let Some((clock, next, some)) = timer.upgrade().map(|timer| {
            let (due, next) = timer.take_due();
            let some = !due.is_empty();
            for who in due {
                // A panic in there, of a source's that is dropped, is not to stop the clock for all
                // others.
                let _ = catch_unwind(AssertUnwindSafe(|| who.tick()));
            }
            (timer.clock.clone(), next, some)
        }) else {
            return;
        };
        if some {
            // More may be due, and those that were looked at have armed themselves.
            yield_now().await;
            continue;
        }
        tokio::select! {
            biased;
            () = changed.notified() => {}
            () = clock.sleep_until(next) => {}
        }
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rolecall_core::ManualClock;

    use super::*;

    #[derive(Default)]
    struct Looks(AtomicUsize);

    impl Timed for Looks {
        fn tick(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Comes from within a look, as one that starts a fetch does.
    struct Keeps(Arc<Timer>, AtomicUsize);

    impl Timed for Keeps {
        fn tick(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.keep(&Runtime::current().unwrap());
        }
    }

    #[tokio::test]
    async fn a_task_that_has_much_to_do_after_a_suspend_is_left_to_do_it() {
        let hands = ManualClock::new();
        let timer = Timer::new(hands.clock());
        let (start, keeps) =
            (hands.clock().now(), Arc::new(Keeps(timer.clone(), AtomicUsize::new(0))));
        for id in 0..1000 {
            let who: Weak<Keeps> = Arc::downgrade(&keeps);
            timer.arm(id, Moment::MAX, start + Duration::from_secs(10), who);
        }
        timer.keep(&Runtime::current().unwrap());
        settle().await;
        let task = Arc::clone(&timer.lock().changed);
        hands.advance(Duration::from_secs(3600));
        settle().await;
        assert_eq!(keeps.1.load(Ordering::Relaxed), 1000);
        assert!(Arc::ptr_eq(&task, &timer.lock().changed), "it is another");
    }

    struct Panics;

    impl Timed for Panics {
        fn tick(self: Arc<Self>) {
            panic!("as a source may that is dropped");
        }
    }

    #[tokio::test]
    async fn one_that_panics_when_it_is_looked_at_costs_no_other_its_time() {
        let hands = ManualClock::new();
        let timer = Timer::new(hands.clock());
        let start = hands.clock().now();
        let (panics, looks) = (Arc::new(Panics), Arc::new(Looks::default()));
        let (first, others): (Weak<Panics>, Weak<Looks>) =
            (Arc::downgrade(&panics), Arc::downgrade(&looks));
        timer.arm(1, Moment::MAX, start + Duration::from_secs(10), first);
        timer.arm(2, Moment::MAX, start + Duration::from_secs(10), others.clone());
        timer.arm(3, Moment::MAX, start + Duration::from_secs(20), others);
        timer.keep(&Runtime::current().unwrap());
        for seen in 0..=2 {
            settle().await;
            assert_eq!(looks.0.load(Ordering::Relaxed), seen);
            hands.advance(Duration::from_secs(10));
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    async fn settle() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[test]
    fn who_is_armed_after_the_task_moved_to_another_runtime_is_looked_at_in_time() {
        let hands = ManualClock::new();
        let timer = Timer::new(hands.clock());
        let (start, looks) = (hands.clock().now(), Arc::new(Looks::default()));
        let arm = |id, seconds| {
            let who: Weak<Looks> = Arc::downgrade(&looks);
            timer.arm(id, Moment::MAX, start + Duration::from_secs(seconds), who);
        };
        let keep = || timer.keep(&Runtime::current().unwrap());
        arm(1, 10);
        let stands_still = runtime();
        stands_still.block_on(async {
            keep();
            settle().await;
        });
        hands.advance(Duration::from_secs(20));
        runtime().block_on(async {
            keep();
            settle().await;
            assert_eq!(looks.0.load(Ordering::Relaxed), 1);
            arm(2, 30);
            settle().await;
            hands.advance(Duration::from_secs(10));
            settle().await;
            assert_eq!(looks.0.load(Ordering::Relaxed), 2);
        });
    }
}
