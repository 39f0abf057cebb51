//! The generated cases that ministack can decide.

use serde_json::{Value, json};

use crate::generate;

/// The actions of the generated cases that ministack has, in the spelling that its server derives
/// from a request: the request's action is data there, and not compared without case.
const ACTIONS: [&str; 10] = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:ListBucket",
    "secretsmanager:GetSecretValue",
    "secretsmanager:DescribeSecret",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "sts:GetCallerIdentity",
    "sts:AssumeRole",
    WEB_IDENTITY,
];
const WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";

/// Returns the cases with an action and a caller that ministack has, without an end.
pub(super) fn generate() -> impl Iterator<Item = Value> {
    (0..).filter_map(|seed| adapt(generate::case(seed)))
}

fn adapt(mut case: Value) -> Option<Value> {
    // ministack has no organisations: without them, the case is another, and as good.
    case.as_object_mut()?.retain(|member, _| member != "scps" && member != "rcps");
    let request = &mut case["request"];
    let action = request["action"].as_str()?;
    let action = ACTIONS.into_iter().find(|known| known.eq_ignore_ascii_case(action))?;
    let caller = request["principal"].as_str()?;
    let is_known = if action == WEB_IDENTITY { is_web_identity(caller) } else { is_iam(caller) };
    request["action"] = json!(action);
    is_known.then_some(case)
}

/// It decides neither for services and anonymous callers, nor for a role without a session.
fn is_iam(caller: &str) -> bool {
    let kinds = [":user/", ":assumed-role/", ":federated-user/", ":root"];
    kinds.iter().any(|kind| caller.contains(kind))
}

fn is_web_identity(caller: &str) -> bool {
    caller.contains(":oidc-provider/") || caller == "accounts.google.com"
}
