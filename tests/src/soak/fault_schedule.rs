//! The schedule of faults that are injected into the local STS during a soak.

use std::time::Duration;

use rolecall::time::Moment;
use rolecall_testkit::{Cut, FaultRule, SetupError};

use super::LIFETIME;
use crate::World;

/// Real time after which the long outage begins. By then the sessions of all tenants are cached.
const LONG_OUTAGE_AT: Duration = Duration::from_secs(5);
/// Length of the long outage on the session clock: every cached session expires during it.
const LONG_OUTAGE: Duration = Duration::from_secs(LIFETIME + LIFETIME / 5);
/// Real time without faults between two periods of faults.
const PAUSE: Duration = Duration::from_secs(1);

/// Periods of faults drawn from a seed, with pauses between them, and one long outage.
///
/// The long outage is part of every run, whatever the seed: the behavior when a session expires
/// before it can be refreshed is too important to leave to chance.
#[derive(Debug)]
pub(super) struct FaultSchedule {
    rng: fastrand::Rng,
    in_pause: bool,
    /// Real time at which the current period or pause ends.
    period_end: Duration,
    long_outage: LongOutage,
    /// How far the wall clock was set forward, during a period in which it is wrong.
    wall_offset: Duration,
    /// When waits are no longer excused by a wall clock that was set.
    excused_until: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LongOutage {
    Pending,
    Until(Moment),
    Finished,
}

impl FaultSchedule {
    pub(super) fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        let long_outage = LongOutage::Pending;
        let (wall_offset, excused_until) = (Duration::ZERO, Moment::ZERO);
        let period_end = Duration::ZERO;
        Self { rng, in_pause: false, period_end, long_outage, wall_offset, excused_until }
    }

    /// Returns `true` once the long outage has ended.
    pub(super) fn long_outage_finished(&self) -> bool {
        self.long_outage == LongOutage::Finished
    }

    /// Returns `true` in the second half of a pause, when the fetches that earlier faults delayed
    /// have completed. Memory is comparable only then.
    pub(super) fn is_quiet(&self, elapsed: Duration) -> bool {
        self.in_pause && elapsed + PAUSE / 2 >= self.period_end
    }

    /// Begins the next period if the current one has ended. Returns the moment until which callers
    /// may wait because the wall clock is or was wrong.
    ///
    /// `elapsed` is the real time since the start. The session clock determines the end of the long
    /// outage.
    pub(super) fn update(
        &mut self,
        world: &World,
        elapsed: Duration,
    ) -> Result<Moment, SetupError> {
        self.begin_period(world, elapsed)?;
        Ok(self.excused_until)
    }

    fn begin_period(&mut self, world: &World, elapsed: Duration) -> Result<(), SetupError> {
        let (aws, session_time) = (&world.aws, world.clock.clock().now());
        match self.long_outage {
            LongOutage::Pending if elapsed >= LONG_OUTAGE_AT => {
                self.long_outage = LongOutage::Until(session_time + LONG_OUTAGE);
                self.in_pause = false;
                aws.clear_faults();
                self.correct_wall_clock(world);
                return aws.inject(self.draw_outage());
            }
            LongOutage::Until(end) if session_time < end => return Ok(()),
            LongOutage::Until(_) => {
                // The pause after the outage begins now, whatever period it interrupted.
                (self.long_outage, self.period_end) = (LongOutage::Finished, elapsed);
            }
            _ => {}
        }
        if elapsed < self.period_end {
            return Ok(());
        }
        aws.clear_faults();
        self.correct_wall_clock(world);
        self.in_pause = !self.in_pause;
        if self.in_pause {
            self.period_end = elapsed + PAUSE;
            return Ok(());
        }
        let length = Duration::from_millis(self.rng.u64(2000..5000));
        self.period_end = elapsed + length;
        match self.rng.u8(0..13) {
            0..2 => {}
            10 => {
                // A session of the web identity is rejected, as if STS did not know it yet, or any
                // more; the next one as well.
                let (code, message) = match self.rng.bool() {
                    true => ("InvalidClientTokenId", "The security token is invalid"),
                    false => ("ExpiredToken", "The security token is expired"),
                };
                aws.inject(FaultRule::error(403, code, message).on("AssumeRole"))?;
            }
            11 => {
                let seconds = self.rng.i64(-600..600);
                aws.inject(FaultRule::date_offset(seconds))?;
            }
            12 => self.set_wall_clock_forward(world),
            2 => aws.inject(FaultRule::throttled().with_probability(0.8, self.rng.u64(..)))?,
            3 => {
                // A session lasts 15 seconds of real time, so some of these outages outlast it.
                self.period_end = elapsed + Duration::from_millis(self.rng.u64(1000..20_000));
                aws.inject(self.draw_outage())?;
            }
            _ => {
                for (fault, probability) in mixed_faults() {
                    aws.inject(fault.with_probability(probability, self.rng.u64(..)))?;
                }
            }
        }
        Ok(())
    }

    /// Sets the wall clock of both sides forward, so that sessions seem to have expired.
    fn set_wall_clock_forward(&mut self, world: &World) {
        self.wall_offset = Duration::from_secs(self.rng.u64(60..2 * LIFETIME));
        self.excused_until = Moment::MAX;
        world.clock.set_wall(world.clock.clock().wall() + self.wall_offset);
    }

    fn correct_wall_clock(&mut self, world: &World) {
        if self.wall_offset.is_zero() {
            return;
        }
        world.clock.set_wall(world.clock.clock().wall() - self.wall_offset);
        // A wait that began just before may last two seconds, and its fetch longer. The sessions
        // that were issued meanwhile expire late by the wall clock, which excuses nothing.
        self.wall_offset = Duration::ZERO;
        self.excused_until = world.clock.clock().now() + Duration::from_secs(60);
    }

    fn draw_outage(&mut self) -> FaultRule {
        match self.rng.u8(0..3) {
            0 => FaultRule::unavailable(503),
            1 => FaultRule::cut(Cut::BeforeProcessing),
            _ => FaultRule::hung(),
        }
    }
}

/// Returns every kind of fault with the probability at which a call meets it.
fn mixed_faults() -> [(FaultRule, f64); 15] {
    let expired = "The security token included in the request is expired";
    [
        (FaultRule::throttled(), 0.05),
        (FaultRule::unavailable(500), 0.03),
        (FaultRule::unavailable(503), 0.03),
        (FaultRule::error(403, "ExpiredToken", expired), 0.02),
        (FaultRule::delayed(Duration::from_millis(30)), 0.05),
        (FaultRule::hung(), 0.03),
        (FaultRule::cut(Cut::BeforeProcessing), 0.02),
        (FaultRule::cut(Cut::BeforeResponse), 0.02),
        (FaultRule::cut(Cut::WithinResponse), 0.02),
        (FaultRule::cut(Cut::AfterResponse), 0.05),
        (FaultRule::garbage(), 0.02),
        (FaultRule::truncated(), 0.02),
        (FaultRule::date_offset(-3600), 0.01),
        (FaultRule::date_offset(600), 0.01),
        (FaultRule::expired_session(), 0.02),
    ]
}
