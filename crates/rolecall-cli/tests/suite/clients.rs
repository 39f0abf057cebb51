//! Programs in other languages that read `rolecall credential-process` from a profile.
//!
//! For boto3 and the AWS CLI, see `credential_process.rs`; for the end of a session, `refresh.rs`.

use std::path::Path;
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
}

/// Makes a command of `node` run `identity.cjs`.
pub(crate) fn add_identity_script(command: &mut Command, arguments: &[&str]) {
    let packages = std::env::var("ROLECALL_NPM")
        .expect("ROLECALL_NPM is not set; hint: run the tests with `cargo xtask test`");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/js/identity.cjs");
    command.env("NODE_PATH", format!("{packages}/node_modules"));
    // The SDK warns of old versions of Node.js.
    command.env("NODE_NO_WARNINGS", "1").arg(script).args(arguments);
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_is_used_by_the_sdk_for_javascript() {
    if rolecall_tests::is_left_out("npm") {
        return;
    }
    let setup = Setup::start().await;
    write_profiles(&setup, &format!("--base profile:ann {HUB}"));
    for _ in 0..2 {
        let run = setup.run_client("node", |command| add_identity_script(command, &["3"])).await;
        let printed = run.ok();
        assert_eq!(printed, format!("{HUB_SESSION}\n").repeat(3));
    }
    // Both processes run the command, and share its session.
    assert_eq!(setup.world.aws.count("AssumeRole"), 1);
    assert_eq!(setup.world.aws.count("GetCallerIdentity"), 6);
}

/// Loads the session in a shell of another identity.
const ASSUME: &str = r#"
    eval "$("$ROLECALL" assume "$ROLE" --base profile:ann --format export)"
    exec node "$@"
"#;
/// Loads the variables of the endpoint in a shell of another identity.
const SERVE: &str = r#"
    "$ROLECALL" serve "$ROLE" --base profile:ann --format export > "$HOME/lines" & server=$!
    until [ -s "$HOME/lines" ]; do sleep 0.05; done
    . "$HOME/lines"
    node "$@"; status=$?
    kill "$server"; wait "$server"; exit "$status"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn loaded_lines_win_over_other_identities_in_javascript() {
    if rolecall_tests::is_left_out("npm") {
        return;
    }
    let setup = Setup::start().await;
    write_profiles(&setup, &format!("--base profile:ann {HUB}"));
    let keys = setup.world.aws.user_credentials(SHOP, "ann").unwrap();
    let pod = setup.pod();
    let of_pod = |name: &str| pod.iter().find(|(other, _)| other == name).unwrap().1.as_str();
    // The SDK prefers each of these to what is loaded.
    let profile = [("AWS_PROFILE", "ann"), ("AWS_ACCOUNT_ID", "999999999999")];
    let access_key = [
        ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
        ("AWS_ACCOUNT_ID", "999999999999"),
    ];
    let web_identity = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"];
    let web_identity = web_identity.map(|name| (name, of_pod(name)));
    for (script, stale) in [
        (ASSUME, &profile[..]),
        (SERVE, &profile),
        (SERVE, &access_key),
        (SERVE, &web_identity),
        (SERVE, &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/stale")]),
    ] {
        let edit = |command: &mut Command| {
            command.args(["-c", script, "sh"]).env_remove("AWS_PROFILE");
            command.env("ROLECALL", env!("CARGO_BIN_EXE_rolecall")).env("ROLE", HUB);
            add_identity_script(command, &["1"]);
            command.envs(stale.iter().copied());
        };
        let run = setup.run_client("sh", edit).await;
        assert_eq!(run.out, format!("{HUB_SESSION}\n"), "{stale:?}: {}", run.err);
        assert_eq!(run.code, Some(0), "{stale:?}: {}", run.err);
        // The shell waits for the file of this run.
        let _ = std::fs::remove_file(setup.home.path().join("lines"));
    }
}

/// Role that can use the bucket `shop-state`.
pub(crate) const STATE: &str = "arn:aws:iam::111122223333:role/state";
pub(crate) const STATE_SESSION: &str = "arn:aws:sts::111122223333:assumed-role/state/suite";

/// Starts a local AWS with a bucket that the user `ann` reaches by the role `state` alone.
pub(crate) async fn state_setup() -> Setup {
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

/// Returns a configuration that keeps its state in the bucket `shop-state`.
pub(crate) fn backend_s3(endpoint_url: &str, profile: Option<&str>) -> String {
    let profile = profile.map(|name| format!("    profile = \"{name}\"\n")).unwrap_or_default();
    format!(
        r#"terraform {{
  backend "s3" {{
    bucket                  = "shop-state"
    key                     = "shop/terraform.tfstate"
    region                  = "eu-west-1"
    use_path_style          = true
    use_lockfile            = true
    skip_metadata_api_check = true
    endpoints               = {{ s3 = "{endpoint_url}", sts = "{endpoint_url}" }}
{profile}  }}
}}
"#
    )
}

/// Returns the program of Terraform.
pub(crate) fn terraform() -> String {
    std::env::var("ROLECALL_TERRAFORM").unwrap_or("terraform".to_owned())
}

/// Makes a command run Terraform in a folder, without questions and without the network.
pub(crate) fn add_terraform_step(command: &mut Command, folder: &Path, step: &[&str]) {
    command.current_dir(folder).env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
    command.args(step);
    if step[0] != "output" {
        command.args(["-input=false", "-no-color"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_is_used_by_terraforms_backend_s3() {
    if rolecall_tests::is_left_out("terraform") {
        return;
    }
    let setup = state_setup().await;
    write_profiles(&setup, &format!("--base profile:ann {STATE}"));
    // The first folder writes the state, the second one reads it.
    for (folder, steps) in [
        ("writer", &[&["init"][..], &["apply", "-auto-approve"]][..]),
        ("reader", &[&["init"], &["output", "-raw", "greeting"]]),
    ] {
        let backend = backend_s3(setup.world.aws.endpoint_url(), Some("deploy"));
        let greeting = format!("output \"greeting\" {{\n  value = \"hello from {folder}\"\n}}\n");
        setup.write(&format!("{folder}/main.tf"), &(backend + &greeting));
        let folder = setup.home.path().join(folder);
        for step in steps {
            let edit = |command: &mut Command| add_terraform_step(command, &folder, step);
            let run = setup.run_client(&terraform(), edit).await;
            assert_eq!(run.code, Some(0), "{step:?}: {}{}", run.out, run.err);
            if step[0] == "output" {
                assert_eq!(run.out, "hello from writer");
            }
        }
    }
    let calls = setup.world.aws.calls();
    let by_role = |operation: &str| {
        let calls = calls.iter().filter(|call| call.operation == operation);
        calls.filter(|call| call.caller.as_deref() == Some(STATE_SESSION)).count()
    };
    for operation in ["GetCallerIdentity", "ListObjectsV2", "PutObject", "GetObject"] {
        assert!(by_role(operation) > 0, "{operation}: {calls:#?}");
    }
    // Four processes, one session.
    assert_eq!(setup.world.aws.count("AssumeRole"), 1);
}
