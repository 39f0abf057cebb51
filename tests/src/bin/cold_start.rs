//! Measures the time from the start of a process to its first session by web identity.
//!
//! rolecall is compared with aws-config's default chain, on a local STS: once as both are set up by
//! default, and once with TLS set up by both. For each comparison one line of JSON is printed, with
//! the median and the quartiles of the ratios.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rolecall_tests::{World, clean};

/// Number of measured pairs. Each pair gives one ratio, so that a slow phase of the machine affects
/// both of its runs and not the result.
const PAIRS: usize = 101;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let world = World::new().await?;
    let folder = tempfile::tempdir()?;
    let token = folder.path().join("token");
    std::fs::write(&token, world.cluster.service_account_token("shop", "checkout").sign()?)?;
    let variables = world.variables(&token);
    let executable = std::env::current_exe()?;
    let folder = executable.parent().ok_or("the executable has no parent folder")?.to_owned();
    let run = |program: &str, argument: &str| {
        let mut command = clean(Command::new(folder.join(program)));
        command.arg(argument).envs(variables.iter().cloned());
        time_to_session(&mut command, &folder.join(program))
    };
    tokio::task::block_in_place(|| {
        for (name, argument) in
            [("cold_start_ratio_to_sdk", ""), ("cold_start_with_tls_ratio_to_sdk", "tls")]
        {
            let rolecall = || run("first_session_rolecall", argument);
            let sdk = || run("first_session_sdk", "");
            compare(name, rolecall, sdk)?;
        }
        Ok(())
    })
}

fn compare(
    name: &str,
    rolecall: impl Fn() -> std::io::Result<Duration>,
    sdk: impl Fn() -> std::io::Result<Duration>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut ratios = Vec::new();
    for pair in 0..=PAIRS {
        // The order alternates: whichever runs second finds the CPU caches warmer.
        let (rolecall, sdk) = match pair % 2 {
            0 => {
                let rolecall = rolecall()?;
                (rolecall, sdk()?)
            }
            _ => {
                let sdk = sdk()?;
                (rolecall()?, sdk)
            }
        };
        // The first pair reads the programs from disk and is not counted.
        if pair > 0 {
            ratios.push(rolecall.as_secs_f64() / sdk.as_secs_f64());
        }
    }
    ratios.sort_by(f64::total_cmp);
    let quartile = |number: usize| ratios[(ratios.len() - 1) * number / 4];
    println!(
        "{{\"name\": \"{name}\", \"value\": {:.3}, \"quartiles\": [{:.3}, {:.3}], \"pairs\": {PAIRS}}}",
        quartile(2),
        quartile(1),
        quartile(3)
    );
    Ok(())
}

/// Runs a program and returns how long it took, or its standard error if it printed no session.
fn time_to_session(command: &mut Command, program: &Path) -> std::io::Result<Duration> {
    let start = Instant::now();
    let output = command.output()?;
    let elapsed = start.elapsed();
    match output.status.success() && output.stdout.starts_with(b"ASIA") {
        true => Ok(elapsed),
        false => Err(std::io::Error::other(format!(
            "{}: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}
