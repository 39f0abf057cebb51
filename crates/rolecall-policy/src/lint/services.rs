//! The lints of what single services need: Amazon ECR, AWS Secrets Manager and Amazon DynamoDB.

use super::registry::{
    DYNAMODB_ATTRIBUTES_WITHOUT_SELECT, ECR_PULL_WITHOUT_DOWNLOAD_URL, SECRET_ARN_WITHOUT_SUFFIX,
};
use super::view::{ActionView, PolicyView, Report, StatementView};
use super::{PolicyLint, StatementLint};
use crate::arn::Arn;

pub(super) const STATEMENT: &[StatementLint] = &[secret_suffix, attributes];
pub(super) const POLICY: &[PolicyLint] = &[ecr_pull];

/// A push reads images as well, so a policy for pushing has `ecr:BatchGetImage` too. (Amazon ECR
/// User Guide, "IAM permissions for pushing an image".)
fn ecr_pull(policy: &PolicyView<'_>, report: &mut Report) {
    let others = ["ecr:GetDownloadUrlForLayer", "ecr:PutImage", "ecr:InitiateLayerUpload"];
    let is_allowed = |action: &str| policy.allows().any(|it| it.includes(action));
    if others.iter().any(|action| is_allowed(action)) {
        return;
    }
    for statement in policy.allows().filter(|it| !it.has_not_action() && !it.is_guardrail()) {
        let mut actions = statement.actions.iter();
        let Some(index) = actions.position(|it| it.pattern.matches("ecr:BatchGetImage")) else {
            continue;
        };
        report.add(
            ECR_PULL_WITHOUT_DOWNLOAD_URL,
            statement.action(index),
            "a pull reads the layers of an image as well, and fails",
            "add ecr:GetDownloadUrlForLayer",
        );
    }
}

/// Secrets Manager adds a hyphen and six characters to the name of a secret in its ARN.
fn secret_suffix(statement: &StatementView<'_>, report: &mut Report) {
    for (index, resource) in statement.resources().iter().enumerate() {
        let arn = Arn::parse(resource.as_str()).filter(|arn| arn.service == "secretsmanager");
        let Some(name) = arn.and_then(|arn| arn.resource.strip_prefix("secret:")) else { continue };
        let last = name.chars().last();
        let is_open = matches!(last, None | Some('*' | '?' | '}'));
        let suffix = name.rsplit_once('-').map(|(_, suffix)| suffix).unwrap_or_default();
        let known = |c: char| c.is_ascii_alphanumeric() || "*?".contains(c);
        let has_suffix = suffix.len() == 6 && suffix.chars().all(known);
        if is_open || has_suffix {
            continue;
        }
        let message =
            format!("{name:?} matches no secret: its ARN ends in a hyphen and six characters");
        let fix = format!("write {name}-??????");
        report.add(SECRET_ARN_WITHOUT_SUFFIX, statement.resource(index), message, fix);
    }
}

/// A read without a projection returns all attributes, whatever `dynamodb:Attributes` lists.
fn attributes(statement: &StatementView<'_>, report: &mut Report) {
    if !statement.is_allow() || statement.tests("dynamodb:select") {
        return;
    }
    let select = |action: &&ActionView<'_>| {
        let dynamodb = action.service.filter(|service| service.prefix() == "dynamodb");
        let numbers = dynamodb.map(|service| service.key_numbers("dynamodb:Select"));
        numbers.is_some_and(|numbers| action.matched.iter().any(|it| it.has_key(&numbers)))
    };
    for (index, condition) in statement.conditions() {
        let limits = condition.lower_case_key() == "dynamodb:attributes";
        if limits && !statement.has_not_action() && statement.actions.iter().any(|it| select(&it)) {
            report.add(
                DYNAMODB_ATTRIBUTES_WITHOUT_SELECT,
                statement.condition(index),
                "a read without a projection returns the other attributes as well",
                "add \"StringEqualsIfExists\": {\"dynamodb:Select\": \"SPECIFIC_ATTRIBUTES\"}",
            );
        }
    }
}
