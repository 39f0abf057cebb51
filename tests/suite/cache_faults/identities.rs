//! Tokens that are rotated or end, roles that are made anew, sources that have nothing new.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::provider::{self, ProvideCredentials, future};
use rolecall_testkit::IamRole;
use rolecall_tests::{CHECKOUT, SHOP};
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_token_that_is_rotated_is_noticed_by_nobody() {
    let service = Service::new().await;
    for _ in 0..6 {
        // As the kubelet does it: good for an hour, renewed at 80% of that.
        let token = service.world.cluster.service_account_token("shop", "checkout");
        std::fs::write(&service.token, token.sign().unwrap()).unwrap();
        if service.asked() == 0 {
            service.call().await.after_waiting();
        }
        all_at_once(service.calls_every(MINUTE, 48 * MINUTE).await);
    }
}

#[tokio::test]
async fn a_token_that_has_ended_fails_nobody_who_has_a_session_and_asks_sts_nothing() {
    let service = Service::new().await;
    let token = service.world.cluster.service_account_token("shop", "checkout");
    std::fs::write(&service.token, token.good_for(seconds(15 * MINUTE)).sign().unwrap()).unwrap();
    service.call().await.after_waiting();
    // Each hop refreshes by what its parent still holds: the last goes on for longer than the first.
    all_at_once(service.calls_every(MINUTE, 80 * MINUTE).await);
    let error = service.slots[0].status().last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable, "{error}");
    assert_eq!(service.world.aws.count("AssumeRoleWithWebIdentity"), 1, "it was not sent");
    service.pass(2 * HOUR);
    service.call().await.failed(ErrorKind::TokenUnavailable);
    assert_eq!(service.world.aws.count("AssumeRoleWithWebIdentity"), 1, "it was not sent");
    service.renew_token();
    service.pass(15);
    service.call().await.after_waiting();
}

/// As [`World`] has it.
fn checkout(service: &Service) -> IamRole {
    let subject = format!("{}:sub", service.world.cluster.host_and_path());
    let trust = json!({ "Statement": {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": { "Federated": service.world.cluster.provider_arn(SHOP) },
        "Condition": { "StringEquals": { subject: "system:serviceaccount:shop:checkout" } },
    } });
    let may = json!({ "Statement": { "Effect": "Allow", "Action": "sts:*", "Resource": "*" } });
    IamRole::new("checkout").trust(trust.to_string()).policy(may.to_string())
}

#[tokio::test]
async fn a_role_that_is_deleted_and_made_anew_costs_one_call_at_the_hop_that_it_signs_for() {
    let service = Service::started().await;
    let of_base = service.slots[0].session(FetchContext::caller()).await.unwrap();
    assert!(service.world.aws.delete_role(CHECKOUT));
    service.world.aws.create_role(SHOP, checkout(&service)).unwrap();
    // Nobody has noticed. The hop's next session is signed by one that is none any more.
    let (base, hub) = (service.world.aws.count("AssumeRoleWithWebIdentity"), &service.slots[1]);
    let before = service.world.aws.count("AssumeRole");
    service.pass(1);
    hub.refresh_now().await.unwrap();
    assert_eq!(service.world.aws.count("AssumeRole") - before, 2, "refused, and signed anew");
    assert_eq!(service.world.aws.count("AssumeRoleWithWebIdentity") - base, 1);
    let now_of_base = service.slots[0].session(FetchContext::caller()).await.unwrap();
    assert_ne!(of_base.access_key_id(), now_of_base.access_key_id());
    all_at_once(service.calls_every(MINUTE, 2 * HOUR).await);
}

#[tokio::test]
async fn who_assumed_through_a_rejected_parent_keeps_its_session() {
    let service = Service::started().await;
    let before = service.call().await.at_once();
    let [base, hub, _] = &service.slots;
    for parent in [base, hub] {
        let session = parent.session(FetchContext::caller()).await.unwrap();
        parent.reject(&session);
        assert_eq!(parent.status().state, State::Rejected);
    }
    assert_eq!(service.call().await.at_once().access_key_id(), before.access_key_id());
    assert_eq!(service.asked(), 3);
}

#[tokio::test]
async fn while_a_role_is_gone_callers_keep_what_they_have_and_the_error_says_denied() {
    let service = Service::started().await;
    assert!(service.world.aws.delete_role(ORDERS));
    all_at_once(service.calls_every(MINUTE, 55 * MINUTE).await);
    let error = service.orders().status().last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let tries = service.world.aws.calls().iter().filter(|call| call.error.is_some()).count();
    assert!((1..=20).contains(&tries), "{tries} tries for what does not pass by itself");
    service.pass(6 * MINUTE);
    service.call().await.failed(ErrorKind::Denied);
}

/// As a metadata service: the same keys at every question, until it has others.
#[derive(Clone, Debug)]
struct Metadata {
    keys: aws_credential_types::Credentials,
    asked: Arc<AtomicUsize>,
}

impl ProvideCredentials for Metadata {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.asked.fetch_add(1, Ordering::Relaxed);
        future::ProvideCredentials::ready(provider::Result::Ok(self.keys.clone()))
    }
}

#[tokio::test]
async fn a_source_that_gives_the_same_session_is_asked_ever_more_often_and_fails_nobody() {
    let service = Service::started().await;
    let of_checkout = service.slots[0].session(FetchContext::caller()).await.unwrap();
    let metadata = Metadata { keys: of_checkout.credentials().clone(), asked: Arc::default() };
    let asked = Arc::clone(&metadata.asked);
    let builder = service.world.builder().unwrap();
    let base = builder.from_provider("metadata", metadata).unwrap();
    let slots = Service::slots(base);
    let service = Service { slots, ..service };
    service.call().await.after_waiting();
    for got in service.calls_every(10, HOUR - 70).await {
        got.at_once();
    }
    // After a quarter of what is left, 30 s at least.
    let asked = asked.load(Ordering::Relaxed);
    assert!((5..=15).contains(&asked), "{asked}");
    let status = service.slots[0].status();
    assert_eq!((status.failures_in_a_row, status.last_error.is_none()), (0, true), "{status:?}");
}
