//! `rolecall policy trust`, `s3`, `secrets`, `ecr`, `assume` and `revoke`.

use serde_json::{Value, json};

use crate::command::run_alone;
use crate::folder::Folder;

const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/idp.example.com";
const GITHUB: &str = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
const EKS: &str =
    "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";
const ANN: &str = "arn:aws:iam::111122223333:user/ann";

/// Every builder, with all its options, as compact JSON.
#[tokio::test]
async fn each_builder_is_reachable() {
    let mut all = String::new();
    let folder = Folder::new();
    let mut warned = Vec::new();
    for arguments in [
        &["trust", "account", "444455556666", "--external-id", "shop-4711"][..],
        &["trust", "account", "444455556666", "111122223333", "--mfa"],
        &[
            "trust",
            "role",
            ROLE,
            "--required-tag",
            "team=blue",
            "--required-tag",
            "team=red",
            "--optional-tag",
            "ticket",
            "--transitive-tag",
            "team",
        ],
        &["trust", "user", ANN, "--mfa-within", "1h", "--source-identity", "ann"],
        &[
            "trust",
            "eks",
            "--provider",
            EKS,
            "--namespace",
            "shop",
            "--service-account",
            "checkout",
            "--audience",
            "shop",
        ],
        &[
            "trust",
            "github",
            "--provider",
            GITHUB,
            "--repository",
            "shop/api",
            "--branch",
            "main",
            "--claim",
            "actor=ann",
            "--claim",
            "actor=bob",
        ],
        &["trust", "github", "--provider", GITHUB, "--repository", "shop/api", "--tag", "v1"],
        &[
            "trust",
            "github",
            "--provider",
            GITHUB,
            "--repository",
            "shop/api",
            "--environment",
            "production",
            "--audience",
            "shop",
        ],
        &["trust", "github", "--provider", GITHUB, "--repository", "shop/api", "--pull-request"],
        &["trust", "github", "--provider", GITHUB, "--repository", "shop/api", "--any-workflow"],
        &[
            "trust",
            "oidc",
            "--provider",
            PROVIDER,
            "--subject",
            "checkout",
            "--audience",
            "sts",
            "--claim",
            "email=ann@example.com",
            "--any-source-identity",
        ],
        &[
            "trust",
            "pod-identity",
            "--namespace",
            "shop",
            "--service-account",
            "checkout",
            "--cluster",
            "arn:aws:eks:eu-west-1:111122223333:cluster/shop",
        ],
        &["trust", "pod-identity", "--any-pod"],
        &["trust", "service", "ec2", "--partition", "aws-cn"],
        &["trust", "service", "lambda"],
        &[
            "trust",
            "service",
            "ecs-tasks",
            "--source-region",
            "eu-west-1",
            "--source-account",
            "111122223333",
        ],
        &[
            "trust",
            "service",
            "states.amazonaws.com",
            "--source-account",
            "111122223333",
            "--source-arn",
            "arn:aws:states:eu-west-1:111122223333:stateMachine:shop",
        ],
        &["s3", "shop-data", "--prefix", "orders/", "--prefix", "carts/", "--list", "--read"],
        &["s3", "shop-data", "--whole-bucket", "--write", "--delete", "--partition", "aws-cn"],
        &[
            "secrets",
            "--region",
            "eu-west-1",
            "--prefix",
            "shop/",
            "--account",
            "111122223333",
            "--read",
            "--write",
        ],
        &[
            "ecr",
            "--region",
            "eu-west-1",
            "--prefix",
            "shop/",
            "--account",
            "111122223333",
            "--push",
            "--pull",
            "--delete",
        ],
        &["ecr", "--login"],
        &["secrets", "--region", "eu-west-1", "--secret", "shop/db", "--secret", "key", "--read"],
        &[
            "secrets",
            "--region",
            "cn-north-1",
            "--prefix",
            "shop/",
            "--secret",
            "key",
            "--account",
            "111122223333",
            "--write",
        ],
        &["ecr", "--region", "eu-west-1", "--repository", "shop/checkout", "--pull"],
        &[
            "ecr",
            "--region",
            "eu-west-1",
            "--prefix",
            "shop/",
            "--repository",
            "base",
            "--account",
            "111122223333",
            "--push",
        ],
        &["assume", ROLE, "--pod-identity-tags"],
        &["trust", "role", ROLE, "--pod-identity-tags", "--optional-tag", "team"],
        &["assume", ROLE, "arn:aws:iam::444455556666:role/orders", "--optional-tag", "team=blue"],
        &["assume", ROLE, "--source-identity", "ann", "--source-identity", "bob"],
        &["revoke", "--issued-before", "2026-09-21T16:13:20+02:00"],
        &["revoke", "--session", "AROADBQP57FF2AEXAMPLE:pod-7f9c"],
        &[
            "revoke",
            "--session",
            "AROADBQP57FF2AEXAMPLE:pod-7f9c",
            "--issued-before",
            "2026-09-21T14:13:20Z",
        ],
    ] {
        let text = run_alone(&[&["policy"], arguments, &["--compact"]].concat()).await.ok();
        all.push_str(&format!("{}\n  {text}", arguments.join(" ")));
        let own = ["--own-account", "111122223333", "--own-account", "444455556666"];
        let check = [&["policy", "check", "-", "--output", "json"][..], &own].concat();
        let run = folder.pipe(&check, &text).await;
        let json: Value = serde_json::from_str(&run.out).unwrap();
        for finding in json["files"][0]["findings"].as_array().unwrap() {
            if finding["severity"] != "SUGGESTION" {
                warned.push(format!("{}: {}", arguments.join(" "), finding["code"]));
            }
        }
    }
    insta::assert_snapshot!("policy_documents", all);
    // The option asks for what the warning is about.
    let any = format!("trust github --provider {GITHUB} --repository shop/api --any-workflow");
    assert_eq!(
        warned,
        [format!("{any}: \"SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED\"")],
        "the lints warn of what the command writes"
    );
}

