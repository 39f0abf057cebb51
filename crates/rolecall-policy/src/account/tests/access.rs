use super::{ACCOUNT, accounts, arn};
use crate::account::Verdict::{self, Allowed, Conditional, NotAllowed};
use crate::account::{AccountDetails, Accounts};
use crate::{Context, PermissionPolicy, ResourcePolicy};

const SHOP: &str = "arn:aws:s3:::shop/a";

fn verdict(accounts: &Accounts, who: &str, action: &str, resource: &str) -> Verdict {
    accounts.can(&arn(who), action, resource, &Context::new()).unwrap().verdict
}

/// Adds an account, of whose user `zoe` every action is allowed.
fn with_other_account() -> Accounts {
    let other = r#"{
        "UserDetailList": [{
            "UserName": "zoe", "Arn": "arn:aws:iam::444455556666:user/zoe",
            "AttachedManagedPolicies": [
                {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
            ]
        }],
        "GroupDetailList": [], "RoleDetailList": [],
        "Policies": [{
            "PolicyName": "AdministratorAccess",
            "Arn": "arn:aws:iam::aws:policy/AdministratorAccess",
            "PolicyVersionList": [{"IsDefaultVersion": true, "Document": {
                "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}
            }}]
        }]
    }"#;
    accounts().with(AccountDetails::parse(other).unwrap()).unwrap()
}

#[test]
fn access_by_table() {
    let accounts = accounts();
    for (who, action, resource, expected) in [
        ("user/ann", "ec2:RunInstances", "*", Allowed),
        // The group's Deny depends on aws:SecureTransport.
        ("user/bob", "s3:GetObject", SHOP, Conditional),
        ("user/bob", "s3:PutObject", SHOP, NotAllowed),
        ("user/bob", "sts:AssumeRole", &arn("role/deploy"), Conditional),
        ("user/bob", "sts:AssumeRole", &arn("role/team/release"), NotAllowed),
        ("user/dave", "s3:GetObject", "arn:aws:s3:::home/dave/x", Allowed),
        ("user/dave", "s3:GetObject", "arn:aws:s3:::home/ann/x", NotAllowed),
        ("user/dave", "sts:GetCallerIdentity", "*", Allowed),
        ("user/erin", "s3:GetObject", SHOP, Allowed),
        ("user/erin", "ec2:RunInstances", "*", NotAllowed),
        // The role has the tag, and no session has another.
        ("role/worker", "s3:GetObject", "arn:aws:s3:::team/blue/x", Allowed),
        ("role/worker", "s3:GetObject", "arn:aws:s3:::team/red/x", NotAllowed),
        // No role has a user name.
        ("role/worker", "s3:PutObject", "arn:aws:s3:::home/dave/x", NotAllowed),
        // The session may have any tag.
        ("role/visitor", "s3:GetObject", "arn:aws:s3:::team/blue/x", Conditional),
        ("role/visitor", "s3:GetObject", "arn:aws:s3:::shop/blue/x", NotAllowed),
        ("role/checkout", "sts:AssumeRole", &arn("role/team/release"), Allowed),
        ("role/deploy", "sts:AssumeRole", &arn("role/team/release"), Allowed),
    ] {
        assert_eq!(
            verdict(&accounts, who, action, resource),
            expected,
            "{who} {action} {resource}"
        );
    }
}

#[test]
fn given_keys_settle_conditions() {
    let accounts = accounts();
    let ask = |tls: &str| {
        let context = Context::new().with("aws:SecureTransport", tls);
        accounts.can(&arn("user/bob"), "s3:GetObject", SHOP, &context).unwrap()
    };
    assert_eq!(ask("true").verdict, Allowed);
    let denied = ask("false");
    assert_eq!(denied.verdict, NotAllowed);
    assert_eq!(
        denied.reason,
        "statement 3 (\"TlsOnly\") of policy ReadShop of group developers denies s3:GetObject on \
         arn:aws:s3:::shop/a"
    );
}

