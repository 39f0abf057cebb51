//! Each part of the tour's generated policy is needed: without any one action, or with any one
//! resource narrowed, a named step fails.

use rolecall_examples::tour::{self, Stage, orders_policy};
use serde_json::{Value, json};

fn policy() -> Value {
    serde_json::from_str(&orders_policy().unwrap().to_json()).unwrap()
}

/// Returns the names of the steps that fail under `policy`.
async fn failing_steps(policy: &Value) -> Vec<String> {
    let stage = Stage::with_orders_policy(policy.to_string()).await.unwrap();
    let report = Box::pin(tour::run_services(&stage)).await.unwrap();
    let failed = report.steps().iter().filter(|step| !step.ok);
    failed.map(|step| step.name.clone()).collect()
}

fn to_list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(many) => many.clone(),
        one => vec![one.clone()],
    }
}

/// Returns the policy without `action`, and without a statement that had no other action.
fn policy_without(action: &str) -> Value {
    let mut policy = policy();
    let mut statements = to_list(&policy["Statement"]);
    for statement in &mut statements {
        let kept: Vec<Value> =
            to_list(&statement["Action"]).into_iter().filter(|a| a != action).collect();
        statement["Action"] = kept.into();
    }
    statements.retain(|statement| statement["Action"] != json!([]));
    policy["Statement"] = statements.into();
    policy
}

#[tokio::test]
async fn complete_policy_passes_every_step() {
    assert_eq!(failing_steps(&policy()).await, Vec::<String>::new());
}

#[tokio::test]
async fn removed_action_fails_its_step() {
    let cases = [
        ("s3:ListBucket", "S3: list it by prefix"),
        ("s3:GetObject", "S3: get it, byte for byte"),
        ("s3:PutObject", "S3: put an object under the prefix"),
        ("s3:DeleteObject", "S3: delete it"),
        ("secretsmanager:DescribeSecret", "Secrets Manager: describe shop/db"),
        ("secretsmanager:GetSecretValue", "Secrets Manager: read shop/db"),
        ("ecr:GetAuthorizationToken", "ECR: log in"),
        ("ecr:BatchCheckLayerAvailability", "ECR: the layer is not there yet"),
        ("ecr:InitiateLayerUpload", "ECR: upload the layer and the configuration"),
        ("ecr:UploadLayerPart", "ECR: upload the layer and the configuration"),
        ("ecr:CompleteLayerUpload", "ECR: upload the layer and the configuration"),
        ("ecr:PutImage", "ECR: push the image"),
        ("ecr:BatchGetImage", "ECR: pull its manifest"),
        ("ecr:GetDownloadUrlForLayer", "ECR: pull its layer, byte for byte"),
        ("ecr:BatchDeleteImage", "ECR: delete the image"),
    ];
    let statements = to_list(&policy()["Statement"]);
    let mut actions: Vec<Value> = statements.iter().flat_map(|s| to_list(&s["Action"])).collect();
    actions.sort_by_key(ToString::to_string);
    let mut listed: Vec<Value> = cases.iter().map(|(action, _)| json!(action)).collect();
    listed.sort_by_key(ToString::to_string);
    assert_eq!(actions, listed, "each action of the policy has a case");
    for (action, step) in cases {
        let failed = failing_steps(&policy_without(action)).await;
        assert!(failed.contains(&step.to_owned()), "without {action}: {failed:?}");
    }
}

#[tokio::test]
async fn narrowed_resource_fails_its_step() {
    let cases = [
        ("arn:aws:s3:::shop-orders", "arn:aws:s3:::shop-orders-2", "S3: list it by prefix"),
        ("orders/*", "orders/never/*", "S3: list it by prefix"),
        (
            "arn:aws:s3:::shop-orders/orders/*",
            "arn:aws:s3:::shop-orders/orders/never/*",
            "S3: put an object under the prefix",
        ),
        (
            "arn:aws:secretsmanager:eu-west-1:*:secret:shop/*",
            "arn:aws:secretsmanager:eu-west-1:*:secret:shop/never/*",
            "Secrets Manager: read shop/db",
        ),
        (
            "arn:aws:secretsmanager:eu-west-1:*:secret:common/*",
            "arn:aws:secretsmanager:eu-west-2:*:secret:common/*",
            "Secrets Manager: read common/tls",
        ),
        ("*", "arn:aws:ecr:eu-west-1:444455556666:repository/*", "ECR: log in"),
        (
            "arn:aws:ecr:eu-west-1:444455556666:repository/shop/*",
            "arn:aws:ecr:eu-west-1:444455556666:repository/shop/never/*",
            "ECR: push the image",
        ),
    ];
    let text = policy().to_string();
    let quoted = |text: &str| format!("\"{text}\"");
    let statements = to_list(&policy()["Statement"]);
    let resources: usize = statements.iter().map(|s| to_list(&s["Resource"]).len()).sum();
    // All resources, and the condition of the list action.
    assert_eq!(cases.len(), 1 + resources, "each resource has a case");
    for (resource, narrowed, step) in cases {
        let changed = text.replacen(&quoted(resource), &quoted(narrowed), 1);
        assert_ne!(changed, text, "{resource} is in the policy");
        let failed = failing_steps(&serde_json::from_str(&changed).unwrap()).await;
        assert!(failed.contains(&step.to_owned()), "{narrowed}: {failed:?}");
    }
}
