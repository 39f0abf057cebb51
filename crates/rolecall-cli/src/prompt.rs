//! Short secrets that a person enters at the terminal, or a program on standard input.

#[cfg(unix)]
mod terminal;

use std::fs::File;
use std::io::{self, Read};

use zeroize::Zeroizing;

/// The most bytes of an answer.
const MAX_ANSWER: usize = 256;

/// Asks a question at the terminal of this process, and returns the line that answers it, which is
/// not echoed.
///
/// The terminal is as it was before when the future has ended, when it is dropped, and when a
/// signal ends the process. A command that receives signals itself has to drop the future then.
#[cfg(unix)]
pub(crate) async fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    terminal::ask(question).await
}

/// Asks a question at the terminal of this process, and returns the line that answers it, which is
/// not echoed.
#[cfg(not(unix))]
pub(crate) async fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    let _question = crate::output::progress::Question::begin();
    let question = question.to_owned();
    let read = tokio::task::spawn_blocking(move || rpassword::prompt_password(question));
    read.await.map_err(io::Error::other)?.map(Zeroizing::new)
}

/// Reads a line of standard input, and no byte behind it, which may be for the program that this
/// command runs. The end of the input ends the line, too.
pub(crate) fn read_line() -> io::Result<Zeroizing<String>> {
    // Standard input of the library has a buffer, and reads more than the line.
    #[cfg(unix)]
    let input = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned();
    #[cfg(windows)]
    let input = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned();
    line_of(File::from(input?))
}

fn line_of(mut input: impl Read) -> io::Result<Zeroizing<String>> {
    // Never grows: a copy that is left behind would not be erased.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
    let mut byte = Zeroizing::new([0]);
    while line.len() < MAX_ANSWER {
        match input.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) if *byte == *b"\n" => break,
            Ok(_) => line.extend_from_slice(&*byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text(line)
}

fn text(mut bytes: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
        }
    }
}
