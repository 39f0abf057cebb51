use serde_json::{Value, json};

use super::{ACCOUNT, accounts, arn};
use crate::Context;
use crate::account::Verdict::{Allowed, Conditional};
use crate::account::{AccountDetails, Accounts, RoleAssumers, Subject, Verdict};

fn assumers(accounts: &Accounts, role: &str) -> RoleAssumers {
    accounts.who_can_assume(&arn(role), &Context::new()).unwrap()
}

/// Each principal, its answer, and the names of the roles on its path.
fn found(report: &RoleAssumers) -> Vec<(String, Verdict, Vec<&str>)> {
    let name = |arn: &str| arn.split('/').next_back().unwrap().to_owned();
    let rows = report.assumers.iter().map(|it| {
        let subject = match &it.subject {
            Subject::User(arn) | Subject::Role(arn) => name(arn),
            other => other.to_string(),
        };
        let path = it.path.iter().map(|hop| hop.resource.rsplit('/').next().unwrap()).collect();
        (subject, it.verdict, path)
    });
    rows.collect()
}

/// An account of roles, each with its trust policy's principals, and the roles that its own
/// policies allow it to assume.
fn roles(specs: &[(&str, Value, &[&str])]) -> Accounts {
    Accounts::from(AccountDetails::parse(&description(specs).to_string()).unwrap())
}

fn description(specs: &[(&str, Value, &[&str])]) -> Value {
    let roles = specs.iter().map(|(name, principal, assumes)| {
        let targets: Vec<String> = assumes.iter().map(|it| arn(&format!("role/{it}"))).collect();
        let mut policies = Vec::new();
        if !targets.is_empty() {
            policies.push(json!({"PolicyName": "Assume", "PolicyDocument": {"Statement": {
                "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": targets,
            }}}));
        }
        json!({
            "RoleName": name, "Arn": arn(&format!("role/{name}")), "RolePolicyList": policies,
            "AssumeRolePolicyDocument": {"Statement": {
                "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole",
            }},
        })
    });
    json!({
        "UserDetailList": [], "GroupDetailList": [], "Policies": [],
        "RoleDetailList": roles.collect::<Vec<Value>>(),
    })
}

#[test]
fn assumers_of_release_by_path() {
    let accounts = accounts();
    let report = assumers(&accounts, "role/team/release");
    let provider = format!("identity provider {}", arn("oidc-provider/oidc.example.com/shop"));
    let expected: [(&str, Verdict, &[&str]); 7] = [
        ("checkout", Allowed, &["release"]),
        ("deploy", Allowed, &["release"]),
        ("account 444455556666 (delegated)", Conditional, &["release"]),
        ("ann", Conditional, &["deploy", "release"]),
        ("bob", Conditional, &["deploy", "release"]),
        ("erin", Conditional, &["deploy", "release"]),
        (&provider, Conditional, &["checkout", "release"]),
    ];
    let expected = expected.map(|(who, verdict, path)| (who.to_owned(), verdict, path.to_vec()));
    assert_eq!(found(&report), expected);
    let hops: Vec<Verdict> = report.assumers[3].path.iter().map(|hop| hop.verdict).collect();
    assert_eq!(hops, [Conditional, Allowed]);
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["assumers"][3]["path"][1]["subject"]["name"], arn("role/deploy"));
}

#[test]
fn given_keys_settle_hops() {
    let mfa = Context::new().with("aws:MultiFactorAuthPresent", "true");
    let report = accounts().who_can_assume(&arn("role/deploy"), &mfa).unwrap();
    let ann = &found(&report)[0];
    assert_eq!((ann.0.as_str(), ann.1), ("ann", Allowed));
    let without = Context::new().with("aws:MultiFactorAuthPresent", "false");
    let report = accounts().who_can_assume(&arn("role/deploy"), &without).unwrap();
    assert!(report.assumers.is_empty(), "{report}");
}

#[test]
fn cycles_end() {
    let named = |name: &str| json!({"AWS": arn(&format!("role/{name}"))});
    let accounts = roles(&[
        ("a", named("c"), &["b", "a"]),
        ("b", named("a"), &["c"]),
        ("c", named("b"), &["a"]),
    ]);
    let expected =
        [("c".to_owned(), Allowed, vec!["a"]), ("b".to_owned(), Allowed, vec!["c", "a"])];
    assert_eq!(found(&assumers(&accounts, "role/a")), expected);
}

#[test]
fn longer_path_without_conditions_is_told() {
    let mut value: Value = serde_json::from_str(ACCOUNT).unwrap();
    // A role that lets the role checkout in, and assumes the role deploy, which lets it in.
    value["RoleDetailList"].as_array_mut().unwrap().push(json!({
        "RoleName": "middle", "Arn": arn("role/middle"),
        "RolePolicyList": [{"PolicyName": "Assume", "PolicyDocument": {"Statement": {
            "Effect": "Allow", "Action": "sts:*", "Resource": arn("role/deploy"),
        }}}],
        "AssumeRolePolicyDocument": {"Statement": {
            "Effect": "Allow", "Principal": {"AWS": arn("user/bob")}, "Action": "sts:AssumeRole",
        }},
    }));
    value["RoleDetailList"][1]["AssumeRolePolicyDocument"]["Statement"]
        .as_array_mut()
        .unwrap()
        .push(json!({
            "Effect": "Allow", "Principal": {"AWS": arn("role/middle")}, "Action": "sts:AssumeRole",
        }));
    let accounts = Accounts::from(AccountDetails::parse(&value.to_string()).unwrap());
    let report = assumers(&accounts, "role/deploy");
    let bob = Subject::User(arn("user/bob"));
    let bob = report.assumers.iter().find(|it| it.subject == bob).unwrap();
    assert_eq!((bob.verdict, bob.path.len(), bob.path[0].verdict), (Allowed, 1, Conditional));
    let longer = bob.unconditional_path.as_ref().unwrap();
    let hops: Vec<_> = longer.iter().map(|hop| (hop.resource.as_str(), hop.verdict)).collect();
    assert_eq!(hops, [(&*arn("role/middle"), Allowed), (&*arn("role/deploy"), Allowed)]);
    assert!(
        bob.to_string().ends_with(&format!("without conditions through {}", arn("role/middle"))),
        "{bob}"
    );
}

