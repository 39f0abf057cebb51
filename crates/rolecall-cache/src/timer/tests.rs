use std::sync::atomic::{AtomicUsize, Ordering};

use rolecall_core::ManualClock;

use super::*;

#[derive(Default)]
struct Counter(AtomicUsize);

impl Timed for Counter {
    fn tick(self: Arc<Self>, _: Option<FetchPermit>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts the task from within a call, as an entry that starts a fetch does.
struct EnsuresTask(Arc<Timer>, AtomicUsize);

impl Timed for EnsuresTask {
    fn tick(self: Arc<Self>, _: Option<FetchPermit>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.ensure_task(&Runtime::current().unwrap());
    }
}

#[tokio::test]
async fn busy_task_after_suspension_is_not_replaced() {
    let manual = ManualClock::new();
    let timer = Timer::new(manual.clock());
    let (start, entry) =
        (manual.clock().now(), Arc::new(EnsuresTask(timer.clone(), AtomicUsize::new(0))));
    for id in 0..1000 {
        let weak: Weak<EnsuresTask> = Arc::downgrade(&entry);
        timer.arm(id, Moment::MAX, start + Duration::from_secs(10), weak);
    }
    timer.ensure_task(&Runtime::current().unwrap());
    settle().await;
    let task = Arc::clone(&timer.lock().changed);
    manual.advance(Duration::from_secs(3600));
    settle().await;
    assert_eq!(entry.1.load(Ordering::Relaxed), 1000);
    assert!(Arc::ptr_eq(&task, &timer.lock().changed), "the task was replaced");
}

#[test]
fn set_wall_clock_calls_each_armed_entry_once() {
    let manual = ManualClock::new();
    let timer = Timer::new(manual.clock());
    let (hour, counter) = (Duration::from_secs(3600), Arc::new(Counter::default()));
    let called = || timer.take_due().0.len();
    let arm = |id| {
        let weak: Weak<Counter> = Arc::downgrade(&counter);
        timer.arm(id, Moment::MAX, manual.clock().now() + hour, weak);
    };
    (0..BATCH as u64 + 2).for_each(arm);
    assert_eq!(called(), 0);
    let wall = manual.clock().wall();
    manual.set_wall(wall + hour);
    assert_eq!(called(), BATCH);
    // One that waits for its call is armed for another time, and one is dropped.
    let waiting: Vec<_> = timer.lock().early.keys().copied().collect();
    let [(from, moved), (dropped_at, dropped)] = waiting[..] else { panic!("{waiting:?}") };
    let weak: Weak<Counter> = Arc::downgrade(&counter);
    timer.arm(moved, from, from + hour, weak);
    timer.disarm(dropped, dropped_at);
    assert_eq!((called(), timer.armed()), (0, 1));
}

#[test]
fn permit_of_called_entry_is_not_taken_by_others() {
    let manual = ManualClock::new();
    let timer = Timer::new(manual.clock());
    let counter = Arc::new(Counter::default());
    let permits: Vec<_> =
        (0..MAX_IN_FLIGHT).map(|_| timer.try_acquire_permit().expect("a permit is free")).collect();
    assert!(timer.try_acquire_permit().is_none());
    let weak: Weak<Counter> = Arc::downgrade(&counter);
    timer.move_entry(1, Position::NONE, Position::Queued { expires_at: Moment::MAX }, weak);
    let (mut due, _) = timer.take_due();
    assert!(due.is_empty());
    drop(permits);
    assert!(timer.try_acquire_permit().is_none(), "the entry in the queue comes first");
    (due, _) = timer.take_due();
    assert_eq!((due.len(), timer.in_flight(), timer.queued()), (1, 1, 0));
    drop(due);
    assert_eq!(timer.in_flight(), 0, "a permit that is not used is released");
}

/// Fetches that complete wake the task. It does not stand still because it slept before.
#[tokio::test]
async fn sleeping_task_is_not_replaced_when_permits_are_free() {
    let manual = ManualClock::new();
    let timer = Timer::new(manual.clock());
    let counter = Arc::new(Counter::default());
    let queued: Weak<Counter> = Arc::downgrade(&counter);
    let permits: Vec<_> = (0..MAX_IN_FLIGHT).map(|_| timer.try_acquire_permit()).collect();
    timer.move_entry(1, Position::NONE, Position::Queued { expires_at: Moment::MAX }, queued);
    timer.ensure_task(&Runtime::current().unwrap());
    settle().await;
    let task = Arc::clone(&timer.lock().changed);
    manual.advance(Duration::from_secs(30));
    drop(permits);
    timer.ensure_task(&Runtime::current().unwrap());
    assert!(Arc::ptr_eq(&task, &timer.lock().changed), "the task was replaced");
    settle().await;
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
}

struct Panics;

impl Timed for Panics {
    fn tick(self: Arc<Self>, _: Option<FetchPermit>) {
        panic!("a provider that panics in its drop");
    }
}

#[tokio::test]
async fn panicking_entry_does_not_stop_the_timer() {
    let manual = ManualClock::new();
    let timer = Timer::new(manual.clock());
    let start = manual.clock().now();
    let (panics, counter) = (Arc::new(Panics), Arc::new(Counter::default()));
    let (first, others): (Weak<Panics>, Weak<Counter>) =
        (Arc::downgrade(&panics), Arc::downgrade(&counter));
    timer.arm(1, Moment::MAX, start + Duration::from_secs(10), first);
    timer.arm(2, Moment::MAX, start + Duration::from_secs(10), others.clone());
    timer.arm(3, Moment::MAX, start + Duration::from_secs(20), others);
    timer.ensure_task(&Runtime::current().unwrap());
    for calls in 0..=2 {
        settle().await;
        assert_eq!(counter.0.load(Ordering::Relaxed), calls);
        manual.advance(Duration::from_secs(10));
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
fn entry_armed_after_move_is_called_in_time() {
    let manual = ManualClock::new();
    let timer = Timer::new(manual.clock());
    let (start, counter) = (manual.clock().now(), Arc::new(Counter::default()));
    let arm = |id, seconds| {
        let weak: Weak<Counter> = Arc::downgrade(&counter);
        timer.arm(id, Moment::MAX, start + Duration::from_secs(seconds), weak);
    };
    let ensure_task = || timer.ensure_task(&Runtime::current().unwrap());
    arm(1, 10);
    let stopped = runtime();
    stopped.block_on(async {
        ensure_task();
        settle().await;
    });
    manual.advance(Duration::from_secs(20));
    runtime().block_on(async {
        ensure_task();
        settle().await;
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        arm(2, 30);
        settle().await;
        manual.advance(Duration::from_secs(10));
        settle().await;
        assert_eq!(counter.0.load(Ordering::Relaxed), 2);
    });
}
