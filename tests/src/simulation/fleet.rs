//! One day of a fleet of processes: a cold start, a freeze, a brown-out, an outage and rejections.
//!
//! Each process has a runtime, a session pool and an STS client of its own. A frozen process is
//! one whose runtime is not driven: its tasks and timers stand still while the clock advances, as
//! in a suspended container or a Lambda environment between two invocations.

mod process;
mod report;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rolecall::time::{Clock, ManualClock, Moment};

use self::process::Process;
use super::sts::{self, Conditions, Health, Outage, Sts};
use super::{STEP, seconds, steps_in};
use crate::figures::Figure;

/// Interval between two calls of the same role.
const CALL_INTERVAL: Duration = Duration::from_secs(10);
/// Time without network before a freeze: every fetch that begins in it is in flight when the
/// process stops, or has failed.
const NETWORK_LOSS: Duration = Duration::from_secs(120);
/// Length of the cold start, and time after a freeze and an outage whose calls count to them.
const AFTERMATH: Duration = Duration::from_secs(60);
/// One process of this number is frozen.
const FROZEN_SHARE: usize = 3;
/// One role of this number is used for a service that rejects its sessions.
const REJECTED_SHARE: usize = 50;
/// Largest distance of two fetches because of rejections.
const MAX_REJECTION_SPACING: Duration = Duration::from_secs(300);

/// Parameters of a simulated day of a fleet. The phases must not overlap.
#[derive(Clone, Debug)]
pub struct FleetDay {
    /// Number of processes. All start, and call all of their roles, in the same moment.
    pub processes: usize,
    /// Number of roles of each process. No role belongs to two processes.
    pub roles: usize,
    /// Length of the day.
    pub length: Duration,
    /// Time in which a third of the processes stands still. They lose the network two minutes
    /// earlier.
    pub freeze: Range<Duration>,
    /// Time in which STS throttles every second call.
    pub brown_out: Range<Duration>,
    /// Time in which STS is unavailable.
    pub outage: Range<Duration>,
    /// Time in which a service rejects each session of every fiftieth role.
    pub rejections: Range<Duration>,
    /// Length of the intervals of which the busiest is compared with the mean; see
    /// [`Day::interval`](super::Day::interval).
    pub interval: Duration,
    /// Seed of all randomness. The same seed repeats the same day.
    pub seed: u64,
}

impl FleetDay {
    /// Returns a day of 24 hours with 20 processes of 500 roles.
    pub fn of_20_processes() -> Self {
        let hour = Duration::from_secs(3600);
        Self {
            processes: 20,
            roles: 500,
            length: 24 * hour,
            freeze: 5 * hour..5 * hour + hour / 3,
            brown_out: 8 * hour..8 * hour + hour / 2,
            outage: 12 * hour..13 * hour,
            rejections: 18 * hour..19 * hour,
            interval: hour / 60,
            seed: 4711,
        }
    }

    /// Simulates the day and returns what was observed.
    ///
    /// `on_hour` is called with the number of simulated hours that have passed, once per hour.
    ///
    /// # Errors
    ///
    /// Returns the error of the operating system if a runtime cannot be created.
    pub fn run(&self, on_hour: impl FnMut(u64)) -> std::io::Result<FleetTally> {
        fastrand::seed(self.seed);
        Ok(Fleet::new(self)?.run(on_hour))
    }

    /// Returns the figures of the day, with their goals.
    pub fn figures(&self, tally: &FleetTally) -> Vec<Figure> {
        report::figures(self, tally)
    }

