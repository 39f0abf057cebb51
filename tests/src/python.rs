//! Real servers and clients, which are written in Python: the virtual environment that `cargo xtask test` makes.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// What went wrong with the programs around a test, not with what it tests.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// There is no virtual environment.
    #[error(
        "ROLECALL_PYTHON is not set: `cargo xtask test` makes what these tests need, and sets it"
    )]
    NoEnvironment,
    /// A program could not be run.
    #[error("{program}: {error}")]
    Io {
        /// Which.
        program: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A program took too long.
    #[error("{0} did not end in time")]
    TooLong(String),
    /// A program failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// Which.
        program: String,
        /// What it said.
        said: String,
    },
}

/// How long a client may take. Python starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a server may take to come up.
const START: Duration = Duration::from_secs(60);

/// The virtual environment's Python, and a home folder of its own.
#[derive(Debug)]
pub struct Python {
    program: PathBuf,
    home: TempDir,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Said {
    /// Its standard output, if it succeeded.
    pub fn success(self, program: &str) -> Result<String, Trouble> {
        if self.status.success() {
            return Ok(self.out);
        }
        Err(Trouble::Failed { program: program.to_owned(), said: self.err })
    }
}

impl Python {
    /// The environment that `cargo xtask test` made, with a new home folder.
    pub fn new() -> Result<Self, Trouble> {
        let program = std::env::var_os("ROLECALL_PYTHON").ok_or(Trouble::NoEnvironment)?;
        let home = TempDir::new().map_err(|error| io("a temporary folder", error))?;
        Ok(Self { program: program.into(), home })
    }

    /// The home folder of its programs.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs Python with these arguments, these variables and no others, and this on its standard input.
    pub async fn run<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        variables: &[(&str, &str)],
        input: &str,
    ) -> Result<Said, Trouble> {
        let mut command = self.command();
        command.args(arguments).envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| io("python", error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input says so by how it ends.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.map_err(|_| Trouble::TooLong("python".into()))?;
        let output = output.map_err(|error| io("python", error))?;
        Ok(Said {
            status: output.status,
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The AWS CLI.
    pub async fn aws(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Said, Trouble> {
        let start = ["-c", "import sys, awscli.clidriver; sys.exit(awscli.clidriver.main())"];
        self.run(start.iter().chain(arguments), variables, "").await
    }

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

fn io(program: &str, error: std::io::Error) -> Trouble {
    Trouble::Io { program: program.to_owned(), error }
}

/// A server that is not ours: ministack, which verifies signatures and evaluates policies. It ends with this value.
#[derive(Debug)]
pub struct Ministack {
    url: String,
    python: Python,
    _server: Child,
}

/// Where this package's scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

impl Ministack {
    /// Starts one on a free port, and waits until it answers.
    pub async fn start() -> Result<Self, Trouble> {
        // A port that was free may be another's by the time that ministack takes it.
        for _ in 0..2 {
            if let Ok(started) = Self::try_to_start().await {
                return Ok(started);
            }
        }
        Self::try_to_start().await
    }

    async fn try_to_start() -> Result<Self, Trouble> {
        let python = Python::new()?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = free.map_err(|error| io("a free port", error))?.port();
        let log = python.home().join("ministack.log");
        let log_file = std::fs::File::create(&log).map_err(|error| io("ministack's log", error))?;
        let also = log_file.try_clone().map_err(|error| io("ministack's log", error))?;
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
            .map_err(|error| io("ministack", error))?;
        let up = async {
            while !healthy(port).await {
                if server.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            true
        };
        let up = tokio::time::timeout(START, up).await.unwrap_or(false);
        if !up {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(Trouble::Failed { program: "ministack".into(), said });
        }
        Ok(Self { url: format!("http://127.0.0.1:{port}"), python, _server: server })
    }

    /// Where it listens.
    pub fn endpoint_url(&self) -> &str {
        &self.url
    }

    /// Makes accounts there, by boto3: what `python/provision.py` reads under `accounts`. Gives the users' keys.
    pub async fn provision(&self, region: &str, accounts: Value) -> Result<Value, Trouble> {
        let world = serde_json::json!({
            "endpoint": self.url,
            "region": region,
            "accounts": accounts,
        });
        let script = Path::new(SCRIPTS).join("provision.py");
        let said = self.python.run([script], &[], &world.to_string()).await?;
        let out = said.success("provision.py")?;
        serde_json::from_str(&out).map_err(|error| Trouble::Failed {
            program: "provision.py".into(),
            said: error.to_string(),
        })
    }
}

/// Whether it answers its own health check.
async fn healthy(port: u16) -> bool {
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
