//! The time of `rolecall credential-process` with a session in its store, compared with the time
//! that the program needs to start and end.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Pairs, quartiles, write_figure, write_times};
use crate::workspace::{Outcome, Workspace};

/// Pairs of runs, each of which gives one ratio.
const PAIRS: usize = 401;
/// The largest ratio that meets the goal.
const MOST: f64 = 2.0;

const TABLE: &str = "A session from the store of `rolecall credential-process`";
/// A role of the sample of `rolecall sandbox`, and the user that can assume it.
const ROLE: &str = "arn:aws:iam::111122223333:role/deploy";
const USER: &str = "ann";

/// Returns the lines of the figure `stored_session_ratio_to_version` and its table.
pub(super) fn measure(workspace: &Workspace, rolecall: &Path) -> Outcome<String> {
    let home = workspace.target().join("bench-home");
    workspace.shell.remove_path(&home)?;
    workspace.shell.create_dir(&home)?;
    let mut sandbox = Sandbox::start(rolecall, &home)?;
    let programs =
        Programs { rolecall: rolecall.to_owned(), variables: sandbox.variables()?, home };
    programs.time(&["credential-process", ROLE])?;
    // Nothing answers from now on: the session is in the store.
    drop(sandbox);
    let session = || programs.time(&["credential-process", ROLE]);
    let pairs = Pairs::measure(PAIRS, session, || programs.time(&["--version"]))?;
    let heads = ["program", "ms from its start to its end (median)", "quartiles", "pairs"];
    let [_, median, _] = quartiles(pairs.ratios);
    Ok([
        write_figure("stored_session_ratio_to_version", median, MOST),
        json!({"table": TABLE, "heads": heads}).to_string(),
        write_times(TABLE, "`rolecall credential-process`", pairs.ours),
        write_times(TABLE, "`rolecall --version`", pairs.theirs),
    ]
    .join("\n"))
}

/// What the command runs with.
struct Programs {
    rolecall: PathBuf,
    variables: Vec<(String, String)>,
    home: PathBuf,
}

impl Programs {
    /// Runs the command, and returns the time from its start to its end.
    fn time(&self, arguments: &[&str]) -> Outcome<Duration> {
        let mut command = Command::new(&self.rolecall);
        command.args(arguments).env_clear().env("HOME", &self.home);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let start = Instant::now();
        let output = command.output()?;
        let time = start.elapsed();
        // A note says that the session did not come from the store.
        match output.status.success() && output.stderr.is_empty() {
            true => Ok(time),
            false => {
                let error = String::from_utf8_lossy(&output.stderr);
                Err(format!("rolecall {} failed: {error}", arguments.join(" ")).into())
            }
        }
    }
}

/// A local AWS, until the value is dropped.
struct Sandbox {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Sandbox {
    fn start(rolecall: &Path, home: &Path) -> Outcome<Self> {
        let mut command = Command::new(rolecall);
        command.args(["sandbox", "--user", USER, "--output", "json"]);
        command.env_clear().env("HOME", home).env("TMPDIR", home);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("the sandbox has no output")?);
        Ok(Self { child, output })
    }

    /// Returns the variables of its first line.
    fn variables(&mut self) -> Outcome<Vec<(String, String)>> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line)?;
        let variables = ready["environment"].as_object().ok_or("no environment")?;
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.into()));
        Ok(variables.iter().filter_map(text).collect())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It has ended otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
