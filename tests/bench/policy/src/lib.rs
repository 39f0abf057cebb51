//! What the benchmarks of rolecall-policy measure.

use rolecall_policy::{Caller, Context, PermissionPolicy, PolicyError, Request};
use serde_json::json;

/// An identity policy of ten statements, as a service has it. The last one allows [`request`].
pub const POLICY: &str = include_str!("policy.json");

/// The resource that the last statement of [`POLICY`] allows.
pub const RESOURCE: &str = "arn:aws:s3:::shop-data/orders/2026/11/26/0001.json";

/// Returns the parsed [`POLICY`].
///
/// # Errors
///
/// Returns the parser's error.
pub fn policies() -> Result<[PermissionPolicy; 1], PolicyError> {
    Ok([PermissionPolicy::parse(POLICY)?])
}

/// Returns a request that [`POLICY`] allows, after every statement was compared.
///
/// # Errors
///
/// Returns the parser's error.
pub fn request() -> Result<Request, PolicyError> {
    let caller = Caller::parse("arn:aws:sts::111122223333:assumed-role/checkout/pod-1")?;
    let context = Context::new()
        .with("aws:PrincipalArn", "arn:aws:iam::111122223333:role/checkout")
        .with("aws:PrincipalTag/team", "orders")
        .with("aws:SourceIp", "203.0.113.20")
        .with("aws:SecureTransport", "true")
        .with("aws:CurrentTime", "2026-11-26T12:00:00Z");
    Ok(Request::new(caller, "s3:GetObject", RESOURCE).context(context))
}

/// Patterns of 10 KB and texts that make a naive matcher slow.
pub fn hostile_patterns() -> [(&'static str, String, String); 4] {
    const SIZE: usize = 10_000;
    let text = "a".repeat(SIZE);
    [
        ("stars", format!("{}b", "*a".repeat(SIZE / 2)), text.clone()),
        ("long_segment", format!("*{}b*", "a".repeat(SIZE / 2)), text.clone()),
        ("question_marks", format!("*{}b*", "a?".repeat(SIZE / 4)), text.clone()),
        ("variables", format!("*{}b*", "${k:v}".repeat(SIZE / 6)), text),
    ]
}

/// Returns a line for `rolecall policy simulate`.
pub fn simulation(index: usize) -> String {
    let team = ["orders", "payments", "search"][index % 3];
    let action = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "sts:AssumeRole"][index % 4];
    let assume_role = action == "sts:AssumeRole";
    let resource = if assume_role {
        format!("arn:aws:iam::444455556666:role/{team}")
    } else {
        format!("arn:aws:s3:::shop-data/{team}/{index}")
    };
    let mut case = json!({
        "id": format!("case-{index}"),
        "request": {
            "action": action,
            "resource": resource,
            "resource_account": if assume_role { "444455556666" } else { "111122223333" },
            "principal": format!("arn:aws:sts::111122223333:assumed-role/checkout/pod-{index}"),
            "context": {
                "aws:PrincipalTag/team": team,
                "aws:SourceIp": format!("203.0.113.{}", index % 256),
                "sts:ExternalId": format!("shop-{}", index % 7),
            },
        },
        "identity_policies": [{
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:Get*", "s3:PutObject", "sts:AssumeRole"],
                    "Resource": ["arn:aws:s3:::shop-data/${aws:PrincipalTag/team}/*", "arn:aws:iam::444455556666:role/*"],
                },
                {
                    "Effect": "Deny",
                    "Action": "*",
                    "Resource": "*",
                    "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/25"}},
                },
            ],
        }],
    });
    if assume_role {
        case["resource_policy"] = json!({
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::111122223333:role/checkout"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": ["shop-1", "shop-2"]}},
            },
        });
    }
    case.to_string()
}
