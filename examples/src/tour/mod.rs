//! The main job, step by step: web identity token, role, second role with an external id; what must be denied is
//! denied; and what the cache saves.
//!
//! Every step uses the public API and real HTTP; the local AWS of `rolecall-testkit` is started in the same process.

mod report;
mod stage;
mod steps;

pub use report::{Format, Report, Step};
pub use stage::{Stage, Trouble};

/// Runs every step on this stage.
pub async fn run(stage: &Stage) -> Result<Report, Trouble> {
    let mut report = Report::default();
    steps::run_all(stage, &mut report).await?;
    report.count(stage.aws().counts());
    Ok(report)
}
