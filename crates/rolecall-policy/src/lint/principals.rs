//! The lints of `Principal` and `NotPrincipal`, of trust policies and resource policies.

use super::condition_keys::requires_key;
use super::finding::Severity;
use super::keys::{self, Carrier, Caution};
use super::location::ElementPath;
use super::registry::{
    ALLOW_WITH_NOT_PRINCIPAL, DENY_WITH_NOT_PRINCIPAL, INVALID_ROLE_REFERENCE,
    INVALID_USER_REFERENCE, RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL,
    REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY, RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL,
    ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL, THIRD_PARTY_WITHOUT_EXTERNAL_ID,
    UNSUPPORTED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL, WILDCARD_PRINCIPAL,
};
use super::values::{names_values, narrows};
use super::view::{PolicyView, Report, StatementView};
use super::{PolicyLint, StatementLint};
use crate::arn::Arn;
use crate::condition::Condition;
use crate::principal::Principal;

pub(super) const STATEMENT: &[StatementLint] =
    &[not_principal, everyone, unique_ids, redundant, third_party, service_keys];
pub(super) const POLICY: &[PolicyLint] = &[services];

fn not_principal(statement: &StatementView<'_>, report: &mut Report) {
    if !statement.has_not_principal() {
        return;
    }
    let place = ElementPath::Principals(statement.index);
    if statement.is_trust() {
        let message = "IAM refuses NotPrincipal in a trust policy";
        let fix = "list the principals in Principal, or test aws:PrincipalArn";
        report.add(ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL, place, message, fix);
    } else if statement.excepts_everyone() {
        // A lint of its own reports that the statement is void.
    } else if statement.is_allow() {
        let message = "the statement allows everyone but these, also callers without credentials";
        let fix = "list the principals in Principal";
        report.add(ALLOW_WITH_NOT_PRINCIPAL, place, message, fix);
    } else {
        let message = "NotPrincipal excepts no session of a role whose role is all that it names";
        let fix = "write Principal \"*\", and except callers by ArnNotEquals on aws:PrincipalArn";
        report.add(DENY_WITH_NOT_PRINCIPAL, place, message, fix);
    }
}

/// Returns `true` if a condition lets only some callers through, by their identity, their network,
/// or the principal that they act for.
fn restricts_caller(condition: &Condition) -> bool {
    const KEYS: [&str; 19] = [
        "aws:federatedprovider",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principalorgpaths",
        "aws:principalservicename",
        "aws:principalservicenameslist",
        "aws:sourcearn",
        "aws:sourceidentity",
        "aws:sourceip",
        "aws:sourceorgpaths",
        "aws:sourcevpcarn",
        "aws:userid",
        "aws:username",
        "aws:vpceorgpaths",
        "aws:vpcsourceip",
        "kms:calleraccount",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "sts:externalid",
    ];
    let key = condition.lower_case_key();
    let is_sensitive = keys::find(key).is_some_and(|it| it.caution == Some(Caution::Sensitive));
    let is_about_caller =
        is_sensitive || KEYS.contains(&key) || key.starts_with("aws:principaltag/");
    is_about_caller && narrows(condition)
}

fn everyone(statement: &StatementView<'_>, report: &mut Report) {
    if !statement.is_allow() || statement.has_not_principal() || statement.is_guardrail() {
        return;
    }
    let everyone = statement.principals().iter().position(|it| *it == Principal::Anyone);
    let is_restricted = statement.statement.conditions.iter().any(restricts_caller);
    if let Some(index) = everyone.filter(|_| !is_restricted) {
        let message = if statement.is_trust() {
            "the statement trusts every AWS account"
        } else {
            "the statement allows everyone, also callers without credentials"
        };
        let fix = "name the principals, or test a key such as aws:PrincipalOrgID";
        report.add(WILDCARD_PRINCIPAL, statement.principal(index), message, fix);
    }
}

fn unique_ids(statement: &StatementView<'_>, report: &mut Report) {
    for (index, principal) in statement.principals().iter().enumerate() {
        let Principal::Deleted(id) = principal else { continue };
        let (lint, what) = match id.get(..4) {
            Some("AROA") => (INVALID_ROLE_REFERENCE, "role"),
            Some("AIDA") => (INVALID_USER_REFERENCE, "user"),
            _ => continue,
        };
        let message =
            format!("{id:?} is the id of a {what}, which AWS shows for one that was deleted");
        let fix = format!("write the ARN of the {what}, or remove the principal");
        report.add(lint, statement.principal(index), message, fix);
    }
}

fn redundant(statement: &StatementView<'_>, report: &mut Report) {
    if !statement.is_trust() {
        return;
    }
    let principals = statement.principals();
    let roles = principals.iter().filter_map(|principal| match principal {
        Principal::Role(arn) => Arn::parse(arn),
        _ => None,
    });
    let roles: Vec<Arn<'_>> = roles.collect();
    for (index, principal) in principals.iter().enumerate().take(super::view::MAX_FINDINGS) {
        let place = statement.principal(index);
        let earlier = principals.get(..index).unwrap_or_default();
        let is_same = |other: &Principal| match (other, principal) {
            (Principal::Account(_), Principal::Account(_)) => {
                other.account() == principal.account()
            }
            _ => other == principal,
        };
        if earlier.iter().any(is_same) {
            let message = "the principal is named twice";
            let fix = "remove one of the two";
            report.add(REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY, place, message, fix);
            continue;
        }
        let Principal::Session(arn) = principal else { continue };
        let session = Arn::parse(arn);
        let name = session.and_then(|session| session.resource.split('/').nth(1));
        let is_covered = roles.iter().any(|role| {
            let is_account = session.is_some_and(|session| session.account == role.account);
            is_account && role.resource.rsplit('/').next() == name
        });
        if is_covered {
            let message = "the role of this session is a principal as well, for all sessions";
            let fix = "remove the session, or the role";
            report.add(REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY, place, message, fix);
        }
    }
}