#[tokio::test]
async fn document_is_indented_json() {
    let text = run_alone(&["policy", "trust", "role", ROLE]).await.ok();
    assert!(text.starts_with("{\n  \"Version\": \"2012-10-17\",\n"), "{text}");
    let json = run_alone(&["policy", "trust", "role", ROLE, "--output", "json"]).await.json();
    let statement = json!({
        "Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "sts:AssumeRole",
    });
    assert_eq!(json["Statement"], json!([statement]));
}

#[tokio::test]
async fn issued_before_now_is_a_time() {
    let json = run_alone(&["policy", "revoke", "--issued-before", "now"]).await.json();
    let time = &json["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"];
    assert!(time.as_str().unwrap().starts_with("20"), "{json}");
}

#[tokio::test]
async fn terraform_has_a_resource() {
    let trust = ["policy", "trust", "role", ROLE, "--format", "terraform"];
    let more = ["--name", "9 shop.orders", "--label", "orders"];
    let error = run_alone(&[&trust[..], &more].concat()).await.failed(2);
    assert!(error.contains("\"9 shop.orders\" is not a name"), "{error}");
    let text = run_alone(&[&trust[..], &["--name", "shop.orders"]].concat()).await.ok();
    assert!(text.starts_with("resource \"aws_iam_role\" \"shop_orders\" {\n"), "{text}");
    assert!(text.contains("  name = \"shop.orders\"\n") && text.ends_with("}\n"), "{text}");
    let s3 = ["policy", "s3", "shop", "--whole-bucket", "--read", "--format", "terraform"];
    let text = run_alone(&s3).await.ok();
    assert!(text.starts_with("resource \"aws_iam_policy\" \"policy\" {\n"), "{text}");
    let text = run_alone(&[&s3[..], &["--name", "9-read", "--label", "read"]].concat()).await.ok();
    assert!(text.starts_with("resource \"aws_iam_policy\" \"read\" {\n"), "{text}");
    let text = run_alone(&[&s3[..], &["--name", "9-read"]].concat()).await.ok();
    assert!(text.starts_with("resource \"aws_iam_policy\" \"_9-read\" {\n"), "{text}");
}

