//! Runs the tour and prints its report. The exit code is 1 if a step had an unexpected result.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rolecall_examples::ExampleError;
use rolecall_examples::tour::{self, Account, Format, Stage};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Shows what rolecall does, on an embedded local AWS, without an account or a network. With
/// --live, runs in the AWS account that the environment selects; see docs/live.md for the
/// prerequisites.
#[derive(Parser)]
#[command(name = "tour", version)]
struct Arguments {
    /// Print a line of JSON for each step, and a summary as the last line.
    #[arg(long)]
    json: bool,
    /// Run in the AWS account that the environment selects; created resources are deleted.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    account: Account,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut filter = EnvFilter::builder().with_env_var("RUST_LOG").from_env_lossy();
    // At TRACE, the SDK logs the bodies of responses. That of ECR's GetAuthorizationToken contains
    // a password.
    if filter.max_level_hint() == Some(LevelFilter::TRACE)
        && let Ok(no_bodies) = "aws_smithy_runtime=debug".parse()
    {
        filter = filter.add_directive(no_bodies);
    }
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    match run_tour(&arguments).await {
        // The report has shown the failed steps.
        Ok(failed) => ExitCode::from(u8::from(failed > 0)),
        Err(error) => {
            // Standard error may be closed, too; the exit code still reports the failure.
            let _ = writeln!(std::io::stderr(), "tour: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run_tour(arguments: &Arguments) -> Result<usize, ExampleError> {
    let report = if arguments.live {
        tour::live(&arguments.account).await?
    } else {
        let stage = Stage::start().await?;
        tour::run(&stage).await?
    };
    let format = if arguments.json { Format::Json } else { Format::Table };
    report.print(format, &mut std::io::stdout().lock())?;
    Ok(report.failed())
}
