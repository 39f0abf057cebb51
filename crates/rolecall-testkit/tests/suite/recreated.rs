//! Roles that are deleted and created again while the server runs.

use super::*;

/// A role of the shop that `open` of the other account, which trusts the shop, may be assumed by.
fn checkout(world: &World) -> IamRole {
    let subject = format!("{}:sub", world.cluster.host_and_path());
    let condition = json!({"StringEquals": {subject: "system:serviceaccount:shop:checkout"}});
    let by_token = trust(json!({"Federated": world.cluster.provider_arn(SHOP)}), condition);
    IamRole::new("checkout").trust(by_token).policy(may_assume("*"))
}

async fn session(world: &World) -> Credentials {
    let token = world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    world.by_token(&token).await.unwrap()
}

#[tokio::test]
async fn sessions_of_deleted_role_are_unknown() {
    let world = World::new().await;
    let before = session(&world).await;
    assert!(world.who(before.clone()).await.is_ok());
    let hop = world.assume_role(before.clone(), OPEN, None).await.unwrap();
    assert!(world.aws.delete_role(CHECKOUT));
    assert!(!world.aws.delete_role(CHECKOUT), "it is gone");
    refused(world.who(before.clone()).await, "InvalidClientTokenId");
    refused(world.assume_role(before.clone(), OPEN, None).await, "InvalidClientTokenId");
    let token = world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    refused(world.by_token(&token).await, "AccessDenied");

    world.aws.create_role(SHOP, checkout(&world)).unwrap();
    refused(world.who(before.clone()).await, "InvalidClientTokenId");
    let after = session(&world).await;
    assert!(world.who(after.clone()).await.is_ok());
    assert!(world.assume_role(after, OPEN, None).await.is_ok(), "who trusts the account trusts it");
    assert!(world.who(hop).await.is_ok(), "what it had assumed is another role's");
    let secret = before.secret_access_key().to_owned();
    assert!(world.aws.secrets().contains(&secret), "it is a secret still");
}

#[tokio::test]
async fn earlier_trust_policy_excludes_recreated_role() {
    let world = World::new().await;
    let named = || {
        let by_name = trust(json!({"AWS": CHECKOUT}), json!({}));
        IamRole::new("named").trust(by_name)
    };
    let arn = format!("arn:aws:iam::{SHOP}:role/named");
    world.aws.create_role(SHOP, named()).unwrap();
    assert!(world.assume_role(session(&world).await, &arn, None).await.is_ok());
    assert!(world.aws.delete_role(CHECKOUT));
    world.aws.create_role(SHOP, checkout(&world)).unwrap();
    refused(world.assume_role(session(&world).await, &arn, None).await, "AccessDenied");
    // Saved again, it holds the successor's id.
    assert!(world.aws.delete_role(&arn));
    world.aws.create_role(SHOP, named()).unwrap();
    assert!(world.assume_role(session(&world).await, &arn, None).await.is_ok());
}

#[tokio::test]
async fn role_created_later_is_checked_like_initial() {
    let world = World::new().await;
    let told = |role: IamRole| world.aws.create_role(SHOP, role).unwrap_err().to_string();
    let two = told(IamRole::new("checkout"));
    assert_eq!(two, format!("account {SHOP}: role \"checkout\": the name is used twice"));
    let wrong = told(IamRole::new("new").trust("{}"));
    assert!(wrong.contains("role \"new\", trust policy"), "{wrong}");
    let of_stranger = format!("{}:sub", world.stranger.host_and_path());
    let principal = json!({"Federated": world.cluster.provider_arn(SHOP)});
    let condition = json!({"StringEquals": {of_stranger: "x"}});
    let unknown = told(IamRole::new("new").trust(trust(principal, condition)));
    assert!(unknown.contains("is not known to the local AWS"), "{unknown}");
}
