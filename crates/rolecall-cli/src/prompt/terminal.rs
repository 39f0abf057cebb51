//! Questions on the terminal of this process.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush,
    tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::MAX_ANSWER;
use crate::output::progress;
use crate::signals;

/// How often the terminal is asked for the answer. A person does not notice the delay.
const POLL: Duration = Duration::from_millis(30);
/// What disables a key of the terminal: `_POSIX_VDISABLE`.
const DISABLED: u8 = if cfg!(any(target_os = "linux", target_os = "android")) { 0 } else { 0xff };

pub(super) async fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    let prepared = signals::clean_up_before_end(restore_for_good).await;
    prepared.map_err(|failure| io::Error::other(failure.to_string()))?;
    ask_at(Path::new("/dev/tty"), question).await
}

async fn ask_at(terminal: &Path, question: &str) -> io::Result<Zeroizing<String>> {
    // A second question would take the terminal without echo for its usual state.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let _question = progress::Question::begin();
    // A thread that reads could not be ended: after a timeout, it would take a line that is for
    // the next program. An event loop cannot wait for this file on every system.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let terminal = Arc::new(rustix::fs::open(terminal, flags, Mode::empty())?);
    let silence = Silence::begin(&terminal)?;
    write(&terminal, question.as_bytes()).await?;
    let answer = read_line(&terminal).await?;
    silence.end();
    Ok(answer)
}

/// A terminal that does not echo, and what it was before.
struct Changed {
    terminal: Arc<OwnedFd>,
    before: Termios,
}

static CHANGED: Mutex<Option<Changed>> = Mutex::new(None);

fn changed() -> MutexGuard<'static, Option<Changed>> {
    CHANGED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it exists, the terminal does not echo.
struct Silence;

impl Silence {
    fn begin(terminal: &Arc<OwnedFd>) -> io::Result<Self> {
        let mut changed = changed();
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        // The terminal lets the person correct the line, ends it at Enter, and sends SIGINT.
        silent.local_modes.insert(LocalModes::ICANON | LocalModes::ISIG);
        silent.input_modes.insert(InputModes::ICRNL);
        // A shell without job control could not use the terminal of a stopped process.
        silent.special_codes[SpecialCodeIndex::VSUSP] = DISABLED;
        tcsetattr(terminal, OptionalActions::Now, &silent)?;
        *changed = Some(Changed { terminal: Arc::clone(terminal), before });
        // It was for the next program. As the answer, it would leave the answer for that program,
        // which echoes it.
        drop_input(terminal);
        Ok(Self)
    }
}

impl Silence {
    /// Ends it with an answer. What the person has entered after it is for the next program.
    fn end(self) {
        restore(&mut changed());
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        abort(&mut changed());
    }
}

/// Restores the terminal without an answer. A part of a secret must not be what the shell reads
/// next, and echoes.
fn abort(changed: &mut Option<Changed>) {
    if let Some(Changed { terminal, .. }) = changed {
        drop_input(terminal);
    }
    restore(changed);
}

/// Drops what was entered and not read. Unlike the action `Flush` of the settings, it does not wait
/// for the output, which Ctrl-S may hold up.
fn drop_input(terminal: &OwnedFd) {
    // The terminal may be gone.
    let _ = tcflush(terminal, QueueSelector::IFlush);
}

fn restore(changed: &mut Option<Changed>) {
    if let Some(Changed { terminal, before }) = changed.take() {
        // The terminal may be gone.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
        // The line feed of the person was not echoed, or there was none.
        let _ = rustix::io::write(&terminal, b"\n");
    }
}

/// Restores the terminal at the end of the process.
fn restore_for_good() {
    let mut changed = changed();
    abort(&mut changed);
    // The mutex stays locked: no question must be asked between here and the end.
    std::mem::forget(changed);
}

