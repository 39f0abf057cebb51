//! Standard output whose reader may leave, as `head` does.

use std::io::{self, Write};

/// A writer that can keep quiet about a reader that is gone.
///
/// Most commands end then: their result is what they print. A command whose exit status is a result
/// as well continues without output, so that a pipe does not turn its failure into success.
#[derive(Debug)]
pub(super) struct Pipe<W> {
    inner: W,
    /// Whether the command continues without a reader.
    pub(super) goes_on: bool,
    pub(super) is_closed: bool,
    /// Whether there is something to flush. Without it, a flush would wait for another thread that
    /// writes to the same output.
    is_written: bool,
}

impl<W: Write> Pipe<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, goes_on: false, is_closed: false, is_written: false }
    }

    fn or_discard<T>(&mut self, result: io::Result<T>, discarded: T) -> io::Result<T> {
        match result {
            Err(error) if self.goes_on && error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(discarded)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        self.is_written = true;
        let result = self.inner.write(bytes);
        self.or_discard(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed || !self.is_written {
            return Ok(());
        }
        let result = self.inner.flush();
        self.is_written = result.is_err();
        self.or_discard(result, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_commands_that_go_on_discard_output() {
        let mut pipe = Pipe::new(Gone);
        assert_eq!(pipe.write_all(b"a").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(!pipe.is_closed);
        pipe.goes_on = true;
        pipe.write_all(b"a").unwrap();
        assert!(pipe.is_closed);
        pipe.write_all(b"b").and_then(|()| pipe.flush()).unwrap();
    }
}
