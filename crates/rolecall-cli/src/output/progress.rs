//! Progress on standard error, for what takes more than a second.

use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

const DELAY: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Runs a future, and shows a spinner with this text from the second second on.
///
/// Nothing is shown with `--quiet`, or if standard error is not a terminal.
pub(crate) async fn show<T>(
    output: &Output,
    text: impl Into<String>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    if output.global().quiet || !std::io::stderr().is_terminal() {
        return work.await;
    }
    if let Ok(result) = tokio::time::timeout(DELAY, work.as_mut()).await {
        return result;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(text.into());
    bar.enable_steady_tick(TICK);
    let result = work.await;
    bar.finish_and_clear();
    result
}
