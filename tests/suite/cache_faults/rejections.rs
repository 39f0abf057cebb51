//! Services, and STS itself, that refuse the sessions they are shown.

use super::*;

#[tokio::test]
async fn a_service_that_always_rejects_costs_few_calls_and_callers_have_a_session() {
    let service = Service::started().await;
    let mut waited = 0;
    for _ in 0..600 {
        let got = service.call().await;
        waited += usize::from(got.waited);
        service.orders().reject(&got.session.unwrap());
        service.pass(1);
    }
    // At 1, 11, 31, 71, 151 and 311 s: for the last hop alone.
    assert_eq!((service.asked() - 3, waited), (6, 6));
}

#[tokio::test]
async fn a_service_that_rejects_once_has_another_session_at_the_next_call() {
    let service = Service::started().await;
    let first = service.call().await.at_once();
    service.orders().reject(&first);
    let second = service.call().await.after_waiting();
    assert_ne!(first.access_key_id(), second.access_key_id());
    // Whoever was late is told nothing new.
    service.orders().reject(&first);
    assert_eq!(service.call().await.at_once().access_key_id(), second.access_key_id());
    assert_eq!(service.asked(), 4);
}

#[tokio::test]
async fn an_sts_that_refuses_every_signer_is_asked_no_more_often_for_it() {
    let service = Service::started().await;
    service.pass(HOUR);
    let expired = FaultRule::refused(403, "ExpiredToken", "The security token included is expired");
    service.inject(expired.on("AssumeRole"));
    for _ in 0..120 {
        let got = service.call().await;
        assert!(got.session.is_err(), "{got:?}");
        service.pass(1);
    }
    // Errors are remembered for 1, 2, 4, 8, 10 .. s; each look may bring the base another session and another refusal,
    // and the base's rejections are 10, 20, 40, 80 s apart.
    let asked = service.asked() - 3;
    assert!(asked <= 2 * 16 + 6, "{asked}");
}
