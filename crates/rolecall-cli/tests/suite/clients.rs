//! Programs in other languages that read `rolecall credential-process` from a profile. For boto3
//! and the AWS CLI in short, see `credential_process.rs`.

use std::process::Command;

use rolecall::time::ManualClock;
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws, OidcIssuer};
use rolecall_tests::{HUB, SHOP, World};
use serde_json::json;

use crate::command::{Finished, Setup, finish};
use crate::credential_process::write_profiles;

const HUB_SESSION: &str = "arn:aws:sts::444455556666:assumed-role/hub/suite";

impl Setup {
    /// Runs another program with the profile `deploy`, which runs the command.
    async fn run_client(&self, program: &str, edit: impl FnOnce(&mut Command)) -> Finished {
        let mut command = rolecall_tests::clean(Command::new(program));
        command
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(self.with_endpoint(&[("AWS_PROFILE", "deploy")]));
        edit(&mut command);
        finish(command, "").await
    }

    async fn run_javascript(&self, calls: &str) -> Finished {
        let packages = std::env::var("ROLECALL_NPM")
            .expect("ROLECALL_NPM is not set; hint: run the tests with `cargo xtask test`");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/js/identity.cjs");
        let edit = |command: &mut Command| {
            command.env("NODE_PATH", format!("{packages}/node_modules"));
            // The SDK warns of old versions of Node.js.
            command.env("NODE_NO_WARNINGS", "1").args([script, calls]);
        };
        self.run_client("node", edit).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_is_used_by_the_sdk_for_javascript() {
    if rolecall_tests::is_left_out("npm") {
        return;
    }
    let setup = Setup::start().await;
    write_profiles(&setup, &format!("--base profile:ann {HUB}"));
    for _ in 0..2 {
        let printed = setup.run_javascript("3").await.ok();
        assert_eq!(printed, format!("{HUB_SESSION}\n").repeat(3));
    }
    // Both processes run the command, and share its session.
    assert_eq!(setup.world.aws.count("AssumeRole"), 1);
    assert_eq!(setup.world.aws.count("GetCallerIdentity"), 6);
}

/// boto3 replaces a session of which less than 15 minutes remain before each call.
#[tokio::test(flavor = "multi_thread")]
async fn boto3_client_continues_across_a_refresh() {
    if rolecall_tests::is_left_out("python") {
        return;
    }
    let python = std::env::var("ROLECALL_PYTHON")
        .expect("ROLECALL_PYTHON is not set; hint: run the tests with `cargo xtask test`");
    let script = "import boto3\n\
                  client = boto3.client('sts', region_name='eu-west-1')\n\
                  for _ in range(3): print(client.get_caller_identity()['Arn'])\n";
    for (options, least, most) in [("", 1, 1), ("--duration 15m --no-store", 3, 4)] {
        let setup = Setup::start().await;
        write_profiles(&setup, &format!("--base profile:ann {options} {HUB}"));
        let edit = |command: &mut Command| {
            command.args(["-c", script]);
        };
        let printed = setup.run_client(&python, edit).await.ok();
        assert_eq!(printed, format!("{HUB_SESSION}\n").repeat(3));
        let calls = setup.world.aws.count("AssumeRole");
        assert!((least..=most).contains(&calls), "{options}: {calls}");
    }
}

/// Starts a local AWS with a bucket that the user `ann` reaches by the role `state` alone.
async fn state_setup() -> Setup {
    let clock = ManualClock::new();
    let cluster = OidcIssuer::start_with_clock(clock.clock()).await.unwrap();
    let policy = |action: &str, resources: &[&str]| {
        let statement = json!({ "Effect": "Allow", "Action": action, "Resource": resources });
        json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
    };
    let trust = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": SHOP },
    } });
    let bucket = ["arn:aws:s3:::shop-state", "arn:aws:s3:::shop-state/*"];
    let aws = LocalAws::builder()
        .clock(clock.clock())
        .account(
            Account::new(SHOP)
                .user(IamUser::new("ann").policy(policy("sts:AssumeRole", &["*"])))
                .role(
                    IamRole::new("state").trust(trust.to_string()).policy(policy("s3:*", &bucket)),
                )
                .bucket("shop-state"),
        )
        .start()
        .await
        .unwrap();
    let world = World { aws, cluster, clock };
    Setup { world, home: tempfile::tempdir().unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_is_used_by_terraforms_backend_s3() {
    if rolecall_tests::is_left_out("terraform") {
        return;
    }
    let setup = state_setup().await;
    write_profiles(&setup, &format!("--base profile:ann arn:aws:iam::{SHOP}:role/state"));
    let url = setup.world.aws.endpoint_url();
    // The first folder writes the state, the second one reads it.
    for (folder, steps) in [
        ("writer", &[&["init"][..], &["apply", "-auto-approve"]][..]),
        ("reader", &[&["init"], &["output", "-raw", "greeting"]]),
    ] {
        let text = format!(
            r#"terraform {{
  backend "s3" {{
    bucket                  = "shop-state"
    key                     = "shop/terraform.tfstate"
    region                  = "eu-west-1"
    profile                 = "deploy"
    use_path_style          = true
    skip_metadata_api_check = true
    endpoints               = {{ s3 = "{url}", sts = "{url}" }}
  }}
}}

output "greeting" {{
  value = "hello from {folder}"
}}
"#
        );
        setup.write(&format!("{folder}/main.tf"), &text);
        for step in steps {
            let program = std::env::var("ROLECALL_TERRAFORM").unwrap_or("terraform".to_owned());
            let edit = |command: &mut Command| {
                command
                    .current_dir(setup.home.path().join(folder))
                    .env("CHECKPOINT_DISABLE", "1")
                    .env("TF_IN_AUTOMATION", "1")
                    .args(*step);
                if step[0] != "output" {
                    command.args(["-input=false", "-no-color"]);
                }
            };
            let run = setup.run_client(&program, edit).await;
            assert_eq!(run.code, Some(0), "{step:?}: {}{}", run.out, run.err);
            if step[0] == "output" {
                assert_eq!(run.out, "hello from writer");
            }
        }
    }
    let session = format!("arn:aws:sts::{SHOP}:assumed-role/state/suite");
    let calls = setup.world.aws.calls();
    let by_role = |operation: &str| {
        let calls = calls.iter().filter(|call| call.operation == operation);
        calls.filter(|call| call.caller.as_deref() == Some(session.as_str())).count()
    };
    for operation in ["GetCallerIdentity", "ListObjectsV2", "PutObject", "GetObject"] {
        assert!(by_role(operation) > 0, "{operation}: {calls:#?}");
    }
    // Four processes, one session.
    assert_eq!(setup.world.aws.count("AssumeRole"), 1);
}