#[test]
fn description_outweighs_given_keys() {
    let accounts = accounts();
    let context = Context::new().with("aws:username", "dave").with("aws:PrincipalTag/team", "red");
    let can = |who: &str, action: &str, resource: &str| {
        accounts.can(&arn(who), action, resource, &context).unwrap().verdict
    };
    assert_eq!(can("role/worker", "s3:PutObject", "arn:aws:s3:::home/dave/x"), NotAllowed);
    assert_eq!(can("role/worker", "s3:GetObject", "arn:aws:s3:::team/red/x"), NotAllowed);
    // Of the tags of this role's sessions the description tells nothing.
    assert_eq!(can("role/visitor", "s3:GetObject", "arn:aws:s3:::team/red/x"), Allowed);
}

#[test]
fn conditional_reason_lists_conditions() {
    let access = accounts()
        .can(&arn("user/erin"), "sts:AssumeRole", &arn("role/deploy"), &Context::new())
        .unwrap();
    assert_eq!(
        access.reason,
        "statement 1 of policy AdministratorAccess allows sts:AssumeRole on \
         arn:aws:iam::111122223333:role/deploy; and statement 1 (\"WithMfa\") of the trust policy \
         of arn:aws:iam::111122223333:role/deploy allows it if Bool aws:MultiFactorAuthPresent \
         \"true\"; and statement 1 of permissions boundary DeveloperLimits allows it"
    );
    let value = serde_json::to_value(&access).unwrap();
    assert_eq!(value["verdict"], "conditional");
    assert_eq!(value["subject"]["type"], "user");
    assert_eq!(value["statements"][1]["requirements"][0]["key"], "aws:MultiFactorAuthPresent");
}

#[test]
fn resource_policy_names_callers() {
    let policy = |principal: &str| {
        ResourcePolicy::parse(
            &serde_json::json!({"Statement": {
                "Effect": "Allow", "Principal": {"AWS": principal},
                "Action": "s3:PutObject", "Resource": "arn:aws:s3:::shop/*",
            }})
            .to_string(),
        )
        .unwrap()
    };
    let put = |principal: &str, who: &str| {
        let accounts =
            accounts().with_resource_policy("arn:aws:s3:::shop", "111122223333", policy(principal));
        accounts.can(&arn(who), "s3:PutObject", SHOP, &Context::new()).unwrap()
    };
    assert_eq!(put(&arn("user/dave"), "user/dave").verdict, Allowed);
    assert_eq!(put(&arn("user/bob"), "user/bob").verdict, Conditional, "the Deny still counts");
    assert_eq!(put(&arn("role/deploy"), "role/deploy").verdict, Allowed);
    // A session is one of the role's.
    let session = "arn:aws:sts::111122223333:assumed-role/deploy/ci-1";
    let access = put(session, "role/deploy");
    assert_eq!(access.verdict, Conditional);
    assert!(access.reason.ends_with(&format!(" if the session is {session:?}")), "{access}");
    assert_eq!(put(session, "role/worker").verdict, NotAllowed);
    assert_eq!(put("111122223333", "user/dave").verdict, NotAllowed);
}

#[test]
fn session_in_not_principal_is_an_exception() {
    let session = "arn:aws:sts::111122223333:assumed-role/release/ci-1";
    let policy = ResourcePolicy::parse(
        &serde_json::json!({"Statement": {
            "Effect": "Deny", "NotPrincipal": {"AWS": session},
            "Action": "s3:*", "Resource": "*",
        }})
        .to_string(),
    );
    let accounts =
        accounts().with_resource_policy("arn:aws:s3:::shop", "111122223333", policy.unwrap());
    assert_eq!(verdict(&accounts, "role/team/release", "s3:GetObject", SHOP), Conditional);
    assert_eq!(verdict(&accounts, "user/ann", "s3:GetObject", SHOP), NotAllowed);
}

