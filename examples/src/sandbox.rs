//! The frame around an example: its arguments, its last word, and a local AWS to try it on.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rolecall::Clock;
use tokio::process::Command;

use crate::plain::Plain;
use crate::tour::stage::{
    BUCKET, CHECKOUT_ROLE, EXTERNAL_ID, Local, ORDERS_ROLE, PREFIX, REGION, REPOSITORY, SECRETS,
    TENANTS_ROLE, Trouble, orders_policy,
};

const SANDBOX: &str = "--sandbox";
const HELP: &str = "With --sandbox it runs on a local AWS: no account, no network, and no other argument is needed.";

/// Runs an example on the account that the environment points to. With `--sandbox` it starts the same program once more,
/// with an environment that points to a local AWS.
///
/// What goes wrong is one sentence on standard error, and exit code 1; 2 for what was asked for wrongly.
pub fn main<A, F>(example: impl FnOnce(A) -> F) -> ExitCode
where
    A: Parser,
    F: Future<Output = Result<(), Plain>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let result = match runtime {
        Err(error) => Err(error.into()),
        Ok(runtime) if arguments.iter().any(|argument| argument == SANDBOX) => {
            arguments.retain(|argument| argument != SANDBOX);
            runtime.block_on(sandboxed(&arguments))
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
        let name = env!("CARGO_PKG_NAME").to_owned();
        let name = arguments
            .first()
            .and_then(|program| {
                std::path::Path::new(program).file_stem()?.to_str().map(str::to_owned)
            })
            .unwrap_or(name);
        // If standard error is gone too, there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{name}: {error}");
        ExitCode::from(error.exit_code())
    })
}

async fn sandboxed(arguments: &[OsString]) -> Result<ExitCode, Plain> {
    let trouble = |trouble: Trouble| Plain::new(trouble.to_string());
    let policy = orders_policy().map_err(trouble)?.to_json();
    let local = Local::start(Clock::system(), policy).await.map_err(trouble)?;
    let token = local.cluster.service_account_token("shop", "checkout").sign();
    let token = token.map_err(|error| trouble(error.into()))?;
    let token_file = local.write_token("token", token).await.map_err(trouble)?;

    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments.iter().skip(1)).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("AWS_") || name.to_ascii_uppercase().ends_with("_PROXY") {
            command.env_remove(name.as_ref());
        }
    }
    // Files that are not there: nothing of this machine's configuration.
    let nowhere = local.tokens.path().join("none");
    command
        .env("AWS_CONFIG_FILE", &nowhere)
        .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
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
