//! Prints the configured identity and the result of GetCallerIdentity.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use rolecall_examples::ExampleError;

/// Prints the identity that the environment selects, and what STS calls it.
#[derive(clap::Parser)]
struct Arguments {}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(_: Arguments) -> Result<(), ExampleError> {
    let chain = rolecall::from_env()?;
    let identity = chain.caller_identity().await?;
    println!("{}", chain.description());
    println!("{} in account {}", identity.principal, identity.account);
    Ok(())
}