#[tokio::test]
async fn invalid_options_exit_with_2() {
    for (arguments, message) in [
        (&["trust", "account", "4444"][..], "error: account: \"4444\""),
        (&["trust", "account"], "<ID>..."),
        (&["trust", "role", ROLE, "--source-identity", "a", "--any-source-identity"], "cannot be"),
        (&["trust", "role", ROLE, "--mfa"], "unexpected argument '--mfa'"),
        (&["trust", "user", ANN, "--mfa-within", "soon"], "expected seconds, or a number"),
        (&["trust", "user", ANN, "--mfa-within", "0"], "is not an age of MFA"),
        (&["trust", "pod-identity", "--namespace", "shop"], "--service-account <NAME>"),
        (&["trust", "pod-identity"], "--any-pod"),
        (&["trust", "pod-identity", "--any-pod", "--service-account", "x"], "cannot be used with"),
        (&["trust", "service", "ec2", "--source-region", "eu-west-1"], "--source-account <ID>"),
        (
            &["trust", "service", "ec2", "--source-region", "eu-west-1", "--source-account", "1"],
            "--source-region is for the service ecs-tasks",
        ),
        (&["trust", "github", "--provider", GITHUB, "--repository", "a/b"], "--branch <NAME>"),
        (
            &["trust", "service", "pods.eks.amazonaws.com"],
            "passes session tags\nhint: use rolecall policy trust pod-identity",
        ),
        (
            &["trust", "role", ROLE, "--transitive-tag", "x"],
            "\nhint: pass --required-tag or --optional-tag with its key",
        ),
        (&["s3", "shop", "--prefix", "orders", "--read"], "\nhint: end the prefix in \"/\""),
        (&["s3", "shop", "--prefix", "orders/"], "--list|--read|--write|--delete"),
        (&["s3", "shop", "--read"], "--whole-bucket"),
        (&["ecr", "--login", "--pull"], "cannot be used with"),
        (&["ecr", "--pull"], "--region <REGION>"),
        (&["ecr", "--pull", "--region", "eu-west-1"], "--prefix <PREFIX/>"),
        (&["ecr", "--login", "--repository", "a"], "cannot be used with"),
        (&["ecr", "--pull", "--region", "eu-west-1", "--repository", "A"], "error: name: \"A\""),
        (&["secrets", "--region", "eu-west-1", "--read"], "--prefix <PREFIX/>|--secret <NAME>"),
        (&["secrets", "--region", "eu-west-1", "--read", "--secret", "a*"], "error: name: \"a*\""),
        (
            &["trust", "role", ROLE, "--pod-identity-tags", "--optional-tag", "kubernetes-pod-uid"],
            "is already allowed\nhint: add each key once",
        ),
        (&["revoke"], "--issued-before <TIME>"),
        (&["revoke", "--session", "pod"], "has no colon"),
        (&["revoke", "--issued-before", "yesterday"], "expected a time such as"),
        (&["assume", ROLE, "--format", "terraform", "--compact"], "--compact is for"),
        (&["assume", ROLE, "--label", "x"], "--name and --label are for --format terraform"),
        (&["assume", ROLE, "--format", "terraform", "--output", "json"], "prints no JSON"),
        (&["assume", ROLE, "--output", "sarif"], "no output format \"sarif\"\nhint: use --output"),
        (&["assume", "arn:aws:iam::111122223333:user/ann"], "is not the ARN of a role"),
    ] {
        let error = run_alone(&[&["policy"], arguments].concat()).await.failed(2);
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn kind_limits_size() {
    let prefixes: Vec<String> = (0..100).map(|tenant| format!("tenants/{tenant}/")).collect();
    let mut arguments = vec!["policy", "s3", "shop", "--read", "--kind", "session"];
    for prefix in &prefixes {
        arguments.extend(["--prefix", prefix]);
    }
    let error = run_alone(&arguments).await.failed(2);
    assert!(error.contains("a session policy has at most 2048"), "{error}");
    arguments[5] = "inline";
    let json: Value = run_alone(&arguments).await.json();
    assert_eq!(json["Statement"][0]["Resource"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn raised_quota_allows_longer_trust_policies() {
    let roles: Vec<String> = (0..60).map(|index| format!("{ROLE}-{index}")).collect();
    let trust = |count: usize, more: &[&'static str]| {
        let roles = roles[..count].iter().map(String::as_str);
        ["policy", "trust", "role"].into_iter().chain(roles).chain(more.iter().copied()).collect()
    };
    let arguments: Vec<&str> = trust(30, &[]);
    let error = run_alone(&arguments).await.failed(2);
    assert!(error.contains("a trust policy has at most 2048\nhint: trust fewer"), "{error}");
    assert!(error.ends_with("let AWS raise the quota of the account\n"), "{error}");
    let arguments: Vec<&str> = trust(30, &["--raised-quota"]);
    let json = run_alone(&arguments).await.json();
    assert_eq!(json["Statement"].as_array().unwrap().len(), 30);
    let folder = Folder::new().with("trust.json", &json.to_string());
    let check = ["policy", "check", "trust.json", "--own-account", "111122223333"];
    assert_eq!(folder.run(&check).await.code, Some(1));
    folder.run(&[&check[..], &["--kind", "trust-raised"]].concat()).await.ok();
    let arguments: Vec<&str> = trust(60, &["--raised-quota"]);
    let error = run_alone(&arguments).await.failed(2);
    assert!(error.ends_with("at most 4096\nhint: trust fewer principals\n"), "{error}");
}
