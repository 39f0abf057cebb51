//! Runs the command in a terminal.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use regex::Regex;
use rolecall_tests::HUB;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::command::{Finished, Setup};
use crate::folder::Folder;

/// What of a command is the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Standard error is a pipe, so that a slow machine shows no progress.
    InAndOut,
    All,
}

/// A pseudo terminal.
pub(crate) struct Terminal {
    /// The side of the person.
    pub(crate) main: OwnedFd,
    /// The side of the program. Programs that other tests start meanwhile do not inherit it: they
    /// would keep it open.
    pub(crate) end: OwnedFd,
    pub(crate) name: String,
}

impl Terminal {
    pub(crate) fn open((ws_col, ws_row): (u16, u16)) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let main = openpt(flags).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        tcsetwinsize(&main, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let end = rustix::fs::open(&*name, flags, Mode::empty()).unwrap();
        Self { main, end, name }
    }
}

/// Runs a command to its end in a terminal of so many columns and rows. `out` is what it prints
/// there.
pub(crate) fn run_in_terminal(
    mut command: Command,
    streams: Streams,
    size: (u16, u16),
) -> Finished {
    let Terminal { main, end, name: _ } = Terminal::open(size);
    let error = match streams {
        Streams::All => Stdio::from(end.try_clone().unwrap()),
        Streams::InAndOut => Stdio::piped(),
    };
    command.env("TERM", "xterm-256color").stdin(end.try_clone().unwrap()).stdout(end).stderr(error);
    let child = command.spawn().unwrap();
    // The command has a copy of the other end. The terminal ends when no process has one.
    drop(command);
    let mut printed = Vec::new();
    match File::from(main).read_to_end(&mut printed) {
        Ok(_) => {}
        // How Linux reports that no process has the other end.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {}
        Err(error) => panic!("{error}"),
    }
    let mut run = Finished::from(child.wait_with_output().unwrap());
    run.out = String::from_utf8(printed).unwrap().replace("\r\n", "\n");
    run
}

/// The parser prints before the other options are known.
#[test]
fn color_option_is_that_of_help_and_errors_too() {
    let folder = Folder::new();
    for (arguments, code) in [(&["--help"][..], 0), (&["assume", "x"], 2), (&["whomai"], 2)] {
        for (color, is_colored) in [("auto", true), ("never", false)] {
            for option in [&["--color", color][..], &[&format!("--color={color}")]] {
                let command = folder.command(&[option, arguments].concat());
                let run = run_in_terminal(command, Streams::All, (80, 24));
                assert_eq!(run.code, Some(code), "{}", run.out);
                assert_eq!(run.out.contains('\x1b'), is_colored, "{arguments:?}: {}", run.out);
            }
        }
    }
}

/// A person may want to copy an ARN, whatever the width of the terminal.
#[tokio::test(flavor = "multi_thread")]
async fn narrow_terminal_keeps_words_whole() {
    let setup = Setup::start().await;
    let digits = Regex::new(r"\d+").unwrap();
    for arguments in [&["whoami"][..], &["assume", HUB], &["doctor", HUB]] {
        let print = |columns| {
            let mut command = setup.command(&setup.pod());
            command.args(arguments).args(["--color", "never"]);
            run_in_terminal(command, Streams::InAndOut, (columns, 40))
        };
        let words = |text: &str| {
            let words = text.split_whitespace().filter(|word| word.contains([':', '/']));
            // Times differ between runs.
            words.map(|word| digits.replace_all(word, "1").into_owned()).collect::<Vec<_>>()
        };
        let (narrow, wide) = (print(60), print(1_000));
        assert_eq!((narrow.code, narrow.err.as_str()), (Some(0), ""), "{}", narrow.out);
        assert!(wide.out.contains("arn:"), "{}", wide.out);
        assert_eq!(words(&narrow.out), words(&wide.out), "{}", narrow.out);
        for line in narrow.out.lines().filter(|line| line.chars().count() > 60) {
            let last = line.split_whitespace().last().unwrap_or_default();
            assert!(last.len() > 30, "{line}");
        }
    }
}
