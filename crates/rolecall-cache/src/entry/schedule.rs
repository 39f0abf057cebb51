//! When a session is refreshed, and when a failed fetch is repeated: pure functions of lifetimes,
//! counts and a random number in `0.0..1.0`.

use std::time::Duration;

use rolecall_core::Moment;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Longest timeout of a fetch that is honored. A fetch that never times out would never be replaced
/// if it hangs.
pub(crate) const MAX_FETCH_TIMEOUT: Duration = secs(3600);
/// Time after its timeout at which a fetch without a result counts as lost. Its task ends it at the
/// timeout, unless the task is gone or stands still.
pub(crate) const OVERDUE_GRACE: Duration = secs(1);
/// Time after the start of a fetch for which callers with a valid session wait for it.
pub(crate) const MAX_WAIT: Duration = secs(2);
/// Time after a fetched session in which no other fetch starts, whatever its windows say.
pub(crate) const AFTER_SUCCESS: Duration = secs(1);
/// Time between fetches for sessions that remain valid for longer than the cached one.
pub(crate) const SHORT_SESSION_SPACING: Duration = secs(30);
/// Largest difference between two readings of one expiration: the wall clock and the clock of
/// deadlines drift apart, and STS states whole seconds.
pub(crate) const EXPIRATION_TOLERANCE: Duration = secs(10);
/// Time without a rejection after which the distances between the fetches that rejections cause
/// start over. A service that is called once a minute, and rejects each session, is not quiet in
/// between.
pub(crate) const INVALIDATION_QUIET_TIME: Duration = secs(300);
/// Time between fetches of keys without an expiration, which may be rotated: that of the SDK.
const RELOAD_INTERVAL: Duration = secs(15 * 60);

/// The boundaries of a session's phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) refresh_at: Moment,
    pub(crate) mandatory_at: Moment,
    pub(crate) expires_at: Moment,
}

/// Returns the length of the advisory refresh window.
fn advisory_window(lifetime: Duration) -> Duration {
    let tier = match lifetime {
        l if l <= secs(20 * 60) => secs(5 * 60),
        l if l < secs(90 * 60) => secs(15 * 60),
        _ => secs(60 * 60),
    };
    tier.min(lifetime / 3)
}

impl Windows {
    /// Draws the windows of a session with a lifetime from `since` to `expires_at`.
    ///
    /// The instances of a service that started together fetched their first session together, while
    /// their callers waited. If a caller waited, the time of the refresh is drawn from a third of
    /// the lifetime on, so that these instances do not refresh together.
    pub(crate) fn drawn(
        since: Moment,
        expires_at: Moment,
        caller_waited: bool,
        random: f64,
    ) -> Self {
        let lifetime = expires_at - since;
        let window = advisory_window(lifetime);
        let latest = expires_at.earlier_by(window / 2);
        let earliest = match caller_waited {
            true => since + lifetime / 3,
            false => expires_at.earlier_by(window),
        };
        Self {
            refresh_at: earliest + (latest - earliest).mul_f64(random),
            mandatory_at: expires_at.earlier_by(secs(60).min(lifetime / 10)),
            expires_at,
        }
    }

    /// The windows of keys without an expiration: reloaded in the background, by the SDK's interval
    /// plus up to a tenth.
    pub(crate) fn without_expiration(now: Moment, random: f64) -> Self {
        Self {
            refresh_at: now + RELOAD_INTERVAL + (RELOAD_INTERVAL / 10).mul_f64(random),
            ..Self::without_refresh(Moment::MAX)
        }
    }

    /// The windows of a session that is not refreshed before it expires.
    pub(crate) fn without_refresh(expires_at: Moment) -> Self {
        Self { refresh_at: expires_at, mandatory_at: expires_at, expires_at }
    }
}

/// Returns `first` doubled for each failure after the first, without overflow.
fn doubled(first: Duration, consecutive_failures: u32) -> Duration {
    first.saturating_mul(1 << consecutive_failures.saturating_sub(1).min(20))
}

/// Returns the pause before the next background fetch, at least half a second.
///
/// `remaining` is the remaining lifetime of the cached session. Without one, an invalidated session
/// included, the pauses begin shorter for errors that may be permanent, too: no caller is served.
pub(crate) fn background_pause(
    consecutive_failures: u32,
    retryable: bool,
    remaining: Option<Duration>,
    random: f64,
) -> Duration {
    match remaining {
        None => jittered_up(doubled(secs(1), consecutive_failures).min(secs(300)), random),
        Some(remaining) => {
            let first = if retryable { secs(1) } else { secs(30) };
            let longest = doubled(first, consecutive_failures).min(secs(300)).min(remaining / 4);
            // The jitter applies at the shortest pause as well: entries that fail together would
            // come back together otherwise.
            let longest = longest.max(secs(1));
            longest / 2 + (longest / 2).mul_f64(random)
        }
    }
}

/// Returns the pause before the next foreground fetch, during which callers without a valid session
/// receive the remembered error: at most 10 seconds, so that callers have a session 10 seconds
/// after an outage.
pub(crate) fn foreground_pause(consecutive_failures: u32, random: f64) -> Duration {
    jittered_up(doubled(secs(1), consecutive_failures), random).min(secs(10))
}

fn jittered_up(shortest: Duration, random: f64) -> Duration {
    shortest + (shortest / 4).mul_f64(random)
}

/// Returns the pause after the provider returned the session that is cached already. It ends when
/// the session expires.
pub(crate) fn recheck_after(remaining: Duration) -> Duration {
    secs(30).max(remaining / 4).min(remaining)
}

/// Returns the time between two fetches because of invalidations, after `before` such fetches in
/// succession.
pub(crate) fn invalidation_spacing(before: u32) -> Duration {
    doubled(secs(10), before.saturating_add(1)).min(secs(300))
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;
