//! Tests of the rate limiter.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use rolecall_core::ManualClock;
use tokio::task::JoinHandle;

use super::*;

mod pace;
mod unclaimed;

fn limit(calls_per_second: u32, in_flight: u32) -> RateLimit {
    let number = |n| NonZeroU32::new(n).unwrap();
    RateLimit { calls_per_second: number(calls_per_second), in_flight: number(in_flight) }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Runs all tasks until none has anything left to do.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Calls in tasks of their own, which release their permits at once.
struct Calls {
    limiter: Arc<RateLimiter>,
    clock: ManualClock,
    started: Arc<Mutex<Vec<&'static str>>>,
    deferred: Arc<Mutex<Vec<&'static str>>>,
}

impl Calls {
    fn new(limiter: &Arc<RateLimiter>, clock: &ManualClock) -> Self {
        let (limiter, clock) = (Arc::clone(limiter), clock.clone());
        Self { limiter, clock, started: Arc::default(), deferred: Arc::default() }
    }

    fn spawn(&self, name: &'static str, mode: FetchMode, timeout: Duration) -> JoinHandle<()> {
        let (limiter, started) = (Arc::clone(&self.limiter), Arc::clone(&self.started));
        let deferred = Arc::clone(&self.deferred);
        tokio::spawn(async move {
            match limiter.acquire(mode, timeout).await {
                Ok(_permit) => started.lock().unwrap().push(name),
                Err(error) => {
                    assert!(error.is_deferred(), "{error}");
                    deferred.lock().unwrap().push(name);
                }
            }
        })
    }

    /// Advances the clock and returns the calls that have started since the last time.
    async fn advance(&self, duration: Duration) -> Vec<&'static str> {
        settle().await;
        self.clock.advance(duration);
        settle().await;
        std::mem::take(&mut self.started.lock().unwrap())
    }
}

#[tokio::test]
async fn background_call_waits_then_is_deferred() {
    let clock = ManualClock::new();
    let limiter = Arc::new(RateLimiter::new(limit(1, 64), clock.clock()));
    drop(limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap());
    // A wait of 0.9 seconds is certainly too long. A call that waited here would never complete,
    // because the clock does not advance.
    let acquire = limiter.acquire(FetchMode::Background, Duration::from_millis(899));
    let deferred = tokio::time::timeout(MINUTE / 6, acquire).await.unwrap().unwrap_err();
    assert_eq!(deferred.kind(), ErrorKind::Throttled);
    assert!(deferred.is_deferred());
    assert_eq!(
        deferred.to_string(),
        "rolecall's rate limit for STS is exhausted (1 call per second); hint: use fewer roles at \
         once, or raise the limit (rate_limit of ChainBuilder or StsClientBuilder)"
    );
    let limited = limiter.acquire(FetchMode::Foreground, Duration::from_millis(899)).await;
    let limited = limited.unwrap_err();
    assert_eq!((limited.kind(), limited.is_deferred()), (ErrorKind::Throttled, false));
    let calls = Calls::new(&limiter, &clock);
    calls.spawn("fits", FetchMode::Background, Duration::from_secs(1));
    calls.spawn("is displaced", FetchMode::Background, Duration::from_secs(2));
    settle().await;
    calls.spawn("precedes", FetchMode::Foreground, MINUTE);
    assert_eq!(calls.advance(Duration::from_secs(1)).await, ["precedes"]);
    assert_eq!(calls.advance(Duration::from_secs(1)).await, ["is displaced"]);
    assert_eq!(*calls.deferred.lock().unwrap(), ["fits"]);
}

#[tokio::test]
async fn calls_behind_hanging_calls_keep_the_rate() {
    let clock = ManualClock::new();
    let limiter = Arc::new(RateLimiter::new(limit(10, 20), clock.clock()));
    let mut hanging = Vec::new();
    for _ in 0..20 {
        clock.advance(Duration::from_millis(100));
        hanging.push(limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap());
    }
    let acquired = Arc::new(AtomicUsize::new(0));
    for _ in 0..40 {
        let (limiter, acquired) = (Arc::clone(&limiter), Arc::clone(&acquired));
        tokio::spawn(async move {
            drop(limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap());
            acquired.fetch_add(1, Ordering::Relaxed);
        });
    }
    let count_acquired = || async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        acquired.load(Ordering::Relaxed)
    };
    assert_eq!(count_acquired().await, 0);
    clock.advance(10 * Duration::from_secs(1));
    assert_eq!(count_acquired().await, 0);
    hanging.clear();
    // The burst of an idle tenth of a second, then ten per second.
    assert_eq!(count_acquired().await, 2);
    for second in 1..=3 {
        for _ in 0..10 {
            clock.advance(Duration::from_millis(100));
            count_acquired().await;
        }
        assert_eq!(count_acquired().await, 2 + 10 * second);
    }
}

