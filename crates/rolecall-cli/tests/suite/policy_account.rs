//! `rolecall policy who-can` and `can`.

use serde_json::{Value, json};

use crate::folder::Folder;

const DEPLOY: &str = "arn:aws:iam::111122223333:role/deploy";
const ANN: &str = "arn:aws:iam::111122223333:user/ann";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const ORDER: &str = "arn:aws:s3:::shop/orders/1";

fn user(name: &str, statements: Value) -> Value {
    json!({
        "Path": "/", "UserName": name, "UserId": format!("AIDA{}EXAMPLE", name.to_uppercase()),
        "Arn": format!("arn:aws:iam::111122223333:user/{name}"),
        "UserPolicyList": [{
            "PolicyName": format!("{name}-policy"),
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        }],
        "GroupList": [], "AttachedManagedPolicies": [],
    })
}

fn role(name: &str, trusted: Value, statements: Value) -> Value {
    json!({
        "Path": "/", "RoleName": name, "RoleId": format!("AROA{}EXAMPLE", name.to_uppercase()),
        "Arn": format!("arn:aws:iam::111122223333:role/{name}"),
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": trusted},
        "RolePolicyList": [{
            "PolicyName": format!("{name}-policy"),
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        }],
        "AttachedManagedPolicies": [], "InstanceProfileList": [],
    })
}

fn account() -> String {
    let allow = |action: &str, resource: &str| {
        let mut statement = json!({"Effect": "Allow", "Action": action});
        statement["Resource"] = resource.into();
        statement
    };
    let trust = |principal: Value, action: &str| json!({"Effect": "Allow", "Principal": principal, "Action": action});
    let mut in_region = allow("s3:GetObject", "arn:aws:s3:::shop/*");
    in_region["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}});
    let provider = "arn:aws:iam::111122223333:oidc-provider/idp.example.com";
    let mut pods = trust(json!({"Federated": provider}), "sts:AssumeRoleWithWebIdentity");
    pods["Condition"] = json!({"StringEquals": {"idp.example.com:sub": "checkout"}});
    let hub = "arn:aws:iam::111122223333:role/hub";
    json!({
        "UserDetailList": [
            user("ann", json!([allow("s3:*", "*"), allow("sts:AssumeRole", hub)])),
            user("bob", json!([in_region])),
            user("eve", json!([allow("sqs:*", "*")])),
        ],
        "GroupDetailList": [],
        "RoleDetailList": [
            role("hub", json!([trust(json!({"AWS": ANN}), "sts:AssumeRole"), pods]), json!([
                allow("sts:AssumeRole", DEPLOY),
            ])),
            role("deploy", json!([trust(json!({"AWS": hub}), "sts:AssumeRole")]), json!([
                allow("s3:PutObject", "*"),
            ])),
        ],
        "Policies": [],
    })
    .to_string()
}

fn folder() -> Folder {
    Folder::new().with("account.json", &account())
}

const ACCOUNT: [&str; 2] = ["--account", "account.json"];

fn who_can<'a>(action: &'a str, resource: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["policy", "who-can", action, resource], &ACCOUNT[..], more].concat()
}

#[tokio::test]
async fn answers_have_three_values() {
    let text = folder().run(&who_can("s3:GetObject", ORDER, &[])).await.ok();
    insta::assert_snapshot!("who_can", text);
    let json = folder().run(&who_can("s3:GetObject", ORDER, &["--output", "json"])).await.json();
    let access = json["access"].as_array().unwrap();
    let answers: Vec<_> =
        access.iter().map(|it| (&it["subject"]["name"], &it["verdict"])).collect();
    assert_eq!(answers, [(&json!(ANN), &json!("allowed")), (&json!(BOB), &json!("conditional"))]);
    let region = "aws:RequestedRegion=eu-west-1";
    let more = ["--context", region, "--output", "json"];
    let json = folder().run(&who_can("s3:GetObject", ORDER, &more)).await.json();
    assert_eq!(json["access"][1]["verdict"], "allowed");
    let more = ["--context", "aws:RequestedRegion=eu-west-2", "--output", "json"];
    let json = folder().run(&who_can("s3:GetObject", ORDER, &more)).await.json();
    assert_eq!(json["access"].as_array().unwrap().len(), 1);
}

