//! Each action of the generated permission policies has an allowed and a denied call, on the local
//! AWS and on ministack.

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

/// Returns all actions of the policy, sorted.
fn actions() -> Vec<String> {
    let policy = document(&everything().unwrap().to_json());
    let to_list = |value: &Value| match value {
        Value::Array(many) => many.clone(),
        one => vec![one.clone()],
    };
    let statements = to_list(&policy["Statement"]);
    let actions = statements.iter().flat_map(|statement| to_list(&statement["Action"]));
    let mut actions: Vec<String> = actions.map(|a| a.as_str().unwrap().to_owned()).collect();
    actions.sort_unstable();
    actions
}

/// Checks the verdicts of `server` with the policy, on its resources and on others, and without it.
async fn check_server(server: &Server) {
    let ann = server.config(ACCOUNT, "ann");
    let bob = server.config(ACCOUNT, "bob");
    let inside = ask_all(&ann, INSIDE).await;
    let mut called: Vec<String> = inside.iter().map(|(action, _)| (*action).to_owned()).collect();
    called.sort_unstable();
    assert_eq!(called, actions(), "each action is called once");

    let mismatches = |verdicts: Vec<(&'static str, Verdict)>, expected: fn(&str) -> Verdict| {
        verdicts
            .into_iter()
            .filter(|(action, verdict)| *verdict != expected(action))
            .collect::<Vec<_>>()
    };
    let name = server.name;
    let allowed = |_: &str| Verdict::Allowed;
    assert_eq!(
        mismatches(inside, allowed),
        [],
        "{name}: each action is allowed on granted resources"
    );
    let outside = ask_all(&ann, OUTSIDE).await;
    // The registry login has no resource.
    let outside = mismatches(outside, |action| match action {
        "ecr:GetAuthorizationToken" => Verdict::Allowed,
        _ => Verdict::Denied,
    });
    assert_eq!(outside, [], "{name}: each action is denied on other resources");
    let without = mismatches(ask_all(&bob, INSIDE).await, |_| Verdict::Denied);
    assert_eq!(without, [], "{name}: each action is denied without the policy");
}

#[tokio::test]
async fn generated_policies_allow_and_deny_each_action() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    for server in Server::both(REGION, accounts()).await.unwrap() {
        check_server(&server).await;
    }
}
