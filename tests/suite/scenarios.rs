//! What a service does with rolecall, from the first to the last call: on the local AWS and on a server that is not ours,
//! with no change but the endpoint.

use std::path::Path;

use rolecall::policy::{PermissionPolicy, TrustPolicy, TrustedPrincipal, TrustedServiceAccount};
use rolecall::{
    Chain, Environment, ErrorKind, FetchContext, FetchError, Role, Session, SessionSource,
};
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
    json!({ "trust": document(&trust.to_json()), "policies": may_assume(may) })
}

fn may_assume(roles: &[&str]) -> Value {
    if roles.is_empty() {
        return json!({});
    }
    let policy = PermissionPolicy::builder().assume_roles(roles.iter().copied()).unwrap();
    json!({ "assume": document(&policy.build().unwrap().to_json()) })
}

fn by(principal: TrustedPrincipal) -> TrustPolicy {
    TrustPolicy::builder().principal(principal).build().unwrap()
}

/// Two accounts: a user and a service account of the shop, and a way of three roles into the partner's.
async fn servers(cluster: &OidcIssuer) -> [Server; 2] {
    let checkout =
        TrustedServiceAccount::new(&cluster.provider_arn(SHOP), "shop", "checkout").unwrap();
    let checkout = TrustPolicy::builder().service_account(checkout).build().unwrap();
    let shop = || TrustedPrincipal::account(SHOP).unwrap();
    let with_id = TrustedPrincipal::role(HUB).unwrap().external_id("shop-4711").unwrap();
    let accounts = json!({
        SHOP: {
            "oidc_providers": { cluster.url(): ["sts.amazonaws.com"] },
            "users": { "ann": { "policies": may_assume(&[HUB]) } },
            "roles": { "checkout": role(checkout, &[HUB]), "hub": role(by(shop()), &[ORDERS]) },
        },
        PARTNER: { "roles": {
            "orders": role(by(with_id), &[LAST]),
            "last": role(by(TrustedPrincipal::role(ORDERS).unwrap()), &[]),
        } },
    });
    let [local, theirs] = Server::both("eu-west-1", accounts).await.unwrap();
    [local, theirs]
}

fn orders(external_id: &str) -> Role {
    Role::new(ORDERS).unwrap().external_id(external_id).unwrap()
}

async fn session(chain: &Chain) -> Result<Session, FetchError> {
    chain.cached().session(FetchContext::caller()).await
}

/// Three hops from this base: who we are at each, and that a session is held.
async fn goes_all_the_way(name: &str, base: Chain) {
    let hub = base.assume(Role::new(HUB).unwrap().session_name("way").unwrap());
    let partner = hub.clone().assume(orders("shop-4711").session_name("way").unwrap());
    let last = partner.clone().assume(Role::new(LAST).unwrap().session_name("way").unwrap());
    for (chain, arn, role) in [
        (&hub, "arn:aws:sts::111122223333:assumed-role/hub/way", HUB),
        (&partner, "arn:aws:sts::444455556666:assumed-role/orders/way", ORDERS),
        (&last, "arn:aws:sts::444455556666:assumed-role/last/way", LAST),
    ] {
        let me = chain.caller_identity().await.unwrap();
        assert_eq!(me.arn, arn, "{name}");
        assert_eq!(me.role_arn.unwrap().as_str(), role, "{name}");
    }
    let (one, two) = (session(&last).await.unwrap(), session(&last).await.unwrap());
    assert_eq!(one.access_key_id(), two.access_key_id(), "{name}: it is held");
    let lifetime = one.lifetime().unwrap().as_secs();
    assert!((3590..=3600).contains(&lifetime), "{name}: {lifetime}");

    for wrong in [orders("shop-4712"), Role::new(ORDERS).unwrap()] {
        let error = session(&hub.clone().assume(wrong)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Denied, Some("AccessDenied")),
            "{name}"
        );
        assert!(
            error.to_string().starts_with(&format!("hop 2 of 2, {ORDERS}: ")),
            "{name}: {error}"
        );
    }
    // Whom the role does not trust: the hub.
    let error = session(&hub.assume(Role::new(LAST).unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{name}: {error}");
    let long = orders("shop-4711").duration(std::time::Duration::from_secs(7200)).unwrap();
    let error = session(&partner.assume(long)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{name}: {error}");
}

#[tokio::test]
async fn from_a_users_key_by_three_roles_on_ministack_and_here() {
    let cluster = OidcIssuer::start().await.unwrap();
    for server in servers(&cluster).await {
        let environment = Environment::fixed(server.variables(SHOP, "ann"));
        let base = rolecall::builder().environment(environment).from_env().unwrap();
        let me = base.caller_identity().await.unwrap();
        assert_eq!(me.principal.to_string(), "user ann", "{}", server.name);
        goes_all_the_way(server.name, base).await;
    }
}

#[tokio::test]
async fn from_a_token_by_three_roles_on_ministack_and_here() {
    let cluster = OidcIssuer::start().await.unwrap();
    // As a text, where Kubernetes writes a list of one: ministack holds a list against a text for different.
    let token = |namespace: &str| {
        let token = cluster.service_account_token(namespace, "checkout");
        token.claim("aud", json!("sts.amazonaws.com")).sign().unwrap()
    };
    for server in servers(&cluster).await {
        let variables = |token: String| {
            let of_server = server.variables(SHOP, "ann").into_iter();
            let mut variables: Vec<(&str, String)> =
                of_server.filter(|(name, _)| !name.contains("ACCESS_KEY")).collect();
            variables.push(("AWS_ROLE_ARN", CHECKOUT.to_owned()));
            variables.push(("AWS_WEB_IDENTITY_TOKEN_FILE", "/token".to_owned()));
            variables.push(("AWS_ROLE_SESSION_NAME", "way".to_owned()));
            let environment = Environment::fixed(variables).with_file(Path::new("/token"), token);
            rolecall::builder().environment(environment).from_env().unwrap()
        };
        let base = variables(token("shop"));
        let me = base.caller_identity().await.unwrap();
        assert_eq!(
            me.arn, "arn:aws:sts::111122223333:assumed-role/checkout/way",
            "{}",
            server.name
        );
        goes_all_the_way(server.name, base).await;

        let error = session(&variables(token("billing"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{}: {error}", server.name);
        let text = error.to_string();
        assert!(
            text.contains("sub system:serviceaccount:billing:checkout"),
            "{}: {text}",
            server.name
        );
    }
}
