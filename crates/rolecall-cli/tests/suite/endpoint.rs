//! `rolecall serve` as a process, and a client that sends bytes.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Time limit of everything that happens soon. A test that reaches it fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A running endpoint. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    /// What the command printed.
    pub(crate) settings: Value,
    errors: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Served {
    /// Runs a command whose arguments begin with `serve`, until it prints its settings as JSON.
    pub(crate) fn start(command: Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        Self::start_with(command, writer, Some(reader))
    }

    /// Starts the command as [`start()`](Self::start) does. Its standard error is this pipe, which
    /// is not read without a reader.
    pub(crate) fn start_with(
        mut command: Command,
        errors: PipeWriter,
        reader: Option<PipeReader>,
    ) -> Self {
        command.args(["--output", "json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().unwrap();
        // It has a copy of the end that is written to.
        drop(command);
        let stdout = child.stdout.take().unwrap();
        let (settings, errors) = (Value::Null, Arc::default());
        let mut served = Self { child, settings, errors, reader: None };
        if let Some(reader) = reader {
            served.read_errors(reader);
        }
        let mut text = String::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.unwrap();
            text.push_str(&line);
            if line == "}" {
                break;
            }
        }
        served.settings = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text:?}, {}", served.errors()));
        served
    }

    /// Begins to read what the command writes to standard error.
    pub(crate) fn read_errors(&mut self, mut reader: PipeReader) {
        let target = Arc::clone(&self.errors);
        self.reader = Some(std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                target.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        }));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let url = self.settings["url"].as_str().unwrap();
        url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.settings["token_file"].as_str().unwrap().into()
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.token_file()).unwrap()
    }

    /// Returns the variables of a role.
    pub(crate) fn environment(&self, index: usize) -> Vec<(String, String)> {
        let map = self.settings["roles"][index]["environment"].as_object().unwrap();
        map.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    }

    /// Returns a request with the token.
    pub(crate) fn request(&self, path: &str) -> String {
        let (address, token) = (self.address(), self.token());
        format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {token}\r\nConnection: \
             close\r\n\r\n"
        )
    }

    /// Sends a request with the token, and returns the status and the body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        Response::parse(&self.send(self.request(path).as_bytes())).into_parts()
    }

    /// Returns the session of a role, as JSON.
    #[track_caller]
    pub(crate) fn session(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Returns a metric with its labels, such as `rolecall_connections`.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        let mut values =
            text.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        values.next().unwrap_or_else(|| panic!("{name} is not in {text}"))
    }

    /// Sends bytes, and returns everything that arrives until the server closes the connection.
    pub(crate) fn send(&self, bytes: &[u8]) -> String {
        send(self.address(), bytes)
    }

    /// Returns what the command has written to standard error.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Waits until the command has written this text to standard error.
    #[track_caller]
    pub(crate) fn wait_for_error(&self, text: &str) {
        let what = || format!("{text:?} in {:?}", self.errors());
        wait_until(what, || self.errors().contains(text));
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Sends a signal, and waits for the end of the command.
    pub(crate) fn stop(mut self, name: &str) -> (ExitStatus, String) {
        self.signal(name);
        let status = wait_for_end(&mut self.child);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.errors())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal, such as `TERM`, to a process.
pub(crate) fn signal(id: u32, name: &str) {
    let id = rustix::process::Pid::from_raw(id.try_into().unwrap()).unwrap();
    let all = [
        ("HUP", rustix::process::Signal::HUP),
        ("KILL", rustix::process::Signal::KILL),
        ("INT", rustix::process::Signal::INT),
        ("QUIT", rustix::process::Signal::QUIT),
        ("TERM", rustix::process::Signal::TERM),
        ("USR1", rustix::process::Signal::USR1),
        ("USR2", rustix::process::Signal::USR2),
        ("WINCH", rustix::process::Signal::WINCH),
    ];
    let (_, signal) = all.into_iter().find(|(known, _)| *known == name).unwrap();
    rustix::process::kill_process(id, signal).unwrap();
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: impl Fn() -> String, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "timed out: {}", what());
        // The endpoint limits requests for its pages.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits for the end of a process.
#[track_caller]
pub(crate) fn wait_for_end(child: &mut Child) -> ExitStatus {
    let mut status = None;
    let mut has_ended = || {
        status = child.try_wait().unwrap();
        status.is_some()
    };
    wait_until(|| "the end of the process".to_owned(), &mut has_ended);
    status.unwrap()
}

/// Sends bytes to an address, and returns everything that arrives.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // A server that refuses the first bytes closes the connection before the last.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    // A connection that is reset ends the response, too.
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("the server keeps the connection: {}", String::from_utf8_lossy(&answer))
        }
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no response: {text:?}"));
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn into_parts(self) -> (u16, String) {
        (self.status, self.body)
    }
}
