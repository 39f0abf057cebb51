//! What goes wrong at STS, one spell after the other.

use std::time::Duration;

use rolecall::Moment;
use rolecall_testkit::{Cut, FaultRule, LocalAws, SetupError};

use super::LIFETIME;

/// From when on, of real time, the outage comes that outlasts every session, whatever the seed: all of them are there
/// then.
const OUTAGE_AT: Duration = Duration::from_secs(5);
/// How long it is, by the clock of sessions.
const OUTAGE: Duration = Duration::from_secs(LIFETIME + LIFETIME / 5);
/// How long nothing goes wrong between two spells.
const LULL: Duration = Duration::from_secs(1);

/// Spells of faults, drawn by a seed, and lulls between them.
#[derive(Debug)]
pub(super) struct Weather {
    dice: fastrand::Rng,
    lull: bool,
    ends: Duration,
    outage: Outage,
}

/// The one that comes in every run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outage {
    Ahead,
    Until(Moment),
    Over,
}

impl Weather {
    pub(super) fn new(seed: u64) -> Self {
        let dice = fastrand::Rng::with_seed(seed);
        Self { dice, lull: false, ends: Duration::ZERO, outage: Outage::Ahead }
    }

    /// Whether the outage that outlasts every session is over.
    pub(super) fn had_its_outage(&self) -> bool {
        self.outage == Outage::Over
    }

    /// Whether nothing goes wrong, and what went wrong before has come to its end.
    pub(super) fn is_calm(&self, now: Duration) -> bool {
        self.lull && now + LULL / 2 >= self.ends
    }

    /// The next spell, if the last is over: at this time of the run, and by the clock of sessions.
    pub(super) fn blow(
        &mut self,
        aws: &LocalAws,
        now: Duration,
        by_the_clock: Moment,
    ) -> Result<(), SetupError> {
        match self.outage {
            Outage::Ahead if now >= OUTAGE_AT => {
                (self.outage, self.lull) = (Outage::Until(by_the_clock + OUTAGE), false);
                aws.clear_faults();
                return aws.inject(self.outage());
            }
            Outage::Until(end) if by_the_clock < end => return Ok(()),
            Outage::Until(_) => (self.outage, self.ends) = (Outage::Over, now),
            _ => {}
        }
        if now < self.ends {
            return Ok(());
        }
        aws.clear_faults();
        self.lull = !self.lull;
        if self.lull {
            self.ends = now + LULL;
            return Ok(());
        }
        let short = Duration::from_millis(self.dice.u64(2000..5000));
        self.ends = now + short;
        match self.dice.u8(0..10) {
            0..2 => {}
            2 => aws.inject(FaultRule::throttled().with_probability(0.8, self.dice.u64(..)))?,
            3 => {
                // Some outlast a session.
                self.ends = now + Duration::from_millis(self.dice.u64(1000..20_000));
                aws.inject(self.outage())?;
            }
            _ => {
                for (fault, probability) in faults() {
                    aws.inject(fault.with_probability(probability, self.dice.u64(..)))?;
                }
            }
        }
        Ok(())
    }

    fn outage(&mut self) -> FaultRule {
        match self.dice.u8(0..3) {
            0 => FaultRule::unavailable(503),
            1 => FaultRule::cut(Cut::BeforeWork),
            _ => FaultRule::hung(),
        }
    }
}

/// Of everything a little.
fn faults() -> [(FaultRule, f64); 15] {
    let expired = "The security token included in the request is expired";
    [
        (FaultRule::throttled(), 0.05),
        (FaultRule::unavailable(500), 0.03),
        (FaultRule::unavailable(503), 0.03),
        (FaultRule::refused(403, "ExpiredToken", expired), 0.02),
        (FaultRule::delayed(Duration::from_millis(30)), 0.05),
        (FaultRule::hung(), 0.03),
        (FaultRule::cut(Cut::BeforeWork), 0.02),
        (FaultRule::cut(Cut::BeforeAnswer), 0.02),
        (FaultRule::cut(Cut::WithinAnswer), 0.02),
        (FaultRule::cut(Cut::AfterAnswer), 0.05),
        (FaultRule::garbage(), 0.02),
        (FaultRule::truncated(), 0.02),
        (FaultRule::date_off(-3600), 0.01),
        (FaultRule::date_off(600), 0.01),
        (FaultRule::expired_session(), 0.02),
    ]
}
