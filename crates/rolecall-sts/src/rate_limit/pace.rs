//! The pace of the calls: when the next one may start, at a rate that adapts to STS.
//!
//! The quota is the account's, and no process knows how many others share it. The rate therefore
//! follows TCP's congestion control (additive increase, multiplicative decrease): a throttled call
//! halves it, and successful calls raise it by a constant amount per second. Processes that share a
//! quota converge to equal shares that way, because a halving takes more from a large share than
//! from a small one, while the increase gives all of them the same.

use std::num::NonZeroU32;
use std::time::Duration;

use rolecall_core::Moment;

/// Idle time that later calls may make up for: the size of a burst.
const BURST: Duration = Duration::from_millis(100);

/// Lowest rate, in calls per second. Without calls, the end of the throttling would not be noticed.
const LOWEST_RATE: f64 = 1.0;

/// Seconds of successful calls after which the rate has risen from zero to the configured one.
///
/// Each process raises its rate until STS throttles it again, so a faster recovery throttles more
/// calls: with 15 seconds instead of 60, the simulated fleet of 32 processes has 17 % of its calls
/// throttled instead of 2 % (`tests/suite/fleet.rs`). A slower one leaves the quota unused for
/// longer after an outage.
const RECOVERY: f64 = 60.0;

/// Shortest time between two halvings. STS needs about this long to refill what the calls before
/// the first one have taken from the quota, and the other processes of a fleet need it to react
/// too. A rate that is halved with each response would be at its lowest within half a second.
const HALVING_INTERVAL: Duration = Duration::from_secs(1);

/// Longest time that one successful call adds to the recovery: a success after an idle hour says
/// nothing about that hour.
const LONGEST_CREDIT: Duration = Duration::from_secs(1);

/// Assigns start times at even distances, in the order of the calls.
#[derive(Debug)]
pub(super) struct Pace {
    /// The configured rate, in calls per second: the highest.
    configured: NonZeroU32,
    /// The current rate, in calls per second.
    rate: f64,
    /// When the next call may start. It may have been up to [`BURST`] ago.
    next: Moment,
    halved_at: Option<Moment>,
    /// Time up to which successful calls have raised the rate.
    credited_until: Moment,
}

/// The start of a call, which can be taken back.
#[derive(Debug)]
pub(super) struct Start {
    before: Moment,
    after: Moment,
}

impl Pace {
    pub(super) fn new(configured: NonZeroU32) -> Self {
        let rate = f64::from(configured.get());
        let (next, credited_until) = (Moment::ZERO, Moment::ZERO);
        Self { configured, rate, next, halved_at: None, credited_until }
    }

    /// Returns the current rate, in calls per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns when the next call may start, or `now`.
    pub(super) fn next_start(&self, now: Moment) -> Moment {
        self.next.max(now)
    }

    /// Starts a call, or returns `None` if none may start yet.
    pub(super) fn start(&mut self, now: Moment) -> Option<Start> {
        let start = self.next.max(now.earlier_by(BURST));
        if start > now {
            return None;
        }
        let before = self.next;
        self.next = start + interval_at(self.rate);
        Some(Start { before, after: self.next })
    }

    /// Takes back the start of a call that was cancelled before it began.
    pub(super) fn take_back(&mut self, start: &Start) {
        // Only the newest: once another call has started after it, moving that call's successors
        // forward would exceed the rate in the time since.
        if self.next == start.after {
            self.next = start.before;
        }
    }

    /// Returns the earliest possible start of a call with `ahead` other calls before it. It starts
    /// later if the rate recovers more slowly than it can.
    pub(super) fn earliest_start(&self, ahead: usize, now: Moment) -> Moment {
        let first = self.next.max(now.earlier_by(BURST));
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        let configured = f64::from(self.configured.get());
        // The rate may rise until the first of them starts, too.
        let rise = self.slope() * (first - now).as_secs_f64();
        let rate = (self.recovered_rate(now) + rise).min(configured);
        if rate >= configured {
            // Not with the floating-point numbers below: a call whose turn comes in the last moment
            // of its timeout must not fail because of a rounding error.
            return (first + interval_at(configured).saturating_mul(ahead)).max(now);
        }
        // While the rate rises by `slope`, `rate * t + slope * t^2 / 2` calls start within `t`.
        let (ahead, slope) = (f64::from(ahead), self.slope());
        let ramp = (configured - rate) / slope;
        let during_ramp = (rate + configured) / 2.0 * ramp;
        let seconds = match ahead <= during_ramp {
            true => ((rate * rate + 2.0 * slope * ahead).sqrt() - rate) / slope,
            false => ramp + (ahead - during_ramp) / configured,
        };
        (first + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).max(now)
    }

    /// Records that a call was successful. Raises the rate.
    pub(super) fn record_success(&mut self, now: Moment) {
        self.rate = self.recovered_rate(now);
        self.credited_until = self.credited_until.max(now);
    }

    /// Records that STS throttled a call that was sent at `sent_at`. Returns `true` if that halved
    /// the rate.
    pub(super) fn record_throttled(&mut self, sent_at: Moment, now: Moment) -> bool {
        // The responses to calls that were sent before the last halving say nothing about the rate
        // since then: all of them together are one reason to halve it.
        let is_counted = self
            .halved_at
            .is_some_and(|halved_at| sent_at <= halved_at || now - halved_at < HALVING_INTERVAL);
        if is_counted {
            return false;
        }
        self.rate = (self.rate / 2.0).max(LOWEST_RATE);
        self.halved_at = Some(now);
        self.credited_until = self.credited_until.max(now);
        true
    }

    /// Returns the rate after a success at `now`.
    fn recovered_rate(&self, now: Moment) -> f64 {
        let credit = (now - self.credited_until).min(LONGEST_CREDIT);
        let rate = self.rate + self.slope() * credit.as_secs_f64();
        rate.min(f64::from(self.configured.get()))
    }

    /// Returns by how much the rate rises in a second, in calls per second.
    fn slope(&self) -> f64 {
        f64::from(self.configured.get()) / RECOVERY
    }
}

fn interval_at(rate: f64) -> Duration {
    // The rate is at least one call per second, so the interval is at most a second.
    Duration::from_secs_f64(1.0 / rate)
}