#[test]
fn shortest_path_without_conditions_is_preferred() {
    let lets_in = |names: &[&str]| {
        let arns = names.iter().map(|name| arn(&format!("role/{name}")));
        json!({"AWS": arns.collect::<Vec<_>>()})
    };
    for order in [["b", "c"], ["c", "b"]] {
        let mut value = description(&[
            ("a", lets_in(&order), &[]),
            ("b", lets_in(&["d"]), &["a"]),
            ("c", lets_in(&["d"]), &["a"]),
            ("d", lets_in(&["d"]), &["b", "c"]),
        ]);
        // The way through the first role has a condition.
        let trust = &mut value["RoleDetailList"][if order[0] == "b" { 1 } else { 2 }];
        trust["AssumeRolePolicyDocument"]["Statement"]["Condition"] =
            json!({"StringEquals": {"sts:ExternalId": "x"}});
        let accounts = Accounts::from(AccountDetails::parse(&value.to_string()).unwrap());
        let report = assumers(&accounts, "role/a");
        let d = report.assumers.iter().find(|it| it.subject == Subject::Role(arn("role/d")));
        let d = d.unwrap();
        assert!(d.path.iter().all(|hop| hop.verdict == Allowed), "{d}");
        assert_eq!((d.verdict, d.path.len(), &d.unconditional_path), (Allowed, 2, &None));
        assert_eq!(d.path[0].resource, arn(&format!("role/{}", order[1])));
    }
}

#[test]
fn forms_of_resource_by_table() {
    for (key, resource, expected) in [
        ("Resource", arn("role/a"), Some(Allowed)),
        ("Resource", arn("role/*"), Some(Allowed)),
        ("Resource", "*".to_owned(), Some(Allowed)),
        ("Resource", arn("role/b"), None),
        ("Resource", arn("role/${aws:PrincipalTag/role}"), Some(Allowed)),
        ("Resource", arn("role/${aws:RequestedRegion}"), Some(Conditional)),
        ("NotResource", arn("role/b"), Some(Allowed)),
        ("NotResource", arn("role/a"), None),
    ] {
        let mut value =
            description(&[("a", json!({"AWS": "111122223333"}), &[]), ("b", json!("*"), &["a"])]);
        let role = &mut value["RoleDetailList"][1];
        role["Tags"] = json!([{"Key": "role", "Value": "a"}]);
        let mut statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole"});
        statement[key] = resource.as_str().into();
        role["RolePolicyList"][0]["PolicyDocument"] =
            json!({"Version": "2012-10-17", "Statement": statement});
        let accounts = Accounts::from(AccountDetails::parse(&value.to_string()).unwrap());
        let report = assumers(&accounts, "role/a");
        let verdict = report.assumers.iter().find(|it| it.path.len() == 1).map(|it| it.verdict);
        assert_eq!(verdict, expected, "{key} {resource}");
    }
}

#[test]
fn principals_of_trust_policies_by_table() {
    let role = "arn:aws:iam::444455556666:role/ci";
    let saml = arn("saml-provider/idp");
    let session = "arn:aws:sts::111122223333:assumed-role/b/pod-1";
    for (principal, expected) in [
        (json!({"Service": "ec2.amazonaws.com"}), vec![("service ec2.amazonaws.com", Allowed)]),
        (json!({"AWS": "444455556666"}), vec![("account 444455556666 (delegated)", Conditional)]),
        (
            json!({"AWS": role}),
            vec![("arn:aws:iam::444455556666:role/ci (not described)", Conditional)],
        ),
        // The role b needs no policy of its own, since everyone of the account is named.
        (json!("*"), vec![("b", Allowed), ("anyone in AWS", Allowed)]),
        (json!({"AWS": "111122223333"}), vec![]),
        (json!({"AWS": session}), vec![("b", Conditional)]),
        (json!({"AWS": "AROADBQP57FF2AEXAMPLE"}), vec![]),
        // These are let in by other actions than sts:AssumeRole.
        (json!({"Federated": saml}), vec![]),
        (json!({"Federated": "accounts.google.com"}), vec![]),
    ] {
        let accounts = roles(&[("a", principal.clone(), &[]), ("b", json!({"AWS": role}), &[])]);
        let mut report = assumers(&accounts, "role/a");
        report.assumers.retain(|it| it.path.len() == 1);
        let found: Vec<(String, Verdict)> =
            found(&report).into_iter().map(|(who, verdict, _)| (who, verdict)).collect();
        let expected: Vec<(String, Verdict)> =
            expected.into_iter().map(|(who, verdict)| (who.to_owned(), verdict)).collect();
        assert_eq!(found, expected, "{principal}");
    }
}

#[test]
fn user_is_not_a_role_to_assume() {
    let error = accounts().who_can_assume(&arn("user/ann"), &Context::new()).unwrap_err();
    assert!(error.message.contains("is a user"), "{error}");
}
