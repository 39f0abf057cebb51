//! Assumes a chain of roles, each with the session of the previous one.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use rolecall::Role;
use rolecall_examples::ExampleError;

/// Assumes one role after the other and prints the caller identity of each session.
#[derive(clap::Parser)]
struct Arguments {
    /// Role to assume; repeat for each hop, in order
    #[arg(long, env, required = true, value_delimiter = ',')]
    role_arn: Vec<String>,
    /// External id that the last role's trust policy requires
    #[arg(long, env)]
    external_id: Option<String>,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), ExampleError> {
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
        chain = chain.assume_role(role);
        println!("-> {}", chain.caller_identity().await?.principal);
    }
    Ok(())
}
