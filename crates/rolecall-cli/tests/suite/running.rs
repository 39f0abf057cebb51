//! Programs that run beside a test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::Finished;

/// Time limit for the end of a program.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Standard output and standard error: a pipe that is not read would stop the program.
    files: [PathBuf; 2],
}

impl Running {
    /// Starts a program whose output goes to files in `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        let files = ["program.out", "program.err"].map(|name| folder.join(name));
        let [out, err] = files.each_ref().map(|path| File::create(path).unwrap());
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, files }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Returns what is in standard output and in standard error.
    pub(crate) fn output(&self) -> [String; 2] {
        self.files.each_ref().map(|path| std::fs::read_to_string(path).unwrap())
    }

    /// Waits for the end of the program.
    pub(crate) async fn finish(mut self) -> Finished {
        let started = Instant::now();
        while !self.has_ended() {
            assert!(started.elapsed() < LIMIT, "the program does not end: {:?}", self.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let code = self.child.wait().unwrap().code();
        let [out, err] = self.output();
        Finished { code, out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