/// A pattern such as `s3:Get*` allows an action that is misspelled, too.
#[tokio::test]
async fn unknown_action_has_a_note() {
    let note = "\"s3:GetObjekt\" is not an action of Amazon S3; hint: write s3:GetObject";
    let can = ["policy", "can", ANN, "s3:GetObjekt", ORDER];
    for arguments in [who_can("s3:GetObjekt", ORDER, &[]), [&can[..], &ACCOUNT].concat()] {
        let text = folder().run(&arguments).await.ok();
        let lines = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(lines.contains(": allowed") || lines.contains(" allowed:"), "{text}");
        assert!(lines.contains(&format!(" note: {note}")), "{text}");
        let json = folder().run(&[&arguments[..], &["--output", "json"]].concat()).await.json();
        assert_eq!(json["notes"][0], note, "{json:#}");
    }
    // An action that exists, and one of a service that is not known.
    for action in ["s3:GETobject", "example:GetObjekt"] {
        let can = ["policy", "can", ANN, action, ORDER, "--output", "json"];
        let run = folder().run(&[&can[..], &ACCOUNT].concat()).await;
        let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!((json.get("notes"), run.err.as_str()), (None, ""), "{json:#}");
        assert!(json["verdict"].is_string(), "{json:#}");
    }
}

#[tokio::test]
async fn roles_are_reached_through_other_roles() {
    let text = folder().run_narrow(&who_can("sts:AssumeRole", DEPLOY, &[])).await.ok();
    insta::assert_snapshot!("who_can_assume_60", text);
    let more = ["--output", "json"];
    let json = folder().run(&who_can("STS:assumerole", DEPLOY, &more)).await.json();
    let assumers = json["assumers"].as_array().unwrap();
    let ann = assumers.iter().find(|it| it["subject"]["name"] == ANN).unwrap();
    assert_eq!((&ann["verdict"], ann["path"].as_array().unwrap().len()), (&json!("allowed"), 2));
}

#[tokio::test]
async fn web_identity_has_its_own_action() {
    let hub = "arn:aws:iam::111122223333:role/hub";
    let action = "sts:AssumeRoleWithWebIdentity";
    let json = folder().run(&who_can(action, hub, &["--output", "json"])).await.json();
    let [provider] = json["assumers"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!(provider["subject"]["type"], "federated");
    let text = folder().run(&who_can(action, DEPLOY, &[])).await.ok();
    assert!(text.contains("\nno principal that is known\n"), "{text}");
}

#[tokio::test]
async fn resource_policy_counts() {
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/eve"},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*",
    }});
    let folder = folder().with("bucket.json", &policy.to_string());
    let more = [
        "--resource-policy",
        "bucket.json",
        "--resource-account",
        "111122223333",
        "--output",
        "json",
    ];
    let json = folder.run(&who_can("s3:GetObject", ORDER, &more)).await.json();
    let names: Vec<_> =
        json["access"].as_array().unwrap().iter().map(|it| &it["subject"]["name"]).collect();
    assert!(names.contains(&&json!("arn:aws:iam::111122223333:user/eve")), "{names:?}");
    assert_eq!(json.get("notes"), None);
}

