//! Bounds on the number of fetches, computed from the design of the cache and not from its code.
//!
//! The design states how soon a fetch may follow a failed one, or one that a rejection caused. The
//! bounds assume that each fetch comes as soon as it may: the shortest pause of each range, the
//! fastest failure of each fetch. A cache that makes more fetches does not keep its back-off.

use std::iter;
use std::ops::Range;
use std::time::Duration;

use rolecall::sts::StsClient;

use super::sts::{LATENCY, Outage};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the largest number of fetches that `time` of continuous rejections permits: one in ten
/// seconds, doubling to five minutes, and one more that rejections did not cause.
pub fn most_fetches_because_of_rejections(time: Duration) -> u64 {
    1 + count_until(time, rejection_spacings())
}

/// Returns the least time between two fetches because of continuous rejections, in order.
pub(super) fn rejection_spacings() -> impl Iterator<Item = Duration> {
    doubling(10 * SECOND, 300 * SECOND)
}

/// Returns the largest number of fetches of one entry from the beginning of an outage until the
/// first session after it.
///
/// `remaining` is the remaining lifetime of the cached session, `lifetime` its whole lifetime, and
/// `length` the length of the outage.
pub fn most_fetches_in_outage(
    outage: Outage,
    length: Duration,
    remaining: Duration,
    lifetime: Duration,
) -> u64 {
    let mandatory = (60 * SECOND).min(lifetime / 10);
    let attempt = match outage {
        Outage::Unavailable => LATENCY,
        Outage::Hangs => StsClient::ATTEMPT_TIMEOUT,
    };
    // A foreground fetch makes up to three attempts, as many as fit into the timeout of the call.
    let attempts = (StsClient::CALL_TIMEOUT.as_millis() / attempt.as_millis()).min(3);
    let call = attempt * u32::try_from(attempts).unwrap_or(1);
    // In the background while the session is valid, whether or not callers wait for fetches of
    // their own: the two gates are independent.
    let background = count_with_session(attempt, Duration::ZERO..remaining.min(length), remaining);
    // In the foreground from the mandatory window on.
    let waiting = remaining.saturating_sub(mandatory)..remaining.min(length);
    let foreground = count_with_session(call, waiting, remaining);
    // Without a session, the pauses start over at most once.
    let without = most_fetches_without_session(length.saturating_sub(remaining), call);
    // One fetch may be in flight when the outage begins, and one brings the session after it.
    background + foreground + without + 2
}

/// Returns the largest number of fetches that fail in `time` without a valid session, which an
/// invalidated one is not either, and that take `fetch` each.
pub(super) fn most_fetches_without_session(time: Duration, fetch: Duration) -> u64 {
    count_until(time, doubling(SECOND, 10 * SECOND).map(|pause| pause + fetch))
}

/// Counts fetches that fail in `within`, which each take `fetch`, while a session is valid until
/// `end`.
fn count_with_session(fetch: Duration, within: Range<Duration>, end: Duration) -> u64 {
    let (mut count, mut at) = (0, within.start);
    let mut largest = doubling(SECOND, 300 * SECOND);
    while at < within.end {
        count += 1;
        at += fetch;
        // The pause is drawn from its upper half, and never falls below half a second.
        let quarter = end.saturating_sub(at) / 4;
        let pause = largest.next().unwrap_or(SECOND).min(quarter).max(SECOND);
        at += pause / 2;
    }
    count
}

/// Counts the events in `0..end` if the first is at 0 and the others follow after `pauses`.
fn count_until(end: Duration, pauses: impl Iterator<Item = Duration>) -> u64 {
    let times = iter::once(Duration::ZERO).chain(pauses).scan(Duration::ZERO, |at, pause| {
        *at += pause;
        Some(*at)
    });
    super::to_u64(times.take_while(|at| *at < end).count())
}

fn doubling(first: Duration, last: Duration) -> impl Iterator<Item = Duration> {
    iter::successors(Some(first), move |pause| Some((2 * *pause).min(last)))
}
