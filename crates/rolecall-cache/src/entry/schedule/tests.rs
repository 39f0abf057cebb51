use proptest::prelude::*;

use super::*;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const START: Moment = Moment::from_nanos(1_000_000_000_000_000);

/// Returns the refresh time at both ends of its draw, and the beginning of the mandatory window, in
/// seconds before the expiration.
fn seconds_before_expiration(lifetime: u64, caller_waited: bool) -> (u64, u64, u64) {
    let expires_at = START + secs(lifetime);
    let at = |random| Windows::drawn(START, expires_at, caller_waited, random);
    let before = |moment| (expires_at - moment).as_secs();
    (before(at(0.0).refresh_at), before(at(1.0).refresh_at), before(at(0.0).mandatory_at))
}

#[test]
fn windows_by_table() {
    for (lifetime, first, last, mandatory) in [
        (900, 300, 150, 60),
        (1200, 300, 150, 60),
        (1201, 400, 200, 60),
        (3600, 900, 450, 60),
        (5399, 900, 450, 60),
        (5400, 1800, 900, 60),
        (43_200, 3600, 1800, 60),
        (60, 20, 10, 6),
    ] {
        let expected = (first, last, mandatory);
        assert_eq!(seconds_before_expiration(lifetime, false), expected, "{lifetime}");
        let expected = (lifetime - lifetime.div_ceil(3), last, mandatory);
        assert_eq!(seconds_before_expiration(lifetime, true), expected, "{lifetime}");
    }
}

#[test]
fn keys_without_expiration_are_reloaded_after_15_minutes() {
    let at = |random| Windows::without_expiration(START, random);
    assert_eq!(at(0.0).refresh_at - START, secs(900));
    assert_eq!(at(1.0).refresh_at - START, secs(990));
    assert_eq!((at(0.0).mandatory_at, at(0.0).expires_at), (Moment::MAX, Moment::MAX));
}

#[test]
fn background_pauses_by_table() {
    let half = Duration::from_millis(500);
    // (failures, retryable, remaining lifetime, shortest, longest)
    for (failures, retryable, remaining, shortest, longest) in [
        (1, true, Some(3600), half, secs(1)),
        (2, true, Some(3600), secs(1), secs(2)),
        (5, true, Some(3600), secs(8), secs(16)),
        (20, true, Some(3600), secs(150), secs(300)),
        (20, true, Some(40), secs(5), secs(10)),
        (20, true, Some(1), half, secs(1)),
        (1, false, Some(3600), secs(15), secs(30)),
        (1, false, Some(40), secs(5), secs(10)),
        (1, true, None, secs(1), secs(5) / 4),
        (1, false, None, secs(1), secs(5) / 4),
        (5, true, None, secs(16), secs(20)),
        (9, false, None, secs(256), secs(320)),
        (99, true, None, secs(300), secs(375)),
    ] {
        let at = |random| background_pause(failures, retryable, remaining.map(secs), random);
        let label = format!("{failures} {retryable} {remaining:?}");
        assert_eq!((at(0.0), at(1.0)), (shortest, longest), "{label}");
    }
}

#[test]
fn foreground_pauses_by_table() {
    for (failures, shortest, longest) in [
        (1, 1000, 1250),
        (2, 2000, 2500),
        (3, 4000, 5000),
        (4, 8000, 10_000),
        (5, 10_000, 10_000),
        (99, 10_000, 10_000),
    ] {
        let at = |random| foreground_pause(failures, random).as_millis();
        assert_eq!((at(0.0), at(1.0)), (shortest, longest), "{failures}");
    }
}

#[test]
fn invalidation_spacing_doubles_to_five_minutes() {
    let spacings: Vec<u64> = (0..7).map(|n| invalidation_spacing(n).as_secs()).collect();
    assert_eq!(spacings, [10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn recheck_pause_ends_with_session() {
    for (remaining, pause) in [(20, 20), (30, 30), (60, 30), (120, 30), (400, 100)] {
        assert_eq!(recheck_after(secs(remaining)), secs(pause), "{remaining}");
    }
}

#[test]
fn pauses_are_drawn_between_their_ends() {
    assert_eq!(foreground_pause(3, 0.5), millis(4500));
    assert_eq!(background_pause(3, true, None, 0.5), millis(4500));
    assert_eq!(background_pause(3, true, Some(secs(3600)), 0.5), secs(3));
    let windows = Windows::drawn(START, START + secs(3600), false, 0.5);
    assert_eq!(windows.refresh_at - START, secs(2925));
}

proptest! {
    #[test]
    fn windows_are_in_order_for_every_lifetime(
        lifetime in 1_u64..1_000_000_000, caller_waited: bool, random in 0.0..1.0_f64,
    ) {
        let expires_at = START + Duration::from_millis(lifetime);
        let windows = Windows::drawn(START, expires_at, caller_waited, random);
        prop_assert!(START < windows.refresh_at);
        prop_assert!(windows.refresh_at < windows.mandatory_at);
        prop_assert!(windows.mandatory_at < windows.expires_at);
    }

    #[test]
    fn pause_takes_a_quarter_of_remaining_lifetime(
        failures in 1_u32..100, retryable: bool, remaining in 4_u64..100_000, random in 0.0..1.0_f64,
    ) {
        let pause = background_pause(failures, retryable, Some(secs(remaining)), random);
        prop_assert!(pause >= secs(1) / 2 && pause <= secs(remaining) / 4);
    }
}
