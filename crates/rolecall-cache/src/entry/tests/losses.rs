//! Fetches that are overdue, and fetches whose task disappeared.

use super::*;

#[test]
fn only_newest_generation_is_current() {
    let mut entry = empty();
    let old = entry.begin_fetch(now(0), FOREGROUND, false);
    assert!(entry.is_current(old));
    let new = entry.begin_fetch(now(16), FOREGROUND, false);
    assert_eq!((entry.is_current(old), entry.is_current(new)), (false, true));
    complete(&mut entry, 17, fetched(1, 16, EXPIRES_AT));
    assert!(!entry.is_current(new), "completed");
}

#[test]
fn lost_fetch_frees_entry_and_second_is_failure() {
    for mode in [FOREGROUND, BACKGROUND] {
        let mut entry = running(empty(), mode, 0);
        assert!(entry.lose_fetch(true));
        assert!(!entry.is_current(1));
        assert_eq!(call(&entry, 1), start(17));
        let mut entry = running(entry, mode, 1);
        assert!(!entry.lose_fetch(true), "the second in a row");
        // The entry records it as a failure.
        assert!(entry.fail(now(1), Failure::Retryable, "lost", 0.0));
        let expected = if mode == FOREGROUND { error("lost") } else { start(17) };
        assert_eq!(call(&entry, 1), expected, "{mode:?}");
        assert_eq!(call_in_background(&entry, 1), error("lost"), "{mode:?}");
    }
}

#[test]
fn lost_fetch_after_success_is_first() {
    let mut entry = running(empty(), FOREGROUND, 0);
    assert!(entry.lose_fetch(true));
    let mut entry = running(adopting(entry, 1, fetched(1, 1, EXPIRES_AT)), FOREGROUND, 3);
    assert!(entry.lose_fetch(true));
}

#[test]
fn fetch_lost_before_provider_call_does_not_count() {
    let mut entry = invalidated(holding(), 5);
    for lost in 5..9 {
        entry.begin_fetch(now(lost), FOREGROUND, false);
        assert!(entry.lose_fetch(false));
        assert_eq!(call(&entry, lost), start_or(lost + 2, 1, EXPIRES_AT), "{lost}");
    }
    entry.begin_fetch(now(9), FOREGROUND, false);
    assert!(entry.lose_fetch(true), "the first");
    entry.begin_fetch(now(10), FOREGROUND, false);
    assert!(entry.lose_fetch(false), "no call again");
}

#[test]
fn lost_fetch_keeps_cached_session() {
    for when in [100, REFRESH_AT, MANDATORY_AT] {
        let mut entry = running(holding(), BACKGROUND, when);
        assert!(entry.lose_fetch(true));
        let expected = call(&holding(), when);
        assert_eq!(call(&entry, when), expected, "{when}");
    }
}

#[test]
fn overdue_fetch_is_replaced() {
    let cold = running(empty(), FOREGROUND, 0);
    assert_eq!((call(&cold, 15), call(&cold, 16)), (join(16), start(32)));
    assert_eq!((cold.is_fetching(now(15)), cold.is_fetching(now(16))), (true, false));
    let warm = running(holding(), BACKGROUND, REFRESH_AT);
    assert_eq!(call(&warm, REFRESH_AT + 15), session(1));
    assert_eq!(call(&warm, REFRESH_AT + 16), session_and_refresh(1));
}

#[test]
fn running_fetch_is_reported_with_its_mode() {
    assert_eq!(empty().running_fetch(), None);
    for mode in [FOREGROUND, BACKGROUND] {
        assert_eq!(running(holding(), mode, 5).running_fetch(), Some((2, mode)));
    }
    assert_eq!(holding().newest_generation(), 1);
}
