//! The end of the process by a signal, after a function has cleaned up.
//!
//! For the signals that a command has no use of its own for. A handler replaces for good what a
//! signal does by default, so that a thread waits for them until the command receives them itself.

use std::future::poll_fn;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind};
use tokio::sync::{OnceCell, oneshot};

use super::unix::{is_ignored, register};
use crate::error::Failure;
use crate::runtime;

/// The signals that end a process and that it can catch: those of the keys and of the end of a
/// terminal, and that of `kill`.
const ENDS: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

struct State {
    /// What the thread waits for.
    waited: Vec<(Listener, Signal)>,
    /// The signals that the command receives itself.
    handed_over: Vec<i32>,
    clean_up: fn(),
}

static STATE: Mutex<State> =
    Mutex::new(State { waited: Vec::new(), handed_over: Vec::new(), clean_up: || {} });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls this function before a signal ends the process, from the first call on.
///
/// The signals still end the process, except for those that the command receives itself, before
/// this call or later. These only end what the command lets them end.
pub(crate) async fn clean_up_before_end(clean_up: fn()) -> Result<(), Failure> {
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

/// Leaves a signal to the command, which has a listener of its own already. A signal that arrived
/// before ends the process.
pub(super) fn hand_over(kind: SignalKind) {
    let kind = kind.as_raw_value();
    let mut state = state();
    // The other listeners wake the thread, which a poll here would end.
    if let Some(index) = state.waited.iter().position(|(_, signal)| signal.as_raw() == kind) {
        let (mut listener, signal) = state.waited.swap_remove(index);
        // The command may have begun to listen after this one arrived.
        if listener.poll_recv(&mut Context::from_waker(Waker::noop())).is_ready() {
            state.end_by(signal);
        }
    }
    state.handed_over.push(kind);
}

async fn wait_for_end(
    ready: oneshot::Sender<Result<(), Failure>>,
    clean_up: fn(),
) -> Result<(), Failure> {
    let listens = listen_for_ends(clean_up);
    let is_listening = listens.is_ok();
    let _ = ready.send(listens);
    if is_listening {
        poll_fn(poll_ends).await;
    }
    Ok(())
}

fn listen_for_ends(clean_up: fn()) -> Result<(), Failure> {
    let mut state = state();
    let is_waited = |signal: &Signal| {
        !is_ignored(signal.as_raw()) && !state.handed_over.contains(&signal.as_raw())
    };
    let listener = |signal: Signal| Ok((register(SignalKind::from_raw(signal.as_raw()))?, signal));
    let waited: Result<_, Failure> = ENDS.into_iter().filter(is_waited).map(listener).collect();
    (state.waited, state.clean_up) = (waited?, clean_up);
    Ok(())
}

/// Ends the process if one of the signals has arrived.
fn poll_ends(context: &mut Context<'_>) -> Poll<()> {
    let mut state = state();
    let arrived = state
        .waited
        .iter_mut()
        .find_map(|(listener, signal)| listener.poll_recv(context).is_ready().then_some(*signal));
    if let Some(signal) = arrived {
        state.end_by(signal);
    }
    Poll::Pending
}

impl State {
    /// Ends the process. The state is locked meanwhile, so that no command takes a signal over and
    /// continues.
    fn end_by(&self, signal: Signal) -> ! {
        (self.clean_up)();
        end_by(signal)
    }
}

/// Ends the process by a signal that it catches.
///
/// A shell that runs a loop ends it if SIGINT ended its command, and not if the command only
/// returned the status of that.
fn end_by(signal: Signal) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal.as_raw());
    process::exit(128 + signal.as_raw())
}