    /// Returns the phases of the day that a chart marks, by name.
    pub fn phases(&self) -> [(&'static str, Range<Duration>); 5] {
        [
            ("cold start", Duration::ZERO..AFTERMATH),
            ("a third is frozen", self.freeze.clone()),
            ("STS throttles half", self.brown_out.clone()),
            ("outage of STS", self.outage.clone()),
            ("service rejects", self.rejections.clone()),
        ]
    }

    /// Returns the number of attempts to call STS, and of sessions issued, in each minute.
    pub fn calls_and_sessions_per_minute(&self, tally: &FleetTally) -> (Vec<u32>, Vec<u32>) {
        let minutes = seconds(self.length).div_ceil(60);
        let by_minute = |by_second: &[u32]| -> Vec<u32> {
            let sum = |minute: usize| by_second.iter().skip(minute * 60).take(60).sum();
            (0..minutes).map(sum).collect()
        };
        (by_minute(&tally.sts.attempts), by_minute(&tally.sts.issued))
    }

    fn phase(&self, time: Duration) -> Phase {
        let within = |range: &Range<Duration>, before, after| {
            (range.start.saturating_sub(before)..range.end + after).contains(&time)
        };
        let none = Duration::ZERO;
        match () {
            () if time < AFTERMATH => Phase::ColdStart,
            () if within(&self.freeze, NETWORK_LOSS, AFTERMATH) => Phase::Freeze,
            () if within(&self.brown_out, none, none) => Phase::BrownOut,
            () if within(&self.outage, none, AFTERMATH) => Phase::Outage,
            () if within(&self.rejections, none, none) => Phase::Rejections,
            () => Phase::Steady,
        }
    }

    /// Returns `true` if this process is one of those that are frozen.
    fn is_affected(process: usize) -> bool {
        process.is_multiple_of(FROZEN_SHARE)
    }

    /// Returns `true` if a service rejects the role's sessions at this time.
    fn is_rejected(&self, role: usize, time: Duration) -> bool {
        role.is_multiple_of(REJECTED_SHARE) && self.rejections.contains(&time)
    }

    /// Returns `true` if the role's session may still be an invalidated one at this time: the last
    /// rejection is followed by a replacement only when the spacing of the fetches permits it.
    fn is_replaced(&self, role: usize, time: Duration) -> bool {
        let replaced = self.rejections.start..self.rejections.end + MAX_REJECTION_SPACING;
        role.is_multiple_of(REJECTED_SHARE) && replaced.contains(&time)
    }
}

impl Conditions for FleetDay {
    fn health(&self, role: usize, time: Duration) -> Health {
        let network_loss = self.freeze.start.saturating_sub(NETWORK_LOSS)..self.freeze.start;
        match () {
            () if self.outage.contains(&time) => Health::Out(Outage::Unavailable),
            () if self.brown_out.contains(&time) => Health::BrownOut,
            () if network_loss.contains(&time) && Self::is_affected(role / self.roles) => {
                Health::Out(Outage::Hangs)
            }
            () => Health::Healthy,
        }
    }
}

/// The part of the day in which a call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Steady,
    ColdStart,
    Freeze,
    BrownOut,
    Outage,
    Rejections,
}

/// Statistics of the calls of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct CallStats {
    calls: u64,
    waited: u64,
    failed: u64,
    /// Failed calls whose role had a valid session.
    failed_with_valid_session: u64,
    /// Calls that waited although their role had a valid session, outside of its mandatory window
    /// and not after a rejection.
    waited_needlessly: u64,
    longest_wait: Duration,
    /// Longest wait of a caller whose role had a valid session, counted until that session expired.
    longest_wait_with_valid_session: Duration,
}

/// Observations of a simulated day of a fleet.
#[derive(Debug, Default)]
pub struct FleetTally {
    by_phase: [CallStats; 6],
    /// The first call of each role of a frozen process after the freeze. They are counted in
    /// [`Phase::Freeze`], too.
    first_after_thaw: CallStats,
    /// Fetches that were in flight when their process was frozen.
    in_flight_at_freeze: u64,
    /// Roles of frozen processes whose session expired during the freeze.
    expired_during_freeze: u64,
    expired_sessions_served: u64,
    sessions_of_another_key: u64,
    /// Sessions that the service rejected, once for each call.
    rejections: u64,
    /// The most fetches of one role while its sessions were rejected.
    most_fetches_of_rejected_role: u64,
    /// Time from the end of the outage until every role had a valid session.
    recovery: Option<Duration>,
    sts: sts::Record,
}

impl FleetTally {
    fn of(&mut self, phase: Phase) -> &mut CallStats {
        &mut self.by_phase[phase as usize]
    }

