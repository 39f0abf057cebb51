//! Services, and STS itself, that reject valid sessions.

use super::*;

#[tokio::test]
async fn repeated_invalidations_are_spaced_apart() {
    let service = Service::with_session().await;
    let mut waited = 0;
    for _ in 0..600 {
        let outcome = service.call().await;
        waited += usize::from(outcome.waited);
        service.orders().invalidate(&outcome.session.unwrap());
        service.advance(1);
    }
    // At 1, 11, 31, 71, 151 and 311 s, by the last hop alone.
    assert_eq!((service.sts_calls() - 3, waited), (6, 6));
}

#[tokio::test]
async fn invalidated_session_is_replaced_by_next_call() {
    let service = Service::with_session().await;
    let first = service.call().await.expect_immediate();
    service.orders().invalidate(&first);
    let second = service.call().await.expect_waited();
    assert_ne!(first.access_key_id(), second.access_key_id());
    // A late invalidation of the previous session has no effect.
    service.orders().invalidate(&first);
    assert_eq!(service.call().await.expect_immediate().access_key_id(), second.access_key_id());
    assert_eq!(service.sts_calls(), 4);
}

#[tokio::test]
async fn rejected_signers_do_not_increase_sts_calls() {
    let service = Service::with_session().await;
    service.advance(HOUR);
    let expired = FaultRule::error(403, "ExpiredToken", "The security token included is expired");
    service.inject(expired.on("AssumeRole"));
    for _ in 0..120 {
        let outcome = service.call().await;
        assert!(outcome.session.is_err(), "{outcome:?}");
        service.advance(1);
    }
    // Errors are remembered for 1, 2, 4, 8, 10 .. s. Each attempt may invalidate the base's session
    // once more, but replacements of the base's session are 10, 20, 40, 80 s apart.
    let sts_calls = service.sts_calls() - 3;
    assert!(sts_calls <= 2 * 16 + 6, "{sts_calls}");
}
