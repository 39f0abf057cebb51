//! A service's use of rolecall from the first to the last call: on the local AWS and on ministack,
//! with no change but the endpoint.

use std::path::Path;

use rolecall::policy::{PermissionPolicy, TrustPolicy, TrustedPrincipal, TrustedServiceAccount};
use rolecall::provider::FetchContext;
use rolecall::{Chain, Environment, ErrorKind, ProvideSession, Role, Session, SessionError};
use rolecall_testkit::OidcIssuer;
use rolecall_tests::accounts::Server;
use serde_json::{Value, json};

const SHOP: &str = "111122223333";
const PARTNER: &str = "444455556666";
const CHECKOUT: &str = "arn:aws:iam::111122223333:role/checkout";
const HUB: &str = "arn:aws:iam::111122223333:role/hub";
const ORDERS: &str = "arn:aws:iam::444455556666:role/orders";
const LAST: &str = "arn:aws:iam::444455556666:role/last";

fn document(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn role(trust: TrustPolicy, may: &[&str]) -> Value {
    json!({ "trust": document(&trust.to_json()), "policies": assume_role_policies(may) })
}

fn assume_role_policies(roles: &[&str]) -> Value {
    if roles.is_empty() {
        return json!({});
    }
    let policy = PermissionPolicy::builder().assume_roles(roles.iter().copied()).unwrap();
    json!({ "assume": document(&policy.build().unwrap().to_json()) })
}

fn trust_policy(principal: TrustedPrincipal) -> TrustPolicy {
    TrustPolicy::builder().principal(principal).build().unwrap()
}

/// Starts both servers with two accounts: a user and a service account of the shop, and a chain of
/// three roles into the partner's account.
async fn servers(cluster: &OidcIssuer) -> [Server; 2] {
    let checkout =
        TrustedServiceAccount::new(&cluster.provider_arn(SHOP), "shop", "checkout").unwrap();
    let checkout = TrustPolicy::builder().service_account(checkout).build().unwrap();
    let shop = || TrustedPrincipal::account(SHOP).unwrap();
    let with_id = TrustedPrincipal::role(HUB).unwrap().external_id("shop-4711").unwrap();
    let accounts = json!({
        SHOP: {
            "oidc_providers": { cluster.url(): ["sts.amazonaws.com"] },
            "users": { "ann": { "policies": assume_role_policies(&[HUB]) } },
            "roles": { "checkout": role(checkout, &[HUB]), "hub": role(trust_policy(shop()), &[ORDERS]) },
        },
        PARTNER: { "roles": {
            "orders": role(trust_policy(with_id), &[LAST]),
            "last": role(trust_policy(TrustedPrincipal::role(ORDERS).unwrap()), &[]),
        } },
    });
    let [local, ministack] = Server::both("eu-west-1", accounts).await.unwrap();
    [local, ministack]
}

fn orders(external_id: &str) -> Role {
    Role::new(ORDERS).unwrap().external_id(external_id).unwrap()
}

async fn session(chain: &Chain) -> Result<Session, SessionError> {
    chain.provider().provide_session(FetchContext::foreground()).await
}

/// Checks the identity at each of three hops from `base`, that the session is cached, and the
/// errors of hops that must fail.
async fn assert_three_hops_work(name: &str, base: Chain) {
    let hub = base.assume_role(Role::new(HUB).unwrap().session_name("chain").unwrap());
    let partner = hub.clone().assume_role(orders("shop-4711").session_name("chain").unwrap());
    let last = partner.clone().assume_role(Role::new(LAST).unwrap().session_name("chain").unwrap());
    for (chain, arn, role) in [
        (&hub, "arn:aws:sts::111122223333:assumed-role/hub/chain", HUB),
        (&partner, "arn:aws:sts::444455556666:assumed-role/orders/chain", ORDERS),
        (&last, "arn:aws:sts::444455556666:assumed-role/last/chain", LAST),
    ] {
        let identity = chain.caller_identity().await.unwrap();
        assert_eq!(identity.arn, arn, "{name}");
        assert_eq!(identity.role_arn.unwrap().as_str(), role, "{name}");
    }
    let (first, second) = (session(&last).await.unwrap(), session(&last).await.unwrap());
    assert_eq!(first.access_key_id(), second.access_key_id(), "{name}: the session is cached");
    let lifetime = first.lifetime().unwrap().as_secs();
    assert!((3590..=3600).contains(&lifetime), "{name}: {lifetime}");

    for wrong in [orders("shop-4712"), Role::new(ORDERS).unwrap()] {
        let error = session(&hub.clone().assume_role(wrong)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Denied, Some("AccessDenied")),
            "{name}"
        );
        assert!(
            error.to_string().starts_with(&format!("hop 2 of 2 ({ORDERS}): ")),
            "{name}: {error}"
        );
    }
    // The role does not trust the hub.
    let error = session(&hub.assume_role(Role::new(LAST).unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{name}: {error}");
    let long = orders("shop-4711").duration(std::time::Duration::from_secs(7200)).unwrap();
    let error = session(&partner.assume_role(long)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{name}: {error}");
}

#[tokio::test]
async fn user_key_chain_works_on_both_servers() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let cluster = OidcIssuer::start().await.unwrap();
    for server in servers(&cluster).await {
        let environment = Environment::fixed(server.variables(SHOP, "ann"));
        let base = rolecall::Chain::builder().environment(environment).from_env().unwrap();
        let identity = base.caller_identity().await.unwrap();
        assert_eq!(identity.principal.to_string(), "user ann", "{}", server.name);
        assert_three_hops_work(server.name, base).await;
    }
}

#[tokio::test]
async fn web_identity_chain_works_on_both_servers() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let cluster = OidcIssuer::start().await.unwrap();
    // As a string, where Kubernetes writes a list of one element: ministack does not match a list
    // against a string.
    let token = |namespace: &str| {
        let token = cluster.service_account_token(namespace, "checkout");
        token.claim("aud", json!("sts.amazonaws.com")).sign().unwrap()
    };
    for server in servers(&cluster).await {
        let chain_with_token = |token: String| {
            let server_variables = server.variables(SHOP, "ann").into_iter();
            let mut variables: Vec<(&str, String)> =
                server_variables.filter(|(name, _)| !name.contains("ACCESS_KEY")).collect();
            variables.push(("AWS_ROLE_ARN", CHECKOUT.to_owned()));
            variables.push(("AWS_WEB_IDENTITY_TOKEN_FILE", "/token".to_owned()));
            variables.push(("AWS_ROLE_SESSION_NAME", "chain".to_owned()));
            let environment = Environment::fixed(variables).with_file(Path::new("/token"), token);
            rolecall::Chain::builder().environment(environment).from_env().unwrap()
        };
        let base = chain_with_token(token("shop"));
        let identity = base.caller_identity().await.unwrap();
        assert_eq!(
            identity.arn, "arn:aws:sts::111122223333:assumed-role/checkout/chain",
            "{}",
            server.name
        );
        assert_three_hops_work(server.name, base).await;

        let error = session(&chain_with_token(token("billing"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{}: {error}", server.name);
        let text = error.to_string();
        assert!(
            text.contains("sub system:serviceaccount:billing:checkout"),
            "{}: {text}",
            server.name
        );
    }
}
