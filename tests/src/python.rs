//! Servers and clients of other authors, in the Python virtual environment that `cargo xtask test`
//! creates: boto3, the AWS CLI, and ministack.

mod driver;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// An error of the programs around a test, and not of the code under test.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// There is no virtual environment.
    #[error("ROLECALL_PYTHON is not set; hint: run the tests with `cargo xtask test`")]
    NoEnvironment,
    /// A program could not be run.
    #[error("failed to run {program}")]
    Io {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        error: std::io::Error,
    },
    /// A program exceeded its time limit, and was killed.
    #[error("{0} timed out")]
    TimedOut(String),
    /// A program failed.
    #[error("{program} failed: {stderr}")]
    Failed {
        /// The program.
        program: String,
        /// Its standard error.
        stderr: String,
    },
}

/// Returns `true` if `cargo xtask test --without python` leaves out the current test, which must
/// then return.
pub fn is_left_out() -> bool {
    crate::is_left_out("python")
}

/// Time limit for one program. Python is slow on a busy machine.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(120);
/// Time limit for a server to start.
const SERVER_START_TIMEOUT: Duration = Duration::from_secs(60);

/// The Python of the virtual environment, with a home folder for the programs that it runs.
#[derive(Debug)]
pub struct Python {
    program: PathBuf,
    home: TempDir,
    timeout: Duration,
}

/// The exit status and the output of a program.
#[derive(Debug)]
pub struct ProgramOutput {
    /// The exit status; 128 plus the number of a signal that ended the program.
    pub status: i32,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

impl ProgramOutput {
    /// Returns `true` if the program succeeded.
    pub fn is_success(&self) -> bool {
        self.status == 0
    }

    /// Returns the standard output of a program that succeeded.
    ///
    /// # Errors
    ///
    /// Returns [`PythonError::Failed`] with the standard error if it did not succeed.
    pub fn success(self, program: &str) -> Result<String, PythonError> {
        if self.is_success() {
            return Ok(self.stdout);
        }
        Err(PythonError::Failed { program: program.to_owned(), stderr: self.stderr })
    }
}

impl Python {
    /// Returns the environment that `cargo xtask test` created, with a new home folder.
    ///
    /// # Errors
    ///
    /// Returns [`PythonError::NoEnvironment`] if there is none, and [`PythonError::Io`] if the home
    /// folder cannot be created.
    pub fn new() -> Result<Self, PythonError> {
        let program = std::env::var_os("ROLECALL_PYTHON").ok_or(PythonError::NoEnvironment)?;
        let home = TempDir::new().map_err(|error| io_error("a temporary folder", error))?;
        Ok(Self { program: program.into(), home, timeout: PROGRAM_TIMEOUT })
    }

    /// Sets the time limit for each program. Defaults to two minutes.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Returns the home folder of the programs.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Calls an operation with boto3: what `python/client.py` reads, with these variables and no
    /// others.
    ///
    /// # Errors
    ///
    /// Returns an error if Python could not be run or exceeded its time limit. An error of the
    /// operation is in the output.
    pub async fn boto3(
        &self,
        variables: &[(&str, &str)],
        call: &Value,
    ) -> Result<ProgramOutput, PythonError> {
        self.call("client", &[], variables, &call.to_string()).await
    }

    /// Runs the AWS CLI with these arguments, these variables and no others.
    ///
    /// # Errors
    ///
    /// Returns an error if Python could not be run or exceeded its time limit. An error of the CLI
    /// is in the output.
    pub async fn aws(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<ProgramOutput, PythonError> {
        self.call("aws", arguments, variables, "").await
    }

    async fn call(
        &self,
        program: &'static str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> Result<ProgramOutput, PythonError> {
        let home = self.home.path().to_string_lossy();
        let base = [("HOME", home.as_ref()), ("AWS_EC2_METADATA_DISABLED", "true")];
        let variables = base.iter().chain(variables);
        let environment =
            variables.map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let timeout = self.timeout;
        let call = driver::Call { program, arguments, environment, input, timeout };
        call.run(self.program.as_os_str()).await
    }

    /// Returns a command that runs another program with this Python.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1")
            .kill_on_drop(true);
        command
    }
}

fn io_error(program: &str, error: std::io::Error) -> PythonError {
    PythonError::Io { program: program.to_owned(), error }
}

/// A ministack server, which verifies signatures and evaluates policies independently of the local
/// AWS. It runs until it is dropped.
#[derive(Debug)]
pub struct Ministack {
    url: String,
    python: Python,
    _server: Child,
}

/// The folder of this package's scripts.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

impl Ministack {
    /// Starts a server on a free port, and waits until it responds.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not start within its time limit, with its log.
    pub async fn start() -> Result<Self, PythonError> {
        // Another process may take the free port before ministack does.
        for _ in 0..2 {
            if let Ok(started) = Self::try_to_start().await {
                return Ok(started);
            }
        }
        Self::try_to_start().await
    }

    async fn try_to_start() -> Result<Self, PythonError> {
        let python = Python::new()?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = free.map_err(|error| io_error("a free port", error))?.port();
        let log = python.home().join("ministack.log");
        let log_file =
            std::fs::File::create(&log).map_err(|error| io_error("ministack's log", error))?;
        let also = log_file.try_clone().map_err(|error| io_error("ministack's log", error))?;
        let mut server = python
            .command()
            .args(["-m", "ministack"])
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("AUTH", "true")
            .stdin(Stdio::null())
            .stdout(log_file)
            .stderr(also)
            .spawn()
            .map_err(|error| io_error("ministack", error))?;
        let up = async {
            while !is_healthy(port).await {
                if server.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            true
        };
        let up = tokio::time::timeout(SERVER_START_TIMEOUT, up).await.unwrap_or(false);
        if !up {
            let stderr = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(PythonError::Failed { program: "ministack".into(), stderr });
        }
        Ok(Self { url: format!("http://127.0.0.1:{port}"), python, _server: server })
    }

    /// Returns the endpoint URL.
    pub fn endpoint_url(&self) -> &str {
        &self.url
    }

    /// Creates accounts with boto3, and returns the keys of their users.
    ///
    /// `accounts` is what `python/provision.py` reads under this name.
    ///
    /// # Errors
    ///
    /// Returns an error if the server refuses a part of it, or if Python could not be run.
    pub async fn provision(&self, region: &str, accounts: Value) -> Result<Value, PythonError> {
        let world = serde_json::json!({
            "endpoint": self.url,
            "region": region,
            "accounts": accounts,
        });
        let output = self.python.call("provision", &[], &[], &world.to_string()).await?;
        let out = output.success("provision.py")?;
        serde_json::from_str(&out).map_err(|error| PythonError::Failed {
            program: "provision.py".into(),
            stderr: error.to_string(),
        })
    }
}

/// Returns `true` if the server on this port passes its own health check.
async fn is_healthy(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let request = format!(
            "GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        Ok::<bool, std::io::Error>(answer.starts_with(b"HTTP/1.1 200"))
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), ask).await;
    answer.is_ok_and(|answer| answer.unwrap_or(false))
}
