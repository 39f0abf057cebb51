//! The browser that opens a page. Its command gets the path of the page, and no secret.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rolecall::Environment;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use super::page::Page;
use crate::error::Failure;
use crate::signals::StopSignals;

/// The command that opens a file by the settings of the desktop.
const DEFAULT: &str = if cfg!(target_os = "macos") {
    "open"
} else if cfg!(windows) {
    "explorer"
} else {
    "xdg-open"
};

/// A program and its arguments, one of which may be `%s`.
type BrowserCommand = Vec<String>;

/// Returns the commands to try: those of `BROWSER`, which colons separate, or else the default one.
pub(super) fn commands(environment: &Environment) -> Result<Vec<BrowserCommand>, Failure> {
    let browser = environment.var("BROWSER")?.unwrap_or_default();
    let commands = parse(&browser);
    Ok(if commands.is_empty() { vec![vec![DEFAULT.to_owned()]] } else { commands })
}

fn parse(browser: &str) -> Vec<BrowserCommand> {
    browser
        .split(':')
        .map(|command| command.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|command| !command.is_empty())
        .collect()
}

fn arguments(command: &[String], page: &Path) -> Vec<OsString> {
    let mut is_used = false;
    let mut all: Vec<OsString> = Vec::new();
    for argument in command.iter().skip(1) {
        match argument.as_str() {
            "%s" => {
                is_used = true;
                all.push(page.into());
            }
            other => all.push(other.into()),
        }
    }
    if !is_used {
        all.push(page.into());
    }
    all
}

/// Opens the page, and returns when its lifetime is over: the browser may read it after the command
/// has ended. A signal ends the wait, so that the caller removes the page.
pub(super) async fn open(
    commands: &[BrowserCommand],
    page: &Page,
    lifetime: Duration,
    signals: &mut StopSignals,
) -> Result<(), Failure> {
    let deadline = Instant::now() + lifetime;
    let mut child = start(commands, page.path())?;
    tokio::select! {
        ended = child.wait() => match ended {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(failed(format!("the browser command failed: {status}"))),
            Err(error) => return Err(failed(format!("cannot wait for the browser: {error}"))),
        },
        // The command may be the browser itself, which runs until a person closes it.
        () = sleep_until(deadline) => return Ok(()),
        () = signals.recv() => return Err(Failure::operation("interrupted")),
    }
    tokio::select! {
        () = sleep_until(deadline) => Ok(()),
        () = signals.recv() => Err(Failure::operation("interrupted")),
    }
}

fn start(commands: &[BrowserCommand], page: &Path) -> Result<Child, Failure> {
    let mut faults = Vec::new();
    for command in commands {
        let Some(program) = command.first() else { continue };
        let started = Command::new(program)
            .args(arguments(command, page))
            .stdin(Stdio::null())
            // Standard output has the results of this command.
            .stdout(Stdio::from(io::stderr()))
            .spawn();
        match started {
            Ok(child) => return Ok(child),
            Err(error) => faults.push(format!("{program}: {error}")),
        }
    }
    Err(failed(format!("cannot start a browser: {}", faults.join(", "))))
}

fn failed(message: String) -> Failure {
    Failure::operation(message)
        .with_hint("set BROWSER to the command of a browser, or print the link without --open")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_variable_has_commands_and_arguments() {
        let page = Path::new("/tmp/sign-in.html");
        for (browser, expected) in [
            ("firefox", vec![vec!["firefox", "/tmp/sign-in.html"]]),
            (
                "firefox --new-window %s:w3m",
                vec![
                    vec!["firefox", "--new-window", "/tmp/sign-in.html"],
                    vec!["w3m", "/tmp/sign-in.html"],
                ],
            ),
            (" : ", vec![]),
        ] {
            let commands = parse(browser).into_iter().map(|command| {
                let arguments = arguments(&command, page);
                let mut all = vec![command[0].clone()];
                all.extend(arguments.into_iter().map(|it| it.into_string().unwrap()));
                all
            });
            assert_eq!(commands.collect::<Vec<_>>(), expected, "{browser}");
        }
    }
}
