//! Signals that this process was started to ignore, and the end of the process by a signal.

use std::future::poll_fn;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::task::Poll;
use std::{fs, io, process, thread};

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use tokio::sync::{OnceCell, oneshot};

/// Returns `true` if the process that started this one made it ignore a signal, as `nohup` does
/// with SIGHUP. A handler would end that, for this process and for the programs that it runs.
///
/// Only Linux tells. On other systems, the answer is `false`.
pub(crate) fn is_ignored(signal: i32) -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| is_in_mask(&status, signal))
}

fn is_in_mask(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    bit.and_then(|bit| 1_u64.checked_shl(bit)).is_some_and(|bit| mask & bit != 0)
}

/// The signals that end a process and that it can catch: those of the keys and of the end of a
/// terminal, and that of `kill`.
const ENDS: [(Signal, &str); 4] =
    [(Signal::HUP, "HUP"), (Signal::INT, "INT"), (Signal::QUIT, "QUIT"), (Signal::TERM, "TERM")];

/// Calls this function before a signal ends the process, from the first call on.
///
/// The signals still end the process. It must not be called by a command that has a use of its own
/// for them.
pub(crate) async fn clean_up_before_end(clean_up: fn()) -> io::Result<()> {
    static LISTENS: OnceCell<()> = OnceCell::const_new();
    let start = async || {
        let (ready, is_ready) = oneshot::channel();
        // A caught signal stays so, and has to be waited for when the runtime of the command has
        // ended.
        thread::Builder::new().name("signals".to_owned()).spawn(move || listen(ready, clean_up))?;
        is_ready.await.map_err(io::Error::other)?
    };
    LISTENS.get_or_try_init(start).await.copied()
}

fn listen(ready: oneshot::Sender<io::Result<()>>, clean_up: fn()) {
    let result = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match result {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.block_on(async {
        let caught = ENDS.iter().filter(|(signal, _)| !is_ignored(signal.as_raw()));
        let listener = |(kind, name): (Signal, _)| {
            Ok((signal(SignalKind::from_raw(kind.as_raw()))?, kind, name))
        };
        let listeners: io::Result<Vec<(Listener, Signal, &str)>> =
            caught.copied().map(listener).collect();
        let mut listeners = match listeners {
            Ok(listeners) => listeners,
            Err(error) => return drop(ready.send(Err(error))),
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
        end_by(signal, name);
    });
}

/// Ends the process by a signal that it catches.
///
/// A shell that runs a loop ends it if SIGINT ended its command, and not if the command only
/// returned the status of that. The standard library cannot catch a signal no longer, while the
/// start of another program in this process does that. It then sends the signal to itself.
fn end_by(signal: Signal, name: &str) -> ! {
    let status = 128 + signal.as_raw();
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().args(["-c", r#"kill -s "$1" "$$"; exit "$2""#, "sh", name]);
    // There may be no shell.
    let _ = shell.arg(status.to_string()).exec();
    process::exit(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_counts_signals_from_one() {
        let status = "SigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\tffff\n";
        let ignored: Vec<i32> = (-1..70).filter(|signal| is_in_mask(status, *signal)).collect();
        assert_eq!(ignored, [1, 13]);
        assert!(!is_in_mask("", 1));
    }
}
