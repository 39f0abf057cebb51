//! The figures of the histories, with their goals.

use std::time::Duration;

use rolecall::sts::StsClient;

use super::{HistoryTally, ModeTally};
use crate::figures::{Figure, Goal};
use crate::simulation::STEP;
use crate::simulation::sts::Outage;

/// Returns the time after the return of STS within which a caller must have a session: the longest
/// pause of ten seconds and the response, which takes a few steps of the simulated clock, and one
/// attempt's timeout more if STS did not answer.
pub(super) fn max_recovery(mode: Outage) -> Duration {
    let limit = Duration::from_secs(10) + 3 * STEP;
    match mode {
        Outage::Unavailable => limit,
        Outage::Hangs => limit + StsClient::ATTEMPT_TIMEOUT,
    }
}

pub(super) fn figures(tally: &HistoryTally) -> Vec<Figure> {
    let mut figures = vec![];
    for (name, mode, ModeTally { histories, expired, late, longest_recovery }) in
        [("refused", Outage::Unavailable, tally.refused), ("hung", Outage::Hangs, tally.hung)]
    {
        let limit = max_recovery(mode).as_secs_f64();
        figures.extend([
            plain(name, histories as f64),
            plain(&format!("{name}_expired_in_outage"), expired as f64),
            Figure::with_goal(
                format!("histories_{name}_longest_recovery_s"),
                longest_recovery.as_secs_f64(),
                Goal::AtMost(limit),
            ),
            plain(&format!("{name}_recovered_late"), late as f64),
        ]);
    }
    figures.extend([
        zero("expired_sessions_served", tally.expired_sessions_served),
        zero("failed_with_valid_session", tally.failed_with_valid_session),
        Figure::with_goal(
            "histories_longest_wait_with_valid_session_s",
            tally.longest_wait_with_valid_session.as_secs_f64(),
            Goal::AtMost(2.0),
        ),
        zero("with_too_many_fetches", tally.too_many_fetches),
        plain("largest_share_of_permitted_fetches", tally.largest_share_of_permitted),
        plain("fetches", tally.fetches as f64),
        plain("calls", tally.calls as f64),
    ]);
    figures
}

fn zero(name: &str, count: u64) -> Figure {
    Figure::with_goal(format!("histories_{name}"), count as f64, Goal::Exactly(0.0))
}

fn plain(name: &str, value: f64) -> Figure {
    Figure::informational(format!("histories_{name}"), value)
}
