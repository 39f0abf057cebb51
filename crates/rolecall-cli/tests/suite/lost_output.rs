//! Results that cannot be written.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::command::{Finished, finish_without_reader};
use crate::folder::Folder;

/// Runs a command whose standard output is on a full disk.
fn finish_on_full_disk(mut command: Command) -> Finished {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
    Finished::from(command.output().unwrap())
}

#[test]
fn lost_result_fails() {
    let folder = Folder::new();
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["help"],
        &["policy", "check", "--help"],
        &["help", "policy", "check"],
        &["completions", "bash"],
        &["sandbox", "--print-config"],
    ] {
        let run = finish_on_full_disk(folder.command(arguments));
        let message =
            "error: cannot write to standard output: No space left on device (os error 28)\n";
        assert_eq!((run.code, run.err.as_str()), (Some(1), message), "{arguments:?}");
        // A reader that leaves has what it wanted.
        let run = finish_without_reader(folder.command(arguments));
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
    // What is printed to standard error is no result.
    for arguments in [&["assume"][..], &["--no-such-option"], &[]] {
        let run = finish_on_full_disk(folder.command(arguments));
        assert_eq!(run.code, Some(2), "{arguments:?}");
        assert!(run.err.contains("Usage: "), "{}", run.err);
    }
}
