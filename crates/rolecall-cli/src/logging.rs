//! The log on standard error.

use tracing_subscriber::EnvFilter;

use crate::output::Printable;
use crate::stderr::LogWriter;

/// Installs a log that writes to standard error. `verbose` counts `-v`.
///
/// The crates of rolecall never log secrets. Those of the SDK and of HTTP stay at the level of
/// warnings, since at their lower levels they print requests with their credentials.
pub(crate) fn install(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let crates = [
        "rolecall",
        "rolecall_assume_role",
        "rolecall_cache",
        "rolecall_core",
        "rolecall_sts",
        "rolecall_web_identity",
    ];
    let filter = crates.iter().fold("warn".to_owned(), |all, name| format!("{all},{name}={level}"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(|| Printable(LogWriter))
        .with_target(verbose > 1)
        .with_ansi(false);
    // A second subscriber cannot be installed: this is the only place that installs one.
    let _ = subscriber.try_init();
}