#[test]
fn session_is_required_only_where_it_matters() {
    let session = "arn:aws:sts::111122223333:assumed-role/deploy/ci-1";
    let role = arn("role/deploy");
    let mut value: serde_json::Value = serde_json::from_str(ACCOUNT).unwrap();
    for (element, principals, boundary, expected) in [
        ("Principal", vec![session], false, vec![2]),
        // As a session, and as any other.
        ("Principal", vec![session, &role], false, vec![2, 1]),
        ("Principal", vec![session, "*"], false, vec![1]),
        ("NotPrincipal", vec![session], false, vec![2]),
        // The boundary makes the Deny apply to the session too.
        ("NotPrincipal", vec![session], true, vec![1]),
    ] {
        value["RoleDetailList"][1]["PermissionsBoundary"] = match boundary {
            true => serde_json::json!({"PermissionsBoundaryArn": arn("policy/DeveloperLimits")}),
            false => serde_json::Value::Null,
        };
        value["RoleDetailList"][1]["RolePolicyList"][0]["PolicyDocument"] = serde_json::json!(
            {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
        );
        let action = if element == "Principal" { "s3:PutObject" } else { "s3:GetObject" };
        let mut statement = serde_json::json!({
            "Effect": if element == "Principal" { "Allow" } else { "Deny" },
            "Action": action, "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
        });
        statement[element] = serde_json::json!({"AWS": principals});
        let policy = serde_json::json!({"Statement": statement}).to_string();
        let access = Accounts::from(AccountDetails::parse(&value.to_string()).unwrap())
            .with_resource_policy(
                "arn:aws:s3:::shop",
                "111122223333",
                ResourcePolicy::parse(&policy).unwrap(),
            )
            .can(&role, action, SHOP, &Context::new())
            .unwrap();
        let conditional = access.statements.iter().filter(|it| !it.requirements.is_empty());
        let counts: Vec<usize> = conditional.map(|it| it.requirements.len()).collect();
        assert_eq!(counts, expected, "{access}");
    }
}

#[test]
fn alternatives_of_one_account_are_joined_by_or() {
    let policy = ResourcePolicy::parse(
        &serde_json::json!({"Statement": {
            "Effect": "Allow", "Principal": {"AWS": arn("role/checkout")},
            "Action": "secretsmanager:GetSecretValue", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": true}},
        }})
        .to_string(),
    );
    let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-a1b2c3";
    let accounts = accounts().with_resource_policy(secret, "111122223333", policy.unwrap());
    let role = arn("role/checkout");
    let can = |context: &Context| {
        accounts.can(&role, "secretsmanager:GetSecretValue", secret, context).unwrap()
    };
    let access = can(&Context::new());
    assert_eq!(access.statements.len(), 2);
    assert!(access.reason.contains("\"true\"; or statement 1 (\"ReadSecrets\")"), "{access}");
    // With either condition met, the other is idle.
    for (key, value) in [("aws:SecureTransport", "true"), ("aws:RequestedRegion", "eu-west-1")] {
        let access = can(&Context::new().with(key, value));
        assert_eq!((access.verdict, access.statements.len()), (Allowed, 1), "{access}");
    }
}

#[test]
fn sure_way_makes_other_idle() {
    // The bucket's policy lets the user in, and the policy of the group may deny it.
    let policy = ResourcePolicy::parse(
        &serde_json::json!({"Statement": {
            "Effect": "Allow", "Principal": {"AWS": arn("user/bob")}, "Action": "s3:*",
            "Resource": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
        }})
        .to_string(),
    );
    let accounts =
        accounts().with_resource_policy("arn:aws:s3:::shop", "111122223333", policy.unwrap());
    let can = |action: &str| {
        let access = accounts.can(&arn("user/bob"), action, SHOP, &Context::new()).unwrap();
        let names = access.statements.iter().map(ToString::to_string);
        (access.verdict, names.collect::<Vec<_>>())
    };
    let deny = "statement 3 (\"TlsOnly\") of policy ReadShop of group developers".to_owned();
    let own = "statement 1 (\"ReadShop\") of policy ReadShop of group developers".to_owned();
    let bucket = format!("statement 1 of the resource policy of {SHOP}");
    assert_eq!(can("s3:GetObject"), (Conditional, vec![own, deny.clone()]));
    assert_eq!(can("s3:PutObject"), (Conditional, vec![bucket, deny]));
}

#[test]
fn boundary_limits_grants_to_roles() {
    let mut value: serde_json::Value = serde_json::from_str(ACCOUNT).unwrap();
    value["RoleDetailList"][1]["PermissionsBoundary"] =
        serde_json::json!({"PermissionsBoundaryArn": arn("policy/DeveloperLimits")});
    let conditions = serde_json::json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}});
    value["Policies"][2]["PolicyVersionList"][0]["Document"]["Statement"][0]["Condition"] =
        conditions;
    let policy = |principal: &str| {
        let policy = serde_json::json!({"Statement": {
            "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "*", "Resource": "*",
        }});
        ResourcePolicy::parse(&policy.to_string()).unwrap()
    };
    let queue = "arn:aws:sqs:eu-west-1:111122223333:orders";
    let role = arn("role/deploy");
    let can = |principal: &str, action: &str, resource: &str| {
        Accounts::from(AccountDetails::parse(&value.to_string()).unwrap())
            .with_resource_policy("arn:aws:s3:::shop", "111122223333", policy(principal))
            .with_resource_policy(queue, "111122223333", policy(principal))
            .can(&role, action, resource, &Context::new())
            .unwrap()
    };
    let access = can(&role, "s3:GetObject", SHOP);
    assert_eq!((access.verdict, access.statements.len()), (Conditional, 2), "{access}");
    assert_eq!(can(&role, "sqs:SendMessage", queue).verdict, NotAllowed);
    // A grant to everyone is one to the session itself.
    assert_eq!(can("*", "sqs:SendMessage", queue).verdict, Allowed);
    // The grant to the role is no second way, since the boundary never allows the action.
    let session = "arn:aws:sts::111122223333:assumed-role/deploy/ci-1";
    let both = serde_json::json!({"Statement": {
        "Effect": "Allow", "Principal": {"AWS": [role, session]}, "Action": "*", "Resource": "*",
    }});
    let access = Accounts::from(AccountDetails::parse(&value.to_string()).unwrap())
        .with_resource_policy(
            queue,
            "111122223333",
            ResourcePolicy::parse(&both.to_string()).unwrap(),
        )
        .can(&role, "sqs:SendMessage", queue, &Context::new())
        .unwrap();
    assert_eq!(access.verdict, Conditional);
    let requirements = &access.statements[0].requirements;
    assert_eq!(requirements.len(), 1, "{access}");
}

