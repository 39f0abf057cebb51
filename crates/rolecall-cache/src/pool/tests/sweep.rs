//! The pool looks through its slots now and then: who counts as used, who is let go, who is told.

use super::*;

#[tokio::test]
async fn an_idle_slot_is_let_go_and_one_with_a_hot_handle_is_not() {
    let script = Script::new();
    let pool = pool(&script).idle(Duration::from_secs(600)).build();
    ask(&pool.get(&1)).await.unwrap();
    let hot = pool.get(&2);
    for _ in 0..40 {
        ask(&hot).await.unwrap();
        script.advance(60);
        settle().await;
    }
    until(&pool, || pool.status_of(&1).is_none()).await;
    // It bypassed the pool all the time, and is retained when its handle goes.
    drop(hot);
    let fetches = script.fetches();
    ask(&pool.get(&2)).await.unwrap();
    assert_eq!(script.fetches(), fetches);
}

#[tokio::test]
async fn a_pool_whose_idle_slots_go_at_once_leaves_the_timer_time() {
    let script = Script::new();
    let pool = pool(&script).idle(Duration::ZERO).build();
    ask(&pool.get(&1)).await.unwrap();
    for _ in 0..40 {
        script.advance(1);
        settle().await;
        // It sleeps: what is due now is due again at once otherwise.
        let (now, next) = (script.0.hands.clock().now(), *locked(&pool.0.next_sweep));
        assert!(next >= now + Duration::from_secs(1), "{next:?} at {now:?}");
    }
    until(&pool, || pool.status_of(&1).is_none()).await;
}

/// A pool's idle time of so long that it is four rounds of 16 parts, 10 s each.
const FOUR_ROUNDS: Duration = Duration::from_secs(640);
const PART: u64 = 10;

#[derive(Debug, Default)]
struct Evictions(AtomicUsize);

impl Evictions {
    fn told(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Observer for Evictions {
    fn observe(&self, _: &str, event: &Event<'_>) {
        if let Event::Evicted = event {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The whole registry, looked through once.
fn sweep(pool: &SessionPool<u32>) {
    pool.0.sweep(pool.0.timer.clock().now(), registry::SHARDS);
}

#[tokio::test]
async fn a_slot_that_a_handle_used_is_retained_before_those_that_nobody_asks_for() {
    let script = Script::new();
    let pool = pool(&script).capacity(2).build();
    let hot = pool.get(&0);
    for key in 1..=100 {
        ask(&pool.get(&key)).await.unwrap();
    }
    // It bypasses the map, which knows of its use by the sweeps alone.
    for _ in 0..20 {
        script.advance(1);
        ask(&hot).await.unwrap();
        sweep(&pool);
    }
    let fetches = script.fetches();
    drop(hot);
    ask(&pool.get(&0)).await.unwrap();
    assert_eq!(script.fetches(), fetches, "it went with its handle");
}

#[tokio::test]
async fn who_is_idle_goes_in_its_time_whatever_part_of_the_registry_it_is_in() {
    let (script, told) = (Script::new(), StdArc::new(Evictions::default()));
    let pool =
        pool(&script).idle(FOUR_ROUNDS).refresh(Refresh::Never).observer(told.clone()).build();
    for key in 0..200 {
        ask(&pool.get(&key)).await.unwrap();
    }
    let idle = FOUR_ROUNDS.as_secs();
    for passed in (PART..=idle + idle / 4).step_by(PART as usize) {
        if passed < idle {
            assert_eq!(told.told(), 0, "somebody went after {passed} s");
        }
        script.advance(PART);
        settle().await;
    }
    assert_eq!(
        told.told(),
        200,
        "a round is a quarter of the time, and the last use is seen by one"
    );
    until(&pool, || pool.status().entries() == 0).await;
}

#[tokio::test]
async fn for_whom_there_was_no_room_is_told_of_though_nobody_calls_any_more() {
    let (script, told) = (Script::new(), StdArc::new(Evictions::default()));
    let pool = pool(&script).capacity(2).observer(told.clone()).build();
    // Handed out to nobody: a look for their use asks the map for none of them.
    for key in 0..10 {
        drop(pool.get(&key));
    }
    script.advance(1);
    sweep(&pool);
    assert_eq!(told.told(), 8);
}
