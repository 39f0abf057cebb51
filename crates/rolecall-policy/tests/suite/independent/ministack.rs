//! ministack's evaluator, run by `tests/python/evaluate.py` in the environment of `cargo xtask
//! test`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rolecall_policy::Outcome;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

/// Time limit for one run of the program, which takes less than a second for 2,000 cases.
const LIMIT: Duration = Duration::from_secs(120);

/// What ministack decides.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    ImplicitlyDenied,
    ExplicitlyDenied,
    /// Denied by a trust policy: ministack does not say in which way.
    Denied,
}

impl Verdict {
    /// Returns `true` if the outcome is the same.
    pub(super) fn is(self, outcome: Outcome) -> bool {
        match self {
            Self::Allowed => outcome == Outcome::Allowed,
            Self::ImplicitlyDenied => outcome == Outcome::ImplicitlyDenied,
            Self::ExplicitlyDenied => outcome == Outcome::ExplicitlyDenied,
            Self::Denied => !outcome.is_allowed(),
        }
    }
}

pub(super) struct Ministack {
    python: OsString,
}

impl Ministack {
    pub(super) fn new() -> Self {
        let python = std::env::var_os("ROLECALL_PYTHON").expect(
            "ROLECALL_PYTHON is not set; hint: run the tests with `cargo xtask test`, or leave out \
             those that need it: cargo xtask test --without python",
        );
        Self { python }
    }

    /// Decides cases, each in its place.
    pub(super) fn decide<'a>(&self, cases: impl IntoIterator<Item = &'a Value>) -> Vec<Verdict> {
        let mut lines = String::new();
        let mut count = 0;
        for case in cases {
            writeln!(lines, "{case}").unwrap();
            count += 1;
        }
        // From a file: the program writes before it has read everything.
        let folder = TempDir::new().unwrap();
        let input = folder.path().join("cases.jsonl");
        fs::write(&input, lines).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/evaluate.py");
        let mut command = Command::new(&self.python);
        command
            .arg(script)
            .env_clear()
            .env("HOME", folder.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1")
            .stdin(File::open(&input).unwrap());
        let output = run(&mut command, folder.path(), LIMIT);
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.python.display()));
        let verdicts: Vec<Verdict> =
            output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(verdicts.len(), count, "one line for each case");
        verdicts
    }
}

/// Runs a program that leaves a file with its standard error in `folder`, and returns its standard
/// output. Kills the program if it exceeds the limit.
fn run(command: &mut Command, folder: &Path, limit: Duration) -> Result<String, String> {
    let stderr = folder.join("stderr.txt");
    let child = command.stdout(Stdio::piped()).stderr(File::create(&stderr).unwrap()).spawn();
    let mut child = Running(child.map_err(|error| error.to_string())?);
    let mut pipe = child.0.stdout.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        // A closed channel means that the limit was exceeded.
        let _ = sender.send(pipe.read_to_string(&mut text).map(|_| text));
    });
    let output = receiver.recv_timeout(limit).map_err(|_| format!("killed after {limit:?}"))?;
    // The program closed its output, so it ends.
    let status = child.0.wait().map_err(|error| error.to_string())?;
    match output {
        Ok(output) if status.success() => Ok(output),
        Ok(_) => Err(format!("{status}: {}", fs::read_to_string(&stderr).unwrap_or_default())),
        Err(error) => Err(error.to_string()),
    }
}

/// A process that does not outlive the test, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // A process that ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn hung_program_is_killed() {
    let folder = TempDir::new().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo $$ > pid; exec sleep 600"]).current_dir(folder.path());
    let error = run(&mut shell, folder.path(), Duration::from_secs(1)).unwrap_err();
    assert_eq!(error, "killed after 1s");
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    let is_running = Command::new("kill").args(["-0", pid.trim()]).output().unwrap().status;
    assert!(!is_running.success(), "process {pid} still runs");
}

#[test]
fn failed_program_is_reported_with_its_standard_error() {
    let folder = TempDir::new().unwrap();
    let mut shell = Command::new("sh");
    let error = run(shell.args(["-c", "echo no module >&2; exit 3"]), folder.path(), LIMIT);
    assert_eq!(error.unwrap_err(), "exit status: 3: no module\n");
}
