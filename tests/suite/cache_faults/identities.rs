//! Tokens that are rotated or expire, roles that are recreated, and providers whose sessions do not
//! change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::provider::{self, ProvideCredentials, future};
use rolecall_testkit::IamRole;
use rolecall_tests::{CHECKOUT, SHOP};
use serde_json::json;

use super::*;

#[tokio::test]
async fn token_rotation_keeps_callers_unaffected() {
    let service = Service::new().await;
    for _ in 0..6 {
        // A kubelet's token is valid for an hour and renewed at 80% of that.
        let token = service.world.cluster.service_account_token("shop", "checkout");
        std::fs::write(&service.token, token.sign().unwrap()).unwrap();
        if service.sts_calls() == 0 {
            service.call().await.expect_waited();
        }
        expect_all_immediate(service.calls_every(MINUTE, 48 * MINUTE).await);
    }
}

#[tokio::test]
async fn expired_token_keeps_sessions_and_is_not_sent() {
    let service = Service::new().await;
    let token = service.world.cluster.service_account_token("shop", "checkout");
    std::fs::write(&service.token, token.expires_in(seconds(15 * MINUTE)).sign().unwrap()).unwrap();
    service.call().await.expect_waited();
    // Each hop refreshes with the session that its parent still has, so that the last hop continues
    // for longer than the first.
    expect_all_immediate(service.calls_every(MINUTE, 80 * MINUTE).await);
    let error = service.providers[0].status().last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable, "{error}");
    assert_eq!(service.world.aws.count("AssumeRoleWithWebIdentity"), 1, "the token was not sent");
    service.advance(2 * HOUR);
    service.call().await.expect_error(ErrorKind::TokenUnavailable);
    assert_eq!(service.world.aws.count("AssumeRoleWithWebIdentity"), 1, "the token was not sent");
    service.renew_token();
    service.advance(15);
    service.call().await.expect_waited();
}

/// Returns the role `checkout` as [`World`] defines it.
fn checkout(service: &Service) -> IamRole {
    let subject = format!("{}:sub", service.world.cluster.host_and_path());
    let trust = json!({ "Statement": {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": { "Federated": service.world.cluster.provider_arn(SHOP) },
        "Condition": { "StringEquals": { subject: "system:serviceaccount:shop:checkout" } },
    } });
    let permissions =
        json!({ "Statement": { "Effect": "Allow", "Action": "sts:*", "Resource": "*" } });
    IamRole::new("checkout").trust(trust.to_string()).policy(permissions.to_string())
}

#[tokio::test]
async fn recreated_role_costs_one_extra_hop_call() {
    let service = Service::with_session().await;
    let before_base =
        service.providers[0].provide_session(FetchContext::foreground()).await.unwrap();
    assert!(service.world.aws.delete_role(CHECKOUT));
    service.world.aws.create_role(SHOP, checkout(&service)).unwrap();
    // The cache does not know yet. The hop's next request is signed with a session that the
    // deletion made invalid.
    let (base, hub) = (service.world.aws.count("AssumeRoleWithWebIdentity"), &service.providers[1]);
    let before = service.world.aws.count("AssumeRole");
    // STS could know a newer session a moment later: it would be called with it again first.
    service.advance(10);
    hub.refresh().await.unwrap();
    assert_eq!(service.world.aws.count("AssumeRole") - before, 2, "rejected, and signed again");
    assert_eq!(service.world.aws.count("AssumeRoleWithWebIdentity") - base, 1);
    let after_base =
        service.providers[0].provide_session(FetchContext::foreground()).await.unwrap();
    assert_ne!(before_base.access_key_id(), after_base.access_key_id());
    expect_all_immediate(service.calls_every(MINUTE, 2 * HOUR).await);
}

#[tokio::test]
async fn invalidated_parent_keeps_child_session() {
    let service = Service::with_session().await;
    let before = service.call().await.expect_immediate();
    let [base, hub, _] = &service.providers;
    for parent in [base, hub] {
        let session = parent.provide_session(FetchContext::foreground()).await.unwrap();
        parent.invalidate(&session);
        assert_eq!(parent.status().state, State::Invalidated);
    }
    assert_eq!(service.call().await.expect_immediate().access_key_id(), before.access_key_id());
    // The parents' sessions are in use, and are replaced in the background.
    with_timeout(async {
        while service.sts_calls() < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    service.settle().await;
    assert_eq!(service.sts_calls(), 5);
}

#[tokio::test]
async fn deleted_role_keeps_session_until_expiration() {
    let service = Service::with_session().await;
    assert!(service.world.aws.delete_role(ORDERS));
    expect_all_immediate(service.calls_every(MINUTE, 55 * MINUTE).await);
    let error = service.orders().status().last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let attempts = service.world.aws.calls().iter().filter(|call| call.error.is_some()).count();
    assert!((1..=20).contains(&attempts), "{attempts} attempts after a permanent error");
    service.advance(6 * MINUTE);
    service.call().await.expect_error(ErrorKind::Denied);
}

/// Returns the same keys for each request, as a metadata service does until it rotates them.
#[derive(Clone, Debug)]
struct Metadata {
    keys: aws_credential_types::Credentials,
    requests: Arc<AtomicUsize>,
}

impl ProvideCredentials for Metadata {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.requests.fetch_add(1, Ordering::Relaxed);
        future::ProvideCredentials::ready(provider::Result::Ok(self.keys.clone()))
    }
}

#[tokio::test]
async fn unchanged_provider_session_counts_no_failure() {
    let service = Service::with_session().await;
    let checkout_session =
        service.providers[0].provide_session(FetchContext::foreground()).await.unwrap();
    let metadata =
        Metadata { keys: checkout_session.credentials().clone(), requests: Arc::default() };
    let requests = Arc::clone(&metadata.requests);
    let builder = service.world.builder().unwrap();
    let base = builder.from_sdk_provider("metadata", metadata).unwrap();
    let providers = Service::providers(base);
    let service = Service { providers, ..service };
    service.call().await.expect_waited();
    for outcome in service.calls_every(10, HOUR - 70).await {
        outcome.expect_immediate();
    }
    // The next attempt follows after a quarter of the remaining lifetime, 30 s at least.
    let requests = requests.load(Ordering::Relaxed);
    assert!((5..=15).contains(&requests), "{requests}");
    let status = service.providers[0].status();
    assert_eq!((status.consecutive_failures, status.last_error.is_none()), (0, true), "{status:?}");
}
