//! A chain of roles, each assumed with the session of the one before.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use rolecall::Role;
use rolecall_examples::Plain;

/// Assumes one role after the other, and says who we are after each.
#[derive(clap::Parser)]
struct Arguments {
    /// A role; once for each hop, in order
    #[arg(long, env, required = true, value_delimiter = ',')]
    role_arn: Vec<String>,
    /// The external id that the last role asks for
    #[arg(long, env)]
    external_id: Option<String>,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), Plain> {
    let mut roles = Vec::new();
    for arn in &arguments.role_arn {
        roles.push(Role::new(arn)?);
    }
    if let Some(id) = arguments.external_id
        && let Some(last) = roles.pop()
    {
        roles.push(last.external_id(id)?);
    }

    let mut chain = rolecall::from_env()?;
    println!("{}", chain.caller_identity().await?.principal);
    for role in roles {
        chain = chain.assume(role);
        println!("-> {}", chain.caller_identity().await?.principal);
    }
    Ok(())
}
