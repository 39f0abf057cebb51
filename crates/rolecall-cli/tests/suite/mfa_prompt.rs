//! The question for the MFA code, at a terminal that belongs to the command alone.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rolecall_testkit::LocalAws;
use rolecall_tests::SHOP;
use rustix::process::Signal;

use crate::at_terminal::{AtTerminal, LIMIT};
use crate::command::{
    Finished, IGNORE_HUP, Setup, after, finish, start_with_mfa, with_environment_of,
};
use crate::terminal::Terminal;

pub(crate) const ADMIN: &str = "arn:aws:iam::111122223333:role/admin";
pub(crate) const SERIAL: &str = "arn:aws:iam::111122223333:mfa/ann";
pub(crate) const QUESTION: &str = "MFA code of arn:aws:iam::111122223333:mfa/ann: ";

/// A local AWS whose user has an MFA device.
pub(crate) struct WithMfa {
    setup: Setup,
    pub(crate) aws: LocalAws,
}

impl WithMfa {
    pub(crate) async fn start() -> Self {
        Self { setup: Setup::start().await, aws: start_with_mfa().await }
    }

    pub(crate) fn code(&self) -> String {
        self.aws.mfa_code(SHOP, "ann").unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
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
        command.wait_for_text(QUESTION).await;
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
        command.wait_for_text(QUESTION).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn question_without_answer_has_hint() {
    const HINT: &str = "pass the code on standard input, with --mfa-code -";
    let mfa = WithMfa::start().await;
    let command = mfa.command(&["assume", ADMIN, "--mfa-serial", SERIAL]);
    let mut command = AtTerminal::start(&command);
    command.wait_for_text(QUESTION).await;
    command.enter("\x04");
    assert_eq!(command.wait_for_end().await.code(), Some(1));
    assert!(command.shown.contains(HINT), "{}", command.shown);

    // The leader of a session that has no terminal. Standard input is one all the same.
    let command = mfa.command(&["assume", ADMIN, "--mfa-serial", SERIAL]);
    let mut session = with_environment_of(&command, Command::new("setsid"));
    session.args(["--wait"]).arg(command.get_program()).args(command.get_args());
    let terminal = Terminal::open((80, 24));
    let run = Finished::from(session.stdin(terminal.end).output().unwrap()).failed(1);
    let error = "cannot read from the terminal: No such device or address (os error 6)";
    assert!(run.ends_with(&format!(": {error}\nhint: {HINT}\n")), "{run}");
}

/// A process that ignores SIGHUP, as those of `nohup`, still does.
#[tokio::test(flavor = "multi_thread")]
async fn ignored_signal_leaves_question() {
    let mfa = WithMfa::start().await;
    let command = mfa.command(&["assume", ADMIN, "--mfa-serial", SERIAL]);
    let mut command = AtTerminal::start(&after(IGNORE_HUP, &command));
    command.wait_for_text(QUESTION).await;
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
