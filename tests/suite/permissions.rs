//! For each line of the generated policies an allowed and a denied call, on the local AWS and on a server that is not
//! ours.

use rolecall::policy::{TrustPolicy, TrustedPrincipal};
use rolecall_tests::accounts::Server;
use rolecall_tests::permissions::{
    ACCOUNT, BUCKET, INSIDE, OUTSIDE, REGION, Verdict, ask_all, everything,
};
use serde_json::{Value, json};

fn document(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn accounts() -> Value {
    let account = TrustedPrincipal::account(ACCOUNT).unwrap();
    let trust = TrustPolicy::builder().principal(account).build().unwrap();
    let role = json!({ "trust": document(&trust.to_json()) });
    json!({ ACCOUNT: {
        "users": {
            "ann": { "policies": { "everything": document(&everything().unwrap().to_json()) } },
            "bob": {},
        },
        "roles": { "inside": role, "outside": role },
        "buckets": [BUCKET],
        "secrets": { "inside/db": "a", "outside/db": "b" },
        "repositories": ["inside/api", "outside/api"],
    } })
}

/// Every action of the policy, so that none is left out here.
fn actions() -> Vec<String> {
    let policy = document(&everything().unwrap().to_json());
    let one_or_many = |value: &Value| match value {
        Value::Array(many) => many.clone(),
        one => vec![one.clone()],
    };
    let statements = one_or_many(&policy["Statement"]);
    let actions = statements.iter().flat_map(|statement| one_or_many(&statement["Action"]));
    let mut actions: Vec<String> = actions.map(|a| a.as_str().unwrap().to_owned()).collect();
    actions.sort_unstable();
    actions
}

async fn judge(server: &Server) {
    let ann = server.config(ACCOUNT, "ann");
    let bob = server.config(ACCOUNT, "bob");
    let inside = ask_all(&ann, INSIDE).await;
    let mut asked: Vec<String> = inside.iter().map(|(action, _)| (*action).to_owned()).collect();
    asked.sort_unstable();
    assert_eq!(asked, actions(), "each action is asked for once");

    let wrong = |told: Vec<(&'static str, Verdict)>, right: fn(&str) -> Verdict| {
        told.into_iter().filter(|(action, verdict)| *verdict != right(action)).collect::<Vec<_>>()
    };
    let name = server.name;
    let allowed = |_: &str| Verdict::Allowed;
    assert_eq!(wrong(inside, allowed), [], "{name}: inside, all is allowed");
    let outside = ask_all(&ann, OUTSIDE).await;
    // A login is for no repository.
    let outside = wrong(outside, |action| match action {
        "ecr:GetAuthorizationToken" => Verdict::Allowed,
        _ => Verdict::Denied,
    });
    assert_eq!(outside, [], "{name}: outside, all is denied");
    let without = wrong(ask_all(&bob, INSIDE).await, |_| Verdict::Denied);
    assert_eq!(without, [], "{name}: without the policy, all is denied");
}

#[tokio::test]
async fn each_line_of_the_policies_has_an_allowed_and_a_denied_call_on_both_servers() {
    for server in Server::both(REGION, accounts()).await.unwrap() {
        judge(&server).await;
    }
}
