//! The end of the process by a signal, after a function has cleaned up.
//!
//! For commands that have no use of their own for these signals.

use std::future::poll_fn;
use std::os::unix::process::CommandExt;
use std::process::{self, Command};
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind};
use tokio::sync::{OnceCell, oneshot};

use crate::error::Failure;
use crate::runtime;
use crate::signals::{is_ignored, listen};

/// The signals that end a process and that it can catch: those of the keys and of the end of a
/// terminal, and that of `kill`.
const ENDS: [(Signal, &str); 4] =
    [(Signal::HUP, "HUP"), (Signal::INT, "INT"), (Signal::QUIT, "QUIT"), (Signal::TERM, "TERM")];

/// Calls this function before a signal ends the process, from the first call on.
///
/// The signals still end the process. It must not be called by a command that has a use of its own
/// for them.
pub(super) async fn clean_up_before_end(clean_up: fn()) -> Result<(), Failure> {
    static LISTENS: OnceCell<()> = OnceCell::const_new();
    let start = async || {
        let (ready, is_ready) = oneshot::channel();
        // A caught signal stays so, and has to be waited for when the runtime of the command has
        // ended.
        let wait = move || drop(runtime::block_on(wait_for_end(ready, clean_up)));
        runtime::start_thread("signals", wait)?;
        is_ready.await.unwrap_or_else(|_| Err(Failure::operation("cannot handle signals")))
    };
    LISTENS.get_or_try_init(start).await.copied()
}

async fn wait_for_end(
    ready: oneshot::Sender<Result<(), Failure>>,
    clean_up: fn(),
) -> Result<(), Failure> {
    let caught = ENDS.iter().filter(|(signal, _)| !is_ignored(signal.as_raw()));
    let listener =
        |(kind, name): (Signal, _)| Ok((listen(SignalKind::from_raw(kind.as_raw()))?, kind, name));
    let listeners: Result<Vec<(Listener, Signal, &str)>, Failure> =
        caught.copied().map(listener).collect();
    let mut listeners = match listeners {
        Ok(listeners) => listeners,
        Err(failure) => {
            let _ = ready.send(Err(failure));
            return Ok(());
        }
    };
    let _ = ready.send(Ok(()));
    let (signal, name) = poll_fn(|context| {
        let arrived = listeners.iter_mut().find_map(|(listener, signal, name)| {
            listener.poll_recv(context).is_ready().then_some((*signal, *name))
        });
        arrived.map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    clean_up();
    end_by(signal, name)
}

/// Ends the process by a signal that it catches.
///
/// A shell that runs a loop ends it if SIGINT ended its command, and not if the command only
/// returned the status of that. Safe code cannot give the signal its default action again. Another
/// program in place of this one has it, and sends the signal to itself.
fn end_by(signal: Signal, name: &str) -> ! {
    let status = 128 + signal.as_raw();
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().args(["-c", r#"kill -s "$1" "$$"; exit "$2""#, "sh", name]);
    // There may be no shell.
    let _ = shell.arg(status.to_string()).exec();
    process::exit(status)
}
