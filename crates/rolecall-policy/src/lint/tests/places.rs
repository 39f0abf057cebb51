//! Where findings are, in the text of a document and in its model.

use super::*;
use crate::{PermissionPolicy, Position, TrustPolicy};

fn of<'f>(findings: &'f [Finding], code: &str) -> &'f Finding {
    let found = findings.iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("{code} in {findings:?}"))
}

const POLICY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"},
    {
      "Sid": "",
      "Effect": "Allow",
      "NotAction": ["s3:*", "é:x", "s3:GetObjekt"],
      "Resource": ["arn:aws:s3:::shop/*", "arn:aws:s4:::shop/*"],
      "Condition": {
        "stringequals": {"aws:Nothing": "a", "aws:username": ["ann", "bob*"]},
        "Bool": {"aws:SecureTransport": "yes"}
      }
    }
  ]
}"#;

#[test]
fn places_in_the_text_are_exact() {
    let json = POLICY.replace("é:x", "ecr:x");
    let findings = lint_document(PolicyKind::Inline, &json);
    for (code, location, line, column) in [
        ("EMPTY_SID_VALUE", "Statement[1].Sid", 6, 14),
        ("INVALID_ACTION", "Statement[1].NotAction[1]", 8, 29),
        ("INVALID_SERVICE", "Statement[1].Resource[1]", 9, 43),
        ("ALLOW_WITH_NOT_ACTION", "Statement[1].NotAction", 8, 20),
        ("INVALID_GLOBAL_CONDITION_KEY", "Statement[1].Condition.stringequals.aws:Nothing", 11, 26),
        (
            "WILDCARD_WITHOUT_LIKE_OPERATOR",
            "Statement[1].Condition.stringequals.aws:username[1]",
            11,
            70,
        ),
        ("TYPE_MISMATCH_BOOLEAN", "Statement[1].Condition.Bool.aws:SecureTransport", 12, 41),
    ] {
        let finding = of(&findings, code);
        let expected = (location, Some(Position { line, column }));
        assert_eq!((finding.location.as_str(), finding.position), expected, "{code}");
    }
}

#[test]
fn sound_statements_are_linted_beside_faulty_ones() {
    // The index of the third statement stays, though the model lacks the second.
    let json = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"},
        {"Effect": "allow", "Action": ["s3:Get Object", "s3"], "Resources": "*"},
        {"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::shop/*"}
    ]}"#;
    let findings = lint_document(PolicyKind::Inline, json);
    let places: Vec<(&str, &str)> =
        findings.iter().map(|it| (it.code, it.location.as_str())).collect();
    assert_eq!(
        places,
        [
            ("MISSING_RESOURCE", "Statement[1]"),
            ("INVALID_EFFECT", "Statement[1].Effect"),
            ("INVALID_ACTION", "Statement[1].Action[0]"),
            ("INVALID_ACTION", "Statement[1].Action[1]"),
            ("INVALID_POLICY_ELEMENT", "Statement[1].Resources"),
            ("INVALID_ACTION", "Statement[2].Action"),
        ],
    );
}

#[test]
fn principals_are_placed_by_kind() {
    let json = r#"{"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Principal": {
            "Service": ["ec2.amazonaws.com", "scheduler.amazonaws.com"],
            "AWS": "AROADBQP57FF2AEXAMPLE"
        },
        "Action": "sts:AssumeRole"
    }}"#;
    let findings = lint_document(PolicyKind::Trust, json);
    let restrict = of(&findings, "RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL");
    assert_eq!(restrict.location, "Statement.Principal.Service[1]");
    assert_eq!(restrict.position, Some(Position { line: 4, column: 46 }));
    let role = of(&findings, "INVALID_ROLE_REFERENCE");
    assert_eq!(role.location, "Statement.Principal.AWS");
    assert_eq!(role.position, Some(Position { line: 5, column: 20 }));

    // The model does not tell whether a single statement or value stands in a list.
    let findings = TrustPolicy::parse(json).unwrap().lint(PolicyKind::Trust);
    let restrict = of(&findings, "RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL");
    assert_eq!(restrict.location, "Statement[0].Principal.Service[1]");
    assert_eq!(restrict.position, Some(Position { line: 1, column: 40 }));
    assert_eq!(of(&findings, "INVALID_ROLE_REFERENCE").location, "Statement[0].Principal.AWS");
}

#[test]
fn places_in_the_model_are_those_of_parsed_elements() {
    let json = POLICY.replace("é:x", "ecr:x");
    let findings = PermissionPolicy::parse(&json).unwrap().lint(PolicyKind::Inline);
    for (code, location, line, column) in [
        ("EMPTY_SID_VALUE", "Statement[1].Sid", 5, 5),
        ("INVALID_ACTION", "Statement[1].NotAction[1]", 8, 29),
        ("INVALID_SERVICE", "Statement[1].Resource[1]", 9, 43),
        (
            "WILDCARD_WITHOUT_LIKE_OPERATOR",
            "Statement[1].Condition.StringEquals.aws:username[1]",
            11,
            46,
        ),
    ] {
        let finding = of(&findings, code);
        let expected = (location, Some(Position { line, column }));
        assert_eq!((finding.location.as_str(), finding.position), expected, "{code}");
    }
}

#[test]
fn documents_without_text_have_no_positions() {
    let built = PermissionPolicy::builder().assume_roles(["arn:aws:iam::111122223333:role/a"]);
    let parsed = built.and_then(|builder| builder.build()).unwrap();
    assert!(parsed.lint(PolicyKind::Inline).iter().all(|finding| finding.position.is_none()));
}

#[test]
fn kind_of_another_type_is_replaced() {
    let json = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"},
        "Action": "sts:AssumeRole"}}"#;
    let findings = TrustPolicy::parse(json).unwrap().lint(PolicyKind::Inline);
    assert!(of(&findings, "WILDCARD_PRINCIPAL").message.contains("trusts every AWS account"));
}

#[test]
fn unknown_actions_have_the_severity_of_the_options() {
    let json = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
        "Action": ["s3:GetObjekt", "nothing:Get"], "Resource": "arn:aws:s3:::shop/*"}}"#;
    let options = LintOptions::new(PolicyKind::Inline).unknown_actions(Severity::Warning);
    let findings = lint_document(options, json);
    for code in ["INVALID_ACTION", "INVALID_SERVICE_IN_ACTION"] {
        assert_eq!(of(&findings, code).severity, Severity::Warning);
    }
}
