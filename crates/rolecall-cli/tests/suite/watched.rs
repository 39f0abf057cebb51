//! Runs the command, and records what other processes and users could see of it meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::command::{Setup, after};
use crate::endpoint::{signal, wait_until};

/// The folders that programs of a user write to, by the variables that name them.
const FOLDERS: [(&str, &str); 6] = [
    ("HOME", "home"),
    ("TMPDIR", "tmp"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_RUNTIME_DIR", "runtime"),
    ("XDG_STATE_HOME", "state"),
];

/// A program that waits until it has been seen, and then runs the lines of its caller.
const SPY: &str = "#!/bin/sh
PATH=/usr/bin:/bin
tries=0
until [ -e SEEN ] || [ $tries -ge 1000 ]; do sleep 0.02; tries=$((tries + 1)); done
";

/// The folders in which the commands run.
#[derive(Debug)]
pub(crate) struct Place {
    /// What the commands must not write to, such as the scripts of the test.
    inputs: PathBuf,
    watched: PathBuf,
}

impl Place {
    pub(crate) fn new(setup: &Setup) -> Self {
        let home = setup.home.path().canonicalize().unwrap();
        let place = Self { inputs: home.join("inputs"), watched: home.join("watched") };
        fs::create_dir_all(&place.inputs).unwrap();
        for (_, name) in FOLDERS {
            fs::create_dir_all(place.watched.join(name)).unwrap();
        }
        place
    }

    /// Writes a file of the test, and returns its path.
    pub(crate) fn input(&self, name: &str, text: &str) -> String {
        let path = self.inputs.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a program that ends with these lines once the watcher has seen it.
    pub(crate) fn spy(&self, name: &str, lines: &str) -> String {
        let seen = self.seen();
        let text = format!("{}{lines}\n", SPY.replace("SEEN", seen.to_str().unwrap()));
        let path = self.input(name, &text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn seen(&self) -> PathBuf {
        self.inputs.join("seen")
    }

    pub(crate) fn watched(&self) -> &Path {
        &self.watched
    }

    /// Returns the command in a process that takes no permissions from new files.
    fn command(
        &self,
        setup: &Setup,
        variables: &[(String, String)],
        arguments: &[&str],
    ) -> Command {
        let mut command = after("umask 000", &setup.command(variables));
        command.envs(FOLDERS.map(|(name, folder)| (name, self.watched.join(folder))));
        command.args(arguments).current_dir(&self.inputs);
        command
    }
}

/// What was seen of a file.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) modes: BTreeSet<u32>,
    pub(crate) contents: BTreeSet<Vec<u8>>,
}

/// What was seen of a command.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The command lines of the command, and of the programs that it started.
    pub(crate) command_lines: BTreeSet<String>,
    pub(crate) files: BTreeMap<PathBuf, Seen>,
    pub(crate) folders: BTreeMap<PathBuf, BTreeSet<u32>>,
}

/// A command that runs.
#[derive(Debug)]
pub(crate) struct Running {
    id: u32,
    out: Arc<Mutex<String>>,
}

impl Running {
    /// Returns what the command has printed, once it contains this text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let out = || self.out.lock().unwrap().clone();
        wait_until(|| format!("{text:?} in {:?}", out()), || out().contains(text));
        out()
    }

    pub(crate) fn stop(&self) {
        signal(self.id, "TERM");
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) observed: Observed,
}

/// Runs a command with this standard input, and what `meanwhile` does, to its end.
pub(crate) fn run(
    place: &Place,
    (setup, variables): (&Setup, &[(String, String)]),
    arguments: &[&str],
    input: &str,
    meanwhile: impl FnOnce(&Running),
) -> Ended {
    let _ = fs::remove_file(place.seen());
    let mut command = place.command(setup, variables, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let running = Running { id: child.id(), out: Arc::default() };
    // Before it can have ended.
    let mut observed = Observed::default();
    see_processes(&mut observed, running.id);
    let (has_ended, errors) = (AtomicBool::new(false), Mutex::new(String::new()));
    // The command may end without having read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(observed, place, running.id, &has_ended));
        let out = scope.spawn(|| copy(out, &running.out));
        let err = scope.spawn(|| copy(err, &errors));
        meanwhile(&running);
        let status = child.wait().unwrap();
        out.join().unwrap();
        err.join().unwrap();
        has_ended.store(true, Ordering::Release);
        let observed = watcher.join().unwrap();
        let out = running.out.lock().unwrap().clone();
        let err = errors.lock().unwrap().clone();
        Ended { code: status.code(), out, err, observed }
    })
}

fn copy(mut from: impl Read, to: &Mutex<String>) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        to.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
}

/// Records what there is to see until the command has ended, and once more after that.
fn watch(mut observed: Observed, place: &Place, id: u32, has_ended: &AtomicBool) -> Observed {
    loop {
        let is_last = has_ended.load(Ordering::Acquire);
        let is_spied = see_processes(&mut observed, id);
        see_files(&mut observed, &place.watched);
        if is_spied {
            fs::write(place.seen(), "").unwrap();
        }
        if is_last {
            return observed;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns `true` if one of the programs is a spy.
fn see_processes(observed: &mut Observed, root: u32) -> bool {
    let ids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let parents: BTreeMap<u32, u32> = ids.filter_map(|id| Some((id, parent(id)?))).collect();
    let is_descendant = |id: u32| {
        let mut next = Some(id);
        while let Some(id) = next.filter(|id| *id != root) {
            next = parents.get(&id).copied();
        }
        next.is_some()
    };
    let mut is_spied = false;
    for id in parents.keys().copied().filter(|id| is_descendant(*id)) {
        // The process may have ended.
        let Ok(line) = fs::read(format!("/proc/{id}/cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        is_spied |= line.contains("/spy-");
        observed.command_lines.insert(line);
    }
    is_spied
}

fn parent(id: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn see_files(observed: &mut Observed, folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        // A file may have been removed meanwhile.
        let Ok(metadata) = path.symlink_metadata() else { continue };
        let mode = metadata.mode() & 0o7777;
        if metadata.is_dir() {
            see_files(observed, &path);
            observed.folders.entry(path).or_default().insert(mode);
            continue;
        }
        let contents = fs::read(&path);
        let seen = observed.files.entry(path).or_default();
        seen.modes.insert(mode);
        seen.contents.extend(contents);
    }
}
