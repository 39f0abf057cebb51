//! `tour --live` as an IAM user, on the local AWS and on ministack, an independent implementation.
//! Both must allow and deny the same steps.

use std::process::Stdio;
use std::time::Duration;

use rolecall::policy::{PermissionPolicy, TrustPolicy, TrustedPrincipal};
use rolecall_examples::tour::orders_policy;
use rolecall_tests::accounts::Server;
use serde_json::{Value, json};
use tokio::process::Command;

const SHOP: &str = "111122223333";
const ORDERS: &str = "444455556666";
const CHECKOUT: &str = "arn:aws:iam::111122223333:role/checkout";
const ORDERS_ROLE: &str = "arn:aws:iam::444455556666:role/orders";

/// Steps with another result on ministack, and why.
const DIFFERENCES: &[(&str, &str)] = &[(
    "ECR: pull its layer, byte for byte",
    "ministack stores no layers and returns URLs of AWS, which the tour does not follow",
)];

fn document(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn accounts() -> Value {
    let assume_policy = |role: &str| {
        let policy = PermissionPolicy::builder().assume_roles([role]).unwrap().build().unwrap();
        json!({ "assume": document(&policy.to_json()) })
    };
    let trust_policy = |trusted: TrustedPrincipal| {
        document(&TrustPolicy::builder().principal(trusted).build().unwrap().to_json())
    };
    let ann = TrustedPrincipal::user("arn:aws:iam::111122223333:user/ann").unwrap();
    let checkout = TrustedPrincipal::role(CHECKOUT).unwrap().external_id("shop-4711").unwrap();
    json!({
        SHOP: {
            "users": { "ann": { "policies": assume_policy(CHECKOUT) } },
            "roles": { "checkout": { "trust": trust_policy(ann), "policies": assume_policy(ORDERS_ROLE) } },
        },
        ORDERS: {
            "roles": { "orders": {
                "trust": trust_policy(checkout),
                "policies": { "orders": document(&orders_policy().unwrap().to_json()) },
            } },
            "buckets": ["shop-orders"],
            "secrets": { "shop/db": "a", "common/tls": "b", "billing/db": "c" },
            "repositories": ["shop/api", "billing/api"],
        },
    })
}

const ALL_ARGUMENTS: &[&str] = &[
    "--role-arn",
    CHECKOUT,
    "--role-arn",
    ORDERS_ROLE,
    "--external-id",
    "shop-4711",
    "--bucket",
    "shop-orders",
    "--prefix",
    "orders/",
    "--secret-id",
    "shop/db",
    "--secret-id",
    "common/tls",
    "--repository",
    "shop/api",
];

/// Runs the tour and returns its exit code, its lines of JSON and its standard error.
async fn run_live(server: &Server, arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tour"));
    command.env_clear().envs(server.variables(SHOP, "ann"));
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", "/none");
    command.args(["--live", "--json"]).args(arguments).kill_on_drop(true);
    let run = command.stdin(Stdio::null()).output();
    let output = tokio::time::timeout(Duration::from_secs(120), run).await.unwrap().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let lines = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code(), lines, String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn steps_agree_on_local_aws_and_ministack() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let [local, ministack] = Server::both("eu-west-1", accounts()).await.unwrap();
    let (code, local_lines, error) = run_live(&local, ALL_ARGUMENTS).await;
    assert_eq!(code, Some(0), "{local_lines:?} {error}");
    assert_eq!(local_lines.last().unwrap()["failed"], 0);
    let denied = |line: &&Value| line["step"].as_str().is_some_and(|s| s.starts_with("denied: "));
    assert_eq!(local_lines.iter().filter(denied).count(), 7, "{local_lines:?}");

    let (_, ministack_lines, _) = run_live(&ministack, ALL_ARGUMENTS).await;
    let names =
        |lines: &[Value]| -> Vec<Value> { lines.iter().map(|line| line["step"].clone()).collect() };
    assert_eq!(names(&local_lines), names(&ministack_lines));
    let failed: Vec<&Value> = ministack_lines.iter().filter(|line| line["ok"] == false).collect();
    let listed: Vec<&str> = DIFFERENCES.iter().map(|(step, _)| *step).collect();
    let found: Vec<&str> = failed.iter().map(|line| line["step"].as_str().unwrap()).collect();
    assert_eq!(found, listed, "{failed:?}");
}

#[tokio::test]
async fn created_resources_are_deleted() {
    let server = Server::local("eu-west-1", &accounts()).await.unwrap();
    let (code, ..) = run_live(&server, ALL_ARGUMENTS).await;
    assert_eq!(code, Some(0));
    // A second run would list an object or an image that the first one has left.
    let (code, lines, _) = run_live(&server, ALL_ARGUMENTS).await;
    assert_eq!(code, Some(0), "{lines:?}");
    let got = |name: &str| lines.iter().find(|line| line["step"] == name).unwrap()["got"].clone();
    assert_eq!(got("S3: delete it"), "no keys");
    assert_eq!(got("ECR: delete the image"), "deleted");
}

#[tokio::test]
async fn steps_with_missing_arguments_are_skipped() {
    let server = Server::local("eu-west-1", &accounts()).await.unwrap();
    let roles = &ALL_ARGUMENTS[..6];
    let (code, lines, error) = run_live(&server, roles).await;
    assert_eq!(code, Some(0), "{lines:?} {error}");
    for (step, missing) in [
        ("S3: put an object under the prefix", "--bucket"),
        ("denied: S3: list another prefix", "--bucket"),
        ("Secrets Manager: read it", "--secret-id"),
        ("ECR: push the image", "--repository"),
    ] {
        let line = lines.iter().find(|line| line["step"] == step).unwrap();
        assert_eq!((&line["skipped"], &line["ok"]), (&true.into(), &true.into()), "{line}");
        assert_eq!(line["got"], format!("skipped; hint: pass {missing}"));
    }
    let (code, lines, _) = run_live(&server, &[]).await;
    assert_eq!(code, Some(0));
    assert_eq!(lines[0]["got"], "user ann, account 111122223333");
    assert_eq!(lines.iter().filter(|line| line["skipped"] == false).count(), 1, "{lines:?}");
}

#[tokio::test]
async fn wrong_permissions_fail_the_tour() {
    let edited = |edit: fn(&mut Value)| {
        let mut accounts = accounts();
        edit(&mut accounts[ORDERS]["roles"]["orders"]["policies"]["orders"]["Statement"]);
        accounts
    };
    for (edit, step) in [
        (
            (|policy: &mut Value| {
                *policy = json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]);
            }) as fn(&mut Value),
            "denied: S3: put an object outside the prefix",
        ),
        (|policy| policy[1]["Action"] = json!("s3:GetObject"), "S3: delete it"),
    ] {
        let server = Server::local("eu-west-1", &edited(edit)).await.unwrap();
        let (code, lines, _) = run_live(&server, ALL_ARGUMENTS).await;
        assert_eq!(code, Some(1));
        let line = lines.iter().find(|line| line["step"] == step).unwrap();
        assert_eq!(line["ok"], false, "{line}");
    }
}

