//! Short secrets that a person enters at the terminal.

#[cfg(unix)]
mod terminal;

use std::io;

use zeroize::Zeroizing;

/// The most bytes of an answer.
const MAX_ANSWER: usize = 256;

/// Asks a question at the terminal of this process, and returns the line that answers it, which is
/// not echoed.
///
/// The terminal is as it was before when the future has ended, when it is dropped, and when a
/// signal ends the process.
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

fn text(mut bytes: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
        }
    }
}
