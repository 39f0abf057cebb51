//! Commands that a signal stops at a terminal: after a question, and while Ctrl-S holds up the
//! output.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rolecall_tests::HUB;
use rustix::process::Signal;

use crate::at_terminal::AtTerminal;
use crate::command::Setup;
use crate::console::{Console, browser};
use crate::mfa_prompt::{ADMIN, QUESTION, SERIAL, WithMfa};

/// Longer than a test. STS records a call then, and does not answer it.
const NEVER: Duration = Duration::from_secs(600);
const CTRL_C: &str = "\x03";
const CTRL_S: &str = "\x13";

/// A folder for the pages of a console, and a browser that copies them to its parent.
struct Pages {
    page: PathBuf,
    folder: PathBuf,
}

impl Pages {
    fn new(parent: &Path) -> Self {
        let folder = parent.join("pages");
        std::fs::create_dir(&folder).unwrap();
        Self { page: parent.join("page"), folder }
    }

    fn use_in(&self, command: &mut Command) {
        let _ = std::fs::remove_file(&self.page);
        command.env("BROWSER", browser(self.page.parent().unwrap(), ""));
        command.env("TMPDIR", &self.folder);
    }

    async fn wait_for_browser(&self, command: &mut AtTerminal) {
        command.wait_for(|_| self.page.exists().then_some(())).await;
    }

    fn are_removed(&self) -> bool {
        std::fs::read_dir(&self.folder).unwrap().next().is_none()
    }
}

/// Stops the output when the terminal shows this text of a spinner, for so long that more of its
/// frames are due.
async fn hold_up(command: &mut AtTerminal, text: &str) {
    command.wait_for_text(text).await;
    command.begin_to_enter(CTRL_S);
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signal_after_question_removes_the_page() {
    let console = Console::start().await;
    let pages = Pages::new(console.setup.home.path());
    for (key, signal) in [
        (Some(CTRL_C), Signal::INT),
        (None, Signal::INT),
        (None, Signal::TERM),
        (None, Signal::HUP),
    ] {
        // A code is of use once.
        let mfa = WithMfa::start().await;
        let arguments = ["console", ADMIN, "--base", "env", "--mfa-serial", SERIAL, "--open"];
        let mut command = mfa.command(&arguments);
        command.args(["--federation-endpoint", &console.url, "--page-lifetime", "300"]);
        pages.use_in(&mut command);
        let mut command = AtTerminal::start(&command);
        command.wait_for_text(QUESTION).await;
        command.enter(&format!("{}\n", mfa.code()));
        pages.wait_for_browser(&mut command).await;
        match key {
            Some(key) => command.enter(key),
            None => command.send(signal),
        }
        let status = command.wait_for_end().await;
        assert_eq!(status.code(), Some(1), "{key:?} {signal:?}: {status}, {}", command.shown);
        assert!(pages.are_removed(), "{key:?} {signal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signal_after_answer_ends_the_command() {
    let mfa = WithMfa::start().await;
    mfa.aws.set_latency(NEVER);
    for (key, signal) in [(Some(CTRL_C), Signal::INT), (None, Signal::TERM), (None, Signal::HUP)] {
        let command = mfa.command(&["assume", ADMIN, "--mfa-serial", SERIAL, "--no-store"]);
        let mut command = AtTerminal::start(&command);
        command.wait_for_text(QUESTION).await;
        command.enter(&format!("{}\n", mfa.code()));
        command.wait_for(|it| it.echoes().then_some(())).await;
        match key {
            Some(key) => command.enter(key),
            None => command.send(signal),
        }
        let status = command.wait_for_end().await;
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}: {}", command.shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn held_up_terminal_does_not_delay_stop_of_serve() {
    let setup = Setup::start().await;
    setup.world.aws.set_latency(NEVER);
    let mut command = setup.command(&setup.user());
    command.args(["serve", HUB, "--listen", "127.0.0.1:0"]);
    let mut command = AtTerminal::start(&command);
    hold_up(&mut command, "assuming the roles").await;
    command.send(Signal::TERM);
    let status = command.wait_for_end().await;
    assert_eq!(status.code(), Some(0), "{status}: {}", command.shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_up_terminal_does_not_delay_stop_of_console() {
    let console = Console::start().await;
    let pages = Pages::new(console.setup.home.path());
    let mut command = console.setup.command(&console.setup.user());
    command.args(["console", HUB, "--open", "--federation-endpoint", &console.url]);
    command.args(["--page-lifetime", "300"]);
    pages.use_in(&mut command);
    let mut command = AtTerminal::start(&command);
    hold_up(&mut command, "opening the browser").await;
    command.send(Signal::TERM);
    let status = command.wait_for_end().await;
    assert_eq!(status.code(), Some(1), "{status}: {}", command.shown);
    assert!(pages.are_removed());
}

/// The command has no use of its own for signals when the page is removed.
#[tokio::test(flavor = "multi_thread")]
async fn signal_ends_console_that_cannot_print() {
    let console = Console::start().await;
    let pages = Pages::new(console.setup.home.path());
    let mut command = console.setup.command(&console.setup.user());
    command.args(["console", HUB, "--open", "--federation-endpoint", &console.url]);
    command.args(["--page-lifetime", "3", "--output", "json"]);
    pages.use_in(&mut command);
    let mut command = AtTerminal::start(&command);
    hold_up(&mut command, "opening the browser").await;
    command.wait_for(|_| pages.are_removed().then_some(())).await;
    // The first of them may arrive before.
    let end = command.wait_for(|it| {
        it.send(Signal::TERM);
        it.child.try_wait().unwrap()
    });
    let status = end.await;
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()), "{status}: {}", command.shown);
}
