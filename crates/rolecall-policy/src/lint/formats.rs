//! The lints of values that have a form of their own, such as ids and names of services.

use super::StatementLint;
use super::keys::{self, Caution};
use super::location::ElementPath;
use super::names::{is_region, is_service_principal};
use super::registry::{
    INVALID_KMS_KEY_VALUE, INVALID_REGION, INVALID_SERVICE_PRINCIPAL_FORMAT, INVALID_VPC_FORMAT,
    INVALID_VPCE_FORMAT, Lint, MISSING_PAIRED_CONDITION_KEYS, UNTRUSTWORTHY_CONDITION_KEY,
    VARIABLE_USAGE_TOO_PERMISSIVE, WILDCARD_USAGE_TOO_PERMISSIVE,
};
use super::values::without_variables;
use super::view::{Report, StatementView, is_star};
use crate::condition::{Comparison, Condition, OperatorType};

pub(super) const STATEMENT: &[StatementLint] = &[formats, sensitive, untrustworthy, unpaired];

/// The form that the values of a key have.
struct Form {
    lint: &'static Lint,
    keys: &'static [&'static str],
    is_valid: fn(&str) -> bool,
    what: &'static str,
    example: &'static str,
}

const FORMS: [Form; 6] = [
    Form {
        lint: INVALID_REGION,
        keys: &["aws:requestedregion"],
        is_valid: is_region,
        what: "the name of a Region",
        example: "eu-west-1",
    },
    Form {
        lint: INVALID_VPC_FORMAT,
        keys: &["aws:sourcevpc", "aws:ec2instancesourcevpc"],
        is_valid: |value| is_id(value, "vpc-"),
        what: "the id of a VPC",
        example: "vpc-1a2b3c4d",
    },
    Form {
        lint: INVALID_VPCE_FORMAT,
        keys: &["aws:sourcevpce"],
        is_valid: |value| is_id(value, "vpce-"),
        what: "the id of a VPC endpoint",
        example: "vpce-1a2b3c4d",
    },
    Form {
        lint: INVALID_KMS_KEY_VALUE,
        keys: &[
            "s3:x-amz-server-side-encryption-aws-kms-key-id",
            "s3express:x-amz-server-side-encryption-aws-kms-key-id",
        ],
        is_valid: is_kms_key,
        what: "the ARN of a KMS key",
        example: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    },
    Form {
        lint: INVALID_SERVICE_PRINCIPAL_FORMAT,
        keys: &[
            "aws:calledvia",
            "aws:calledviafirst",
            "aws:calledvialast",
            "aws:principalservicename",
            "aws:principalservicenameslist",
            "iam:awsservicename",
            "iam:passedtoservice",
        ],
        is_valid: is_service_principal,
        what: "the principal of a service",
        example: "ec2.amazonaws.com",
    },
    Form {
        lint: INVALID_SERVICE_PRINCIPAL_FORMAT,
        keys: &["kms:viaservice"],
        // A service, a Region and the domain.
        is_valid: |value| is_service_principal(value) && value.split('.').any(is_region),
        what: "a service in a Region",
        example: "s3.eu-west-1.amazonaws.com",
    },
];

/// An id has 8 or 17 characters after its prefix.
fn is_id(value: &str, prefix: &str) -> bool {
    let id = value.strip_prefix(prefix).unwrap_or_default();
    matches!(id.len(), 8 | 17) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_kms_key(value: &str) -> bool {
    value.starts_with("arn:")
        && value.split(':').nth(2) == Some("kms")
        && value.splitn(6, ':').nth(5).is_some_and(|it| it.starts_with("key/"))
}

/// Returns the values that an operator compares as text, without those that contain a wildcard or a
/// variable.
fn plain_values(condition: &Condition) -> impl Iterator<Item = (usize, &str)> {
    let of = condition.operator().operator_type();
    let is_text = matches!(of, OperatorType::String | OperatorType::Arn);
    let values = condition.values().enumerate();
    values.filter(move |(_, value)| is_text && !value.contains(['*', '?']) && !value.contains("${"))
}

fn formats(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let key = condition.lower_case_key();
        let Some(form) = FORMS.iter().find(|form| form.keys.contains(&key)) else { continue };
        for (number, value) in plain_values(condition).filter(|(_, value)| !(form.is_valid)(value))
        {
            let message = format!("{value:?} is not {}", form.what);
            let fix = format!("write a value such as {}", form.example);
            report.add(form.lint, statement.value(index, number), message, fix);
        }
    }
}

