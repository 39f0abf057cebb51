//! When to refresh, and when to try again: pure functions of lifetimes, counts and a drawn number
//! in `0.0..1.0`.

use std::time::Duration;

use rolecall_core::Moment;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How long after its limit a fetch without a result counts as lost: its task ends it at the limit,
/// unless the task itself is gone or stands still.
pub(crate) const GRACE: Duration = secs(1);
/// How long a caller waits for a refresh while a valid session is held.
pub(crate) const HARD_WAIT: Duration = secs(2);
/// How soon after a session came in another may be asked for, whatever its windows say.
pub(crate) const AFTER_SUCCESS: Duration = secs(1);
/// How soon after a session came in that is good for less than somebody needs another may be asked
/// for.
pub(crate) const BETWEEN_SHORT_ONES: Duration = secs(30);
/// Largest difference between two readings of one expiration: the wall clock and the clock of
/// deadlines drift apart, and STS states whole seconds.
pub(crate) const SAME_END: Duration = secs(10);

/// From when a refresh may run, and from when a caller waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) refresh_at: Moment,
    pub(crate) hard_at: Moment,
    pub(crate) end: Moment,
}

/// How early a refresh may run: by tiers, and never more than a third of the lifetime.
fn window(lifetime: Duration) -> Duration {
    let tier = match lifetime {
        l if l <= secs(20 * 60) => secs(5 * 60),
        l if l < secs(90 * 60) => secs(15 * 60),
        _ => secs(60 * 60),
    };
    tier.min(lifetime / 3)
}

impl Windows {
    /// For a session that is good from `since` to `end`. After a fetch for which callers waited, a
    /// fleet may have started together: then the draw is from a third of the lifetime on, not over
    /// half the window.
    pub(crate) fn drawn(since: Moment, end: Moment, waited_for: bool, draw: f64) -> Self {
        if end == Moment::MAX {
            return Self { refresh_at: end, hard_at: end, end };
        }
        let lifetime = end - since;
        let window = window(lifetime);
        let earliest = if waited_for { since + lifetime / 3 } else { end.earlier_by(window) };
        let latest = end.earlier_by(window / 2);
        Self {
            refresh_at: earliest + (latest - earliest).mul_f64(draw),
            hard_at: end.earlier_by(secs(60).min(lifetime / 10)),
            end,
        }
    }
}

/// A number of doublings that cannot overflow.
fn doubled(first: Duration, consecutive_failures: u32) -> Duration {
    first.saturating_mul(1_u32 << consecutive_failures.saturating_sub(1).min(20))
}

/// After a failed refresh, while the session is good for `left` more: always a fraction of that.
pub(crate) fn pause_while_valid(
    consecutive_failures: u32,
    retryable: bool,
    left: Duration,
    draw: f64,
) -> Duration {
    let first = if retryable { secs(1) } else { secs(30) };
    let most = doubled(first, consecutive_failures).min(secs(300)).min(left / 4);
    (most / 2 + (most / 2).mul_f64(draw)).max(secs(1))
}

/// For how long an error is remembered when there is no usable session.
pub(crate) fn remembered_for(consecutive_failures: u32, retryable: bool, draw: f64) -> Duration {
    let least = doubled(secs(1), consecutive_failures).min(secs(10));
    let least = if retryable { least } else { least.max(secs(5)) };
    least + (least / 4).mul_f64(draw)
}

/// When to look again after the source gave the same session as before.
pub(crate) fn recheck_after(left: Duration) -> Duration {
    secs(30).max(left / 4)
}

/// The least time between two fetches on account of rejections, when `before` were close together.
pub(crate) fn rejection_spacing(before: u32) -> Duration {
    doubled(secs(10), before + 1).min(secs(300))
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Moment = Moment::from_nanos(1_000_000_000_000_000);

    /// refresh-at at both ends of its draw, and hard-at, in seconds before the end.
    fn seconds_before_the_end(lifetime: u64, waited_for: bool) -> (u64, u64, u64) {
        let end = START + secs(lifetime);
        let at = |draw| Windows::drawn(START, end, waited_for, draw);
        let before = |moment| (end - moment).as_secs();
        (before(at(0.0).refresh_at), before(at(1.0).refresh_at), before(at(0.0).hard_at))
    }

    #[test]
    fn windows_by_table() {
        for (lifetime, first, last, hard) in [
            (900, 300, 150, 60),
            (1200, 300, 150, 60),
            (1201, 400, 200, 60),
            (3600, 900, 450, 60),
            (5399, 900, 450, 60),
            (5400, 1800, 900, 60),
            (43_200, 3600, 1800, 60),
            (60, 20, 10, 6),
        ] {
            assert_eq!(seconds_before_the_end(lifetime, false), (first, last, hard), "{lifetime}");
            assert_eq!(
                seconds_before_the_end(lifetime, true),
                (lifetime - lifetime.div_ceil(3), last, hard),
                "{lifetime}"
            );
        }
    }

    #[test]
    fn keys_without_end_are_never_refreshed() {
        let windows = Windows::drawn(START, Moment::MAX, true, 0.5);
        assert_eq!((windows.refresh_at, windows.hard_at), (Moment::MAX, Moment::MAX));
    }

    #[test]
    fn pauses_by_table() {
        // (failures, retryable, left, least, most)
        for (failures, retryable, left, least, most) in [
            (1, true, 3600, 1, 1),
            (2, true, 3600, 1, 2),
            (5, true, 3600, 8, 16),
            (20, true, 3600, 150, 300),
            (20, true, 40, 5, 10),
            (20, true, 1, 1, 1),
            (1, false, 3600, 15, 30),
            (1, false, 40, 5, 10),
        ] {
            let at = |draw| pause_while_valid(failures, retryable, secs(left), draw);
            assert_eq!(
                (at(0.0), at(1.0)),
                (secs(least), secs(most)),
                "{failures} {retryable} {left}"
            );
        }
    }

    #[test]
    fn remembered_errors_by_table() {
        for (failures, retryable, least) in [
            (1, true, 1),
            (2, true, 2),
            (3, true, 4),
            (4, true, 8),
            (5, true, 10),
            (99, true, 10),
            (1, false, 5),
            (5, false, 10),
        ] {
            assert_eq!(remembered_for(failures, retryable, 0.0), secs(least), "{failures}");
            assert_eq!(remembered_for(failures, retryable, 1.0), secs(least) * 5 / 4, "{failures}");
        }
    }

    #[test]
    fn rejections_are_ever_farther_apart() {
        let spacings: Vec<u64> = (0..7).map(|n| rejection_spacing(n).as_secs()).collect();
        assert_eq!(spacings, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!((recheck_after(secs(60)), recheck_after(secs(400))), (secs(30), secs(100)));
    }

    proptest! {
        #[test]
        fn windows_are_in_order_for_every_lifetime(
            lifetime in 1_u64..1_000_000_000, waited_for: bool, draw in 0.0..1.0_f64,
        ) {
            let end = START + Duration::from_millis(lifetime);
            let windows = Windows::drawn(START, end, waited_for, draw);
            prop_assert!(START < windows.refresh_at);
            prop_assert!(windows.refresh_at < windows.hard_at);
            prop_assert!(windows.hard_at < windows.end);
        }

        #[test]
        fn a_pause_never_takes_more_than_a_quarter_of_what_is_left(
            failures in 1_u32..100, retryable: bool, left in 4_u64..100_000, draw in 0.0..1.0_f64,
        ) {
            let pause = pause_while_valid(failures, retryable, secs(left), draw);
            prop_assert!(pause >= secs(1) && pause <= secs(left) / 4);
        }
    }
}
