//! The long-lived Python process that runs `client.py`, `provision.py` and the AWS CLI.
//!
//! An interpreter that imports boto3 and the CLI takes a third of a second to start, and the suites
//! make some 60 calls. `python/driver.py` imports them once per test process and forks for each
//! call; it is started by the first call and shared by all tests, whatever runtime they are on.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::{ProgramOutput, PythonError, SCRIPTS, io_error};

/// Time that the driver has beyond a program's to start, and to report that it killed a program.
const DRIVER_GRACE: Duration = Duration::from_secs(60);
/// The end of the driver's standard error that is kept for error messages.
const MAX_STDERR: usize = 16 * 1024;
/// The number of times, 10 ms apart, that an ended driver's standard error is awaited.
const STDERR_POLLS: u32 = 100;

/// One run of a program by the driver.
pub(super) struct Call<'a> {
    /// `client`, `provision` or `aws`.
    pub(super) program: &'static str,
    pub(super) arguments: &'a [&'a str],
    /// Every environment variable of the program: it inherits none.
    pub(super) environment: Map<String, Value>,
    pub(super) input: &'a str,
    /// Time limit for the program.
    pub(super) timeout: Duration,
}

impl Call<'_> {
    /// Runs the program, and waits for its end.
    ///
    /// # Errors
    ///
    /// Returns [`PythonError::TimedOut`] if the program or the driver exceeds its time limit. The
    /// program is killed; a driver that does not respond is killed as well, and the next call
    /// starts another. Returns [`PythonError::Failed`] with its standard error if the driver ends.
    pub(super) async fn run(self, python: &OsStr) -> Result<ProgramOutput, PythonError> {
        let driver = Driver::shared(python)?;
        let (program, timeout) = (self.program, self.timeout);
        let response = driver.send(self)?;
        match tokio::time::timeout(timeout + DRIVER_GRACE, response).await {
            Ok(Ok(response)) => read_response(program, &response),
            // The reader dropped the sender: the driver closed its output, so it ended.
            Ok(Err(_)) => Err(driver.failure()),
            Err(_) => {
                let _ = driver.kill();
                Err(PythonError::TimedOut("driver.py".into()))
            }
        }
    }
}

fn read_response(program: &str, response: &Value) -> Result<ProgramOutput, PythonError> {
    if response["timeout"] == true {
        return Err(PythonError::TimedOut(program.to_owned()));
    }
    let text = |name: &str| response[name].as_str().unwrap_or_default().to_owned();
    let status = response["status"].as_i64().and_then(|status| i32::try_from(status).ok());
    let status = status.ok_or_else(|| PythonError::Failed {
        program: "driver.py".to_owned(),
        stderr: format!("invalid response: {response}"),
    })?;
    Ok(ProgramOutput { status, stdout: text("out"), stderr: text("err") })
}

/// The driver of this process. It is never dropped: its standard input closes when this process
/// ends, in whatever way, and the driver ends with it.
static SHARED: Mutex<Option<Arc<Driver>>> = Mutex::new(None);

struct Driver {
    child: Mutex<Child>,
    /// Lines for the thread that writes: a pipe may be full, and a test's runtime must not block.
    requests: mpsc::Sender<String>,
    waiting: Arc<Waiting>,
    next_id: AtomicU64,
    stderr: Arc<Mutex<Vec<u8>>>,
    /// Collects `stderr`, until the driver ended.
    collector: Option<JoinHandle<()>>,
}

/// The calls without a response yet; `None` once the driver ended.
struct Waiting(Mutex<Option<HashMap<u64, oneshot::Sender<Value>>>>);

impl Driver {
    /// Returns the driver of this process, and starts one if there is none or the last one ended.
    fn shared(python: &OsStr) -> Result<Arc<Self>, PythonError> {
        let mut shared = lock(&SHARED);
        if let Some(driver) = shared.as_ref().filter(|driver| driver.is_running()) {
            return Ok(Arc::clone(driver));
        }
        let driver = Arc::new(Self::start(python, &Path::new(SCRIPTS).join("driver.py"))?);
        *shared = Some(Arc::clone(&driver));
        Ok(driver)
    }