async fn write(terminal: &OwnedFd, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match rustix::io::write(terminal, text) {
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            // Ctrl-S has stopped the output.
            Err(Errno::AGAIN) => tokio::time::sleep(POLL).await,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn read_line(terminal: &OwnedFd) -> io::Result<Zeroizing<String>> {
    // Never grows: a copy that is left behind would not be erased.
    let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
    let mut part = Zeroizing::new([0; MAX_ANSWER]);
    let is_complete = loop {
        match rustix::io::read(terminal, &mut part[..]) {
            Ok(0) => break !answer.is_empty(),
            Ok(read) => {
                let read = part.get(..read).unwrap_or_default();
                let line = read.strip_suffix(b"\n").unwrap_or(read);
                // What is too long is read to its end: it must not be the next line of a shell.
                let room = MAX_ANSWER - answer.len();
                answer.extend_from_slice(line.get(..room).unwrap_or(line));
                if line.len() < read.len() {
                    break true;
                }
            }
            Err(Errno::AGAIN) => tokio::time::sleep(POLL).await,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    // A key such as Ctrl-Z, which the person does not see.
    answer.retain(|byte| !byte.is_ascii_control());
    match is_complete {
        true => super::text(answer),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    const QUESTION: &str = "Code: ";
    /// What the person has entered before there was a question. It is neither the answer nor for
    /// the next program, whose line the answer would become.
    const BEFORE: &[u8] = b"ls\nl";

    /// Asks on a terminal of its own, and lets `person` write to its other side once the question
    /// stands there. Returns the result, unless the question is dropped, and what the next program
    /// can read. The terminal has to be as before.
    async fn asked(typed: &[u8], is_dropped: bool) -> (Option<String>, String) {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
        // The next program. The settings would be lost without it, too.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut next = File::from(rustix::fs::open(&*name, flags, Mode::empty()).unwrap());
        let settings = |file: &File| {
            let it = tcgetattr(file).unwrap();
            (it.local_modes, it.special_codes[SpecialCodeIndex::VSUSP])
        };
        let before = settings(&next);
        assert!(before.0.contains(LocalModes::ECHO));

        let mut person = File::from(main);
        person.write_all(BEFORE).unwrap();
        let mut asking = Box::pin(ask_at(Path::new(&name), QUESTION));
        rustix::io::ioctl_fionbio(&person, true).unwrap();
        let mut shown = String::new();
        // Another test may be asking. What was typed before may be echoed.
        while !shown.ends_with(QUESTION) {
            let mut part = [0; 64];
            if let Ok(read) = person.read(&mut part) {
                shown.push_str(std::str::from_utf8(&part[..read]).unwrap());
            }
            let step = tokio::time::timeout(POLL, asking.as_mut()).await;
            assert!(step.is_err(), "{step:?}");
        }
        assert!(!settings(&next).0.contains(LocalModes::ECHO));
        person.write_all(typed).unwrap();
        let answer = match is_dropped {
            true => {
                // Reads once more, which makes Linux process what was entered.
                let step = tokio::time::timeout(3 * POLL, asking.as_mut()).await;
                assert!(step.is_err(), "{step:?}");
                None
            }
            false => Some(asking.as_mut().await.map_or_else(
                |error| error.kind().to_string(),
                |answer| answer.as_str().to_owned(),
            )),
        };
        drop(asking);
        assert_eq!(settings(&next), before);
        // Ends the line of what was not read.
        person.write_all(b"\n").unwrap();
        let mut rest = Vec::new();
        // Fails at the end: the terminal is open.
        let _ = next.read_to_end(&mut rest);
        (answer, String::from_utf8(rest).unwrap())
    }

    #[tokio::test]
    async fn answer_is_one_line_without_echo() {
        let long = "1".repeat(2 * MAX_ANSWER) + "\n";
        for (typed, answer, rest) in [
            ("123456\n", "123456", "\n"),
            ("123456\nls\n", "123456", "ls\n\n"),
            // The key that erases a character.
            ("1234567\x7f\n", "123456", "\n"),
            ("\n", "", "\n"),
            ("\r", "", "\n"),
            // Ctrl-D.
            ("\x04", "unexpected end of file", "\n"),
            ("12\x0434\x04\x04", "1234", "\n"),
            // Ctrl-Z, which stops no process here, and Esc.
            ("12\x1a34\x1b5\n", "12345", "\n"),
            (&long, &long[..MAX_ANSWER], "\n"),
        ] {
            let asked = asked(typed.as_bytes(), false).await;
            assert_eq!(asked, (Some(answer.to_owned()), rest.to_owned()), "{typed:?}");
        }
    }

    /// After a time limit, or at the end of the process.
    #[tokio::test]
    async fn dropped_question_restores_terminal() {
        let (_, rest) = asked(b"123", true).await;
        assert_eq!(rest, "\n", "the digits are for no other program");
    }
}
