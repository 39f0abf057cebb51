//! The sweeps of a pool: which entries count as used, and which are evicted and observed.

use super::*;

#[tokio::test]
async fn idle_entry_is_evicted_and_used_one_stays() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).idle(Duration::from_secs(600)).build();
    request(&pool.get(&1)).await.unwrap();
    let used = pool.get(&2);
    for _ in 0..40 {
        request(&used).await.unwrap();
        script.advance(60);
        settle().await;
    }
    wait_until(&pool, || pool.status_of(&1).is_none()).await;
    // Its calls bypassed the pool, and it is retained when its provider is dropped.
    drop(used);
    let fetches = script.fetches();
    request(&pool.get(&2)).await.unwrap();
    assert_eq!(script.fetches(), fetches);
}

#[tokio::test]
async fn zero_idle_time_does_not_spin_the_timer() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).idle(Duration::ZERO).build();
    request(&pool.get(&1)).await.unwrap();
    for _ in 0..40 {
        script.advance(1);
        settle().await;
        // Otherwise the timer would not sleep.
        let (now, next) = (script.clock().now(), *locked(&pool.0.next_sweep));
        assert!(next >= now + Duration::from_secs(1), "{next:?} at {now:?}");
    }
    wait_until(&pool, || pool.status_of(&1).is_none()).await;
}

/// An idle time of four rounds of 16 shards, 10 s each.
const FOUR_ROUNDS: Duration = Duration::from_secs(640);
const SWEEP_INTERVAL: u64 = 10;

#[derive(Debug, Default)]
struct Evictions(AtomicUsize);

impl Evictions {
    fn count(&self) -> usize {
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

/// Sweeps the whole registry once.
fn sweep(pool: &SessionPool<u32>) {
    pool.0.sweep(pool.0.shared.timer.clock().now(), registry::SHARDS);
}

#[tokio::test]
async fn used_entry_is_retained_before_unused_ones() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).capacity(2).build();
    let used = pool.get(&0);
    for key in 1..=100 {
        request(&pool.get(&key)).await.unwrap();
    }
    // Its calls bypass the map, which learns of its use by the sweeps.
    for _ in 0..20 {
        script.advance(1);
        request(&used).await.unwrap();
        sweep(&pool);
    }
    let fetches = script.fetches();
    drop(used);
    request(&pool.get(&0)).await.unwrap();
    assert_eq!(script.fetches(), fetches, "it was evicted with its provider");
}

#[tokio::test]
async fn idle_entries_of_every_shard_are_evicted() {
    let (script, evictions) = (ScriptedProvider::new(), StdArc::new(Evictions::default()));
    let pool =
        pool(&script).idle(FOUR_ROUNDS).refresh(Refresh::Never).observer(evictions.clone()).build();
    for key in 0..200 {
        request(&pool.get(&key)).await.unwrap();
    }
    let idle = FOUR_ROUNDS.as_secs();
    for passed in (SWEEP_INTERVAL..=idle + idle / 4).step_by(SWEEP_INTERVAL as usize) {
        if passed < idle {
            assert_eq!(evictions.count(), 0, "evicted after {passed} s");
        }
        script.advance(SWEEP_INTERVAL);
        settle().await;
    }
    assert_eq!(evictions.count(), 200, "a round takes a quarter of the idle time");
    wait_until(&pool, || pool.status().entries() == 0).await;
}

#[tokio::test]
async fn capacity_evictions_are_observed_without_calls() {
    let (script, evictions) = (ScriptedProvider::new(), StdArc::new(Evictions::default()));
    let pool = pool(&script).capacity(2).observer(evictions.clone()).build();
    // Unused: a sweep does not get them from the map.
    for key in 0..10 {
        drop(pool.get(&key));
    }
    script.advance(1);
    sweep(&pool);
    assert_eq!(evictions.count(), 8);
}
