use serde_json::{Value, json};

use super::ACCOUNT;
use crate::account::AccountDetails;

fn parse(change: impl Fn(&mut Value)) -> Result<AccountDetails, String> {
    let mut value: Value = serde_json::from_str(ACCOUNT).unwrap();
    change(&mut value);
    AccountDetails::parse(&value.to_string()).map_err(|error| error.to_string())
}

#[test]
fn description_tells_users_and_roles() {
    let details = AccountDetails::parse(ACCOUNT).unwrap();
    assert_eq!(details.account(), "111122223333");
    assert_eq!(details.users().count(), 4);
    assert_eq!(details.roles().nth(2), Some("arn:aws:iam::111122223333:role/team/release"));
    assert_eq!(details.gaps(), [""; 0]);
}

#[test]
fn documents_in_strings_equal_objects() {
    let plain = |value: &Value| Value::String(value.to_string());
    let encoded = |value: &Value| {
        let bytes = value.to_string().into_bytes().into_iter();
        Value::String(bytes.map(|byte| format!("%{byte:02X}")).collect())
    };
    let objects = AccountDetails::parse(ACCOUNT).unwrap();
    for write in [plain as fn(&Value) -> Value, encoded] {
        let strings = parse(|value| {
            for role in value["RoleDetailList"].as_array_mut().unwrap() {
                role["AssumeRolePolicyDocument"] = write(&role["AssumeRolePolicyDocument"]);
            }
            let version = &mut value["Policies"][1]["PolicyVersionList"][0];
            version["Document"] = write(&version["Document"]);
        });
        let strings = strings.unwrap();
        for (a, b) in objects.identities.iter().zip(&strings.identities) {
            assert_eq!(a.policies, b.policies);
            let trust = |it: &super::super::details::Identity| {
                it.role.as_ref().map(|role| role.trust.clone())
            };
            assert_eq!(trust(a), trust(b));
        }
    }
}

#[test]
fn faults_name_their_location() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 16] = [
        (|v| v["IsTruncated"] = true.into(), "description at line 1 column 1: this is one page"),
        (|v| v["NextToken"] = "a".into(), "one page of several; hint: run aws iam"),
        (
            |v| _ = v.as_object_mut().unwrap().remove("GroupDetailList"),
            "GroupDetailList is missing; hint: run aws iam get-account-authorization-details",
        ),
        (
            |v| v["UserDetailList"][1]["GroupList"] = json!(["testers"]),
            "UserDetailList[1].GroupList[0] at line 1 column",
        ),
        (
            |v| {
                v["RoleDetailList"][2]["AttachedManagedPolicies"][0]["PolicyArn"] =
                    "arn:aws:iam::aws:policy/Gone".into();
            },
            "the policy \"arn:aws:iam::aws:policy/Gone\" is not in Policies; hint: run",
        ),
        (
            |v| {
                v["UserDetailList"][0]["PermissionsBoundary"] =
                    json!({"PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/Gone"});
            },
            "UserDetailList[0].PermissionsBoundary at line 1",
        ),
        (
            |v| {
                let policy = &mut v["RoleDetailList"][0]["RolePolicyList"][0];
                policy["PolicyDocument"]["Statement"][1]["Effect"] = "allow".into();
            },
            "RoleDetailList[0].RolePolicyList[0].PolicyDocument.Statement[1].Effect at line 1",
        ),
        (
            |v| {
                v["RoleDetailList"][1]["AssumeRolePolicyDocument"] =
                    r#"{"Statement": {"Effect": "Allow"}}"#.into();
            },
            "Principal is missing, which a trust policy needs (at line 1 column 15 of the string",
        ),
        (
            |v| v["RoleDetailList"][1]["AssumeRolePolicyDocument"] = "%7B".into(),
            "RoleDetailList[1].AssumeRolePolicyDocument at line 1",
        ),
        (
            |v| v["RoleDetailList"][1]["AssumeRolePolicyDocument"] = Value::Null,
            "AssumeRolePolicyDocument is missing",
        ),
        (
            |v| v["UserDetailList"][2]["Arn"] = "arn:aws:iam::444455556666:user/dave".into(),
            "is not of account 111122223333",
        ),
        (
            |v| v["UserDetailList"][2]["Arn"] = "arn:aws:iam::111122223333:user/ann".into(),
            "user/ann\" is described twice",
        ),
        (
            |v| v["UserDetailList"][2]["Arn"] = "arn:aws:iam::111122223333:role/ann".into(),
            "is not the ARN of a user",
        ),
        (
            |v| v["Policies"][0]["PolicyVersionList"][0]["IsDefaultVersion"] = false.into(),
            "has no default version",
        ),
        (|v| v["UserDetailList"] = 1.into(), "UserDetailList at line 1"),
        (|v| v["RoleDetailList"][0]["Tags"] = json!([{"Value": "a"}]), "Key is missing"),
    ];
    for (change, expected) in cases {
        let error = parse(change).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert!(AccountDetails::parse("[").unwrap_err().message.contains("not valid JSON"));
    let large = " ".repeat(64 * 1_048_576 + 1);
    assert!(AccountDetails::parse(&large).unwrap_err().message.contains("the most that is read"));
}

#[test]
fn only_default_version_counts() {
    let details = parse(|value| {
        let versions = &mut value["Policies"][0]["PolicyVersionList"];
        versions[1]["Document"] = "not a document".into();
    });
    assert!(details.is_ok());
}

#[test]
fn missing_uses_of_policies_are_gaps() {
    // Without the roles, one use of AdministratorAccess is missing.
    let details = parse(|value| value["RoleDetailList"] = json!([])).unwrap();
    let [gap] = details.gaps() else { panic!("{:?}", details.gaps()) };
    assert!(gap.contains("AdministratorAccess is attached to 3 users, groups or roles"), "{gap}");
    let details = parse(|value| value["UserDetailList"][3]["PermissionsBoundary"] = Value::Null);
    let details = details.unwrap();
    let [gap] = details.gaps() else { panic!("{:?}", details.gaps()) };
    assert!(gap.contains("DeveloperLimits is the permissions boundary of 1"), "{gap}");
}