    /// Applies `update` to the statistics that a call counts to.
    fn update(&mut self, call: Call, update: impl Fn(&mut CallStats)) {
        update(self.of(call.phase));
        if call.first_after_thaw {
            update(&mut self.first_after_thaw);
        }
    }
}

/// The statistics that a call counts to.
#[derive(Clone, Copy, Debug)]
struct Call {
    phase: Phase,
    first_after_thaw: bool,
}

/// What all processes share.
struct World<'a> {
    day: &'a FleetDay,
    clock: Clock,
    start: Moment,
    sts: Arc<Sts>,
}

impl World<'_> {
    fn time(&self) -> Duration {
        self.clock.now() - self.start
    }

    /// Returns the expiration of the role's session if it is valid now.
    fn valid_until(&self, role: usize) -> Option<Moment> {
        self.sts.expires_at(role).filter(|expires_at| *expires_at > self.clock.now())
    }
}

struct Fleet<'a> {
    manual: ManualClock,
    world: World<'a>,
    processes: Vec<Process>,
    tally: FleetTally,
    /// Number of fetches of each role when the rejections began.
    fetches_before: Vec<u64>,
}

impl<'a> Fleet<'a> {
    fn new(day: &'a FleetDay) -> std::io::Result<Self> {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let sts = Sts::new(day.processes * day.roles, clock.clone(), Arc::new(day.clone()));
        let world = World { day, start: clock.now(), clock, sts: Arc::new(sts) };
        let create = |number| Process::new(number, day.roles, &world.sts, &world.clock);
        let processes = (0..day.processes).map(create).collect::<Result<_, _>>()?;
        Ok(Self { manual, world, processes, tally: FleetTally::default(), fetches_before: vec![] })
    }

    fn run(mut self, mut on_hour: impl FnMut(u64)) -> FleetTally {
        let hour = steps_in(Duration::from_secs(3600));
        for step in 0..steps_in(self.world.day.length) {
            self.change_conditions();
            for process in self.processes.iter_mut().filter(|process| !process.is_frozen()) {
                process.run_step(step, &self.world, &mut self.tally);
            }
            self.manual.advance(STEP);
            self.check_recovery();
            if (step + 1) % hour == 0 {
                on_hour((step + 1) / hour);
            }
        }
        self.tally.sts = self.world.sts.record();
        self.tally
    }

    /// Freezes and thaws processes, and counts at the boundaries of phases.
    fn change_conditions(&mut self) {
        let (day, time) = (self.world.day, self.world.time());
        let affected = 0..day.processes;
        if time == day.freeze.start || time == day.freeze.end {
            for number in affected.filter(|number| FleetDay::is_affected(*number)) {
                let roles = number * day.roles..(number + 1) * day.roles;
                if time == day.freeze.start {
                    let in_flight = roles.filter(|role| self.world.sts.is_fetching(*role));
                    self.tally.in_flight_at_freeze += super::to_u64(in_flight.count());
                    self.processes[number].freeze();
                } else {
                    let expired = roles.filter(|role| self.world.valid_until(*role).is_none());
                    self.tally.expired_during_freeze += super::to_u64(expired.count());
                    self.processes[number].thaw(self.world.clock.now());
                }
            }
        }
        let roles = 0..day.processes * day.roles;
        let fetches = |role: usize| self.world.sts.fetches(role);
        if time == day.rejections.start {
            self.fetches_before = roles.map(fetches).collect();
        } else if time == day.rejections.end {
            let rejected = roles.step_by(REJECTED_SHARE);
            let most = rejected.map(|role| fetches(role) - self.fetches_before[role]).max();
            self.tally.most_fetches_of_rejected_role = most.unwrap_or(0);
        }
    }

    /// Records the time of recovery once every role has a valid session again.
    fn check_recovery(&mut self) {
        let (day, time) = (self.world.day, self.world.time());
        if time < day.outage.end || self.tally.recovery.is_some() {
            return;
        }
        if (0..day.processes * day.roles).all(|role| self.world.valid_until(role).is_some()) {
            self.tally.recovery = Some(time - day.outage.end);
        }
    }
}
