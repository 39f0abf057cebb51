//! Reads a secret with the session of a role.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use rolecall::Role;
use rolecall_examples::{Context, ExampleError};

/// Reads a secret with the session of a role and prints its length, not its value.
#[derive(clap::Parser)]
struct Arguments {
    /// Role with access to the secret
    #[arg(long, env)]
    role_arn: String,
    /// External id that the role's trust policy requires
    #[arg(long, env)]
    external_id: Option<String>,
    /// Name or ARN of the secret
    #[arg(long, env)]
    secret_id: String,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), ExampleError> {
    let Arguments { role_arn, external_id, secret_id } = arguments;
    let mut role = Role::new(&role_arn)?;
    if let Some(id) = external_id {
        role = role.external_id(id)?;
    }
    let provider = rolecall::from_env()?.assume_role(role).provider();
    let config = rolecall::sdk_config(provider).load().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&config);

    let secret = secrets.get_secret_value().secret_id(&secret_id).send().await;
    let secret = secret.context(format!("secret {secret_id:?}"))?;
    let text = secret.secret_string().map(str::len);
    let length = text.or_else(|| secret.secret_binary().map(|binary| binary.as_ref().len()));
    let name = secret.name().unwrap_or("the secret");
    println!("{name} has {} bytes", length.unwrap_or_default());
    Ok(())
}
