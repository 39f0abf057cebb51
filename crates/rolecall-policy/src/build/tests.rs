//! Tests of the builders. What a policy allows is decided by the evaluator.

mod invalid_trust;
mod permission;
mod properties;
mod revoke;
mod trust;

use crate::{
    Caller, Context, PermissionPolicy, Policies, PolicyError, Request, TrustPolicy, evaluate,
};

const CHECKOUT: &str = "arn:aws:iam::111122223333:role/checkout";
const ORDERS: &str = "arn:aws:iam::444455556666:role/orders";
const ANN: &str = "arn:aws:iam::111122223333:user/ann";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/shop.example/cluster";
const GITHUB: &str = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
const CLUSTER: &str = "arn:aws:eks:eu-west-1:111122223333:cluster/shop";

fn value(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap()
}

fn ann() -> Caller {
    Caller::user("111122223333", ANN)
}

fn session_of(role: &str) -> Caller {
    let name = role.rsplit('/').next().unwrap();
    Caller::role_session(role.split(':').nth(4).unwrap(), role, name, "pod-1")
}

/// Whether a policy allows a request in the caller's account.
fn allows(policy: &PermissionPolicy, action: &str, resource: &str, context: &Context) -> bool {
    let policies = [policy.clone()];
    let request = Request::new(ann(), action, resource)
        .context(context.clone())
        .resource_account("111122223333");
    evaluate(&request, &Policies::new().identity(&policies)).is_allowed()
}

fn all() -> PermissionPolicy {
    let json = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    PermissionPolicy::parse(json).unwrap()
}

/// Whether a trust policy allows an action to a caller whose own policies allow everything.
fn trusts(policy: &TrustPolicy, caller: &Caller, action: &str, context: &Context) -> bool {
    let identity = [all()];
    let role = "arn:aws:iam::111122223333:role/target";
    let request = Request::new(caller.clone(), action, role).context(context.clone());
    evaluate(&request, &Policies::new().identity(&identity).trust(policy)).is_allowed()
}

/// Compares results with what their errors contain. Each error names the fault and a remedy.
fn assert_errors<T: std::fmt::Debug>(
    rows: impl IntoIterator<Item = (&'static str, Result<T, PolicyError>, Option<&'static str>)>,
) {
    for (name, result, expected) in rows {
        match (result, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(part)) => {
                let text = error.to_string();
                assert!(text.contains(part), "{name}: {text} does not contain {part}");
                assert!(text.contains("; hint: "), "{name}: {text} has no hint");
            }
            (result, expected) => panic!("{name}: {result:?}, expected {expected:?}"),
        }
    }
}