#[tokio::test]
async fn permissions_are_listed_by_service() {
    let text = folder().run(&[&["policy", "can", ANN], &ACCOUNT[..]].concat()).await.ok();
    assert!(text.contains("\n  s3 (Amazon S3): list "), "{text}");
    let statement = "\n  allow sts:AssumeRole on arn:aws:iam::111122223333:role/hub, by statement 2 \
                     of policy ann-policy\n";
    assert!(text.contains(statement), "{text}");
    let arguments = [&["policy", "can", ANN, "--output", "json"], &ACCOUNT[..]].concat();
    let json = folder().run(&arguments).await.json();
    assert_eq!(json["services"][0]["service"], "s3");
    assert_eq!(json["permissions"]["grants"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn refused_access_exits_with_1() {
    let can =
        |principal, action| [&["policy", "can", principal, action, ORDER], &ACCOUNT[..]].concat();
    let text = folder().run(&can(ANN, "s3:GetObject")).await.ok();
    assert!(text.starts_with(&format!("user {ANN}\n  allowed: statement 1 ")), "{text}");
    let text = folder().run(&can(BOB, "s3:GetObject")).await.ok();
    assert!(text.contains("\n  allowed if conditions are met: "), "{text}");
    let run = folder().run(&can(BOB, "s3:PutObject")).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    assert!(run.out.contains("\n  not allowed: no identity policy allows "), "{}", run.out);
}

/// Returns the description in two pages: the users, and everything else.
fn pages() -> [Value; 2] {
    let mut second: Value = serde_json::from_str(&account()).unwrap();
    let mut first = second.clone();
    for key in ["Policies", "GroupDetailList", "RoleDetailList"] {
        first[key] = json!([]);
    }
    first["NextToken"] = "EXAMPLE".into();
    second["UserDetailList"] = json!([]);
    [first, second]
}

#[tokio::test]
async fn files_of_one_account_are_its_pages() {
    let [first, second] = pages();
    // A managed policy of AWS that the description lacks, on a page of its own.
    let aws = json!({"Policies": [{
        "Arn": "arn:aws:iam::aws:policy/Extra",
        "PolicyVersionList": [{"IsDefaultVersion": true, "Document": {"Statement": {
            "Effect": "Allow", "Action": "s3:*", "Resource": "*",
        }}}],
    }]});
    let mut attached = second.clone();
    attached["RoleDetailList"][0]["AttachedManagedPolicies"] =
        json!([{"PolicyName": "Extra", "PolicyArn": "arn:aws:iam::aws:policy/Extra"}]);
    let mut broken = second.clone();
    broken["RoleDetailList"][1]["RoleName"] = 1.into();
    let mut continued = second.clone();
    continued["NextToken"] = "EXAMPLE".into();
    let other = account().replace("111122223333", "444455556666");
    let folder = folder()
        .with("1.json", &first.to_string())
        .with("2.json", &second.to_string())
        .with("attached.json", &attached.to_string())
        .with("broken.json", &broken.to_string())
        .with("continued.json", &continued.to_string())
        .with("aws.json", &aws.to_string())
        .with("other.json", &other);
    let ask = |files: &[&'static str]| {
        let mut arguments = vec!["policy", "who-can", "s3:GetObject", ORDER, "--output", "json"];
        arguments.extend(["--resource-account", "111122223333"]);
        arguments.extend(files.iter().flat_map(|file| ["--account", *file]));
        arguments
    };
    let whole = folder.run(&ask(&["account.json"])).await.json();
    for files in [["1.json", "2.json"], ["2.json", "1.json"]] {
        assert_eq!(folder.run(&ask(&files)).await.json(), whole);
    }
    // The pages of an account need not stand together.
    let both = folder.run(&ask(&["1.json", "other.json", "2.json"])).await.json();
    assert_eq!(both, folder.run(&ask(&["account.json", "other.json"])).await.json());
    let extra = folder.run(&ask(&["1.json", "aws.json", "attached.json"])).await.json();
    let names = extra["access"].as_array().unwrap().iter().map(|it| &it["subject"]["name"]);
    assert!(names.collect::<Vec<_>>().contains(&&json!("arn:aws:iam::111122223333:role/hub")));

    for (files, message) in [
        (
            &["1.json"][..],
            "error: 1.json: description: this is one page of several\nhint: run `aws iam \
             get-account-authorization-details` without --filter, --query and --max-items, or pass \
             all pages\n",
        ),
        (
            &["1.json", "continued.json"],
            "error: 1.json, continued.json: description: a page is missing, since each says that \
             more follow\nhint: run `aws",
        ),
        (&["1.json", "broken.json"], "error: broken.json: RoleDetailList[1].RoleName at line 1 "),
        (
            &["account.json", "aws.json", "other.json"],
            "error: aws.json describes none of the accounts\nhint: put its policies into",
        ),
    ] {
        let error = folder.run(&ask(files)).await.failed(1);
        assert!(error.starts_with(message), "{files:?}: {error}");
    }
}

#[tokio::test]
async fn control_policies_limit_each_level() {
    let statement = |effect: &str, action: &str| {
        let statement = json!({"Effect": effect, "Action": action, "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": statement}).to_string()
    };
    let rcp = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*",
    }});
    let folder = folder()
        .with("full.json", &statement("Allow", "*"))
        .with("sqs.json", &statement("Allow", "sqs:*"))
        .with("deny.json", &statement("Deny", "s3:Get*"))
        .with("rcp.json", &rcp.to_string())
        .with("broken.json", "{");
    let can = |more: &[&'static str]| {
        let question = ["policy", "can", ANN, "s3:GetObject", ORDER];
        let owner = ["--resource-account", "111122223333"];
        [&question[..], &ACCOUNT, &owner, more].concat()
    };
    for (more, code) in [
        (&["--scp", "full.json"][..], 0),
        (&["--scp", "full.json", "--scp", "full.json"], 0),
        (&["--scp", "full.json,deny.json"], 1),
        // Each level has to allow the request, and the policies of one level together.
        (&["--scp", "full.json", "--scp", "sqs.json"], 1),
        (&["--scp", "full.json,sqs.json"], 0),
        (&["--scp", "111122223333=sqs.json"], 1),
        (&["--scp", "444455556666=sqs.json"], 0),
        (&["--scp", "full.json", "--scp", "111122223333=sqs.json"], 1),
        (&["--rcp", "rcp.json"], 1),
        (&["--rcp", "444455556666=rcp.json"], 0),
    ] {
        let run = folder.run(&can(more)).await;
        assert_eq!((run.code, run.err.as_str()), (Some(code), ""), "{more:?}: {}", run.out);
    }
    let run = folder.run(&can(&["--scp", "full.json", "--scp", "sqs.json"])).await;
    assert!(run.out.contains("service control policy"), "{}", run.out);
    for (more, code, message) in [
        (&["--scp", "absent.json"][..], 1, "error: cannot read absent.json: "),
        (&["--scp", "full.json,broken.json"], 1, "error: broken.json: "),
        (&["--rcp", "full.json"], 1, "error: full.json: Statement"),
        (&["--scp", "full.json,"], 2, "error: invalid value 'full.json,' for '--scp"),
    ] {
        let error = folder.run(&can(more)).await.failed(code);
        assert!(error.starts_with(message), "{more:?}: {error}");
    }
}

