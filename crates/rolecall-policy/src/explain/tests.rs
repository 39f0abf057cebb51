//! The sentences of explanations.

use crate::{Outcome, Simulation};

const ALL: &str = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
const EC2: &str = r#"{"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}"#;

fn sentence(request: &str, policies: &str) -> String {
    let json = format!(r#"{{"request": {{{request}}} {policies}}}"#);
    let simulation = Simulation::parse(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    simulation.evaluate().explain().to_string()
}

fn read_by(principal: &str, policies: &str) -> String {
    let request = format!(
        r#""action": "s3:GetObject", "resource": "arn:aws:s3:::shop/a", "principal": "{principal}""#
    );
    sentence(&request, policies)
}

const ANN: &str = "arn:aws:iam::111122223333:user/ann";

#[test]
fn sentence_names_policy_statement_and_element() {
    for (policies, expected) in [
        (
            String::new(),
            "implicitly denied: no identity policy allows s3:GetObject on arn:aws:s3:::shop/a; \
             there is no identity policy",
        ),
        (
            format!(r#", "identity_policies": [{EC2}]"#),
            "implicitly denied: no identity policy allows s3:GetObject on arn:aws:s3:::shop/a; \
             statement 1 does not match: Action expects \"ec2:*\", the request has \
             \"s3:GetObject\"",
        ),
        (
            format!(
                r#", "identity_policies": [{{"Statement": {{"Effect": "Deny", "Action": "ec2:*",
                "Resource": "*"}}}}, {EC2}]"#
            ),
            "implicitly denied: no identity policy allows s3:GetObject on arn:aws:s3:::shop/a; \
             statement 1 of identity policy 2 does not match: Action expects \"ec2:*\", the \
             request has \"s3:GetObject\"",
        ),
        (
            format!(
                r#", "identity_policies": [{ALL}, {{"Statement": {{"Sid": "OnlyEc2",
                "Effect": "Deny", "NotAction": "ec2:*", "Resource": "*"}}}}]"#
            ),
            "explicitly denied: statement 1 (\"OnlyEc2\") of identity policy 2 denies \
             s3:GetObject on arn:aws:s3:::shop/a",
        ),
        (
            format!(r#", "identity_policies": [{ALL}], "permission_boundaries": [{EC2}]"#),
            "implicitly denied: no permissions boundary allows s3:GetObject on \
             arn:aws:s3:::shop/a; statement 1 does not match: Action expects \"ec2:*\", the \
             request has \"s3:GetObject\"",
        ),
        (
            format!(
                r#", "identity_policies": [{ALL}], "scps": [[{ALL}], [{ALL}, {ALL}], [{EC2}]]"#
            ),
            "implicitly denied: no service control policy of level 3 allows s3:GetObject on \
             arn:aws:s3:::shop/a; statement 1 of service control policy 1 of level 3 does not \
             match: Action expects \"ec2:*\", the request has \"s3:GetObject\"",
        ),
        (
            format!(
                r#", "identity_policies": [{ALL}], "scps": [[{ALL}, {{"Statement": {{
                "Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::x"}}}}], [{EC2}]]"#
            ),
            "implicitly denied: no service control policy of level 2 allows s3:GetObject on \
             arn:aws:s3:::shop/a; statement 1 of service control policy 1 of level 2 does not \
             match: Action expects \"ec2:*\", the request has \"s3:GetObject\"",
        ),
        (
            format!(r#", "identity_policies": [{ALL}], "scps": [[{ALL}], [], [{ALL}]]"#),
            "implicitly denied: no service control policy of level 2 allows s3:GetObject on \
             arn:aws:s3:::shop/a",
        ),
    ] {
        assert_eq!(read_by(ANN, &policies), expected, "{policies}");
    }
}

#[test]
fn grant_that_does_not_suffice_is_named() {
    let assume = |role_account: &str, principal: &str, named: &str, policies: &str| {
        let request = format!(
            r#""action": "sts:AssumeRole", "principal": "{principal}",
            "resource": "arn:aws:iam::{role_account}:role/orders""#
        );
        let trust = format!(
            r#", "resource_policy": {{"Statement": {{"Sid": "Own", "Effect": "Allow",
            "Principal": {{"AWS": "{named}"}}, "Action": "sts:AssumeRole"}}}} {policies}"#
        );
        sentence(&request, &trust)
    };
    assert_eq!(
        assume("111122223333", ANN, "111122223333", ""),
        "implicitly denied: no identity policy allows sts:AssumeRole on \
         arn:aws:iam::111122223333:role/orders; there is no identity policy; statement 1 (\"Own\") \
         of the trust policy does not suffice: it names the account or the role, not the caller \
         itself",
    );
    assert_eq!(
        assume("444455556666", ANN, ANN, ""),
        "implicitly denied: no identity policy allows sts:AssumeRole on \
         arn:aws:iam::444455556666:role/orders; there is no identity policy; the caller is of \
         account 111122223333, the resource of 444455556666: policies of both must allow the \
         request",
    );
    // A session policy limits a user that is named itself: nothing is said of the grant.
    assert_eq!(
        assume("111122223333", ANN, ANN, &format!(r#", "session_policies": [{EC2}]"#)),
        "implicitly denied: no session policy allows sts:AssumeRole on \
         arn:aws:iam::111122223333:role/orders; statement 1 does not match: Action expects \
         \"ec2:*\", the request has \"sts:AssumeRole\"",
    );
}

#[test]
fn provider_of_other_account_is_named() {
    let provider = "arn:aws:iam::444455556666:oidc-provider/id.example";
    let request = format!(
        r#""action": "sts:AssumeRoleWithWebIdentity", "principal": "{provider}",
        "resource": "arn:aws:iam::111122223333:role/orders""#
    );
    let trust = format!(
        r#", "resource_policy": {{"Statement": {{"Effect": "Allow",
        "Principal": {{"Federated": "{provider}"}}, "Action": "sts:AssumeRoleWithWebIdentity"}}}}"#
    );
    assert_eq!(
        sentence(&request, &trust),
        "implicitly denied: the identity provider is of another account than the role: \
         arn:aws:iam::444455556666:oidc-provider/id.example; hint: create the provider in account \
         111122223333",
    );
}

#[test]
fn long_values_are_cut_in_sentences_alone() {
    let long = "x".repeat(5_000);
    let json = format!(
        r#"{{"request": {{"action": "s3:GetObject", "resource": "arn:aws:s3:::{long}",
        "principal": "{ANN}", "context": {{"aws:username": "{long}"}}}},
        "identity_policies": [{{"Statement": {{"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {{"StringEquals": {{"aws:username": "ann"}}}}}}}}]}}"#
    );
    let simulation = Simulation::parse(&json).unwrap();
    let explanation = simulation.evaluate().explain();
    assert_eq!(explanation.outcome, Outcome::ImplicitlyDenied);
    assert!(explanation.to_string().len() < 1_000, "{explanation}");
    assert!(explanation.table().to_string().len() < 1_000);
    let mismatch = explanation.statements[0].mismatch.as_ref().unwrap();
    assert_eq!(mismatch.actual.as_ref().unwrap(), &[long]);
}
