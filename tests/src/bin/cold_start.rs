//! From the start of a process to its first session by web identity, on a local STS: rolecall beside aws-config's default
//! chain, in pairs: as they come, and with TLS set up by both. For each a line of JSON: the median of the pairs' ratios, and
//! their quartiles.
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
    let run = |program: &str, argument: &str| {
        let mut command = clean(Command::new(folder.join(program)));
        command.arg(argument).envs(variables.iter().cloned());
        took(&mut command, &folder.join(program))
    };
    tokio::task::block_in_place(|| {
        for (name, argument) in
            [("cold_start_ratio_to_sdk", ""), ("cold_start_with_tls_ratio_to_sdk", "tls")]
        {
            let ours = || run("first_session_rolecall", argument);
            let theirs = || run("first_session_sdk", "");
            measure(name, ours, theirs)?;
        }
        Ok(())
    })
}

fn measure(
    name: &str,
    ours: impl Fn() -> std::io::Result<Duration>,
    theirs: impl Fn() -> std::io::Result<Duration>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut ratios = Vec::new();
    for pair in 0..=PAIRS {
        let (ours, theirs) = match pair % 2 {
            0 => {
                let ours = ours()?;
                (ours, theirs()?)
            }
            _ => {
                let theirs = theirs()?;
                (ours()?, theirs)
            }
        };
        // The first pair warms the file cache.
        if pair > 0 {
            ratios.push(ours.as_secs_f64() / theirs.as_secs_f64());
        }
    }
    ratios.sort_by(f64::total_cmp);
    let at = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
    println!(
        "{{\"name\": \"{name}\", \"value\": {:.3}, \"quartiles\": [{:.3}, {:.3}], \"pairs\": {PAIRS}}}",
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