/// So many characters must stand before a wildcard or a variable, so that it matches no stranger.
const SPECIFIC: usize = 6;

/// Wildcards and variables in keys that identify an account, an organization or a network.
fn sensitive(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let known = keys::find(condition.key());
        let is_sensitive = known.is_some_and(|key| key.caution == Some(Caution::Sensitive));
        let operator = condition.operator();
        if !is_sensitive || operator.operator_type() != OperatorType::String {
            continue;
        }
        for (number, value) in condition.values().enumerate() {
            let place = statement.value(index, number);
            let is_like = operator.comparison() == Comparison::Like;
            // A star alone says nothing about the value, which other lints report.
            if is_like && !is_star(value) {
                let plain = without_variables(value);
                let early = plain.find(['*', '?']).is_some_and(|at| at < SPECIFIC);
                if early {
                    too_permissive(WILDCARD_USAGE_TOO_PERMISSIVE, "wildcard", value, place, report);
                }
            }
            let variable = value.find("${").filter(|at| *at < SPECIFIC);
            if variable.is_some_and(|at| !is_identity(value, at)) {
                too_permissive(VARIABLE_USAGE_TOO_PERMISSIVE, "variable", value, place, report);
            }
        }
    }
}

fn too_permissive(
    lint: &'static Lint,
    what: &str,
    value: &str,
    place: ElementPath,
    report: &mut Report,
) {
    let message = format!("the {what} in {value:?} may match the value of a stranger");
    let fix = format!("write the value, or at least {SPECIFIC} characters before the {what}");
    report.add(lint, place, message, fix);
}

/// Returns `true` for an escape, and for a variable that is itself an account or an organization,
/// as in a comparison of the caller's account with the resource's.
fn is_identity(value: &str, at: usize) -> bool {
    let inner = value.get(at + 2..).and_then(|rest| rest.split_once('}')).map(|(inner, _)| inner);
    let name = inner.unwrap_or_default().split(',').next().unwrap_or_default().trim();
    let is_sensitive =
        |name| keys::find(name).is_some_and(|key| key.caution == Some(Caution::Sensitive));
    matches!(name, "*" | "?" | "$") || is_sensitive(name)
}

fn untrustworthy(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let known = keys::find(condition.key());
        if known.is_some_and(|key| key.caution == Some(Caution::Spoofable)) {
            report.add(
                UNTRUSTWORTHY_CONDITION_KEY,
                statement.condition(index),
                format!("the caller chooses the value of {}", condition.key()),
                "test a key that AWS sets, such as aws:PrincipalArn or aws:SourceVpce",
            );
        }
    }
}

/// Keys that identify only together with one of others.
fn unpaired(statement: &StatementView<'_>, report: &mut Report) {
    let pairs: [(&str, &[&str], &str); 2] = [
        (
            "aws:vpcsourceip",
            &["aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn"],
            "aws:SourceVpc or aws:SourceVpce",
        ),
        (
            "aws:ec2instancesourceprivateipv4",
            &["aws:ec2instancesourcevpc"],
            "aws:Ec2InstanceSourceVpc",
        ),
    ];
    for (index, condition) in statement.conditions() {
        let key = condition.lower_case_key();
        let Some((_, others, names)) = pairs.iter().find(|(known, _, _)| *known == key) else {
            continue;
        };
        // Two conditions that compare a key with a variable of the other one are a pair as well.
        if !others.iter().any(|other| statement.tests(other)) {
            let message = format!("{} is the same in many networks", condition.key());
            let fix = format!("add a condition on {names}");
            let place = statement.condition(index);
            report.add(MISSING_PAIRED_CONDITION_KEYS, place, message, fix);
        }
    }
}
