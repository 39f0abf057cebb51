//! STS is not there, or slow, or has too much to do.

use super::*;

#[tokio::test]
async fn without_a_fault_nobody_waits_after_the_first_and_each_slot_asks_once_a_window() {
    let service = Service::started().await;
    all_at_once(service.calls_every(MINUTE, 6 * HOUR).await);
    // A session of an hour is refreshed after 45 to 52.5 min, the first of each after 30 to 52.5 min.
    let asked = service.asked() - 3;
    assert!((3 * 6..=3 * 9).contains(&asked), "{asked}");
}

#[tokio::test]
async fn an_outage_shorter_than_what_is_left_is_noticed_by_nobody() {
    let service = Service::started().await;
    all_at_once(service.calls_every(MINUTE, 20 * MINUTE).await);
    let before = service.asked();
    service.inject(FaultRule::unavailable(503).lasting(seconds(35 * MINUTE)));
    all_at_once(service.calls_every(10, 35 * MINUTE).await);
    let during = service.asked() - before;
    // Tries at ever greater distances, one attempt each: up to 5 min, and a quarter of what is left.
    assert!((3..=3 * 20).contains(&during), "{during}");
    // It is over 5 min before the end, and the next try comes within a quarter of what was left then.
    all_at_once(service.calls_every(10, 2 * MINUTE).await);
    for slot in &service.slots {
        let status = slot.status();
        assert_eq!((status.state, status.failures_in_a_row), (State::Fresh, 0), "{status:?}");
    }
}

#[tokio::test]
async fn an_outage_longer_than_a_session_is_an_error_from_its_end_on_and_over_when_it_is_over() {
    let service = Service::started().await;
    service.inject(FaultRule::unavailable(503).lasting(seconds(70 * MINUTE)));
    // Up to the hard window nobody waits, and up to the end nobody fails.
    all_at_once(service.calls_every(MINUTE, 58 * MINUTE).await);
    for got in service.calls_every(10, 110).await {
        assert!(got.session.is_ok(), "{got:?}");
    }
    let before = service.asked();
    // From 59 min 50 s to 69 min 50 s.
    for got in service.calls_every(10, 10 * MINUTE).await.into_iter().skip(1) {
        got.failed(ErrorKind::Unavailable);
    }
    let during = service.asked() - before;
    // One fetch in 10 s, of up to three attempts, by the base alone: the hops have nothing to sign with.
    assert!(during <= 3 * 62 + 6, "{during}");
    service.pass(30);
    service.call().await.after_waiting();
    all_at_once(service.calls_every(MINUTE, HOUR).await);
}

#[tokio::test]
async fn throttling_fails_nobody_who_has_a_session_and_is_said_as_such_to_who_has_none() {
    let service = Service::new().await;
    service.inject(FaultRule::throttled().lasting(seconds(MINUTE)));
    service.call().await.failed(ErrorKind::Throttled);
    let first = service.asked();
    assert_eq!(first, 3, "three attempts at the first hop, for somebody waits");
    let again = service.call().await;
    assert!(!again.waited, "it is remembered");
    again.failed(ErrorKind::Throttled);
    assert_eq!(service.asked(), first);
    service.pass(MINUTE);
    service.call().await.after_waiting();

    service.inject(FaultRule::throttled().with_probability(0.25, 4711));
    all_at_once(service.calls_every(MINUTE, 3 * HOUR).await);
    let status = service.orders().status();
    assert!(status.is_healthy(), "{status:?}");
}

#[tokio::test]
async fn a_slow_sts_is_waited_for_once_and_by_nobody_who_has_a_session() {
    let service = Service::new().await;
    service.inject(FaultRule::delayed(Duration::from_millis(300)));
    let callers = (0..20).map(|_| service.call_alone());
    for got in futures(callers).await {
        got.after_waiting();
    }
    assert_eq!(service.asked(), 3, "one for each hop");
    service.rest().await;
    service.pass(54 * MINUTE);
    for _ in 0..20 {
        service.call_alone().await.at_once();
        tokio::task::yield_now().await;
    }
    assert_eq!(service.orders().status().state, State::Refreshing, "amid the refresh");
    service.rest().await;
    service.call().await.at_once();
    assert_eq!(service.asked(), 6);
}

/// All of them, on this task.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(Box::pin).map(Some).collect();
    let mut outputs = Vec::new();
    std::future::poll_fn(|cx| {
        for slot in &mut waiting {
            if let Some(future) = slot
                && let Poll::Ready(output) = future.as_mut().poll(cx)
            {
                outputs.push(output);
                *slot = None;
            }
        }
        if waiting.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}

#[tokio::test]
async fn an_sts_that_hangs_keeps_nobody_who_has_a_session_and_others_to_the_limit() {
    let service = Service::started().await;
    service.inject(FaultRule::hung());
    service.pass(54 * MINUTE);
    service.call_alone().await.at_once();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // The refresh hangs, to its limit, which is sooner by this clock than by the network's.
    for _ in 0..5 {
        service.pass(10);
        service.call_alone().await.at_once();
    }
    // In the hard window a caller waits for it for 2 s.
    let ends = service.orders().status().ends_at.unwrap();
    let left = ends.duration_since(service.hands.clock().wall()).unwrap().as_secs();
    service.pass(left - 30);
    let mut call = Box::pin(service.call_alone());
    assert!(poll(&mut call).is_none(), "it waits");
    service.world.hands.advance(Duration::from_millis(1999));
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(poll(&mut call).is_none(), "it waits for 2 s");
    }
    service.world.hands.advance(Duration::from_millis(1));
    patiently(call).await.after_waiting();
    // And with none to the limit of the whole way: 20, 15 and 15 s, and 1 s more for each that is waited for.
    service.pass(60);
    let mut call = Box::pin(service.call_alone());
    assert!(poll(&mut call).is_none());
    service.pass(60);
    patiently(call).await.failed(ErrorKind::Unavailable);
    service.world.aws.clear_faults();
    service.pass(15);
    service.rest().await;
    assert!(service.call().await.session.is_ok());
}
