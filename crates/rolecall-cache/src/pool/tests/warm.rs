//! Fetching sessions before they are requested.

use super::*;

#[tokio::test]
async fn warm_fetches_each_key_and_reports_progress() {
    let script = ScriptedProvider::with_responses([Response::Unavailable]);
    let pool = pool(&script).build();
    let mut reported = Vec::new();
    let warmed = pool.warm(0..200, |so_far| reported.push(so_far.done())).await;
    assert_eq!(reported, (1..=200).collect::<Vec<_>>());
    assert_eq!((warmed.ready, warmed.failed.len()), (199, 1));
    assert_eq!(warmed.failed[0].1.kind(), ErrorKind::Unavailable);
    let status = pool.status();
    assert_eq!((status.entries(), status.ready, status.failing), (200, 199, 1));
    assert!(!status.is_healthy() && status.last_error.is_some());
    assert_eq!(status.by_state[&State::Fresh], 199);
}

#[test]
fn warm_outside_runtime_fails_each_key() {
    use std::task::{Context, Poll, Waker};
    let pool = pool(&ScriptedProvider::new()).build();
    let warming = std::pin::pin!(pool.warm(0..3, |_| {}));
    let Poll::Ready(warmed) = warming.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits for a runtime that does not exist");
    };
    assert_eq!((warmed.ready, warmed.failed.len()), (0, 3));
    assert_eq!(warmed.failed[0].1.kind(), ErrorKind::InvalidConfig);
}

#[test]
fn warm_without_timers_fails_each_key() {
    // A manual clock needs no timers.
    let pool = pool(&ScriptedProvider::new()).clock(rolecall_core::Clock::system()).build();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let warmed = runtime.block_on(pool.warm(0..100, |_| {}));
    assert_eq!((warmed.ready, warmed.failed.len()), (0, 100));
    assert_eq!(warmed.failed[0].1.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn warm_runs_64_fetches_at_a_time() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    script.block();
    let warming = tokio::spawn({
        let pool = pool.clone();
        async move { pool.warm(0..200, |_| {}).await.ready }
    });
    for _ in 0..10 {
        settle().await;
    }
    assert_eq!((script.fetches(), pool.status().entries()), (64, 64));
    script.unblock();
    let warmed =
        tokio::time::timeout(Duration::from_secs(20), warming).await.expect("warming hangs");
    assert_eq!((warmed.unwrap(), script.fetches()), (200, 200));
}
