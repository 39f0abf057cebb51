//! The end of the process by a signal, after a function has cleaned up.
//!
//! For commands that have no use of their own for these signals.

use std::future::poll_fn;
use std::process;
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind};
use tokio::sync::{OnceCell, oneshot};

use crate::error::Failure;
use crate::runtime;
use crate::signals::{is_ignored, listen};

/// The signals that end a process and that it can catch: those of the keys and of the end of a
/// terminal, and that of `kill`.
const ENDS: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

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
    let caught = ENDS.into_iter().filter(|signal| !is_ignored(signal.as_raw()));
    let listener = |signal: Signal| Ok((listen(SignalKind::from_raw(signal.as_raw()))?, signal));
    let listeners: Result<Vec<(Listener, Signal)>, Failure> = caught.map(listener).collect();
    let mut listeners = match listeners {
        Ok(listeners) => listeners,
        Err(failure) => {
            let _ = ready.send(Err(failure));
            return Ok(());
        }
    };
    let _ = ready.send(Ok(()));
    let signal = poll_fn(|context| {
        let arrived = listeners.iter_mut().find_map(|(listener, signal)| {
            listener.poll_recv(context).is_ready().then_some(*signal)
        });
        arrived.map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    clean_up();
    end_by(signal)
}

/// Ends the process by a signal that it catches.
///
/// A shell that runs a loop ends it if SIGINT ended its command, and not if the command only
/// returned the status of that.
fn end_by(signal: Signal) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal.as_raw());
    process::exit(128 + signal.as_raw())
}