fn third_party(statement: &StatementView<'_>, report: &mut Report) {
    let is_trust = statement.is_trust() && statement.is_allow();
    if !is_trust || statement.has_not_principal() || !statement.includes("sts:AssumeRole") {
        return;
    }
    // A third party that acts for many customers can be led to use the role of one for another, as
    // a confused deputy. The external id tells the customers apart.
    let keys = ["sts:externalid", "aws:principalorgid", "aws:principalorgpaths"];
    let mut conditions = statement.conditions().map(|(_, condition)| condition);
    if conditions.any(|it| keys.contains(&it.lower_case_key()) && narrows(it)) {
        return;
    }
    let own = &statement.options.own_accounts;
    for (index, principal) in statement.principals().iter().enumerate() {
        // A provider is in the role's own account.
        let is_federated = matches!(principal, Principal::Federated(_));
        let Some(account) = principal.account().filter(|_| !is_federated) else { continue };
        if own.iter().any(|own| own == account) {
            continue;
        }
        // Without a list of your accounts, any account may be one of them.
        let (severity, message) = if own.is_empty() {
            let message = format!("if account {account} is not yours, it may act for a stranger");
            (Severity::Suggestion, message)
        } else {
            let message = format!("account {account} is not yours, and may act for a stranger");
            (Severity::SecurityWarning, message)
        };
        let fix = "test sts:ExternalId, with a value that is unique for you at that account";
        let place = statement.principal(index);
        report.add_as(severity, THIRD_PARTY_WITHOUT_EXTERNAL_ID, place, message, fix);
    }
}

/// The keys that tell which principal a service acts for.
const SOURCES: [&str; 4] =
    ["aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"];

/// Services that use a role only for a resource of the role's own account, which names it.
const LOCAL_SERVICES: [&str; 5] = [
    "ec2.amazonaws.com",
    ECS_TASKS,
    "edgelambda.amazonaws.com",
    "lambda.amazonaws.com",
    "pods.eks.amazonaws.com",
];

const ECS_TASKS: &str = "ecs-tasks.amazonaws.com";

/// Service principals without a condition on the source that they act for.
fn services(policy: &PolicyView<'_>, report: &mut Report) {
    // A Deny for other sources has the same effect.
    let tests_source = |statement: &StatementView<'_>| SOURCES.iter().any(|it| statement.tests(it));
    if policy.statements.iter().any(|it| !it.is_allow() && tests_source(it)) {
        return;
    }
    for statement in policy.allows() {
        let names_source = statement.conditions().any(|(_, condition)| {
            SOURCES.contains(&condition.lower_case_key()) && names_values(condition)
        });
        if statement.has_not_principal() || names_source {
            continue;
        }
        for (index, principal) in statement.principals().iter().enumerate() {
            let Principal::Service(name) = principal else { continue };
            // The principals of some services in China end in `.cn`.
            let global = name.strip_suffix(".cn").unwrap_or(name);
            let place = statement.principal(index);
            let fix = "test aws:SourceAccount or aws:SourceArn";
            if statement.is_trust() && LOCAL_SERVICES.contains(&global) {
                // (Amazon ECS Developer Guide, "Amazon ECS task IAM role".)
                if global == ECS_TASKS && statement.statement.conditions.is_empty() {
                    let message =
                        format!("{name} should name its source, as Amazon ECS recommends");
                    let lint = RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL;
                    report.add_as(Severity::Suggestion, lint, place, message, fix);
                }
                continue;
            }
            if statement.statement.conditions.is_empty() {
                let message = format!("{name} may act for resources of any account");
                report.add(RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL, place, message, fix);
            } else {
                let message = format!("no condition tells for which resources {name} acts");
                report.add(RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL, place, message, fix);
            }
        }
    }
}

/// Conditions on users, roles and their sessions in a statement for services.
fn service_keys(statement: &StatementView<'_>, report: &mut Report) {
    let principals = statement.principals();
    let all_services = principals.iter().all(|it| matches!(it, Principal::Service(_)));
    if principals.is_empty() || !all_services || statement.has_not_principal() {
        return;
    }
    for (index, condition) in statement.conditions().filter(|(_, it)| requires_key(it)) {
        let carrier = keys::find(condition.key()).map(|key| key.carrier);
        let describes_identity = matches!(
            carrier,
            Some(
                Carrier::OrganizationMember
                    | Carrier::TaggedPrincipal
                    | Carrier::IamUser
                    | Carrier::TemporaryCredentials
                    | Carrier::MfaCapableCredentials
                    | Carrier::WebIdentitySession
                    | Carrier::SourceIdentitySession
                    | Carrier::IdentityCenterSession
            )
        );
        if describes_identity {
            let message = format!("requests of a service never carry {}", condition.key());
            let fix = "test a key such as aws:SourceAccount";
            let place = statement.condition(index);
            report.add(UNSUPPORTED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL, place, message, fix);
        }
    }
}
