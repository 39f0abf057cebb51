//! Runs the command in an environment that sees nothing of this machine's AWS configuration.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

#[cfg(unix)]
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use rolecall_tests::{SHOP, World};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

/// A local AWS, and a folder that is the home of the command.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) world: World,
    pub(crate) home: TempDir,
}

impl Setup {
    pub(crate) async fn start() -> Self {
        Self { world: World::new().await.unwrap(), home: tempfile::tempdir().unwrap() }
    }

    /// Returns the variables of the user `ann`, which can assume the role `hub`.
    pub(crate) fn user(&self) -> Vec<(String, String)> {
        let keys = self.world.aws.user_credentials(SHOP, "ann").unwrap();
        self.with_endpoint(&[
            ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
        ])
    }

    /// Returns the variables of a pod, whose service account can assume the role `checkout`.
    pub(crate) fn pod(&self) -> Vec<(String, String)> {
        let token = self.world.cluster.service_account_token("shop", "checkout").sign().unwrap();
        let file = self.write("token", &token);
        self.world.variables(Path::new(&file))
    }

    /// Returns these variables, and those of the endpoint.
    pub(crate) fn with_endpoint(&self, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let endpoint = [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", self.world.aws.endpoint_url()),
            ("AWS_ROLE_SESSION_NAME", "suite"),
        ];
        let all = endpoint.iter().chain(variables);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Writes a file in the home folder, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Returns the command with these variables and no others of AWS.
    pub(crate) fn command(&self, variables: &[(String, String)]) -> Command {
        let mut command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
        // A command that is killed leaves its temporary files, which are removed with the home.
        command.env("HOME", self.home.path()).env("TMPDIR", self.home.path());
        command.envs(variables.iter().cloned());
        command
    }

    /// Returns the command as a user to whom permissions apply, since root can read every file.
    /// That user can read the home folder.
    #[cfg(unix)]
    pub(crate) fn command_of_other_user(&self, variables: &[(String, String)]) -> Command {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        use std::os::unix::process::CommandExt;

        const NOBODY: u32 = 65534;
        let command = self.command(variables);
        if self.home.path().metadata().unwrap().uid() != 0 {
            return command;
        }
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.home.path(), readable).unwrap();
        // The folder of the build may be closed to other users. The copy is not written by this
        // process: a child that another test starts meanwhile could have the open file, with which
        // the system refuses to run the copy.
        let copy = self.home.path().join("rolecall");
        if !copy.exists() {
            let mut copying = Command::new("cp");
            copying.arg("--").arg(command.get_program()).arg(&copy);
            assert!(copying.status().unwrap().success());
        }
        let mut other = with_environment_of(&command, Command::new(&copy));
        other.uid(NOBODY).gid(NOBODY);
        other
    }

    /// Runs the command to its end.
    pub(crate) async fn run(&self, variables: &[(String, String)], arguments: &[&str]) -> Finished {
        let mut command = self.command(variables);
        command.args(arguments);
        finish(command, "").await
    }
}

/// Lets a program have the environment of a command, and no other.
pub(crate) fn with_environment_of(command: &Command, mut program: Command) -> Command {
    let environment = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    program.env_clear().envs(environment);
    program
}

/// Returns a command that runs these lines of a shell, and then the command in its place.
#[cfg(unix)]
pub(crate) fn after(lines: &str, command: &Command) -> Command {
    let mut shell = with_environment_of(command, Command::new("/bin/sh"));
    shell.args(["-c", &format!("{lines}\nexec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

/// The lines of a shell that let its programs ignore SIGHUP, as `nohup` does.
#[cfg(unix)]
pub(crate) const IGNORE_HUP: &str = "trap '' HUP";

/// Runs a command that needs neither an environment nor a server.
pub(crate) async fn run_alone(arguments: &[&str]) -> Finished {
    let mut command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
    command.args(arguments);
    finish(command, "").await
}

/// Time limit of a command, so that one that does not end fails its test.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs a command with this standard input to its end. It is killed if the test ends before.
pub(crate) async fn finish(command: Command, input: &str) -> Finished {
    finish_with(command, input, Stdio::piped()).await
}

/// Runs a command as [`finish()`] does, with this standard error.
pub(crate) async fn finish_with(
    mut command: Command,
    input: &str,
    errors: impl Into<Stdio>,
) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    let program = command.get_program().to_owned();
    let mut command = tokio::process::Command::from(command);
    let started = command.kill_on_drop(true).spawn();
    let mut child = started.unwrap_or_else(|error| not_started(&program, &error));
    let mut stdin = child.stdin.take().unwrap();
    let write = async move {
        // The command may end without having read its input.
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    let run = async { tokio::join!(write, child.wait_with_output()).1 };
    let ended = tokio::time::timeout(LIMIT, run).await;
    let ended = ended.unwrap_or_else(|_| panic!("{} did not end", program.display()));
    Finished::from(ended.unwrap())
}

/// Runs a command whose standard output is closed, as by `head`.
pub(crate) fn finish_without_reader(mut command: Command) -> Finished {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    Finished::from(command.output().unwrap())
}

fn not_started(program: &OsStr, error: &std::io::Error) -> ! {
    panic!("cannot start {}: {error}", program.display())
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Finished {
    /// Returns standard output of a command that succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Returns standard output of a command that succeeded, as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Returns standard error of a command that failed with this code and printed no result.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.err);
        self.err
    }
}

/// Starts a local AWS whose user `ann` has an MFA device, which the role `admin` requires.
#[cfg(unix)]
pub(crate) async fn start_with_mfa() -> LocalAws {
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}"#;
    let trust = format!(
        r#"{{"Statement":{{"Effect":"Allow","Action":"sts:AssumeRole",
            "Principal":{{"AWS":"{SHOP}"}},
            "Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}}}"#
    );
    let account = Account::new(SHOP)
        .user(IamUser::new("ann").policy(policy).mfa_device())
        .role(IamRole::new("admin").trust(trust));
    LocalAws::builder().account(account).start().await.unwrap()
}