#[tokio::test]
async fn timeout_covers_both_waits() {
    let clock = ManualClock::new();
    let limiter = Arc::new(RateLimiter::new(limit(10, 1), clock.clock()));
    let _hanging = limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap();
    let second = Duration::from_secs(1);
    let waits: Vec<_> = (0..10)
        .map(|_| {
            let limiter = Arc::clone(&limiter);
            tokio::spawn(
                async move { limiter.acquire(FetchMode::Foreground, second).await.map(drop) },
            )
        })
        .collect();
    tokio::task::yield_now().await;
    for _ in 0..10 {
        clock.advance(second / 10);
        tokio::task::yield_now().await;
    }
    for wait in waits {
        assert!(wait.is_finished());
        assert_eq!(wait.await.unwrap().unwrap_err().kind(), ErrorKind::Throttled);
    }
}

#[tokio::test]
async fn calls_in_flight_are_limited() {
    let limiter = RateLimiter::new(limit(1000, 2), Clock::system());
    let one = limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap();
    let _two = limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap();
    let third = limiter.acquire(FetchMode::Background, Duration::ZERO).await.unwrap_err();
    assert!(third.message().contains("2 calls in flight"), "{third}");
    let timed_out = limiter.acquire(FetchMode::Foreground, Duration::from_millis(20)).await;
    assert_eq!(timed_out.unwrap_err().kind(), ErrorKind::Throttled);
    drop(one);
    drop(limiter.acquire(FetchMode::Background, MINUTE).await.unwrap());
}

#[tokio::test]
async fn foreground_calls_precede_background_calls() {
    use FetchMode::{Background, Foreground};
    let clock = ManualClock::new();
    let limiter = Arc::new(RateLimiter::new(limit(10, 2), clock.clock()));
    let calls = Calls::new(&limiter, &clock);
    // Both permits are in use, so that the order shows what precedes what and not the rate.
    let hanging = [
        limiter.acquire(Foreground, MINUTE).await.unwrap(),
        limiter.acquire(Foreground, MINUTE).await.unwrap(),
    ];
    for (name, mode) in [
        ("background 1", Background),
        ("background 2", Background),
        ("foreground 1", Foreground),
        ("background 3", Background),
        ("foreground 2", Foreground),
    ] {
        calls.spawn(name, mode, MINUTE);
        settle().await;
    }
    let interval = Duration::from_millis(100);
    assert_eq!(calls.advance(Duration::from_secs(1)).await, [""; 0]);
    drop(hanging);
    // Two at once, the burst of an idle tenth of a second.
    assert_eq!(calls.advance(Duration::ZERO).await, ["foreground 1", "foreground 2"]);
    assert_eq!(calls.advance(interval).await, ["background 1"]);
    calls.spawn("foreground 3", Foreground, MINUTE);
    assert_eq!(calls.advance(interval).await, ["foreground 3"]);
    assert_eq!(calls.advance(interval).await, ["background 2"]);
    assert_eq!(calls.advance(interval).await, ["background 3"]);
}

#[tokio::test]
async fn cancelled_calls_keep_no_permit_and_no_start_time() {
    let mut random = Rng::with_seed(4711);
    for round in 0..100 {
        let clock = ManualClock::new();
        let limiter = Arc::new(RateLimiter::new(limit(100, 8), clock.clock()));
        let begin = clock.clock().now();
        let starts = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for _ in 0..40 {
            let (limiter, clock, starts) = (limiter.clone(), clock.clock(), starts.clone());
            let mode = match random.bool() {
                true => FetchMode::Foreground,
                false => FetchMode::Background,
            };
            let latency = Duration::from_millis(random.u64(1..50));
            tasks.push(tokio::spawn(async move {
                let _permit = limiter.acquire(mode, MINUTE).await.unwrap();
                starts.lock().unwrap().push(clock.now() - begin);
                clock.sleep_until(clock.now() + latency).await;
            }));
        }
        settle().await;
        let mut steps = 0;
        while !tasks.is_empty() {
            // Half of the calls are cancelled at a random time: before they were ever woken, while
            // they wait, between the grant of their permit and the use of it (the clock advances
            // without a chance for the tasks to run), or in flight.
            let cancelled = if steps % 2 == 0 { random.usize(0..tasks.len()) } else { usize::MAX };
            if let Some(task) = tasks.get(cancelled) {
                task.abort();
            }
            clock.advance(Duration::from_millis(random.u64(1..20)));
            if random.bool() {
                settle().await;
            }
            tasks.retain(|task| !task.is_finished());
            steps += 1;
            assert!(steps < 10_000, "calls are stuck in round {round}");
        }
        // No permit is in use, and no call waits.
        clock.advance(MINUTE);
        let mut permits = Vec::new();
        for _ in 0..8 {
            clock.advance(Duration::from_millis(10));
            permits.push(limiter.acquire(FetchMode::Background, Duration::ZERO).await.unwrap());
        }
        limiter.acquire(FetchMode::Foreground, Duration::ZERO).await.unwrap_err();
        assert_keeps_rate(&starts.lock().unwrap(), 100);
    }
}

