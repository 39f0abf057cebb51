//! The generated trust policies on the local AWS and on ministack: the callers that they allow and
//! deny.

use rolecall::policy::{PermissionPolicy, TrustPolicy, TrustedPrincipal, TrustedServiceAccount};
use rolecall_testkit::OidcIssuer;
use rolecall_tests::accounts::Server;
use serde_json::{Value, json};

const SHOP: &str = "111122223333";
const OTHER: &str = "444455556666";

fn document(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::{SHOP}:role/{name}")
}

fn role_trusting(trusted: TrustedPrincipal) -> Value {
    let policy = TrustPolicy::builder().principal(trusted).build().unwrap();
    json!({ "trust": document(&policy.to_json()) })
}

fn may_assume_all() -> Value {
    let names = ["of-account", "of-user", "of-role", "with-id"];
    let policy = PermissionPolicy::builder().assume_roles(names.map(role)).unwrap();
    json!({ "policies": { "assume": document(&policy.build().unwrap().to_json()) } })
}

#[tokio::test]
async fn principals_and_external_ids_are_enforced() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let ann = format!("arn:aws:iam::{SHOP}:user/ann");
    let account = || TrustedPrincipal::account(SHOP).unwrap();
    let accounts = json!({
        SHOP: {
            "users": { "ann": may_assume_all(), "bob": may_assume_all() },
            "roles": {
                "of-account": role_trusting(account()),
                "of-user": role_trusting(TrustedPrincipal::user(&ann).unwrap()),
                "of-role": role_trusting(TrustedPrincipal::role(&role("of-account")).unwrap()),
                "with-id": role_trusting(account().external_id("shop-4711").unwrap()),
            },
        },
        OTHER: { "users": { "eve": may_assume_all() } },
    });
    for server in Server::both("eu-west-1", accounts).await.unwrap() {
        for (account, user, name, external_id, allowed) in [
            (SHOP, "ann", "of-account", None, true),
            (OTHER, "eve", "of-account", None, false),
            (SHOP, "ann", "of-user", None, true),
            (SHOP, "bob", "of-user", None, false),
            (SHOP, "ann", "of-role", None, false),
            (SHOP, "ann", "with-id", Some("shop-4711"), true),
            (SHOP, "ann", "with-id", Some("shop-4712"), false),
            (SHOP, "ann", "with-id", None, false),
            (OTHER, "eve", "with-id", Some("shop-4711"), false),
        ] {
            let sts = aws_sdk_sts::Client::new(&server.config(account, user));
            let request = sts.assume_role().role_arn(role(name)).role_session_name("test");
            let request = request.set_external_id(external_id.map(str::to_owned));
            let result = request.send().await;
            let server = server.name;
            assert_eq!(
                result.is_ok(),
                allowed,
                "{server}: {user} {name} {external_id:?}: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn service_account_conditions_are_enforced() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let cluster = OidcIssuer::start().await.unwrap();
    let provider = cluster.provider_arn(SHOP);
    let checkout = TrustedServiceAccount::new(&provider, "shop", "checkout").unwrap();
    let trust = TrustPolicy::builder().service_account(checkout).build().unwrap();
    let accounts = json!({ SHOP: {
        "oidc_providers": { cluster.url(): ["sts.amazonaws.com", "vault"] },
        "roles": { "checkout": { "trust": document(&trust.to_json()) } },
        "users": { "ann": {} },
    } });
    let server = Server::ministack("eu-west-1", accounts).await.unwrap();
    let sts = aws_sdk_sts::Client::new(&server.config(SHOP, "ann"));
    for (namespace, name, audience, allowed) in [
        ("shop", "checkout", "sts.amazonaws.com", true),
        ("shop", "basket", "sts.amazonaws.com", false),
        ("billing", "checkout", "sts.amazonaws.com", false),
        ("shop", "checkout", "vault", false),
    ] {
        // As a string, where Kubernetes writes a list of one element: ministack does not match a
        // list against a string.
        let token = cluster.service_account_token(namespace, name);
        let token = token.claim("aud", json!(audience)).sign();
        let request = sts.assume_role_with_web_identity().role_arn(role("checkout"));
        let request = request.role_session_name("test").web_identity_token(token.unwrap());
        let result = request.send().await;
        assert_eq!(result.is_ok(), allowed, "{namespace} {name} {audience}: {result:?}");
    }
}
