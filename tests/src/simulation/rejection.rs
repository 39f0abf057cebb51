//! Services that reject sessions, and callers that retry as an SDK client does.
//!
//! Each experiment has one cached provider and starts a call every half second. STS is healthy,
//! except in the experiment with a deleted role.

mod report_use;
mod service;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rolecall::CachedProvider;
use rolecall::sts::RateLimit;
use rolecall::time::ManualClock;

use self::service::{Operation, Outcomes, Service, ServiceKind};
use super::client::{Client, RoleProvider};
use super::oracle::{
    most_fetches_because_of_rejections, most_fetches_without_session, rejection_spacings,
};
use super::sts::{Conditions, Health, LATENCY, Sts};
use super::{STEP, new_runtime, poll_once, steps_in};
use crate::figures::{Figure, Goal};

pub(super) use self::report_use::{RejectionClass, report_rejection};

/// Interval between two calls.
const CALL_INTERVAL: Duration = Duration::from_millis(500);
/// Time after which a service that is eventually consistent accepts a session.
const PROPAGATION: Duration = Duration::from_secs(3);
/// Time of the revocation, and of the deletion of the role, in the experiments that have one.
const REVOKED_AT: Duration = Duration::from_secs(600);
/// Time for which the role does not exist.
const DELETED: Duration = Duration::from_secs(300);
/// Longest permitted time until a session after the role was recreated: the largest back-off
/// without a session, with its jitter, and one call.
const MAX_RECOVERY: Duration = Duration::from_millis(13_000);

/// An experiment with one cached provider.
struct Experiment {
    name: &'static str,
    class: RejectionClass,
    /// The services that are called in turn.
    services: &'static [ServiceKind],
    /// Whether callers retry, as [`rolecall::sdk::InvalidSessionRetry`] does.
    retries: bool,
    length: Duration,
    /// Time in which STS denies the role.
    denied: Range<Duration>,
}

impl Experiment {
    fn new(name: &'static str, class: RejectionClass, services: &'static [ServiceKind]) -> Self {
        let (length, denied) = (Duration::from_secs(90), Duration::ZERO..Duration::ZERO);
        Self { name, class, services, retries: true, length, denied }
    }

    fn lasting(mut self, length: Duration) -> Self {
        self.length = length;
        self
    }
}

/// What an experiment showed.
struct Observed {
    outcomes: Outcomes,
    /// When each fetch began.
    fetches: Vec<Duration>,
}

/// Runs the experiments with rejecting services and returns their figures.
///
/// # Errors
///
/// Returns the error of the operating system if a runtime cannot be created.
pub fn rejection_figures(seed: u64) -> io::Result<Vec<Figure>> {
    use RejectionClass::{Expired, Unknown};
    use ServiceKind::{Accepting, Late, Never, Revoking};
    fastrand::seed(seed);
    let (hour, revoked) = (Duration::from_secs(3600), REVOKED_AT + Duration::from_secs(90));
    let mut figures = vec![];

    // A session that no service knows yet: replacing it would restart the wait.
    let late = Experiment::new("late_unknown", Unknown, &[Late]);
    let observed = late.run()?;
    figures.extend(observed.counts(&late, Goal::AtMost(5.0), Goal::AtMost(2.0)));
    let mut single = Experiment::new("late_without_retry", Unknown, &[Late]);
    single.retries = false;
    let observed = single.run()?;
    // The calls before the service accepts the session fail.
    let failed = PROPAGATION.as_secs_f64() / CALL_INTERVAL.as_secs_f64() + 1.0;
    figures.extend(observed.counts(&single, Goal::AtMost(failed), Goal::AtMost(2.0)));

    // A definite code: the session is replaced at once, although the service is wrong.
    let late = Experiment::new("late_expired", Expired, &[Late]);
    let observed = late.run()?;
    let most = most_fetches_because_of_rejections(late.length) as f64;
    figures.extend(observed.counts(&late, None, Goal::AtMost(most)));
    figures.push(late.figure(
        "first_replacement_s",
        observed.first_replacement().as_secs_f64(),
        Goal::AtMost(2.0 * STEP.as_secs_f64()),
    ));

    // A revoked session is old: it is replaced within the call, whatever the code.
    for (name, class) in [("revoked_unknown", Unknown), ("revoked_expired", Expired)] {
        let revoked = Experiment::new(name, class, &[Revoking]).lasting(revoked);
        let observed = revoked.run()?;
        figures.extend(observed.counts(&revoked, Goal::Exactly(0.0), Goal::AtMost(2.0)));
    }

    // The role is deleted and, five minutes later, recreated.
    let mut deleted = Experiment::new("deleted_role", Unknown, &[Revoking]).lasting(revoked);
    deleted.denied = REVOKED_AT..REVOKED_AT + DELETED;
    deleted.length += hour;
    let observed = deleted.run()?;
    let recovery = observed.recovery_after(deleted.denied.end).unwrap_or(deleted.length);
    // One fetch more loads the session that is revoked, and one brings the session in the end.
    let most = 2 + most_fetches_without_session(DELETED, LATENCY);
    figures.extend(observed.counts(&deleted, None, Goal::AtMost(most as f64)));
    figures.push(deleted.figure(
        "recovery_s",
        recovery.as_secs_f64(),
        Goal::AtMost(MAX_RECOVERY.as_secs_f64()),
    ));

    // Services that never accept: no replacement helps, and the fetches keep their spacing.
    for (name, class, services) in [
        ("never_unknown", Unknown, &[Never] as &[_]),
        ("never_expired", Expired, &[Never]),
        ("two_services_unknown", Unknown, &[Accepting, Never]),
        ("two_services_expired", Expired, &[Accepting, Never]),
    ] {
        let never = Experiment::new(name, class, services).lasting(hour);
        let observed = never.run()?;
        let most = most_fetches_because_of_rejections(hour) as f64;
        figures.extend(observed.counts(&never, None, Goal::AtMost(most)));
        let violations = observed.spacing_violations() as f64;
        figures.push(never.figure("spacing_violations", violations, Goal::Exactly(0.0)));
        let failed = observed.outcomes.failed_at(Accepting) as f64;
        figures.push(never.figure("failed_at_accepting_service", failed, Goal::Exactly(0.0)));
    }
    Ok(figures)
}

