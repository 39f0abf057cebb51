//! From the start of a process to its first session by web identity, on a local STS: rolecall beside aws-config's default
//! chain, in pairs. One line of JSON: the median of the pairs' ratios, and its quartiles.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rolecall_tests::{World, clean};

const PAIRS: usize = 101;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let world = World::new().await?;
    let folder = tempfile::tempdir()?;
    let token = folder.path().join("token");
    std::fs::write(&token, world.cluster.service_account_token("shop", "checkout").sign()?)?;
    let variables = world.variables(&token);
    let here = std::env::current_exe()?;
    let folder = here.parent().ok_or("no folder")?.to_owned();
    let run = move |program: &str| {
        let mut command = clean(Command::new(folder.join(program)));
        command.envs(variables.iter().cloned());
        took(&mut command, &folder.join(program))
    };
    let ratios = tokio::task::spawn_blocking(move || {
        let mut ratios = Vec::new();
        for pair in 0..=PAIRS {
            let (ours, theirs) = match pair % 2 {
                0 => {
                    let ours = run("first_session_rolecall")?;
                    (ours, run("first_session_sdk")?)
                }
                _ => {
                    let theirs = run("first_session_sdk")?;
                    (run("first_session_rolecall")?, theirs)
                }
            };
            // The first pair warms the file cache.
            if pair > 0 {
                ratios.push(ours.as_secs_f64() / theirs.as_secs_f64());
            }
        }
        Ok::<_, std::io::Error>(ratios)
    });
    let mut ratios = ratios.await??;
    ratios.sort_by(f64::total_cmp);
    let at = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
    println!(
        "{{\"name\": \"cold_start_ratio_to_sdk\", \"value\": {:.3}, \"quartiles\": [{:.3}, {:.3}], \"pairs\": {PAIRS}}}",
        at(2),
        at(1),
        at(3)
    );
    Ok(())
}

fn took(command: &mut Command, program: &Path) -> std::io::Result<Duration> {
    let start = Instant::now();
    let output = command.output()?;
    let took = start.elapsed();
    match output.status.success() && output.stdout.starts_with(b"ASIA") {
        true => Ok(took),
        false => Err(std::io::Error::other(format!(
            "{}: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}
