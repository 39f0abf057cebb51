//! The main job, step by step: web identity token, role, second role with an external id; what its session is for (S3,
//! Secrets Manager, ECR); what must be denied is denied; and what the cache saves.
//!
//! Every step uses the public API and real HTTP; the local AWS of `rolecall-testkit` is started in the same process.

mod images;
mod live;
mod report;
mod services;
pub(crate) mod stage;
mod steps;
mod target;

pub use live::{Account, live};
pub use report::{Format, Report, Step};
pub use stage::{Stage, Trouble, orders_policy};
pub use target::Login;

/// Runs every step on this stage.
pub async fn run(stage: &Stage) -> Result<Report, Trouble> {
    let mut report = Report::default();
    steps::run_all(stage, &mut report).await?;
    report.count(stage.aws().counts());
    Ok(report)
}

/// Runs the steps on services alone.
pub async fn run_services(stage: &Stage) -> Result<Report, Trouble> {
    let mut report = Report::default();
    steps::run_services(stage, &mut report).await?;
    Ok(report)
}
