//! The lints of trust in identity providers: which tokens, or SAML responses, let a caller in.

use super::StatementLint;
use super::condition_keys::requires_key;
use super::keys::split_issuer;
use super::registry::{
    CONDITION_KEY_OF_OTHER_PROVIDER, MISSING_AUDIENCE_CONDITION,
    MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL, MISSING_GITHUB_REPO_CONDITION_KEY,
    MISSING_SAML_AUDIENCE_CONDITION, MISSING_SUBJECT_CONDITION,
    SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED, SUBJECT_WILDCARD_ACROSS_NAMESPACES,
    SUBJECT_WILDCARD_ACROSS_REPOSITORIES, SUBJECT_WILDCARD_MATCHES_ALL,
};
use super::view::{Report, StatementView};
use crate::condition::{Comparison, Condition, OperatorType};
use crate::issuers;
use crate::principal::Principal;

pub(super) const STATEMENT: &[StatementLint] =
    &[claims, other_provider, subject_wildcards, saml_audience];

/// Returns the issuer of an OIDC provider, without its scheme: what its condition keys begin with.
fn issuer(principal: &Principal) -> Option<&str> {
    let Principal::Federated(provider) = principal else { return None };
    match provider.split_once(":oidc-provider/") {
        Some((_, issuer)) => Some(issuer),
        // Well-known providers are principals by their name.
        None if !provider.starts_with("arn:") => Some(provider),
        None => None,
    }
}

/// Returns `true` for a statement that lets federated identities in by an action.
fn trusts(statement: &StatementView<'_>, action: &str) -> bool {
    statement.is_trust()
        && statement.is_allow()
        && !statement.has_not_principal()
        && statement.includes(action)
}

/// Returns `true` if a condition compares its key, and is not met without it.
fn compares(condition: &Condition) -> bool {
    let operator = condition.operator();
    let is_null = operator.operator_type() == OperatorType::Null;
    requires_key(condition) && !is_null && !operator.is_negated()
}

/// Returns `true` for an issuer of GitHub Actions, in any letter case, as people write it.
fn is_github(issuer: &str) -> bool {
    issuers::is_github(&issuer.to_ascii_lowercase())
}

/// Providers of apps, whose users are all let in: the audience, which is the app, tells enough.
const APP_PROVIDERS: [&str; 4] = [
    "accounts.google.com",
    "cognito-identity.amazonaws.com",
    "graph.facebook.com",
    "www.amazon.com",
];

/// The claims that name the audience of a token, and not its subject.
const AUDIENCES: [&str; 3] = ["app_id", "aud", "oaud"];

fn claims(statement: &StatementView<'_>, report: &mut Report) {
    if !trusts(statement, "sts:AssumeRoleWithWebIdentity") {
        return;
    }
    for (index, principal) in statement.principals().iter().enumerate() {
        let Some(issuer) = issuer(principal) else { continue };
        let conditions = statement.conditions().map(|(_, condition)| condition);
        let keys = conditions.filter(|it| compares(it)).filter_map(|it| split_issuer(it.key()));
        let of_issuer = keys.filter(|(of, _)| of.eq_ignore_ascii_case(issuer));
        let claims: Vec<String> = of_issuer.map(|(_, claim)| claim.to_ascii_lowercase()).collect();
        let place = statement.principal(index);
        let is_app = APP_PROVIDERS.contains(&issuer);
        if claims.is_empty() {
            let message = format!("every token of {issuer} lets its bearer in");
            let fix = format!("test {issuer}:sub and {issuer}:aud");
            report.add(MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL, place, message, fix);
            continue;
        }
        if !claims.iter().any(|claim| AUDIENCES.contains(&claim.as_str())) {
            let message = format!("tokens of {issuer} for another audience let their bearer in");
            let fix = format!("test {issuer}:aud");
            report.add(MISSING_AUDIENCE_CONDITION, place, message, fix);
        }
        let tells_subject =
            claims.iter().any(|claim| !AUDIENCES.contains(&claim.as_str()) && claim != "amr");
        if tells_subject || is_app {
            continue;
        }
        let lint = match is_github(issuer) {
            true => MISSING_GITHUB_REPO_CONDITION_KEY,
            false => MISSING_SUBJECT_CONDITION,
        };
        let message = format!("tokens of {issuer} for any subject let their bearer in");
        report.add(lint, place, message, format!("test {issuer}:sub"));
    }
}

fn other_provider(statement: &StatementView<'_>, report: &mut Report) {
    if !trusts(statement, "sts:AssumeRoleWithWebIdentity") {
        return;
    }
    let issuers: Vec<&str> = statement.principals().iter().filter_map(issuer).collect();
    if issuers.is_empty() {
        return;
    }
    for (index, condition) in statement.conditions().filter(|(_, it)| requires_key(it)) {
        let Some((of, claim)) = split_issuer(condition.key()) else { continue };
        if issuers.iter().any(|issuer| issuer.eq_ignore_ascii_case(of)) {
            continue;
        }
        let message = format!("no token of the trusted provider carries a claim of {of}");
        let fix = match issuers.first() {
            Some(first) => format!("write {first}:{claim}"),
            None => String::new(),
        };
        let place = statement.condition(index);
        report.add(CONDITION_KEY_OF_OTHER_PROVIDER, place, message, fix);
    }
}

