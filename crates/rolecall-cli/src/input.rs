//! Files and standard input as arguments.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use rolecall::Environment;
use rolecall::params::{contains_secret, shown};

use crate::error::Failure;
use crate::output::{Output, printable};

/// The bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// A file, or standard input, which is written `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_owned()) }
    }
}

/// Refuses arguments of which more than one is `-`: the first to be read would leave nothing for
/// the others. Each has the name that the help gives it.
pub(crate) fn check_stdin<'a>(
    arguments: impl IntoIterator<Item = (&'static str, &'a Path)>,
) -> Result<(), Failure> {
    let is_stdin = |(_, path): &(_, &Path)| Input::from(*path) == Input::Stdin;
    let mut names = arguments.into_iter().filter(is_stdin).map(|(name, _)| name);
    let message = match (names.next(), names.next()) {
        (Some(one), Some(other)) if one == other => {
            format!("more than one {one} reads standard input")
        }
        (Some(one), Some(other)) => format!("{one} and {other} both read standard input"),
        _ => return Ok(()),
    };
    Err(Failure::usage(message).with_hint("pass the path of a file instead of - to all but one"))
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => {
                let name = path.display().to_string();
                let is_secret = contains_secret(&name);
                f.write_str(&if is_secret { shown(&name) } else { printable(&name) })
            }
        }
    }
}

/// Reads a file as text, where `-` is a name like any other. It has at most `limit` bytes.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<String, Failure> {
    let input = Input::File(path.to_owned());
    input.text(input.open_file(path)?, limit)
}

/// Reads a file as text that can be read again. Unlike [`read_file`], whose file may be a pipe, it
/// waits for no other process.
pub(crate) fn read_regular_file(path: &Path, limit: u64) -> Result<String, Failure> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let contents = Environment::process().read_file_now(path, most);
    let contents = contents.map_err(|error| Failure::operation(error.to_string()))?;
    Input::File(path.to_owned()).text(contents.as_slice(), limit)
}

impl Input {
    /// Opens the input. `what` is what has to be entered if it is a terminal.
    pub(crate) fn open(
        &self,
        output: &Output,
        what: &str,
    ) -> Result<BufReader<Box<dyn Read>>, Failure> {
        let reader: Box<dyn Read> = match self {
            Self::Stdin => {
                let stdin = io::stdin();
                if stdin.is_terminal() {
                    output.note(&format!("reading {what} from the terminal; end it with Ctrl-D"));
                }
                Box::new(stdin.lock())
            }
            Self::File(path) => Box::new(self.open_file(path)?),
        };
        Ok(BufReader::with_capacity(BUFFER, reader))
    }

    /// Reads the whole input as text. It has at most `limit` bytes.
    pub(crate) fn read(&self, output: &Output, what: &str, limit: u64) -> Result<String, Failure> {
        self.text(self.open(output, what)?, limit)
    }

    fn text(&self, input: impl Read, limit: u64) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        input.take(limit + 1).read_to_end(&mut bytes).map_err(|error| self.unreadable(&error))?;
        if bytes.len() as u64 > limit {
            let message = format!("{self} has more than {limit} bytes, the most that is read");
            return Err(Failure::operation(message));
        }
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Failure::operation(format!("{self} is not UTF-8 text: see the byte at offset {at}"))
        })
    }

    fn open_file(&self, path: &Path) -> Result<File, Failure> {
        File::open(path).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::operation(format!("cannot read {self}: {error}"))
    }
}
