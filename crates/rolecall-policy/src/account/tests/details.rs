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
        (|v| v["IsTruncated"] = true.into(), "description: this is one page of several"),
        (|v| v["NextToken"] = "a".into(), "one page of several; hint: run `aws iam"),
        (
            |v| _ = v.as_object_mut().unwrap().remove("GroupDetailList"),
            "GroupDetailList is missing; hint: run `aws iam get-account-authorization-details`",
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

/// Two pages: the first has the users, and the second what they refer to.
fn pages(change: impl Fn(&mut Value, &mut Value)) -> [String; 2] {
    let second: Value = serde_json::from_str(ACCOUNT).unwrap();
    let (mut first, mut second) = (second.clone(), second);
    for key in ["Policies", "GroupDetailList", "RoleDetailList"] {
        first[key] = json!([]);
    }
    first["IsTruncated"] = true.into();
    first["Marker"] = "EXAMPLE".into();
    second["UserDetailList"] = json!([]);
    change(&mut first, &mut second);
    [first.to_string(), second.to_string()]
}

#[test]
fn pages_equal_whole_description() {
    let whole = AccountDetails::parse(ACCOUNT).unwrap();
    let [first, second] = pages(|_, _| {});
    for pages in [[&first, &second], [&second, &first]] {
        let details = AccountDetails::parse_pages(&pages).unwrap();
        assert!(details.users().eq(whole.users()) && details.roles().eq(whole.roles()));
        assert_eq!(details.gaps(), [""; 0]);
        for (a, b) in details.identities.iter().zip(&whole.identities) {
            assert_eq!((&a.arn, &a.policies, &a.names), (&b.arn, &b.policies, &b.names));
        }
    }
}

#[test]
fn faults_of_pages_name_the_page() {
    type Change = fn(&mut Value, &mut Value);
    let cases: [(Change, &str); 5] = [
        (
            |_, second| second["NextToken"] = "a".into(),
            "description: a page is missing, since each",
        ),
        (
            |first, second| {
                for page in [first, second] {
                    page.as_object_mut().unwrap().remove("Policies");
                }
            },
            "description: Policies is missing; hint: run",
        ),
        (
            |_, second| second["RoleDetailList"][1]["RoleName"] = 1.into(),
            "page 2.RoleDetailList[1].RoleName at line 1 column ",
        ),
        (
            |first, _| first["UserDetailList"][1]["GroupList"] = json!(["testers"]),
            "page 1.UserDetailList[1].GroupList[0] at line 1 column ",
        ),
        (
            |first, second| {
                second["UserDetailList"] = json!([first["UserDetailList"][0].clone()]);
            },
            "page 2.UserDetailList[0] at line 1 column ",
        ),
    ];
    for (change, expected) in cases {
        let error = AccountDetails::parse_pages(&pages(change)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
    let [first, _] = pages(|_, _| {});
    let error = AccountDetails::parse_pages(&[&first, "["]).unwrap_err().to_string();
    assert!(error.starts_with("page 2[0] at line 1 column 2: not valid JSON"), "{error}");
    let error = AccountDetails::parse_pages(&[""; 0]).unwrap_err().to_string();
    assert!(error.contains("no page"), "{error}");
}

#[test]
fn account_of_page_is_that_of_its_first_entity() {
    let account = |page: &str| AccountDetails::account_of_page(page);
    for page in pages(|_, _| {}) {
        assert_eq!(account(&page).unwrap().as_deref(), Some("111122223333"));
    }
    let group = r#"{"Policies": [{"Arn": "arn:aws:iam::aws:policy/A"}, {"Arn": "*"}],
        "GroupDetailList": [{"Arn": "arn:aws:iam::444455556666:group/a"}, 1]}"#;
    assert_eq!(account(group).unwrap().as_deref(), Some("444455556666"));
    assert_eq!(account("{}").unwrap(), None);
    for (page, expected) in [
        ("{", "description at line 1 column 2: not valid JSON"),
        ("[]", "description at line 1 column 1: expected an object"),
        (r#"{"Policies": 1}"#, "Policies at line 1 column 14: expected a list"),
        (r#"{"RoleDetailList": [{}]}"#, "RoleDetailList[0] at line 1 column 21: Arn is missing"),
    ] {
        let error = account(page).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
}

#[test]
fn page_of_policies_completes_description() {
    let gone = json!("arn:aws:iam::aws:policy/PowerUserAccess");
    let mut description: Value = serde_json::from_str(ACCOUNT).unwrap();
    description["UserDetailList"][0]["PermissionsBoundary"] =
        json!({"PermissionsBoundaryArn": gone});
    let description = description.to_string();
    let error = AccountDetails::parse(&description).unwrap_err().to_string();
    assert!(error.contains("PowerUserAccess\" is not in Policies"), "{error}");
    let policy = json!({"Policies": [{"Arn": gone, "PolicyVersionList": [{
        "IsDefaultVersion": true,
        "Document": {"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}},
    }]}]});
    let details = AccountDetails::parse_pages(&[description, policy.to_string()]).unwrap();
    let (boundary, name) = details.identities[0].boundary.as_ref().unwrap();
    assert_eq!((boundary.len(), name.name.as_str()), (1, "PowerUserAccess"));
}