impl Experiment {
    fn figure(&self, what: &str, value: f64, goal: impl Into<Option<Goal>>) -> Figure {
        let name = format!("rejection_{}_{what}", self.name);
        Figure { name, value, goal: goal.into() }
    }

    fn run(&self) -> io::Result<Observed> {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let conditions = DeniedRole(self.denied.clone());
        let sts = Arc::new(Sts::new(1, clock.clone(), Arc::new(conditions)));
        let client = Arc::new(Client::new(&sts, &clock, RateLimit::default()));
        let provider = RoleProvider::new(&client, 0);
        let provider: Arc<dyn rolecall::ProvideSession> = Arc::new(provider);
        let provider = CachedProvider::builder_from_arc(provider).clock(clock.clone()).build();
        let start = clock.now();
        let services: Vec<_> = self
            .services
            .iter()
            .map(|kind| Arc::new(Service::new(*kind, start + REVOKED_AT)))
            .collect();
        let outcomes = Arc::new(std::sync::Mutex::new(Outcomes::default()));
        let mut fetches = vec![];
        let runtime = new_runtime()?;
        let _guard = runtime.enter();
        let mut services_in_turn = services.iter().cycle();
        for step in 0..steps_in(self.length) {
            if step % steps_in(CALL_INTERVAL) == 0
                && let Some(service) = services_in_turn.next()
            {
                let operation = Operation {
                    provider: provider.clone(),
                    service: Arc::clone(service),
                    class: self.class,
                    retries: self.retries,
                    clock: clock.clone(),
                    start,
                    client: Arc::clone(&client),
                    outcomes: Arc::clone(&outcomes),
                };
                let mut operation = Box::pin(operation.run());
                if poll_once(operation.as_mut()).is_none() {
                    tokio::spawn(operation);
                }
            }
            runtime.block_on(client.activity().settle());
            for _ in super::to_u64(fetches.len())..sts.fetches(0) {
                fetches.push(clock.now() - start);
            }
            manual.advance(STEP);
        }
        let outcomes = std::mem::take(&mut *service::lock(&outcomes));
        Ok(Observed { outcomes, fetches })
    }
}

impl Observed {
    fn counts(
        &self,
        experiment: &Experiment,
        failed: impl Into<Option<Goal>>,
        fetches: Goal,
    ) -> [Figure; 3] {
        [
            experiment.figure("failed", self.outcomes.failed() as f64, failed),
            experiment.figure("calls", self.outcomes.calls() as f64, None),
            experiment.figure("fetches", self.fetches.len() as f64, fetches),
        ]
    }

    /// Returns the time from the first rejection to the next fetch.
    fn first_replacement(&self) -> Duration {
        let Some(rejected) = self.outcomes.first_rejection() else { return Duration::MAX };
        let next = self.fetches.iter().skip(1).find(|fetch| **fetch >= rejected);
        next.map_or(Duration::MAX, |next| *next - rejected)
    }

    /// Returns the number of fetches that came too soon after the one before. The first fetch is
    /// not caused by a rejection.
    fn spacing_violations(&self) -> usize {
        let caused = self.fetches.get(1..).unwrap_or_default();
        let gaps = caused.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.zip(rejection_spacings()).filter(|(gap, spacing)| *gap + STEP < *spacing).count()
    }

    /// Returns the time from `end` to the first call that succeeded after it.
    fn recovery_after(&self, end: Duration) -> Option<Duration> {
        self.outcomes.first_success_after(end).map(|success| success - end)
    }
}

/// An STS that denies the role for a while.
#[derive(Debug)]
struct DeniedRole(Range<Duration>);

impl Conditions for DeniedRole {
    fn health(&self, _role: usize, time: Duration) -> Health {
        match self.0.contains(&time) {
            true => Health::Denied,
            false => Health::Healthy,
        }
    }
}
