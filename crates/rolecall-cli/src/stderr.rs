//! Standard error: notes, warnings, errors and the log.
//!
//! Most commands write and wait for the reader, as programs do. A command that answers clients or
//! receives signals detaches itself from the reader: a terminal may be stopped and a pipe full, and
//! neither must hold up a client or the end of the command. A thread writes then what fits into a
//! queue.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};

use crate::error::Failure;
use crate::runtime;

/// Bytes that wait for the reader. A text that does not fit is not written, and its lines are
/// counted.
const MAX_WAITING: usize = 1024 * 1024;
/// Time that the reader has at the end of the command.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// Time that a terminal has which is not stopped.
const SOON: Duration = Duration::from_millis(100);

/// `true` once the command has detached itself. The queue has a thread then.
static IS_DETACHED: AtomicBool = AtomicBool::new(false);
static QUEUE: Queue = Queue::new(MAX_WAITING, write_now);

/// Lets all later texts wait for the reader in place of this process.
pub(crate) fn detach() -> Result<(), Failure> {
    runtime::start_thread("stderr", || QUEUE.run())?;
    IS_DETACHED.store(true, Ordering::Release);
    Ok(())
}

/// Writes a text of complete lines, or a frame of a spinner. A closed standard error fails no
/// command.
pub(crate) fn write(text: impl Into<Vec<u8>>, color: ColorChoice) {
    match IS_DETACHED.load(Ordering::Acquire) {
        true => QUEUE.push(text.into(), color),
        false => write_now(&text.into(), color),
    }
}

/// Returns `true` if a text would wait for the reader of others.
pub(crate) fn is_held_up() -> bool {
    QUEUE.is_busy()
}

/// Waits until the reader has everything, for two seconds at most.
pub(crate) fn flush() {
    QUEUE.wait_until_empty(FLUSH_LIMIT);
}

/// Waits until a terminal has everything, unless it is stopped.
pub(crate) fn flush_soon() {
    QUEUE.wait_until_empty(SOON);
}

fn write_now(text: &[u8], color: ColorChoice) {
    let _ = AutoStream::new(io::stderr().lock(), color).write_all(text);
}

/// A writer of the log, whose lines have no colors.
#[derive(Debug)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // As the bytes are: only a text with colors depends on the terminal.
        write(bytes, ColorChoice::AlwaysAnsi);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Texts that a thread writes.
#[derive(Debug)]
struct Queue {
    capacity: usize,
    write: fn(&[u8], ColorChoice),
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    texts: VecDeque<Text>,
    /// Of the texts, and of the one that is being written.
    bytes: usize,
    /// Lines that did not fit since the last text that did.
    lost: usize,
    is_writing: bool,
}

#[derive(Debug)]
struct Text {
    bytes: Vec<u8>,
    color: ColorChoice,
    /// Lines that did not fit before this text.
    lost: usize,
}

impl State {
    fn has_more(&self) -> bool {
        !self.texts.is_empty() || self.lost > 0
    }

    fn is_busy(&self) -> bool {
        self.is_writing || self.has_more()
    }
}

impl Queue {
    const fn new(capacity: usize, write: fn(&[u8], ColorChoice)) -> Self {
        let state = State { texts: VecDeque::new(), bytes: 0, lost: 0, is_writing: false };
        Self { capacity, write, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: Vec<u8>, color: ColorChoice) {
        let mut state = self.lock();
        if state.bytes + bytes.len() > self.capacity {
            state.lost += bytes.split_inclusive(|byte| *byte == b'\n').count();
        } else {
            state.bytes += bytes.len();
            let lost = std::mem::take(&mut state.lost);
            state.texts.push_back(Text { bytes, color, lost });
        }
        self.changed.notify_all();
    }

    /// Writes what is in the queue, for as long as the process runs.
    fn run(&self) {
        loop {
            let text = self.next();
            if text.lost > 0 {
                let lines = if text.lost == 1 { "line is" } else { "lines are" };
                let note = format!(
                    "warning: {} {lines} missing: standard error was not read in time\n",
                    text.lost
                );
                (self.write)(note.as_bytes(), ColorChoice::Never);
            }
            (self.write)(&text.bytes, text.color);
            self.lock().bytes -= text.bytes.len();
        }
    }

    /// Waits for a text to write: the first of the queue, or an empty one if nothing is left but
    /// the number of lines that did not fit.
    fn next(&self) -> Text {
        let mut state = self.lock();
        state.is_writing = false;
        while !state.has_more() {
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        state.texts.pop_front().unwrap_or_else(|| {
            let lost = std::mem::take(&mut state.lost);
            Text { bytes: Vec::new(), color: ColorChoice::Never, lost }
        })
    }

    fn is_busy(&self) -> bool {
        self.lock().is_busy()
    }

    fn wait_until_empty(&self, limit: Duration) {
        let is_busy = |state: &mut State| state.is_busy();
        // The result says whether the limit was reached: what is left is lost with the process.
        let _ = self.changed.wait_timeout_while(self.lock(), limit, is_busy);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// What the queue under test has written, and the permits to write.
    static WRITTEN: Mutex<String> = Mutex::new(String::new());
    static PERMITS: Mutex<Option<Receiver<()>>> = Mutex::new(None);

    fn write_with_permit(text: &[u8], _: ColorChoice) {
        PERMITS.lock().unwrap().as_ref().unwrap().recv().unwrap();
        WRITTEN.lock().unwrap().push_str(std::str::from_utf8(text).unwrap());
    }

    #[test]
    fn lines_that_do_not_fit_are_counted_in_their_place() {
        static QUEUE: Queue = Queue::new(8, write_with_permit);
        const LIMIT: Duration = Duration::from_secs(60);
        let (permit, permits): (Sender<()>, _) = channel();
        *PERMITS.lock().unwrap() = Some(permits);
        let push = |text: &str| QUEUE.push(text.into(), ColorChoice::Never);
        std::thread::spawn(|| QUEUE.run());
        // The reader does not read: the first text is being written, the second one waits.
        ["one\n", "two\n", "three\nthree\n", "four\n"].into_iter().for_each(push);
        QUEUE.wait_until_empty(SOON);
        assert_eq!(*WRITTEN.lock().unwrap(), "");
        permit.send(()).unwrap();
        while QUEUE.lock().bytes > 4 {
            std::thread::yield_now();
        }
        ["six\n", "seven\n"].into_iter().for_each(push);
        (0..5).for_each(|_| permit.send(()).unwrap());
        QUEUE.wait_until_empty(LIMIT);
        let expected = "one\ntwo\n\
             warning: 3 lines are missing: standard error was not read in time\nsix\n\
             warning: 1 line is missing: standard error was not read in time\n";
        assert_eq!(*WRITTEN.lock().unwrap(), expected);
        let state = QUEUE.lock();
        assert_eq!((state.bytes, state.is_writing), (0, false));
    }
}
