//! Permits of calls whose runtime stands still: their futures are neither polled nor dropped.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

type Call<'a> = Pin<Box<dyn Future<Output = Result<Permit<'a>, SessionError>> + 'a>>;

fn poll<'a>(call: &mut Call<'a>) -> Poll<Result<Permit<'a>, SessionError>> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn call(limiter: &RateLimiter, mode: FetchMode) -> Call<'_> {
    Box::pin(limiter.acquire(mode, 60 * MINUTE))
}

/// Has as many calls wait as there are permits, grants them the permits, and does not poll them.
fn stand_still<'a>(limiter: &'a RateLimiter, clock: &ManualClock, count: usize) -> Vec<Call<'a>> {
    let acquire = || call(limiter, FetchMode::Foreground);
    let mut permits = Vec::new();
    for _ in 0..count {
        match poll(&mut acquire()) {
            Poll::Ready(permit) => permits.push(permit.unwrap()),
            Poll::Pending => panic!("the permit is not available"),
        }
    }
    let mut calls: Vec<_> = (0..count).map(|_| acquire()).collect();
    assert!(calls.iter_mut().all(|call| poll(call).is_pending()));
    // All of them are within one burst.
    clock.advance(Duration::from_secs(1));
    drop(permits);
    calls
}

#[tokio::test]
async fn unclaimed_permits_lapse_after_five_seconds() {
    let clock = ManualClock::new();
    let limiter = Arc::new(RateLimiter::new(limit(1000, 64), clock.clock()));
    let mut standing = stand_still(&limiter, &clock, 64);
    let calls = Calls::new(&limiter, &clock);
    let timeout = Duration::from_secs(9);
    for (name, mode) in [
        ("one", FetchMode::Foreground),
        ("two", FetchMode::Foreground),
        ("three", FetchMode::Background),
    ] {
        calls.spawn(name, mode, timeout);
    }
    assert_eq!(calls.advance(Duration::from_millis(4999)).await, [""; 0]);
    // Without another event: the calls that wait have set a timer.
    assert_eq!(calls.advance(Duration::from_millis(1)).await, ["one", "two", "three"]);
    // The calls receive permits once they are polled.
    for call in &mut standing {
        clock.advance(Duration::from_millis(1));
        assert!(matches!(poll(call), Poll::Ready(Ok(_))));
    }
}

#[tokio::test]
async fn unclaimed_permit_that_nothing_needs_is_kept() {
    let clock = ManualClock::new();
    let limiter = RateLimiter::new(limit(1000, 2), clock.clock());
    let mut standing = stand_still(&limiter, &clock, 2);
    clock.advance(MINUTE);
    let permits = standing.iter_mut().map(poll).collect::<Vec<_>>();
    assert!(permits.iter().all(|permit| matches!(permit, Poll::Ready(Ok(_)))));
    // They are in use from now on, however long that takes.
    clock.advance(MINUTE);
    limiter.acquire(FetchMode::Background, Duration::ZERO).await.unwrap_err();
}

#[tokio::test]
async fn call_with_lapsed_permit_returns_to_the_front() {
    let clock = ManualClock::new();
    let limiter = Arc::new(RateLimiter::new(limit(1000, 1), clock.clock()));
    let mut standing = stand_still(&limiter, &clock, 1).remove(0);
    clock.advance(Duration::from_secs(5));
    let in_use = limiter.acquire(FetchMode::Foreground, Duration::ZERO).await.unwrap();
    let calls = Calls::new(&limiter, &clock);
    calls.spawn("later", FetchMode::Foreground, MINUTE);
    settle().await;
    assert!(poll(&mut standing).is_pending());
    drop(in_use);
    assert_eq!(calls.advance(Duration::from_millis(10)).await, [""; 0]);
    let Poll::Ready(Ok(permit)) = poll(&mut standing) else { panic!("it precedes later calls") };
    drop(permit);
    assert_eq!(calls.advance(Duration::from_millis(10)).await, ["later"]);
}

#[tokio::test]
async fn dropped_call_with_lapsed_permit_leaves_no_trace() {
    let clock = ManualClock::new();
    let limiter = RateLimiter::new(limit(1000, 2), clock.clock());
    let standing = stand_still(&limiter, &clock, 2);
    clock.advance(Duration::from_secs(5));
    let acquire = || limiter.acquire(FetchMode::Background, Duration::ZERO);
    let permits = [acquire().await.unwrap(), acquire().await.unwrap()];
    drop(standing);
    acquire().await.unwrap_err();
    drop(permits);
    let _permits = [acquire().await.unwrap(), acquire().await.unwrap()];
    acquire().await.unwrap_err();
}

/// Calls are polled, dropped or left alone at random. At no time are more permits in use than
/// permitted, and at the end all permits are free again.
#[tokio::test]
async fn random_standstills_neither_exceed_nor_lose_permits() {
    const IN_FLIGHT: usize = 4;
    let mut random = Rng::with_seed(4711);
    let mut lapsed = 0;
    for round in 0..200 {
        let clock = ManualClock::new();
        let limiter = RateLimiter::new(limit(100, IN_FLIGHT as u32), clock.clock());
        let (mut calls, mut permits) = (BTreeMap::new(), Vec::new());
        for step in 0..300 {
            match random.u8(0..10) {
                0..3 => {
                    let mode = match random.bool() {
                        true => FetchMode::Foreground,
                        false => FetchMode::Background,
                    };
                    calls.insert(step, call(&limiter, mode));
                }
                3 => {
                    let dropped = random.usize(0..=calls.len());
                    calls.keys().nth(dropped).copied().map(|dropped| calls.remove(&dropped));
                }
                4..6 if !permits.is_empty() => {
                    drop(permits.swap_remove(random.usize(0..permits.len())));
                }
                6 => clock.advance(Duration::from_secs(random.u64(1..4))),
                _ => clock.advance(Duration::from_millis(random.u64(1..50))),
            }
            // A third of the calls belongs to a runtime that stands still for most of the time.
            let stands_still = step % 40 != 0;
            calls.retain(|id, call| {
                if id % 3 == 0 && stands_still {
                    return true;
                }
                match poll(call) {
                    Poll::Ready(permit) => {
                        permits.push(permit.unwrap());
                        false
                    }
                    Poll::Pending => true,
                }
            });
            assert!(permits.len() <= IN_FLIGHT, "{} in round {round}", permits.len());
            lapsed += limiter.update(|queue| queue.count_lapsed());
        }
        permits.clear();
        calls.clear();
        clock.advance(MINUTE);
        let acquire = || limiter.acquire(FetchMode::Background, Duration::ZERO);
        for _ in 0..IN_FLIGHT {
            permits.push(acquire().await.unwrap());
        }
        acquire().await.unwrap_err();
    }
    assert!(lapsed > 0, "no permit lapsed");
}
