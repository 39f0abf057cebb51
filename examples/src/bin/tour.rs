//! The tour: from a web identity token to a session two roles further, on an embedded local AWS.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rolecall_examples::tour::{self, Format, Stage, Trouble};
use tracing_subscriber::EnvFilter;

/// Shows what rolecall does, on an embedded local AWS: no account, no network.
#[derive(Parser)]
#[command(name = "tour", version)]
struct Arguments {
    /// Print a line of JSON for each step, and a last one that sums up.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { json } = Arguments::parse();
    let filter = EnvFilter::builder().with_env_var("RUST_LOG").from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    match tour(if json { Format::Json } else { Format::Table }).await {
        // What failed stands in the report.
        Ok(failed) => ExitCode::from(u8::from(failed > 0)),
        Err(trouble) => {
            // If standard error is gone too, there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "tour: it could not go on: {trouble}");
            ExitCode::FAILURE
        }
    }
}

async fn tour(format: Format) -> Result<usize, Trouble> {
    let stage = Stage::set().await?;
    let report = tour::run(&stage).await?;
    report.print(format, &mut std::io::stdout().lock())?;
    Ok(report.failed())
}