/// Asserts that at most `rate` calls per second and the burst start in every window of time.
fn assert_keeps_rate(starts: &[Duration], rate: u32) {
    for (first, from) in starts.iter().enumerate() {
        for (last, to) in starts.iter().enumerate().skip(first) {
            let allowed = (*to - *from + MINUTE / 600).as_secs_f64() * f64::from(rate) + 1.0;
            let calls = (last - first + 1) as f64;
            assert!(calls <= allowed + 1e-6, "{calls} calls from {from:?} to {to:?}");
        }
    }
}

#[tokio::test]
async fn calls_behind_cancelled_calls_move_up() {
    let clock = ManualClock::new();
    let limiter = Arc::new(RateLimiter::new(limit(10, 64), clock.clock()));
    // The burst.
    for _ in 0..2 {
        drop(limiter.acquire(FetchMode::Foreground, Duration::ZERO).await.unwrap());
    }
    let calls = Calls::new(&limiter, &clock);
    let cancelled: Vec<_> =
        (0..20).map(|_| calls.spawn("cancelled", FetchMode::Foreground, MINUTE)).collect();
    settle().await;
    calls.spawn("first", FetchMode::Foreground, MINUTE);
    calls.spawn("second", FetchMode::Background, MINUTE);
    settle().await;
    for task in cancelled {
        task.abort();
    }
    assert_eq!(calls.advance(Duration::from_millis(100)).await, ["first"]);
    assert_eq!(calls.advance(Duration::from_millis(100)).await, ["second"]);
}

#[tokio::test]
async fn unpolled_call_does_not_block_the_others() {
    let clock = ManualClock::new();
    let limiter = Arc::new(RateLimiter::new(limit(10, 64), clock.clock()));
    for _ in 0..2 {
        drop(limiter.acquire(FetchMode::Foreground, Duration::ZERO).await.unwrap());
    }
    // Polled once and then neither polled nor dropped, as a branch of `select!` whose loop waits
    // for something else.
    let mut unpolled = Box::pin(limiter.acquire(FetchMode::Foreground, MINUTE));
    let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
    assert!(unpolled.as_mut().poll(context).is_pending());
    let calls = Calls::new(&limiter, &clock);
    calls.spawn("behind", FetchMode::Foreground, MINUTE);
    assert_eq!(calls.advance(Duration::from_secs(1)).await, [""; 0]);
    // The next event, such as the arrival of another call.
    calls.spawn("next", FetchMode::Foreground, MINUTE);
    assert_eq!(calls.advance(Duration::from_millis(100)).await, ["behind", "next"]);
    // It has its permit, and gives it back.
    assert!(unpolled.as_mut().poll(context).is_ready());
}

#[tokio::test]
async fn throttled_call_halves_the_rate() {
    let clock = ManualClock::new();
    let limiter = RateLimiter::new(limit(200, 64), clock.clock());
    let acquire = || limiter.acquire(FetchMode::Foreground, MINUTE);
    let permits = [acquire().await.unwrap(), acquire().await.unwrap(), acquire().await.unwrap()];
    clock.advance(Duration::from_secs(2));
    for permit in permits {
        permit.complete(Err(ErrorKind::Throttled));
        assert_eq!(limiter.current_rate(), 100.0);
    }
    // An outage says nothing about the quota.
    acquire().await.unwrap().complete(Err(ErrorKind::Unavailable));
    drop(acquire().await.unwrap());
    assert_eq!(limiter.current_rate(), 100.0);
    clock.advance(Duration::from_millis(300));
    acquire().await.unwrap().complete(Ok(()));
    assert_eq!(limiter.current_rate(), 101.0);
    // The error says why the rate is lower than configured.
    let error = loop {
        match limiter.acquire(FetchMode::Background, Duration::ZERO).await {
            Ok(permit) => drop(permit),
            Err(error) => break error,
        }
    };
    assert_eq!(
        error.to_string(),
        "rolecall's rate limit for STS is exhausted (101 of 200 calls per second, since STS \
         throttled); hint: use fewer roles at once, or check what else calls STS in this account \
         and Region"
    );
}
