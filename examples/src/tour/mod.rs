//! A tour of rolecall, step by step, with a report.
//!
//! The steps obtain a session from a web identity token, assume a second role with an external id,
//! and use its session for S3, Secrets Manager and ECR. Further steps must be denied, and some
//! count the STS calls that the cache makes.
//!
//! Every step uses the public API and real HTTP. The local AWS of `rolecall-testkit` runs in the
//! same process.

mod images;
mod live;
mod report;
mod services;
pub(crate) mod stage;
mod steps;
mod target;

pub use live::{Account, live};
pub use report::{Format, Report, Step};
pub use stage::{Stage, TourError, orders_policy};
pub use target::RegistryLogin;

/// Runs all steps on the local AWS of `stage`.
///
/// # Errors
///
/// Returns a [`TourError`] if the tour could not continue. A step with an unexpected result is not
/// an error: it is part of the report.
pub async fn run(stage: &Stage) -> Result<Report, TourError> {
    let mut report = Report::default();
    steps::run_all(stage, &mut report).await?;
    report.set_calls(stage.aws().counts());
    Ok(report)
}

/// Runs only the steps that call S3, Secrets Manager and ECR.
///
/// # Errors
///
/// Returns a [`TourError`] if the tour could not continue.
pub async fn run_services(stage: &Stage) -> Result<Report, TourError> {
    let mut report = Report::default();
    steps::run_services(stage, &mut report).await?;
    Ok(report)
}