    fn start(python: &OsStr, script: &Path) -> Result<Self, PythonError> {
        let mut child = Command::new(python)
            .arg(script)
            .env_clear()
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io_error("driver.py", error))?;
        let waiting = Arc::new(Waiting(Mutex::new(Some(HashMap::new()))));
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let (requests, lines) = mpsc::channel();
        let mut collector = None;
        if let (Some(stdin), Some(stdout), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        {
            let (reading, collecting) = (Arc::clone(&waiting), Arc::clone(&stderr));
            std::thread::spawn(move || write_requests(&lines, stdin));
            std::thread::spawn(move || read_responses(&reading, stdout));
            collector = Some(std::thread::spawn(move || collect_stderr(&collecting, errors)));
        }
        let (child, next_id) = (Mutex::new(child), AtomicU64::new(1));
        Ok(Self { child, requests, waiting, next_id, stderr, collector })
    }

    fn is_running(&self) -> bool {
        lock(&self.waiting.0).is_some()
    }

    fn send(&self, call: Call<'_>) -> Result<oneshot::Receiver<Value>, PythonError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        // Registered before it is sent: the response could come in between.
        match lock(&self.waiting.0).as_mut() {
            Some(waiting) => drop(waiting.insert(id, sender)),
            None => return Err(self.failure()),
        }
        let request = json!({
            "id": id,
            "program": call.program,
            "arguments": call.arguments,
            "environment": call.environment,
            "input": call.input,
            "seconds": call.timeout.as_secs_f64(),
        });
        // It fails only if the writer ended with the driver, which the reader reports.
        let _ = self.requests.send(format!("{request}\n"));
        Ok(receiver)
    }

    /// Kills the driver, which ends the calls that still wait for it, too.
    fn kill(&self) -> std::io::Result<ExitStatus> {
        lock(&self.waiting.0).take();
        let mut child = lock(&self.child);
        // An error means that it has ended already.
        let _ = child.kill();
        child.wait()
    }

    /// Returns the error for a driver that closed its output, with its exit status and the end of
    /// its standard error.
    fn failure(&self) -> PythonError {
        let status = self.kill();
        // The last of its standard error may not have been read yet.
        for _ in 0..STDERR_POLLS {
            if self.collector.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let stderr = String::from_utf8_lossy(&lock(&self.stderr)).into_owned();
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        PythonError::Failed { program: "driver.py".into(), stderr: format!("{status}\n{stderr}") }
    }
}

/// Writes each request as it comes, until the driver ends.
fn write_requests(lines: &mpsc::Receiver<String>, mut stdin: ChildStdin) {
    for line in lines {
        if stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// Hands each response to the call that waits for it, until the driver ends.
fn read_responses(waiting: &Waiting, stdout: ChildStdout) {
    for line in BufReader::new(stdout).lines() {
        let Ok(response) = line.map_err(drop).and_then(|line| parse(&line)) else { break };
        let id = response["id"].as_u64().unwrap_or_default();
        let sender = lock(&waiting.0).as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(sender) = sender {
            // A test that gave up waiting needs no response.
            let _ = sender.send(response);
        }
    }
    // Dropping the senders ends every call that waits.
    lock(&waiting.0).take();
}

fn parse(line: &str) -> Result<Value, ()> {
    serde_json::from_str(line).map_err(drop)
}

fn collect_stderr(collected: &Mutex<Vec<u8>>, mut stderr: ChildStderr) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut chunk) {
        let mut collected = lock(collected);
        collected.extend_from_slice(&chunk[..length]);
        let excess = collected.len().saturating_sub(MAX_STDERR);
        collected.drain(..excess);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