#[tokio::test]
async fn faulty_questions_fail_with_hint() {
    let folder = folder()
        .with("broken.json", &account().replace("\"Policies\":[]", "\n  \"Policies\": 1"))
        .with("second.json", &account().replace("111122223333", "444455556666"));
    let zed = "arn:aws:iam::111122223333:user/zed";
    for (arguments, code, message) in [
        (who_can("s3:Get*", ORDER, &[]), 1, "contains a wildcard\nhint: ask about one action"),
        (who_can("sts:AssumeRole", ANN, &[]), 1, "is a user\nhint: give the ARN of a role"),
        (vec!["policy", "who-can", "s3:GetObject", ORDER], 2, "--account <FILE>"),
        (
            vec!["policy", "who-can", "s3:GetObject", ORDER, "--account", "broken.json"],
            1,
            "error: broken.json: Policies at line 2 column 15: ",
        ),
        (
            who_can("s3:GetObject", ORDER, &["--account", "second.json"]),
            2,
            "\nhint: pass --resource-account",
        ),
        (
            who_can("s3:GetObject", ORDER, &["--account", "account.json"]),
            1,
            "error: account.json: UserDetailList[0] at line 1 column ",
        ),
        (
            who_can("s3:GetObject", ORDER, &["--account", "account.json"]),
            1,
            "user/ann\" is described twice\nhint: files of the same account are pages",
        ),
        ([&["policy", "can", zed], &ACCOUNT[..]].concat(), 1, "is not a described user or role"),
        ([&["policy", "can", ANN, "s3:GetObject"], &ACCOUNT[..]].concat(), 2, "<RESOURCE>"),
    ] {
        let error = folder.run(&arguments).await.failed(code);
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
    let more = ["--account", "second.json", "--resource-account", "444455556666"];
    folder.run(&who_can("s3:GetObject", ORDER, &more)).await.ok();
}