#[test]
fn invalid_arguments_exit_with_2() {
    for (arguments, part) in [
        (
            &["--live", "--bucket", "shop-orders", "--prefix", "orders"][..],
            "--prefix \"orders\" does not end in /",
        ),
        (&["--live", "--role-arn", "orders"], "`orders` is not a valid role ARN"),
        (
            &["--live", "--role-arn", CHECKOUT, "--external-id", "x"],
            "`x` is not a valid external id",
        ),
        (&["--bucket", "shop-orders"], "--live"),
        (&["--live", "--prefix", "orders/"], "--bucket"),
        (&["--live", "--external-id", "shop-4711"], "--role-arn"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tour"));
        let command = command.env_clear().env("AWS_REGION", "eu-west-1").args(arguments);
        let key = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let command = command.env("AWS_ACCESS_KEY_ID", key.0).env("AWS_SECRET_ACCESS_KEY", key.1);
        let output = command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(part) && output.stdout.is_empty(), "{arguments:?}: {error}");
    }
}

/// Returns the policies in docs/live.md, in the order of the document.
fn documented_policies() -> Vec<String> {
    let text = include_str!("../../../docs/live.md");
    let blocks = text.split("```json\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.trim().to_owned()).collect()
}

#[test]
fn documented_policies_match_those_of_the_tour() {
    let accounts = accounts();
    let ann = &accounts[SHOP]["users"]["ann"]["policies"]["assume"];
    let checkout = &accounts[SHOP]["roles"]["checkout"];
    let orders = &accounts[ORDERS]["roles"]["orders"];
    let used = [
        ann,
        &checkout["policies"]["assume"],
        &checkout["trust"],
        &orders["trust"],
        &orders["policies"]["orders"],
    ];
    let documented = documented_policies();
    assert_eq!(documented.len(), used.len());
    for (documented, used) in documented.iter().zip(used) {
        assert_eq!(document(documented), *used);
    }
    // The formatting is that of the builders as well.
    assert_eq!(documented[4], orders_policy().unwrap().to_json());
}
