//! The question for the MFA code, at a terminal that belongs to the command alone.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rolecall_testkit::LocalAws;
use rolecall_tests::SHOP;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

use crate::command::{Setup, finish, start_with_mfa};
use crate::terminal::Terminal;

const ADMIN: &str = "arn:aws:iam::111122223333:role/admin";
const SERIAL: &str = "arn:aws:iam::111122223333:mfa/ann";
const QUESTION: &str = "MFA code of arn:aws:iam::111122223333:mfa/ann: ";
/// Time limit of what the test waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// A local AWS whose user has an MFA device.
struct WithMfa {
    setup: Setup,
    aws: LocalAws,
}

impl WithMfa {
    async fn start() -> Self {
        Self { setup: Setup::start().await, aws: start_with_mfa().await }
    }

    fn code(&self) -> String {
        self.aws.mfa_code(SHOP, "ann").unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let keys = self.aws.user_credentials(SHOP, "ann").unwrap();
        let mut variables = self.setup.with_endpoint(&[
            ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
        ]);
        variables.push(("AWS_ENDPOINT_URL".to_owned(), self.aws.endpoint_url().to_owned()));
        let mut command = self.setup.command(&variables);
        command.args(arguments);
        command
    }
}

/// A command that is the leader of a session whose terminal a person has.
struct AtTerminal {
    child: Child,
    person: File,
    /// Keeps the settings of the terminal when the command has ended.
    end: OwnedFd,
    shown: String,
}

