//! The linters, which `tests/python/lint.py` runs in one process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use super::policy::Policy;

/// The variable with the path of the Python that has the linters.
const VARIABLE: &str = "ROLECALL_LINTERS";
/// They take some seconds. Python is slow on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Returns `true` if the current test is left out, and must return.
pub(super) fn is_left_out() -> bool {
    crate::left_out::is_left_out("linters")
}

/// A finding of a linter.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Found {
    id: usize,
    pub(super) linter: String,
    pub(super) check: String,
    /// The number of the statement, unless the finding is about the policy as a whole.
    pub(super) statement: Option<usize>,
    pub(super) detail: String,
}

/// Returns the findings of both linters for each policy.
pub(super) fn run(policies: &[Policy]) -> Vec<Vec<Found>> {
    let lines: String = policies
        .iter()
        .enumerate()
        .map(|(id, policy)| {
            let line = json!({"id": id, "kind": policy.kind, "policy": policy.document});
            format!("{line}\n")
        })
        .collect();
    let mut found = vec![Vec::new(); policies.len()];
    for line in start(lines).lines() {
        let finding: Found = serde_json::from_str(line).unwrap();
        found[finding.id].push(finding);
    }
    found
}

/// Runs the program with an input, and returns its output.
fn start(input: String) -> String {
    let python = std::env::var_os(VARIABLE).map(PathBuf::from);
    let hint = "hint: run the tests with `cargo xtask test`, or leave out the tests that need the \
                linters: cargo xtask test --without linters";
    let python = python.unwrap_or_else(|| panic!("{VARIABLE} is not set; {hint}"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/lint.py");
    // Neither the user's settings nor a file in the working directory change what they report.
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(python);
    command.env_clear().env("HOME", folder.path()).current_dir(folder.path());
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1").env("TMPDIR", folder.path());
    command.arg(script.canonicalize().unwrap());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();

    let mut stdin = child.stdin.take().unwrap();
    thread::spawn(move || stdin.write_all(input.as_bytes()));
    let stdout = read(child.stdout.take().unwrap());
    let stderr = read(child.stderr.take().unwrap());
    let output = wait(&mut child, &stdout);
    let errors = stderr.recv().unwrap_or_default();
    let status = child.wait().unwrap();
    let output = output.unwrap_or_else(|| panic!("the linters timed out: {errors}"));
    assert!(status.success(), "the linters failed: {errors}");
    output
}

fn read(mut pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.read_to_string(&mut text);
        let _ = sender.send(text);
    });
    receiver
}

/// Returns the standard output, or `None` if the process exceeded the time limit and was killed.
fn wait(child: &mut Child, stdout: &mpsc::Receiver<String>) -> Option<String> {
    let output = stdout.recv_timeout(TIMEOUT).ok();
    if output.is_none() {
        let _ = child.kill();
    }
    output
}
