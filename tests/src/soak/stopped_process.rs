//! A client in a process of its own, which is stopped by `SIGSTOP` for seconds.
//!
//! The soak starts its own program again, as [`run_client`]. Both processes share two files: one
//! has the session clock, which the client follows, and the other a web identity token. After a
//! stop the client sees the clock jump, as a process sees the real one.

use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rolecall::time::{Clock, ManualClock};
use tokio::runtime::Builder;

use super::freeze::{call_after_freeze, new_monitor, spawn_callers};
use super::{Connection, create_pool};
use crate::World;
use crate::figures::{Figure, Goal, json_lines};

const CLOCK_FILE: &str = "clock";
const TOKEN_FILE: &str = "token";
/// A jump of the session clock by which a client knows that it was stopped. Every fetch is overdue
/// then.
const JUMP: Duration = Duration::from_secs(90);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Runs a client until `stop` is set, and stops it again and again. Returns its figures.
pub(super) fn run(world: &World, stop: &AtomicBool, seed: u64) -> Outcome<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    share(world, directory.path())?;
    let wall = world.clock.clock().wall().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut client = Command::new(std::env::current_exe()?)
        .args(["--stopped-client", world.aws.endpoint_url()])
        .args(["--seed", &seed.to_string(), "--wall", &wall.as_secs().to_string()])
        .arg("--directory")
        .arg(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let result = stop_again_and_again(world, directory.path(), &client, stop, seed);
    if result.is_err() {
        client.kill()?;
    }
    // The client ends when its standard input is closed, and prints its figures.
    let output = client.wait_with_output()?;
    result?;
    let lines = String::from_utf8(output.stdout)?;
    lines.lines().map(parse_figure).collect()
}

fn stop_again_and_again(
    world: &World,
    directory: &Path,
    client: &Child,
    stop: &AtomicBool,
    seed: u64,
) -> Outcome<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let share_for = |milliseconds| {
        for _ in 0..milliseconds / 20 {
            share(world, directory)?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Outcome::Ok(())
    };
    while !stop.load(Ordering::Relaxed) {
        share_for(rng.u64(1000..4000))?;
        signal(client, "STOP")?;
        let shared = share_for(rng.u64(2500..9000));
        // Whatever failed, the client must continue: it could not end otherwise.
        signal(client, "CONT")?;
        shared?;
    }
    share_for(1000)
}

fn signal(client: &Child, signal: &str) -> Outcome<()> {
    // std has no function that sends a signal, and the workspace forbids unsafe code.
    let status = Command::new("kill").args(["-s", signal, &client.id().to_string()]).status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`kill -s {signal}` of the client failed with {status}").into()),
    }
}

/// Writes what the client needs. A rename replaces a file as a whole.
fn share(world: &World, directory: &Path) -> Outcome<()> {
    let token = world.cluster.service_account_token("shop", "checkout").sign()?;
    let now = world.clock.clock().now().as_nanos();
    for (name, contents) in [(TOKEN_FILE, token), (CLOCK_FILE, now.to_string())] {
        let new = directory.join("new");
        std::fs::write(&new, contents)?;
        std::fs::rename(&new, directory.join(name))?;
    }
    Ok(())
}

/// Parses a line of [`json_lines`].
fn parse_figure(line: &str) -> Outcome<Figure> {
    let line: serde_json::Value = serde_json::from_str(line)?;
    let name = line["name"].as_str().ok_or("a figure of the client has no name")?.to_owned();
    let value = line["value"].as_f64().ok_or("a figure of the client has no value")?;
    // The goal of every invariant is zero.
    let goal = line["goal"].as_f64().map(Goal::Exactly);
    Ok(Figure { name, value, goal })
}

/// What a client in a process of its own is told.
#[derive(Clone, Copy, Debug)]
pub struct StoppedClient<'a> {
    /// Endpoint of the local AWS.
    pub endpoint_url: &'a str,
    /// Directory with the files of the clock and the token.
    pub directory: &'a Path,
    /// Wall time at the start, in seconds since 1970.
    pub wall: u64,
    /// Seed of the callers' actions.
    pub seed: u64,
}

impl StoppedClient<'_> {
    /// Calls a pool until the standard input is closed. Returns the figures as lines of JSON, and a
    /// description of the first violation of each invariant.
    ///
    /// # Errors
    ///
    /// Returns an error if the pool cannot be set up, or a file of the directory cannot be read.
    pub fn run(self) -> Result<(String, Vec<String>), Box<dyn Error + Send + Sync>> {
        let manual = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(self.wall));
        let token_file = self.directory.join(TOKEN_FILE);
        let read_token = move || std::fs::read_to_string(&token_file).map_err(|e| e.to_string());
        let connection = Connection {
            endpoint_url: self.endpoint_url.to_owned(),
            clock: manual.clock(),
            sign_token: Arc::new(read_token),
        };
        let stdin_closed = Arc::new(AtomicBool::new(false));
        std::thread::spawn({
            let stdin_closed = Arc::clone(&stdin_closed);
            move || {
                let _ = std::io::stdin().read_to_end(&mut vec![]);
                stdin_closed.store(true, Ordering::Relaxed);
            }
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.follow_clock(&manual, &connection, &stdin_closed))
    }

    async fn follow_clock(
        &self,
        manual: &ManualClock,
        connection: &Connection,
        stop: &Arc<AtomicBool>,
    ) -> Outcome<(String, Vec<String>)> {
        let monitor = new_monitor(connection);
        let pool = create_pool(connection, &monitor)?;
        spawn_callers(&pool, &monitor, stop, self.seed);
        let clock: Clock = manual.clock();
        let mut shared = self.shared_clock()?;
        while !stop.load(Ordering::Relaxed) {
            let now = self.shared_clock()?;
            let passed = now.saturating_sub(shared);
            (shared, _) = (now, manual.advance(passed));
            if passed > JUMP {
                // In a task of its own, since this one advances the clock that the calls need.
                tokio::spawn(call_after_freeze(pool.clone(), Arc::clone(&monitor), clock.now()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let figures = monitor.figures().into_iter().map(|mut figure| {
            figure.name.insert_str(0, "stopped_");
            figure
        });
        Ok((json_lines(&figures.collect::<Vec<_>>()), monitor.violations()))
    }

    /// Returns the time of the session clock of the soak.
    fn shared_clock(&self) -> Outcome<Duration> {
        let nanos = std::fs::read_to_string(self.directory.join(CLOCK_FILE))?;
        Ok(Duration::from_nanos(nanos.trim().parse()?))
    }
}
