//! The common `main` function of the examples, with a local AWS for `--sandbox`.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rolecall::time::Clock;
use tokio::process::Command;

use crate::error::ExampleError;
use crate::tour::stage::{
    BUCKET, CHECKOUT_ROLE, EXTERNAL_ID, LocalEnvironment, ORDERS_ROLE, PREFIX, REGION, REPOSITORY,
    SECRETS, TENANTS_ROLE, orders_policy,
};

const SANDBOX: &str = "--sandbox";
const HELP: &str = "With --sandbox, the program runs on a local AWS: without an account, a network, or any other argument.";

/// Runs an example in the AWS account that the environment selects, or on a local AWS with
/// `--sandbox`.
///
/// An error is printed to standard error as one sentence. The exit code is then 2 for invalid
/// arguments or configuration, otherwise 1.
pub fn main<A, F>(example: impl FnOnce(A) -> F) -> ExitCode
where
    A: Parser,
    F: Future<Output = Result<(), ExampleError>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let result = match runtime {
        Err(error) => Err(error.into()),
        Ok(runtime) if arguments.iter().any(|argument| argument == SANDBOX) => {
            arguments.retain(|argument| argument != SANDBOX);
            runtime.block_on(run_in_sandbox(&arguments))
        }
        Ok(runtime) => {
            let matches = A::command().after_help(HELP).get_matches();
            match A::from_arg_matches(&matches) {
                Err(error) => error.exit(),
                Ok(arguments) => runtime.block_on(example(arguments)).map(|()| ExitCode::SUCCESS),
            }
        }
    };
    result.unwrap_or_else(|error| {
        let package = env!("CARGO_PKG_NAME").to_owned();
        let program = arguments
            .first()
            .and_then(|program| {
                std::path::Path::new(program).file_stem()?.to_str().map(str::to_owned)
            })
            .unwrap_or(package);
        // Standard error may be closed, too; the exit code still reports the failure.
        let _ = writeln!(std::io::stderr(), "{program}: {error}");
        ExitCode::from(error.exit_code())
    })
}

/// Starts a local AWS and runs this program again, with an environment that selects it.
///
/// The example reads its configuration from the environment like any service. A process cannot
/// change its own environment safely, since other threads may be reading it, but it can set that of
/// a child.
async fn run_in_sandbox(arguments: &[OsString]) -> Result<ExitCode, ExampleError> {
    let policy = orders_policy()?.to_json();
    let local = LocalEnvironment::start(Clock::system(), policy).await?;
    let token = local.cluster.service_account_token("shop", "checkout").sign();
    let token = token.map_err(crate::tour::TourError::from)?;
    let token_file = local.write_token("token", token).await?;

    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments.iter().skip(1)).kill_on_drop(true);
    // A proxy of this machine would not reach the loopback address.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("AWS_") || name.to_ascii_uppercase().ends_with("_PROXY") {
            command.env_remove(name.as_ref());
        }
    }
    // Without these variables the SDK would read the configuration in the home directory. The file
    // does not exist.
    let missing = local.tokens.path().join("none");
    command
        .env("AWS_CONFIG_FILE", &missing)
        .env("AWS_SHARED_CREDENTIALS_FILE", &missing)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", REGION)
        .env("AWS_ENDPOINT_URL", local.aws.endpoint_url())
        .env("AWS_ROLE_ARN", CHECKOUT_ROLE)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token_file)
        .env("AWS_ROLE_SESSION_NAME", "sandbox");
    let defaults = [
        ("ROLE_ARN", ORDERS_ROLE),
        ("EXTERNAL_ID", EXTERNAL_ID),
        ("BUCKET", BUCKET),
        ("PREFIX", PREFIX),
        ("SECRET_ID", SECRETS[0].0),
        ("REPOSITORY", REPOSITORY),
        ("TENANTS_ROLE_ARN", TENANTS_ROLE),
        ("TRY_OUT", "true"),
    ];
    command.envs(defaults);
    let status = command.status().await?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
