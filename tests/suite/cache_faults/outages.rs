//! STS is unavailable, slow, or throttling.

use super::*;

#[tokio::test]
async fn healthy_sts_refreshes_once_per_window() {
    let service = Service::with_session().await;
    expect_all_immediate(service.calls_every(MINUTE, 6 * HOUR).await);
    // A session of an hour is refreshed after 45 to 52.5 min, the first session of each provider
    // after 30 to 52.5 min.
    let sts_calls = service.sts_calls() - 3;
    assert!((3 * 6..=3 * 9).contains(&sts_calls), "{sts_calls}");
}

#[tokio::test]
async fn short_outage_keeps_callers_unaffected() {
    let service = Service::with_session().await;
    expect_all_immediate(service.calls_every(MINUTE, 20 * MINUTE).await);
    let before = service.sts_calls();
    service.inject(FaultRule::unavailable(503).lasting(seconds(35 * MINUTE)));
    expect_all_immediate(service.calls_every(10, 35 * MINUTE).await);
    let during = service.sts_calls() - before;
    // Refreshes of one attempt each, with growing delays of up to 5 min or a quarter of the
    // remaining lifetime.
    assert!((3..=3 * 20).contains(&during), "{during}");
    // The outage ends 5 min before the expiration, and the next attempt follows within a quarter of
    // that time.
    expect_all_immediate(service.calls_every(10, 2 * MINUTE).await);
    for provider in &service.providers {
        let status = provider.status();
        assert_eq!((status.state, status.consecutive_failures), (State::Fresh, 0), "{status:?}");
    }
}

#[tokio::test]
async fn long_outage_fails_calls_only_after_expiration() {
    let service = Service::with_session().await;
    service.inject(FaultRule::unavailable(503).lasting(seconds(70 * MINUTE)));
    // No call waits before the mandatory refresh window, and none fails before the expiration.
    expect_all_immediate(service.calls_every(MINUTE, 58 * MINUTE).await);
    for outcome in service.calls_every(10, 110).await {
        assert!(outcome.session.is_ok(), "{outcome:?}");
    }
    let before = service.sts_calls();
    // From 59 min 50 s to 69 min 50 s.
    for outcome in service.calls_every(10, 10 * MINUTE).await.into_iter().skip(1) {
        outcome.expect_error(ErrorKind::Unavailable);
    }
    let during = service.sts_calls() - before;
    // One fetch in 10 s, of up to three attempts, by the base alone: the hops have no session to
    // sign with.
    assert!(during <= 3 * 62 + 6, "{during}");
    service.advance(30);
    service.call().await.expect_waited();
    expect_all_immediate(service.calls_every(MINUTE, HOUR).await);
}

#[tokio::test]
async fn throttling_fails_only_callers_without_session() {
    let service = Service::new().await;
    service.inject(FaultRule::throttled().lasting(seconds(MINUTE)));
    service.call().await.expect_error(ErrorKind::Throttled);
    let first = service.sts_calls();
    assert_eq!(first, 3, "three attempts at the first hop, since a caller waits");
    let again = service.call().await;
    assert!(!again.waited, "the error is remembered");
    again.expect_error(ErrorKind::Throttled);
    assert_eq!(service.sts_calls(), first);
    service.advance(MINUTE);
    service.call().await.expect_waited();

    service.inject(FaultRule::throttled().with_probability(0.25, 4711));
    expect_all_immediate(service.calls_every(MINUTE, 3 * HOUR).await);
    let status = service.orders().status();
    assert!(status.is_healthy(), "{status:?}");
}

#[tokio::test]
async fn slow_sts_delays_only_callers_without_session() {
    let service = Service::new().await;
    service.inject(FaultRule::delayed(Duration::from_millis(300)));
    let callers = (0..20).map(|_| service.call_without_settling());
    for outcome in poll_all(callers).await {
        outcome.expect_waited();
    }
    assert_eq!(service.sts_calls(), 3, "one request per hop");
    service.settle().await;
    service.advance(54 * MINUTE);
    for _ in 0..20 {
        service.call_without_settling().await.expect_immediate();
        tokio::task::yield_now().await;
    }
    assert_eq!(service.orders().status().state, State::Refreshing, "the refresh is running");
    service.settle().await;
    service.call().await.expect_immediate();
    assert_eq!(service.sts_calls(), 6);
}

/// Polls all futures on this task and returns their outputs.
async fn poll_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(Box::pin).map(Some).collect();
    let mut outputs = Vec::new();
    std::future::poll_fn(|cx| {
        for entry in &mut waiting {
            if let Some(future) = entry
                && let Poll::Ready(output) = future.as_mut().poll(cx)
            {
                outputs.push(output);
                *entry = None;
            }
        }
        if waiting.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}

#[tokio::test]
async fn hung_sts_blocks_callers_up_to_timeout() {
    let service = Service::with_session().await;
    service.inject(FaultRule::hung());
    service.advance(54 * MINUTE);
    service.call_without_settling().await.expect_immediate();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // The refresh hangs until its timeout, which passes sooner by the manual clock than by the
    // clock of the network.
    for _ in 0..5 {
        service.advance(10);
        service.call_without_settling().await.expect_immediate();
    }
    // In the mandatory refresh window, a caller waits for the refresh for 2 s.
    let expires_at = service.orders().status().expires_at.unwrap();
    let remaining = expires_at.duration_since(service.clock.clock().wall()).unwrap().as_secs();
    service.advance(remaining - 30);
    let mut call = Box::pin(service.call_without_settling());
    assert!(poll(&mut call).is_none(), "the caller waits");
    service.world.clock.advance(Duration::from_millis(1999));
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(poll(&mut call).is_none(), "the caller waits for 2 s");
    }
    service.world.clock.advance(Duration::from_millis(1));
    with_timeout(call).await.expect_waited();
    // A caller without a session waits until the timeout of the whole chain: 20, 15 and 15 s, and
    // 1 s more for each parent.
    service.advance(60);
    let mut call = Box::pin(service.call_without_settling());
    assert!(poll(&mut call).is_none());
    service.advance(60);
    with_timeout(call).await.expect_error(ErrorKind::Unavailable);
    service.world.aws.clear_faults();
    service.advance(15);
    service.settle().await;
    assert!(service.call().await.session.is_ok());
}