#[test]
fn other_accounts_need_both_sides() {
    let accounts = with_other_account();
    let zoe = "arn:aws:iam::444455556666:user/zoe";
    let queue = "arn:aws:sqs:eu-west-1:111122223333:orders";
    let send =
        |accounts: &Accounts| accounts.can(zoe, "sqs:SendMessage", queue, &Context::new()).unwrap();
    let access = send(&accounts);
    assert_eq!(access.verdict, Conditional);
    assert_eq!(access.assumptions, [format!("a policy of {queue} allows it")]);
    let policy = |principal: &str| {
        let policy = serde_json::json!({"Statement": {
            "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sqs:*", "Resource": "*",
        }});
        ResourcePolicy::parse(&policy.to_string()).unwrap()
    };
    let given = |principal: &str| {
        send(&accounts.clone().with_resource_policy(queue, "111122223333", policy(principal)))
    };
    assert_eq!(given("444455556666").verdict, Allowed);
    assert_eq!(given("111122223333").verdict, NotAllowed);
    // The trust policy lets the account in with an external id.
    let release = arn("role/team/release");
    let assume =
        |context: &Context| accounts.can(zoe, "sts:AssumeRole", &release, context).unwrap();
    assert_eq!(assume(&Context::new()).verdict, Conditional);
    assert_eq!(assume(&Context::new().with("sts:ExternalId", "shop-4711")).verdict, Allowed);
    assert_eq!(assume(&Context::new().with("sts:ExternalId", "other")).verdict, NotAllowed);
}

#[test]
fn owner_of_bucket_must_be_known_among_accounts() {
    let accounts = with_other_account();
    let zoe = "arn:aws:iam::444455556666:user/zoe";
    let error = accounts.can(zoe, "s3:GetObject", SHOP, &Context::new()).unwrap_err();
    assert!(error.message.contains("Accounts::with_resource"), "{error}");
    assert_eq!(error.location, "resource account");
    let accounts = accounts.with_resource("arn:aws:s3:::shop", "444455556666");
    let can = |who: &str| accounts.can(who, "s3:GetObject", SHOP, &Context::new()).unwrap().verdict;
    assert_eq!(can(zoe), Allowed);
    assert_eq!(can(&arn("user/ann")), Conditional);
    // Each caller lists the buckets of its own account.
    let list = accounts.can(zoe, "s3:ListAllMyBuckets", "*", &Context::new()).unwrap();
    assert_eq!(list.verdict, Allowed);
}

