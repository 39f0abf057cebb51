//! The tour: from a web identity token to a session two roles further, and what that is for.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rolecall_examples::Plain;
use rolecall_examples::tour::{self, Account, Format, Stage, Trouble};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Shows what rolecall does, on an embedded local AWS: no account, no network. With --live, on the account that the
/// environment points to; docs/live.md says what it needs.
#[derive(Parser)]
#[command(name = "tour", version)]
struct Arguments {
    /// Print a line of JSON for each step, and a last one that sums up.
    #[arg(long)]
    json: bool,
    /// Run on the account that the environment points to; what is made there is taken away again.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    account: Account,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut filter = EnvFilter::builder().with_env_var("RUST_LOG").from_env_lossy();
    // At TRACE the SDK writes out what services answer: a registry's password is in some of it.
    if filter.max_level_hint() == Some(LevelFilter::TRACE)
        && let Ok(no_bodies) = "aws_smithy_runtime=debug".parse()
    {
        filter = filter.add_directive(no_bodies);
    }
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    match tour(&arguments).await {
        // What failed stands in the report.
        Ok(failed) => ExitCode::from(u8::from(failed > 0)),
        Err(error) => {
            // If standard error is gone too, there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "tour: it could not go on: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn tour(arguments: &Arguments) -> Result<usize, Plain> {
    let trouble = |trouble: Trouble| Plain::new(trouble.to_string());
    let report = if arguments.live {
        tour::live(&arguments.account).await?
    } else {
        let stage = Stage::set().await.map_err(trouble)?;
        tour::run(&stage).await.map_err(trouble)?
    };
    let format = if arguments.json { Format::Json } else { Format::Table };
    report.print(format, &mut std::io::stdout().lock())?;
    Ok(report.failed())
}