/// How much a subject with wildcards matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    All,
    Namespaces,
    Repositories,
    OneRepository,
    Unknown,
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Returns how much a subject matches, or `None` if it has no wildcard.
fn reach(issuer: &str, subject: &str) -> Option<Reach> {
    if !has_wildcard(subject) {
        return None;
    }
    if !subject.contains(|c: char| c.is_alphanumeric()) {
        return Some(Reach::All);
    }
    // A star reaches over colons: in an early part, it also matches what the later parts seem to
    // limit.
    let up_to = |count: usize| subject.splitn(count + 1, ':').take(count).any(has_wildcard);
    let plain = subject.split(['*', '?']).next().unwrap_or_default();
    let starts = |start: &str| subject.starts_with(start) || start.starts_with(plain);
    let host = issuer.split('/').next().unwrap_or_default();
    if is_github(issuer) || subject.starts_with("repo:") {
        // `repo:owner/name:..`. A wildcard reaches over slashes and colons.
        return Some(if up_to(2) { Reach::Repositories } else { Reach::OneRepository });
    }
    if host.contains("gitlab") || subject.starts_with("project_path:") {
        // `project_path:group/project:..`.
        return Some(if up_to(2) { Reach::Repositories } else { Reach::Unknown });
    }
    if starts("system:serviceaccount:") {
        // `system:serviceaccount:namespace:name`.
        return Some(if up_to(3) { Reach::Namespaces } else { Reach::Unknown });
    }
    Some(Reach::Unknown)
}

fn subject_wildcards(statement: &StatementView<'_>, report: &mut Report) {
    if !trusts(statement, "sts:AssumeRoleWithWebIdentity") {
        return;
    }
    for (index, condition) in statement.conditions() {
        let operator = condition.operator();
        let Some((issuer, claim)) = split_issuer(condition.key()) else { continue };
        let is_like = operator.comparison() == Comparison::Like && !operator.is_negated();
        if !claim.eq_ignore_ascii_case("sub") || !is_like {
            continue;
        }
        for (number, subject) in condition.values().enumerate() {
            let (lint, what, fix) = match reach(issuer, subject) {
                None | Some(Reach::Unknown) => continue,
                Some(Reach::All) => {
                    (SUBJECT_WILDCARD_MATCHES_ALL, "every subject", "name the subject")
                }
                Some(Reach::Namespaces) => {
                    let fix = "write system:serviceaccount:<namespace>:<name>";
                    (SUBJECT_WILDCARD_ACROSS_NAMESPACES, "several namespaces", fix)
                }
                Some(Reach::Repositories) => {
                    let fix = "name one repository, followed by a colon";
                    (SUBJECT_WILDCARD_ACROSS_REPOSITORIES, "several repositories", fix)
                }
                Some(Reach::OneRepository) => {
                    let fix = "name the branch, tag or environment";
                    let what = "all branches, tags and pull requests";
                    (SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED, what, fix)
                }
            };
            let message = format!("{subject:?} matches {what}");
            report.add(lint, statement.value(index, number), message, fix);
        }
    }
}

fn saml_audience(statement: &StatementView<'_>, report: &mut Report) {
    if !trusts(statement, "sts:AssumeRoleWithSAML") {
        return;
    }
    let keys = ["saml:aud", "saml:iss"];
    let mut conditions = statement.conditions().map(|(_, condition)| condition);
    if conditions.any(|it| keys.contains(&it.lower_case_key()) && compares(it)) {
        return;
    }
    for (index, principal) in statement.principals().iter().enumerate() {
        if matches!(principal, Principal::Federated(arn) if arn.contains(":saml-provider/")) {
            report.add(
                MISSING_SAML_AUDIENCE_CONDITION,
                statement.principal(index),
                "responses of the provider for another service let their bearer in",
                "test SAML:aud, which is https://signin.aws.amazon.com/saml for the console",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_of_subjects_by_table() {
        let eks = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
        let github = "token.actions.githubusercontent.com";
        for (issuer, subject, expected) in [
            (eks, "system:serviceaccount:shop:checkout", None),
            (eks, "system:serviceaccount:shop:*", Some(Reach::Unknown)),
            (eks, "system:serviceaccount:*:checkout", Some(Reach::Namespaces)),
            (eks, "system:serviceaccount:shop-*:checkout", Some(Reach::Namespaces)),
            (eks, "system:serviceaccount:*", Some(Reach::Namespaces)),
            (eks, "system:service*", Some(Reach::Namespaces)),
            (eks, "*:*", Some(Reach::All)),
            (eks, "*:checkout", Some(Reach::Namespaces)),
            (github, "repo:shop/web:ref:refs/heads/main", None),
            (github, "repo:shop/web:*", Some(Reach::OneRepository)),
            (github, "repo:shop/web*", Some(Reach::Repositories)),
            (github, "repo:shop/*", Some(Reach::Repositories)),
            (github, "repo:shop/*:environment:prod", Some(Reach::Repositories)),
            (github, "repo:*", Some(Reach::Repositories)),
            (github, "*", Some(Reach::All)),
            (
                "gitlab.com",
                "project_path:shop/*:ref_type:branch:ref:main",
                Some(Reach::Repositories),
            ),
            ("gitlab.com", "project_path:shop/web:ref_type:*", Some(Reach::Unknown)),
            ("app.terraform.io", "organization:shop:*", Some(Reach::Unknown)),
        ] {
            assert_eq!(reach(issuer, subject), expected, "{issuer} {subject}");
        }
    }
}
