//! Folders whose path is not UTF-8 text.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rolecall_tests::HUB;

use crate::command::{Finished, Setup, finish};

const MESSAGE: &str = " is not UTF-8 text and cannot be printed\nhint: use a folder whose path";

/// A local AWS, and a folder with such a name.
struct Odd {
    setup: Setup,
    folder: PathBuf,
}

impl Odd {
    async fn start() -> Self {
        let setup = Setup::start().await;
        let folder = setup.home.path().join(OsStr::from_bytes(b"odd\xff"));
        std::fs::create_dir(&folder).unwrap();
        Self { setup, folder }
    }

    /// Runs the command with the folder as TMPDIR.
    async fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = self.setup.command(&self.setup.user());
        command.args(arguments).env("TMPDIR", &self.folder);
        finish(command, "").await
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(std::fs::read_dir(&self.folder).unwrap().count(), 0);
        assert_eq!(self.setup.world.aws.calls().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn program_of_exec_finds_its_token() {
    let odd = Odd::start().await;
    let script = "cat \"$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE\" \"$AWS_CONFIG_FILE\" | wc -c";
    let run = odd.run(&["exec", "--refresh", HUB, "--", "sh", "-c", script]).await;
    assert_eq!(run.ok().trim(), "64");
}

#[tokio::test(flavor = "multi_thread")]
async fn printed_path_is_refused_before_anything_starts() {
    let odd = Odd::start().await;
    for arguments in [
        &["serve", HUB][..],
        &["serve", HUB, "--output", "json"],
        &["serve", HUB, "--format", "export"],
        &["sandbox"],
        &["sandbox", "--output", "json"],
    ] {
        let error = odd.run(arguments).await.failed(1);
        assert!(error.starts_with("error: the path ") && error.contains(MESSAGE), "{error}");
        odd.assert_untouched();
    }
    // A folder that exists, and one that would be created.
    for name in ["", "new"] {
        let mut command = odd.setup.command(&odd.setup.user());
        command.args(["serve", HUB, "--directory"]).arg(odd.folder.join(name));
        let error = finish(command, "").await.failed(1);
        assert!(error.contains(MESSAGE), "{error}");
        odd.assert_untouched();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn printed_paths_of_other_commands_are_refused() {
    let odd = Odd::start().await;
    let mut command = odd.setup.command(&[]);
    command.args(["scaffold", "--project", "shop", "--account", "111122223333", "--region"]);
    command.args(["eu-west-1", "--bucket", "orders", "--issuer", "https://oidc.example.com/id/1"]);
    command.arg("--out").arg(&odd.folder);
    let error = finish(command, "").await.failed(1);
    assert!(error.contains(MESSAGE), "{error}");
    odd.assert_untouched();

    let policy = odd.folder.join("policy.json");
    std::fs::write(&policy, r#"{"Version": "2012-10-17", "Statement": []}"#).unwrap();
    for format in ["json", "sarif"] {
        let mut command = odd.setup.command(&[]);
        command.args(["policy", "check", "--output", format]).arg(&policy);
        let error = finish(command, "").await.failed(1);
        assert!(error.contains(MESSAGE), "{error}");
    }

    let program = odd.folder.join("rolecall");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rolecall"), &program).unwrap();
    let mut command = rolecall_tests::clean(std::process::Command::new(&program));
    command.args(["completions", "bash"]);
    let error = finish(command, "").await.failed(1);
    assert!(error.contains(MESSAGE), "{error}");
}