#[test]
fn control_policies_limit_accounts() {
    let scp = |json: &str| vec![vec![PermissionPolicy::parse(json).unwrap()]];
    let deny = r#"{"Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Sid": "Region", "Effect": "Deny", "Action": "s3:*", "Resource": "*",
         "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    ]}"#;
    let limited = accounts().with_service_control("111122223333", scp(deny));
    let access = limited.can(&arn("user/ann"), "s3:GetObject", SHOP, &Context::new()).unwrap();
    assert_eq!(access.verdict, Conditional);
    assert!(
        access.reason.ends_with(
            "; but statement 2 (\"Region\") of the service control policy of level 1, policy 1 \
             denies it if StringNotEquals aws:RequestedRegion \"eu-west-1\""
        ),
        "{access}"
    );
    let only = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
    let limited = accounts().with_service_control("111122223333", scp(only));
    assert_eq!(verdict(&limited, "user/ann", "s3:GetObject", SHOP), Allowed);
    assert_eq!(verdict(&limited, "user/ann", "ec2:RunInstances", "*"), NotAllowed);

    let rcp = ResourcePolicy::parse(
        r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}}"#,
    );
    let limited = accounts().with_resource_control("111122223333", vec![vec![rcp.unwrap()]]);
    assert_eq!(verdict(&limited, "user/ann", "s3:GetObject", SHOP), NotAllowed);
    assert_eq!(verdict(&limited, "user/ann", "ec2:RunInstances", "*"), Allowed);
}

#[test]
fn service_linked_role_is_not_limited() {
    let mut value: serde_json::Value = serde_json::from_str(ACCOUNT).unwrap();
    value["RoleDetailList"][2]["Path"] = "/aws-service-role/x.amazonaws.com/".into();
    let deny = r#"{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#;
    let levels = vec![vec![PermissionPolicy::parse(deny).unwrap()]];
    let accounts = Accounts::from(AccountDetails::parse(&value.to_string()).unwrap())
        .with_service_control("111122223333", levels);
    assert_eq!(verdict(&accounts, "role/team/release", "s3:GetObject", SHOP), Allowed);
    assert_eq!(verdict(&accounts, "user/ann", "s3:GetObject", SHOP), NotAllowed);
}

#[test]
fn invalid_questions_are_errors() {
    let accounts = accounts();
    let ann = arn("user/ann");
    for (who, action, resource, expected) in [
        (ann.as_str(), "s3:Get*", SHOP, "one action at a time"),
        (&ann, "GetObject", SHOP, "is not an action"),
        (&ann, "s3:GetObject", "arn:aws:s3:::shop/*", "one resource at a time"),
        (&ann, "s3:GetObject", "shop", "is neither an ARN nor"),
        (&ann, "sts:AssumeRole", "*", "give the role's ARN"),
        (&ann, "sts:AssumeRole", &arn("role/gone"), "is not a described user or role"),
        (&arn("user/gone"), "s3:GetObject", SHOP, "check the spelling"),
        ("arn:aws:sts::111122223333:assumed-role/a/b", "s3:GetObject", SHOP, "session's role"),
        ("ann", "s3:GetObject", SHOP, "give the ARN of a user or role"),
    ] {
        let error = accounts.can(who, action, resource, &Context::new()).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    let twice = accounts.with(AccountDetails::parse(ACCOUNT).unwrap()).unwrap_err();
    assert_eq!(twice.to_string(), "accounts: account 111122223333 is described twice");
}

#[test]
fn role_of_unknown_account_is_conditional() {
    let role = "arn:aws:iam::444455556666:role/partner";
    let access = accounts().can(&arn("user/ann"), "sts:AssumeRole", role, &Context::new());
    let access = access.unwrap();
    assert_eq!(access.verdict, Conditional);
    assert_eq!(access.assumptions, [format!("the trust policy of {role} allows it")]);
}

#[test]
fn report_lists_callers_that_can() {
    let report = accounts().who_can("s3:GetObject", SHOP, &Context::new()).unwrap();
    let found: Vec<(String, Verdict)> =
        report.access.iter().map(|it| (it.subject.to_string(), it.verdict)).collect();
    let of = |kind: &str, name: &str| format!("{kind} {}", arn(&format!("{kind}/{name}")));
    assert_eq!(
        found,
        [
            (of("user", "ann"), Allowed),
            (of("user", "bob"), Conditional),
            (of("user", "erin"), Allowed),
            (of("role", "team/release"), Allowed),
        ]
    );
    assert!(report.notes[0].contains("is not given"), "{:?}", report.notes);
}
