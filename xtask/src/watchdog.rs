//! Runs a test command and kills it when it hangs.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::TERM_SIGNALS;

use crate::workspace::Outcome;

/// Runs a command that prints what `cargo test` prints. After `limit`, kills it and all processes
/// that it started. Returns how many tests reported that they were left out.
///
/// # Errors
///
/// Returns an error if the command fails, exceeds the limit, or is interrupted.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Outcome<usize> {
    // In a process group of its own, the command does not receive the terminal's Ctrl-C: without
    // these handlers it would continue after xtask has ended.
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in TERM_SIGNALS {
        signal_hook::flag::register(*signal, Arc::clone(&interrupted))?;
    }
    let mut child = command.process_group(0).stdout(Stdio::piped()).spawn()?;
    let group = Pid::from_child(&child);
    let (sender, receiver) = channel();
    let output = child.stdout.take();
    thread::spawn(move || {
        let lines = output.into_iter().flat_map(|output| BufReader::new(output).split(b'\n'));
        lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
    });

    let started = Instant::now();
    let mut lines = Vec::new();
    let is_hung = loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line).into_owned();
                println!("{line}");
                lines.push(line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            // All processes of the group have closed their output.
            Err(RecvTimeoutError::Disconnected) => break false,
        }
        if interrupted.load(Ordering::Relaxed) || started.elapsed() > limit {
            break true;
        }
    };
    if is_hung {
        kill_process_group(group, Signal::KILL)?;
    }
    let status = child.wait()?;
    if interrupted.load(Ordering::Relaxed) {
        return Err("interrupted".into());
    }
    if is_hung {
        return Err(format!("killed after {limit:?}; {}", describe_hang(&lines)).into());
    }
    if !status.success() {
        return Err(format!("tests failed ({status}); see the output above").into());
    }
    Ok(lines.iter().filter(|line| line.starts_with("left out: ")).count())
}

/// Names the tests that had not ended, and repeats the last lines of the output.
fn describe_hang(lines: &[String]) -> String {
    let mut running = BTreeSet::new();
    for line in lines {
        // libtest reports a test that runs for 60 s, and again when it ends after all.
        match line.strip_prefix("test ").and_then(|line| line.split_once(' ')) {
            Some((name, rest)) if rest.starts_with("has been running") => running.insert(name),
            Some((name, _)) => running.remove(name),
            None => false,
        };
    }
    let running = Vec::from_iter(running).join(", ");
    let last = &lines[lines.len().saturating_sub(5)..];
    format!("still running: {running}; last lines:\n{}", last.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_script(script: &str, limit: u64) -> Outcome<usize> {
        run(Command::new("sh").args(["-c", script]), Duration::from_secs(limit))
    }

    #[test]
    fn hung_command_is_killed_with_its_children() {
        let script = "echo 'test a::b has been running for over 60 seconds'; \
                      echo 'test c has been running for over 60 seconds'; \
                      echo 'test c ... ok'; sleep 600 & sleep 600";
        let started = Instant::now();
        let error = run_script(script, 1).unwrap_err().to_string();
        assert!(started.elapsed() < Duration::from_secs(60), "{error}");
        assert!(error.contains("killed after 1s;"), "{error}");
        assert!(error.contains("still running: a::b; last lines:\ntest a::b has"), "{error}");
        assert!(error.ends_with("test c ... ok"), "{error}");
    }

    #[test]
    fn left_out_tests_are_counted() {
        let script = "echo left out: a; echo test b ... ok; echo left out: c";
        assert_eq!(run_script(script, 60).unwrap(), 2);
    }

    #[test]
    fn failure_is_reported_with_exit_status() {
        let error = run_script("exit 3", 60).unwrap_err().to_string();
        assert!(error.contains("failed (exit status: 3)"), "{error}");
    }
}