impl AtTerminal {
    fn start(command: &Command) -> Self {
        let Terminal { main, end, name } = Terminal::open((80, 24));
        for side in [&main, &end] {
            rustix::io::ioctl_fionbio(side, true).unwrap();
        }
        // The leader of a session that opens a terminal gets it.
        let mut session = Command::new("setsid");
        session.args(["sh", "-c", r#"exec "$@" <>"$0" >&0 2>&0"#, &name]);
        session.arg(command.get_program()).args(command.get_args());
        session
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        session.env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm-256color");
        session.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = session.spawn().unwrap();
        Self { child, person: File::from(main), end, shown: String::new() }
    }

    /// Reads what the terminal shows.
    fn look(&mut self) {
        let mut bytes = [0; 4096];
        match self.person.read(&mut bytes) {
            Ok(read) => self.shown.push_str(std::str::from_utf8(&bytes[..read]).unwrap()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }

    async fn wait_for<T>(&mut self, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            self.look();
            if let Some(found) = found(self) {
                return found;
            }
            assert!(started.elapsed() < LIMIT, "the terminal shows {:?}", self.shown);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn wait_for_question(&mut self) {
        self.wait_for(|it| it.shown.contains(QUESTION).then_some(())).await;
    }

    async fn wait_for_end(&mut self) -> ExitStatus {
        let status = self.wait_for(|it| it.child.try_wait().unwrap()).await;
        self.look();
        status
    }

    fn enter(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).unwrap();
    }

    /// Enters a text that is no whole line, and waits until the terminal has it.
    fn begin_to_enter(&mut self, text: &str) {
        self.enter(text);
        // The attempt to read makes Linux process what was entered.
        let read = rustix::io::read(&self.end, &mut [0]);
        assert_eq!(read, Err(Errno::AGAIN));
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn echoes(&self) -> bool {
        tcgetattr(self.end.as_fd()).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the spinner clears its line.
const CLEAR: &str = "\x1b[2K";

#[tokio::test(flavor = "multi_thread")]
async fn progress_does_not_erase_question() {
    let mfa = WithMfa::start().await;
    let with = |name| mfa.command(&[name, ADMIN, "--mfa-serial", SERIAL]);
    let (mut exec, mut assume) = (with("exec"), with("assume"));
    exec.args(["--", "true"]);
    assume.arg("--no-store");
    let mut console = with("console");
    console.args(["--federation-endpoint", "http://127.0.0.1:1"]);
    let mut all = [assume, exec, console, with("doctor")].map(|it| AtTerminal::start(&it));
    for command in &mut all {
        command.wait_for_question().await;
        assert!(!command.echoes());
    }
    // The spinner of a call that takes as long as this would be drawn.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for command in &mut all {
        command.look();
        let (_, after) = command.shown.split_once(QUESTION).unwrap();
        assert_eq!(after, "");
    }
    // The call itself takes a while, and shows its progress.
    mfa.aws.set_latency(Duration::from_secs(3));
    let [assume, ..] = &mut all;
    assume.enter(&format!("{}\n", mfa.code()));
    let status = assume.wait_for_end().await;
    let (before, after) = assume.shown.split_once(QUESTION).unwrap();
    assert!(status.success(), "{after}");
    assert!(!before.contains(CLEAR), "{before:?}");
    assert!(after.starts_with("\r\n") && after.contains("assuming the role"), "{after:?}");
    assert!(after.contains("assumed-role/admin/"), "{after:?}");
    assert!(!after.contains(&mfa.code()), "{after:?}");
    assert!(assume.echoes());
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_question_restores_terminal() {
    let mfa = WithMfa::start().await;
    for (key, signal) in [
        (Some("\x03"), Signal::INT),
        (Some("\x1c"), Signal::QUIT),
        (None, Signal::INT),
        (None, Signal::QUIT),
        (None, Signal::TERM),
        (None, Signal::HUP),
    ] {
        let command = mfa.command(&["assume", ADMIN, "--mfa-serial", SERIAL]);
        let mut command = AtTerminal::start(&command);
        command.wait_for_question().await;
        command.begin_to_enter("123");
        match key {
            Some(key) => command.enter(key),
            None => command.send(signal),
        }
        let status = command.wait_for_end().await;
        // A shell ends its loop only if the signal ended the command.
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        assert!(command.echoes(), "{key:?} {signal:?}");
        // Neither shown nor left for the shell.
        assert!(!command.shown.contains("123"), "{}", command.shown);
        command.enter("\n");
        let mut rest = [0; 16];
        let read = rustix::io::read(&command.end, &mut rest).unwrap();
        assert_eq!(&rest[..read], b"\n");
    }
}

/// A process that ignores SIGHUP, as those of `nohup`, still does.
#[tokio::test(flavor = "multi_thread")]
async fn ignored_signal_leaves_question() {
    let mfa = WithMfa::start().await;
    let command = mfa.command(&["assume", ADMIN, "--mfa-serial", SERIAL]);
    let mut ignoring = Command::new("sh");
    ignoring.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]).arg(command.get_program());
    ignoring.args(command.get_args());
    ignoring.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut command = AtTerminal::start(&ignoring);
    command.wait_for_question().await;
    command.send(Signal::HUP);
    command.enter(&format!("{}\n", mfa.code()));
    let status = command.wait_for_end().await;
    assert!(status.success(), "{status}: {}", command.shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_standard_input_is_its_first_line() {
    let mfa = WithMfa::start().await;
    let exec = ["exec", ADMIN, "--mfa-serial", SERIAL, "--mfa-code", "-", "--", "cat"];
    let input = format!("{}\nrest\nof it\n", mfa.code());
    assert_eq!(finish(mfa.command(&exec), &input).await.ok(), "rest\nof it\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_used_before_standard_input_ends() {
    let mfa = WithMfa::start().await;
    let arguments = ["assume", ADMIN, "--mfa-serial", SERIAL, "--mfa-code", "-"];
    let mut command = mfa.command(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let mut open = child.stdin.take().unwrap();
    let line = format!("{}\r\n", mfa.code());
    tokio::io::AsyncWriteExt::write_all(&mut open, line.as_bytes()).await.unwrap();
    let status = tokio::time::timeout(LIMIT, child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    drop(open);
}
