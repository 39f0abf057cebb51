//! The login to an image registry, with the session of a role: the password on standard output, for
//! `docker login --password-stdin`, and all else on standard error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use aws_sdk_ecr::types::ImageIdentifier;
use rolecall::Role;
use rolecall_examples::{About, Login, Plain};

/// Prints the password that `docker login --password-stdin` needs.
#[derive(clap::Parser)]
struct Arguments {
    /// The role that may use the registry
    #[arg(long, env)]
    role_arn: String,
    /// The external id that the role asks for
    #[arg(long, env)]
    external_id: Option<String>,
    /// Look whether this repository has the image --tag
    #[arg(long, env)]
    repository: Option<String>,
    #[arg(long, env, default_value = "latest")]
    tag: String,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), Plain> {
    let Arguments { role_arn, external_id, repository, tag } = arguments;
    let mut role = Role::new(&role_arn)?;
    if let Some(id) = external_id {
        role = role.external_id(id)?;
    }
    let provider = rolecall::from_env()?.assume(role).cached();
    let config = rolecall::sdk_config(provider).load().await;
    let ecr = aws_sdk_ecr::Client::new(&config);

    if let Some(repository) = repository {
        let id = ImageIdentifier::builder().image_tag(&tag).build();
        let images = ecr.batch_get_image().repository_name(&repository).image_ids(id).send().await;
        let found = !images.about(format!("repository {repository:?}"))?.images().is_empty();
        eprintln!("{repository}:{tag} is {}there", if found { "" } else { "not " });
    }
    let login = Login::get(&ecr).await?;
    eprintln!("docker login --username {} --password-stdin {}", login.user, login.registry);
    println!("{}", login.password);
    Ok(())
}
