//! `rolecall sandbox`.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Finished, IGNORE_HUP, after, finish, run_alone};
use crate::endpoint::{signal, wait_for_end, wait_until};

const ORDERS: &str = "arn:aws:iam::444455556666:role/orders";

/// A sandbox that runs, whose temporary folder is `temporary`.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    temporary: TempDir,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, Stdio::piped())
    }

    /// Starts a sandbox with this standard error.
    pub(crate) fn start_with(arguments: &[&str], errors: Stdio) -> Self {
        let command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
        Self::start_by(command, arguments, errors)
    }

    /// Starts a sandbox by a command that runs its arguments.
    fn start_by(mut command: Command, arguments: &[&str], errors: Stdio) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        command.arg("sandbox").args(arguments).env("TMPDIR", temporary.path());
        command.stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, temporary }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Reads the assignments, and returns them as the lines to evaluate.
    pub(crate) fn environment(&mut self, last: &str) -> String {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.contains(last)) {
            lines.push(self.line());
            assert!(lines.len() < 10 && lines.last().unwrap() != "", "{lines:?}");
        }
        lines.join("\n")
    }

    /// Evaluates the assignments in a shell, and runs the command there.
    pub(crate) async fn run(&self, environment: &str, arguments: &str) -> Finished {
        let script = format!("{environment}\n\"$0\" {arguments}");
        let mut command = rolecall_tests::clean(Command::new("sh"));
        command.env("HOME", self.temporary.path()).args(["-euc", &script]);
        command.arg(env!("CARGO_BIN_EXE_rolecall"));
        // Stale variables, the first of which SDKs rank before a web identity.
        command.env("AWS_PROFILE", "missing").env("AWS_ACCOUNT_ID", "999999999999");
        command.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/stale");
        finish(command, "").await
    }

    fn entries(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.temporary.path()).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("rolecall-sandbox-")).collect()
    }

    /// Stops the sandbox, and returns what it has printed since.
    pub(crate) fn stop(mut self, signal: rustix::process::Signal) -> String {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert_eq!(self.entries(), Vec::<String>::new());
        rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn environment_is_that_of_a_pod() {
    let mut sandbox = Running::start(&[]);
    let environment = sandbox.environment("AWS_WEB_IDENTITY_TOKEN_FILE=");
    let count = "--version >&2; env | grep -c 'stale\\|999999999999\\|missing' || true";
    assert_eq!(sandbox.run(&environment, count).await.out, "0\n", "{environment}");
    let identity = sandbox.run(&environment, "whoami --output json").await.json();
    assert_eq!(identity["role"], "checkout");
    let call = sandbox.line();
    assert!(call.starts_with("# ") && call.contains("sts AssumeRoleWithWebIdentity"), "{call}");
    assert!(call.ends_with(", unknown caller: ok"), "a token is not signed: {call}");
    let call = sandbox.line();
    assert!(
        call.contains("sts GetCallerIdentity, arn:aws:sts::111122223333:assumed-role/checkout/")
    );
    let assume = format!("assume --no-store --external-id shop-4711 {ORDERS}");
    let session = sandbox.run(&environment, &assume).await.ok();
    assert!(session.contains("444455556666"), "{session}");
    let error = sandbox.run(&environment, &format!("assume --no-store {ORDERS}")).await.failed(1);
    assert!(error.contains("not authorized"), "{error}");
    let rest = sandbox.stop(rustix::process::Signal::TERM);
    assert!(rest.contains(" sts AssumeRole, "), "{rest}");
    assert!(rest.contains(": AccessDenied"), "{rest}");
    assert!(rest.lines().all(|line| line.starts_with("# ")), "{rest}");
}

#[tokio::test]
async fn token_is_private_to_its_user() {
    use std::os::unix::fs::PermissionsExt;
    let mut sandbox = Running::start(&["--output", "json"]);
    let ready = sandbox.json();
    assert_eq!(ready["event"], "ready");
    let file = ready["environment"]["AWS_WEB_IDENTITY_TOKEN_FILE"].as_str().unwrap();
    let file = Path::new(file);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(file.parent().unwrap().parent(), Some(sandbox.temporary.path()));
    assert_eq!(sandbox.entries().len(), 1);
    assert_eq!(sandbox.stop(rustix::process::Signal::INT), "");
}

#[tokio::test]
async fn calls_as_json_have_caller_and_outcome() {
    let mut sandbox = Running::start(&["--user", "ann", "--output", "json"]);
    let environment = sandbox.json()["environment"].clone();
    let variables = environment.as_object().unwrap().iter();
    let lines: Vec<String> = variables
        .map(|(name, value)| format!("export {name}='{}'", value.as_str().unwrap()))
        .collect();
    let lines = format!("unset AWS_PROFILE\n{}", lines.join("\n"));
    sandbox.run(&lines, "whoami").await.ok();
    let call = sandbox.json();
    assert_eq!(call["event"], "call");
    assert_eq!(
        (&call["service"], &call["operation"]),
        (&"sts".into(), &"GetCallerIdentity".into())
    );
    assert_eq!(call["caller"], "arn:aws:iam::111122223333:user/ann");
    assert_eq!(call["error"], Value::Null);
    sandbox.run(&lines, &format!("assume --no-store {ORDERS}")).await.failed(1);
    let call = sandbox.json();
    assert_eq!(call["error"], "AccessDenied", "{call}");
    sandbox.stop(rustix::process::Signal::TERM);
}

/// The sample is a configuration, too.
#[tokio::test]
async fn config_describes_the_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.json");
    let sample = run_alone(&["sandbox", "--print-config"]).await.ok();
    std::fs::write(&file, sample.replace("\"ann\"", "\"bob\"").replace("user/ann", "user/bob"))
        .unwrap();
    let path = file.to_str().unwrap();
    let mut sandbox = Running::start(&["--config", path, "--user", "bob"]);
    let environment = sandbox.environment("AWS_SECRET_ACCESS_KEY=");
    let text = sandbox.run(&environment, "whoami").await.ok();
    assert!(text.contains("arn:aws:iam::111122223333:user/bob"), "{text}");
    sandbox.stop(rustix::process::Signal::TERM);

    let error = run_alone(&["sandbox", "--config", path, "--user", "ann"]).await.failed(1);
    assert_eq!(error, "error: the sandbox has no user \"ann\"\nhint: its users are bob\n");
    for (text, expected) in [
        (r#"{"accounts": [], "x": 1}"#, "unknown field `x`"),
        (r#"{"accounts": [{"id": "1"}]}"#, "cannot start the local AWS: "),
        (
            r#"{"accounts": [{"id": "111122223333", "roles": [{"name": "a", "trust": {}}]}]}"#,
            "account 111122223333: role \"a\", trust policy: ",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = run_alone(&["sandbox", "--config", path]).await.failed(1);
        assert!(error.starts_with("error: ") && error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn port_in_use_is_an_error() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let error = run_alone(&["sandbox", "--port", &port]).await.failed(1);
    assert!(error.contains("failed to listen on 127.0.0.1: "), "{error}");
    let error = run_alone(&["sandbox", "--format", "fish", "--output", "json"]).await.failed(2);
    assert!(error.contains("exclude each other"), "{error}");
}

/// `rolecall sandbox | head -n 1` ends without another call, and leaves nothing behind.
#[tokio::test]
async fn reader_that_is_gone_ends_the_sandbox() {
    let mut sandbox = Running::start(&["--output", "json"]);
    sandbox.json();
    let none = Command::new("true")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
        .stdout
        .unwrap_or_else(|| panic!("the program has an output"));
    drop(std::mem::replace(&mut sandbox.out, BufReader::new(none)));
    assert_eq!(wait_for_end(&mut sandbox.child).code(), Some(0));
    assert_eq!(sandbox.entries(), Vec::<String>::new());
}

#[tokio::test]
async fn files_and_pipes_that_are_read_keep_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aws.env");
    let mut command = rolecall_tests::clean(Command::new("sh"));
    command.env("OUT", &path).args(["-c", "exec \"$@\" >\"$OUT\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_rolecall"));
    let mut sandbox = Running::start_by(command, &[], Stdio::piped());
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_until(read, || read().contains("AWS_WEB_IDENTITY_TOKEN_FILE="));
    sandbox.run(&read(), "whoami").await.ok();
    assert!(sandbox.child.try_wait().unwrap().is_none());
    sandbox.stop(rustix::process::Signal::TERM);
}

#[tokio::test]
async fn ignored_hangup_keeps_the_sandbox() {
    let rolecall = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
    for (lines, is_kept) in [("", false), (IGNORE_HUP, true)] {
        let command = after(lines, &rolecall);
        let mut sandbox = Running::start_by(command, &[], Stdio::piped());
        let environment = sandbox.environment("AWS_WEB_IDENTITY_TOKEN_FILE=");
        if is_kept {
            signal(sandbox.child.id(), "HUP");
            sandbox.run(&environment, "whoami").await.ok();
            sandbox.stop(rustix::process::Signal::TERM);
        } else {
            sandbox.stop(rustix::process::Signal::HUP);
        }
    }
}
