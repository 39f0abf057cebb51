//! What goes wrong at STS, one spell after the other.

use std::time::Duration;

use rolecall_testkit::{Cut, FaultRule, LocalAws, SetupError};

/// Spells of faults, drawn by a seed.
#[derive(Debug)]
pub(super) struct Weather {
    dice: fastrand::Rng,
    ends: Duration,
}

impl Weather {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: fastrand::Rng::with_seed(seed), ends: Duration::ZERO }
    }

    /// The next spell, if the last is over.
    pub(super) fn blow(&mut self, aws: &LocalAws, now: Duration) -> Result<(), SetupError> {
        if now < self.ends {
            return Ok(());
        }
        aws.clear_faults();
        let short = Duration::from_millis(self.dice.u64(2000..5000));
        self.ends = now + short;
        match self.dice.u8(0..10) {
            0..3 => {}
            3 => aws.inject(FaultRule::throttled().with_probability(0.8, self.dice.u64(..)))?,
            4 => {
                // Some outlast a session.
                self.ends = now + Duration::from_millis(self.dice.u64(1000..20_000));
                aws.inject(match self.dice.u8(0..3) {
                    0 => FaultRule::unavailable(503),
                    1 => FaultRule::cut(Cut::BeforeWork),
                    _ => FaultRule::hung(),
                })?;
            }
            _ => {
                for (fault, probability) in faults() {
                    aws.inject(fault.with_probability(probability, self.dice.u64(..)))?;
                }
            }
        }
        Ok(())
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
