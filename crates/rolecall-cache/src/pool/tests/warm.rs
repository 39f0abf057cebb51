//! Sessions before they are asked for.

use super::*;

#[tokio::test]
async fn warming_loads_each_key_and_says_how_far_it_is() {
    let script = Script::will([Answer::Fail]);
    let pool = pool(&script).build();
    let mut heard = Vec::new();
    let warmed = pool.warm(0..200, |so_far| heard.push(so_far.done())).await;
    assert_eq!(heard, (1..=200).collect::<Vec<_>>());
    assert_eq!((warmed.ready, warmed.failed.len()), (199, 1));
    assert_eq!(warmed.failed[0].1.kind(), ErrorKind::Unavailable);
    let status = pool.status();
    assert_eq!((status.entries(), status.ready, status.failing), (200, 199, 1));
    assert!(!status.is_healthy() && status.last_error.is_some());
    assert_eq!(status.by_state[&State::Fresh], 199);
}

#[test]
fn warming_outside_of_a_runtime_is_an_error_for_each_and_no_panic() {
    use std::task::{Context, Poll, Waker};
    let pool = pool(&Script::new()).build();
    let warming = std::pin::pin!(pool.warm(0..3, |_| {}));
    let Poll::Ready(warmed) = warming.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits, and nothing will wake it");
    };
    assert_eq!((warmed.ready, warmed.failed.len()), (0, 3));
    assert_eq!(warmed.failed[0].1.kind(), ErrorKind::InvalidConfig);
}

#[test]
fn warming_on_a_runtime_without_timers_loses_no_key() {
    // Where the clock is turned by hand, nothing needs a timer.
    let pool = pool(&Script::new()).clock(rolecall_core::Clock::system()).build();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let warmed = runtime.block_on(pool.warm(0..100, |_| {}));
    assert_eq!((warmed.ready, warmed.failed.len()), (0, 100));
    assert_eq!(warmed.failed[0].1.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn as_many_are_loaded_at_once_as_an_sts_client_has_in_flight_and_no_more() {
    let script = Script::new();
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
    let warmed = tokio::time::timeout(Duration::from_secs(20), warming).await.expect("it hangs");
    assert_eq!((warmed.unwrap(), script.fetches()), (200, 200));
}
