//! Progress on standard error, for what takes more than a second.

use std::future::Future;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anstream::ColorChoice;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::output::Output;
use crate::output::terminal::stderr_width;
use crate::stderr;

const DELAY: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Runs a future, and shows a spinner with this text from the second second on.
///
/// Nothing is shown with `--quiet`, if standard error is not a terminal, or while a [`Question`]
/// waits for its answer.
pub(crate) async fn show<T>(
    output: &Output,
    text: impl Into<String>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    if output.global().quiet || !std::io::stderr().is_terminal() {
        return work.await;
    }
    let mut spinner = Spinner::new(text.into());
    loop {
        if let Ok(result) = tokio::time::timeout(TICK, work.as_mut()).await {
            spinner.finish();
            return result;
        }
        spinner.tick();
    }
}

/// What is drawn, and the number of questions that a person answers.
struct Screen {
    questions: usize,
    bar: Option<ProgressBar>,
}

static SCREEN: Mutex<Screen> = Mutex::new(Screen { questions: 0, bar: None });

fn screen() -> MutexGuard<'static, Screen> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A question to the person at the terminal. While it exists, no spinner is drawn: a spinner clears
/// its line with each step, and the question stands there.
#[derive(Debug)]
pub(crate) struct Question(());

impl Question {
    /// Removes the spinner that is drawn.
    pub(crate) fn begin() -> Self {
        let mut screen = screen();
        screen.questions += 1;
        if let Some(bar) = screen.bar.take() {
            bar.finish_and_clear();
        }
        Self(())
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        screen().questions -= 1;
    }
}

/// The spinner of one future. It is drawn by [`tick`](Self::tick) alone, and not by a thread.
struct Spinner {
    text: String,
    /// When the work began, or went on after a question.
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Spinner {
    fn new(text: String) -> Self {
        Self { text, since: Instant::now(), bar: None }
    }

    fn tick(&mut self) {
        // Held while the spinner is drawn, so that no question is asked meanwhile.
        let mut screen = screen();
        let is_removed = self.bar.as_ref().is_some_and(ProgressBar::is_finished);
        if screen.questions > 0 || is_removed {
            self.bar = None;
            self.since = Instant::now();
        } else if self.since.elapsed() >= DELAY && !stderr::is_held_up() {
            let bar = self.bar.get_or_insert_with(|| new_bar(&self.text));
            bar.tick();
            screen.bar = Some(bar.clone());
        }
    }

    /// Removes what is drawn, before other text stands in its line.
    fn finish(self) {
        let is_drawn = self.bar.is_some();
        drop(self);
        if is_drawn {
            stderr::flush_soon();
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            screen().bar = None;
            bar.finish_and_clear();
        }
    }
}

fn new_bar(text: &str) -> ProgressBar {
    let screen = Box::new(StandardError::default());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(screen));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(text.to_owned());
    bar
}

/// The terminal of standard error. A frame is written as all other texts are: a command that is
/// detached from the reader does not wait for it.
#[derive(Debug, Default)]
struct StandardError {
    frame: Mutex<String>,
}

impl StandardError {
    fn frame(&self) -> MutexGuard<'_, String> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, text: &str) -> io::Result<()> {
        self.frame().push_str(text);
        Ok(())
    }

    /// Adds a movement of the cursor. A count of zero would be one.
    fn move_cursor(&self, count: usize, direction: char) -> io::Result<()> {
        match count {
            0 => Ok(()),
            _ => self.add(&format!("\x1b[{count}{direction}")),
        }
    }
}

impl TermLike for StandardError {
    fn width(&self) -> u16 {
        stderr_width().and_then(|width| u16::try_from(width).ok()).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text)?;
        self.add("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame());
        // It is a terminal, and the sequences move its cursor.
        stderr::write(frame, ColorChoice::Always);
        Ok(())
    }
}
