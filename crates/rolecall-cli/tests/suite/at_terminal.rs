//! Commands at a terminal of their own, with a person at its other side.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

use crate::command::with_environment_of;
use crate::terminal::Terminal;

/// Time limit of what a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A command that is the leader of a session whose terminal a person has.
pub(crate) struct AtTerminal {
    pub(crate) child: Child,
    person: File,
    /// Keeps the settings of the terminal when the command has ended.
    pub(crate) end: OwnedFd,
    pub(crate) shown: String,
}

impl AtTerminal {
    pub(crate) fn start(command: &Command) -> Self {
        let Terminal { main, end, name } = Terminal::open((80, 24));
        for side in [&main, &end] {
            rustix::io::ioctl_fionbio(side, true).unwrap();
        }
        // The leader of a session that opens a terminal gets it.
        let mut session = with_environment_of(command, Command::new("setsid"));
        session.args(["sh", "-c", r#"exec "$@" <>"$0" >&0 2>&0"#, &name]);
        session.arg(command.get_program()).args(command.get_args());
        session.env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm-256color");
        session.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = session.spawn().unwrap();
        Self { child, person: File::from(main), end, shown: String::new() }
    }

    /// Reads what the terminal shows.
    pub(crate) fn look(&mut self) {
        let mut bytes = [0; 4096];
        match self.person.read(&mut bytes) {
            Ok(read) => self.shown.push_str(std::str::from_utf8(&bytes[..read]).unwrap()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }

    pub(crate) async fn wait_for<T>(&mut self, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
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

    /// Waits until the terminal shows this text.
    pub(crate) async fn wait_for_text(&mut self, text: &str) {
        self.wait_for(|it| it.shown.contains(text).then_some(())).await;
    }

    pub(crate) async fn wait_for_end(&mut self) -> ExitStatus {
        let status = self.wait_for(|it| it.child.try_wait().unwrap()).await;
        self.look();
        status
    }

    pub(crate) fn enter(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).unwrap();
    }

    /// Enters a text that is no whole line, and waits until the terminal has it.
    pub(crate) fn begin_to_enter(&mut self, text: &str) {
        self.enter(text);
        // The attempt to read makes Linux process what was entered.
        let read = rustix::io::read(&self.end, &mut [0]);
        assert_eq!(read, Err(Errno::AGAIN));
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(self.end.as_fd()).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
