//! The program that `exec` runs.

use std::io;
use std::process::{Command, ExitCode, ExitStatus};

pub(super) use self::signals::Signals;
use crate::error::Failure;

/// Exit statuses of shells for programs that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Replaces this process by the program. No process stays between the program and its parent.
#[cfg(unix)]
pub(super) fn replace(mut command: Command) -> Result<ExitCode, Failure> {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(not_started(&command, &error))
}

/// Runs the program to its end: this system replaces no process.
#[cfg(not(unix))]
pub(super) fn replace(mut command: Command) -> Result<ExitCode, Failure> {
    let status = command.status().map_err(|error| not_started(&command, &error))?;
    Ok(exit_code(status))
}

/// Runs the program to its end, and forwards signals to it.
pub(super) async fn run(command: Command, mut signals: Signals) -> Result<ExitCode, Failure> {
    let mut command = tokio::process::Command::from(command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Err(not_started(command.as_std(), &error)),
    };
    loop {
        tokio::select! {
            // A program that has ended receives no signal: its id may be that of another.
            biased;
            ended = child.wait() => {
                let status = ended.map_err(|error| {
                    Failure::operation(format!("cannot wait for the program: {error}"))
                })?;
                return Ok(exit_code(status));
            }
            signal = signals.next() => signals::forward(signal, &child),
        }
    }
}

fn not_started(command: &Command, error: &io::Error) -> Failure {
    let message = format!("cannot run {}: {error}", command.get_program().display());
    let code = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    };
    Failure::Program { message, code }
}

/// Returns the exit status of the program, or 128 plus the signal that ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let code = {
        use std::os::unix::process::ExitStatusExt;
        status.code().or_else(|| Some(128 + status.signal()?))
    };
    #[cfg(not(unix))]
    let code = status.code();
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

#[cfg(unix)]
mod signals {
    use std::fs::File;

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use rustix::termios::tcgetpgrp;
    use tokio::process::Child;
    use tokio::signal::unix::{Signal as Listener, SignalKind};
    use tokio::sync::mpsc;

    use crate::error::Failure;
    use crate::signals::{is_ignored, listen};

    /// The signals that one process sends to another. SIGTSTP and SIGCONT are missing: they stop
    /// and continue this process as well.
    const FORWARDED: [Signal; 7] = [
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::TERM,
        Signal::USR1,
        Signal::USR2,
        Signal::WINCH,
    ];

    /// The signals that arrive at this process.
    pub(in super::super) struct Signals(mpsc::Receiver<Signal>);

    impl Signals {
        pub(in super::super) fn install() -> Result<Self, Failure> {
            // One of each kind can wait. More of the same are one, as in the kernel.
            let (sender, receiver) = mpsc::channel(FORWARDED.len());
            let caught = FORWARDED.into_iter().filter(|kind| !is_ignored(kind.as_raw()));
            for kind in caught {
                let listener = listen(SignalKind::from_raw(kind.as_raw()))?;
                tokio::spawn(pass_on(listener, kind, sender.clone()));
            }
            Ok(Self(receiver))
        }

        pub(super) async fn next(&mut self) -> Signal {
            match self.0.recv().await {
                Some(signal) => signal,
                // The listeners run for as long as this value exists.
                None => std::future::pending().await,
            }
        }
    }

    async fn pass_on(mut listener: Listener, kind: Signal, sender: mpsc::Sender<Signal>) {
        while listener.recv().await.is_some() {
            if sender.send(kind).await.is_err() {
                return;
            }
        }
    }

    /// Sends a signal to the program, unless it was sent to the program as well.
    pub(super) fn forward(signal: Signal, child: &Child) {
        if is_of_terminal(signal) {
            return;
        }
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have changed its user, or have ended just now.
            let _ = kill_process(id, signal);
        }
    }

    /// Returns `true` if the terminal sent the signal: its keys, and a change of its size, send
    /// signals to its whole foreground process group, and the program is in the group of this
    /// process. The program would receive a forwarded one twice, and two SIGINT are more than one
    /// to programs that ask, or that clean up.
    fn is_of_terminal(signal: Signal) -> bool {
        matches!(signal, Signal::INT | Signal::QUIT | Signal::WINCH)
            && File::open("/dev/tty")
                .is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp()))
    }
}

#[cfg(not(unix))]
mod signals {
    use tokio::process::Child;

    use crate::error::Failure;
    use crate::signals::StopSignals;

    pub(in super::super) struct Signals(StopSignals);

    impl Signals {
        pub(in super::super) fn install() -> Result<Self, Failure> {
            StopSignals::install().map(Self)
        }

        /// Waits for Ctrl-C, which the console sends to the program as well.
        pub(super) async fn next(&mut self) {
            self.0.recv().await;
        }
    }

    pub(super) fn forward(_signal: (), _child: &Child) {}
}
