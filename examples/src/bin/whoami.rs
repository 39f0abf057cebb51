//! Who the environment says we are, by STS's own word.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use rolecall_examples::Plain;

/// Says who the environment says we are.
#[derive(clap::Parser)]
struct Arguments {}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(_: Arguments) -> Result<(), Plain> {
    let chain = rolecall::from_env()?;
    let identity = chain.caller_identity().await?;
    println!("{}", chain.describe());
    println!("{} in account {}", identity.principal, identity.account);
    Ok(())
}
