//! Fetches a login for ECR with the session of a role.
//!
//! Only the password is printed to standard output, for `docker login --password-stdin`. Everything
//! else is printed to standard error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use aws_sdk_ecr::types::ImageIdentifier;
use rolecall::Role;
use rolecall_examples::{Context, ExampleError, RegistryLogin};

/// Prints the password that `docker login --password-stdin` needs.
#[derive(clap::Parser)]
struct Arguments {
    /// Role with access to the registry
    #[arg(long, env)]
    role_arn: String,
    /// External id that the role's trust policy requires
    #[arg(long, env)]
    external_id: Option<String>,
    /// Check that this repository has an image with the tag --tag
    #[arg(long, env)]
    repository: Option<String>,
    #[arg(long, env, default_value = "latest")]
    tag: String,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), ExampleError> {
    let Arguments { role_arn, external_id, repository, tag } = arguments;
    let mut role = Role::new(&role_arn)?;
    if let Some(id) = external_id {
        role = role.external_id(id)?;
    }
    let provider = rolecall::from_env()?.assume_role(role).provider();
    let config = rolecall::sdk_config(provider).load().await;
    let ecr = aws_sdk_ecr::Client::new(&config);

    if let Some(repository) = repository {
        let id = ImageIdentifier::builder().image_tag(&tag).build();
        let images = ecr.batch_get_image().repository_name(&repository).image_ids(id).send().await;
        let found = !images.context(format!("repository {repository:?}"))?.images().is_empty();
        eprintln!("{repository}:{tag} {}", if found { "exists" } else { "does not exist" });
    }
    let login = RegistryLogin::fetch(&ecr).await?;
    eprintln!("docker login --username {} --password-stdin {}", login.user, login.registry);
    println!("{}", login.password);
    Ok(())
}
