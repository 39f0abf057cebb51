use super::{accounts, arn};
use crate::account::{AccessLevel, AccountDetails, Accounts, Permissions};
use crate::{Context, PermissionPolicy, PolicyType};

#[test]
fn grants_name_policies_and_groups() {
    let permissions = accounts().permissions_of(&arn("user/bob"), &Context::new()).unwrap();
    let names: Vec<String> = permissions.grants.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "statement 1 of policy AssumeDeploy",
            "statement 1 of policy ReadShop of group developers",
            "statement 2 of policy ReadShop of group developers",
        ]
    );
    let [deny] = permissions.denies.as_slice() else { panic!("{:?}", permissions.denies) };
    assert_eq!(deny.requirements[0].to_string(), "Bool aws:SecureTransport \"false\"");
    let value = serde_json::to_value(&permissions).unwrap();
    assert_eq!(value["grants"][1]["statement"]["Resource"], "arn:aws:s3:::shop/*");
    assert_eq!(value["grants"][1]["policy"]["group"], "developers");
}

#[test]
fn statement_that_never_applies_is_left_out() {
    let tls = Context::new().with("aws:SecureTransport", "true");
    let permissions = accounts().permissions_of(&arn("user/bob"), &tls).unwrap();
    assert!(permissions.denies.is_empty());
    // Which requests carry this key depends on the action, which is not known.
    let outside = Context::new().with("aws:RequestedRegion", "us-east-1");
    let permissions = accounts().permissions_of(&arn("role/checkout"), &outside).unwrap();
    assert_eq!(permissions.grants.len(), 1);
}

#[test]
fn restricted_grants_are_told_by_table() {
    for (resource, condition, expected) in [
        (("Resource", "*"), None, (1, 1)),
        (("Resource", "arn:aws:s3:::shop/*"), None, (1, 0)),
        (("NotResource", "arn:aws:s3:::shop/*"), None, (1, 0)),
        (("NotResource", "*"), None, (1, 0)),
        (("Resource", "*"), Some("aws:RequestedRegion"), (1, 0)),
        // A user has this key, and its value is known.
        (("Resource", "*"), Some("aws:username"), (1, 1)),
        (("Resource", "*"), Some("sts:ExternalId"), (1, 0)),
    ] {
        let mut statement = serde_json::json!({"Effect": "Allow", "Action": "s3:GetObject"});
        statement[resource.0] = resource.1.into();
        if let Some(key) = condition {
            statement["Condition"] = serde_json::json!({"StringEquals": {key: "dave"}});
        }
        let mut value: serde_json::Value = serde_json::from_str(super::ACCOUNT).unwrap();
        value["UserDetailList"][2]["UserPolicyList"][0]["PolicyDocument"] =
            serde_json::json!({"Statement": statement});
        let accounts = Accounts::from(AccountDetails::parse(&value.to_string()).unwrap());
        let permissions = accounts.permissions_of(&arn("user/dave"), &Context::new()).unwrap();
        let services = permissions.services();
        let level = services.first().map(|it| (it.levels[0].allowed, it.levels[0].unrestricted));
        assert_eq!(level, Some(expected), "{statement}");
    }
}

#[test]
fn limits_narrow_the_summary() {
    let level = |permissions: &Permissions, service: &str, level: AccessLevel| {
        let services = permissions.services();
        let found = services.iter().find(|it| it.service == service)?.levels.clone();
        found.into_iter().find(|it| it.level == level).map(|it| (it.allowed, it.unrestricted))
    };
    let accounts = accounts();
    let erin = accounts.permissions_of(&arn("user/erin"), &Context::new()).unwrap();
    let services: Vec<String> = erin.services().into_iter().map(|it| it.service).collect();
    assert_eq!(services, ["s3", "sts"]);
    assert_eq!(level(&erin, "sts", AccessLevel::Write), Some((1, 1)));
    assert_eq!(level(&erin, "sts", AccessLevel::Read), None);
    let ann = accounts.permissions_of(&arn("user/ann"), &Context::new()).unwrap();
    assert!(ann.services().len() > 400, "{}", ann.services().len());

    let scp = |json: &str| vec![vec![PermissionPolicy::parse(json).unwrap()]];
    let limited = accounts.with_service_control(
        "111122223333",
        scp(r#"{"Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:GetBucketPolicy", "Resource": "arn:aws:s3:::shop"}
        ]}"#),
    );
    let ann = limited.permissions_of(&arn("user/ann"), &Context::new()).unwrap();
    assert_eq!(ann.services().len(), 1);
    assert_eq!(ann.limits[0].policy_type, PolicyType::ServiceControl);
    let (allowed, unrestricted) = level(&ann, "s3", AccessLevel::Read).unwrap();
    let services = ann.services();
    let total = services[0].levels.iter().find(|it| it.level == AccessLevel::Read).unwrap().total;
    assert_eq!((allowed, unrestricted), (total - 1, total - 2));
}

#[test]
fn unknown_actions_are_listed() {
    let mut value: serde_json::Value = serde_json::from_str(super::ACCOUNT).unwrap();
    value["UserDetailList"][2]["UserPolicyList"][0]["PolicyDocument"] = serde_json::json!({
        "Statement": [
            {"Effect": "Allow", "Action": ["nothing:Do", "s3:GetObjekt"], "Resource": "*"},
            {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"},
            {"Effect": "Allow", "NotAction": "nothing:Else", "Resource": "*"},
        ]
    });
    let accounts = Accounts::from(AccountDetails::parse(&value.to_string()).unwrap());
    let permissions = accounts.permissions_of(&arn("user/dave"), &Context::new()).unwrap();
    assert_eq!(permissions.unknown_actions(), ["nothing:Do", "s3:GetObjekt"]);
    assert!(permissions.to_string().contains("all but nothing:Else"), "{permissions}");
}
