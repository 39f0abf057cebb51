//! Clocks that are wrong, are put right, or have stood still.

use std::collections::HashSet;

use super::*;

const DAY: Duration = Duration::from_secs(24 * HOUR);

/// Three sessions' time: nobody waits, and STS is asked as often as with right clocks.
async fn is_as_ever(service: &Service, case: &str) {
    let before = service.asked();
    for got in service.calls_every(MINUTE, 3 * HOUR).await {
        assert!(!got.waited, "{case}: {got:?}");
        let session = got.session.unwrap();
        assert!(session.lifetime().unwrap() <= seconds(HOUR), "{case}");
    }
    let asked = service.asked() - before;
    // Beside one that is signed once more by STS's time, for each hop.
    assert!((3 * 3..=3 * 5 + 3).contains(&asked), "{case}: {asked}");
}

/// The `Date` of the first hop's answers is off: whatever stands before STS has a clock of its own.
fn date_off(by: i64) -> FaultRule {
    FaultRule::date_off(by).on("AssumeRoleWithWebIdentity")
}

#[tokio::test]
async fn a_date_that_is_behind_makes_no_session_longer() {
    for by in [-3600, -36_000] {
        let service = Service::new().await;
        service.inject(date_off(by));
        service.call().await.after_waiting();
        // The SDK's client signs the next call by that time, is refused, and learns the right one.
        assert!(service.asked() <= 4, "{}", service.asked());
        let session = service.slots[0].session(FetchContext::caller()).await.unwrap();
        assert_eq!(session.lifetime(), Some(seconds(HOUR)), "{by}: what was asked for");
        all_at_once(service.calls_every(MINUTE, 3 * HOUR).await);
        let failures = service.slots.each_ref().map(|slot| slot.status().failures_in_a_row);
        assert_eq!(failures, [0; 3], "{by}");
    }
}

#[tokio::test]
async fn a_date_that_is_ahead_makes_a_session_shorter() {
    let service = Service::new().await;
    service.inject(date_off(1800));
    service.call().await.after_waiting();
    let session = service.slots[0].session(FetchContext::caller()).await.unwrap();
    let lifetime = session.lifetime().unwrap();
    assert!(lifetime <= seconds(HOUR / 2) && lifetime > seconds(HOUR / 2 - 5), "{lifetime:?}");
    all_at_once(service.calls_every(MINUTE, 3 * HOUR).await);
}

#[tokio::test]
async fn a_date_by_which_a_session_is_over_is_a_failed_refresh() {
    let service = Service::started().await;
    service.inject(date_off(3600).lasting(seconds(56 * MINUTE)));
    all_at_once(service.calls_every(MINUTE, 55 * MINUTE).await);
    let error = service.slots[0].status().last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error}");
    assert_eq!(error.message(), "STS's answer is a session that has ended already");
    // The next try comes within a quarter of the 4 min that are left then.
    all_at_once(service.calls_every(10, 3 * MINUTE).await);
    let status = service.slots[0].status();
    assert_eq!((status.state, status.failures_in_a_row), (State::Fresh, 0), "{status:?}");
}

/// Whose answer has a `Date` that is off: the web identity's, that of the role on it, or that of the next.
const HOPS: [(&str, &str); 3] = [
    ("the web identity", "AssumeRoleWithWebIdentity"),
    ("the first role", "AssumeRole"),
    ("the second role", "AssumeRole"),
];

/// Ten hours and one behind, and an hour ahead: by that one a session is over when it comes.
const OFF: [i64; 3] = [-36_000, -3600, 3600];

#[tokio::test]
async fn a_date_that_is_off_once_at_any_hop_costs_a_cold_start_one_wait_at_most() {
    for (hop, (name, operation)) in HOPS.into_iter().enumerate() {
        for by in OFF {
            let case = format!("{by} s at {name}");
            let service = Service::new().await;
            // In a cold start, the second role's is the second call of its kind.
            let nth = if hop == 2 { 2 } else { 1 };
            service.inject(FaultRule::date_off(by).on(operation).nth(nth));
            let first = service.call().await;
            assert!(first.waited, "{case}");
            if by > 0 {
                let error = first.session.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{case}: {error}");
                assert!(!service.call().await.waited, "{case}: it is remembered");
                service.pass(2);
                let next = service.call().await;
                assert!(next.waited, "{case}");
                assert_eq!(service.left(&next.session.unwrap()), seconds(HOUR), "{case}");
            } else {
                assert_eq!(service.left(&first.session.unwrap()), seconds(HOUR), "{case}");
            }
            for slot in &service.slots {
                let session = slot.session(FetchContext::caller()).await.unwrap();
                assert_eq!(session.lifetime(), Some(seconds(HOUR)), "{case}: what was asked for");
            }
            is_as_ever(&service, &case).await;
        }
    }
}

#[tokio::test]
async fn a_date_that_is_off_once_at_any_hop_is_felt_by_nobody_who_has_a_session() {
    for (hop, (name, operation)) in HOPS.into_iter().enumerate() {
        for by in OFF {
            let case = format!("{by} s at {name}");
            let service = Service::started().await;
            let before = service.slots[hop].session(FetchContext::caller()).await.unwrap();
            service.pass(10 * MINUTE);
            service.inject(FaultRule::date_off(by).on(operation).nth(1));
            let refreshed = patiently(service.slots[hop].refresh_now()).await;
            let held = service.slots[hop].session(FetchContext::caller()).await.unwrap();
            if by > 0 {
                assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::InvalidResponse, "{case}");
                assert_eq!(held.access_key_id(), before.access_key_id(), "{case}");
                assert_eq!(service.left(&held), seconds(50 * MINUTE), "{case}");
            } else {
                let refreshed = refreshed.unwrap();
                assert_eq!(held.access_key_id(), refreshed.access_key_id(), "{case}");
                assert_ne!(held.access_key_id(), before.access_key_id(), "{case}");
                assert_eq!(service.left(&held), seconds(HOUR), "{case}");
            }
            let got = service.call().await;
            assert!(!got.waited, "{case}");
            let left = if hop == 2 && by < 0 { HOUR } else { 50 * MINUTE };
            assert_eq!(service.left(&got.session.unwrap()), seconds(left), "{case}");
            is_as_ever(&service, &case).await;
        }
    }
}

#[tokio::test]
async fn a_machine_whose_wall_clock_is_wrong_has_sessions_as_any_other() {
    for (case, ahead, by) in [
        ("an hour ahead", true, HOUR),
        ("an hour behind", false, HOUR),
        ("ten hours behind", false, 10 * HOUR),
    ] {
        let world = World::new().await.unwrap();
        let wall = world.hands.clock().wall();
        let wrong = if ahead { wall + seconds(by) } else { wall - seconds(by) };
        let service = Service::on(world, Some(ManualClock::at(wrong)));
        let session = service.call().await.after_waiting();
        assert_eq!(service.left(&session), seconds(HOUR), "{case}");
        // What the SDK sees is by this machine's clock.
        assert_eq!(session.expires_at(), Some(wrong + seconds(HOUR)), "{case}");
        is_as_ever(&service, case).await;
    }
}

#[tokio::test]
async fn a_step_of_the_wall_clock_amid_a_session_changes_nothing() {
    for (case, step) in [("ahead", true), ("back", false)] {
        let world = World::new().await.unwrap();
        let hands = ManualClock::at(world.hands.clock().wall());
        let service = Service::on(world, Some(hands));
        service.call().await.after_waiting();
        service.pass(10 * MINUTE);
        let wall = service.hands.clock().wall();
        service.hands.set_wall(if step { wall + DAY } else { wall - DAY });
        service.call().await.at_once();
        assert_eq!(service.asked(), 3, "{case}: it asks nobody for that");
        is_as_ever(&service, case).await;
        // And it is put right.
        let right = service.world.hands.clock().wall();
        service.hands.set_wall(right);
        is_as_ever(&service, case).await;
    }
}

#[tokio::test]
async fn after_a_suspend_within_the_session_the_first_call_does_not_wait() {
    let service = Service::started().await;
    // No timer ran.
    service.pass(54 * MINUTE);
    let first = service.call().await.at_once();
    let second = service.call().await.at_once();
    assert_ne!(first.access_key_id(), second.access_key_id(), "a refresh came of it");
    assert_eq!(service.asked(), 6);
}

#[tokio::test]
async fn after_a_suspend_beyond_the_session_the_first_call_waits_for_the_next() {
    let service = Service::started().await;
    service.pass(8 * HOUR);
    let mut callers = [(); 10].map(|()| Box::pin(service.call_alone()));
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()), "all wait");
    let mut keys = HashSet::new();
    for caller in callers {
        let session = patiently(caller).await.after_waiting();
        assert_eq!(service.left(&session), seconds(HOUR));
        keys.insert(session.access_key_id().to_owned());
    }
    assert_eq!(keys.len(), 1, "one fetch for all");
    assert_eq!(service.asked(), 6, "one call for each hop");
}

#[tokio::test]
async fn a_suspend_amid_a_fetch_is_an_error_or_a_session_and_no_hang() {
    let service = Service::new().await;
    service.inject(FaultRule::delayed(Duration::from_millis(200)).first(1));
    let mut call = Box::pin(service.call_alone());
    assert!(poll(&mut call).is_none());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    service.pass(2 * HOUR);
    // Its limit was over before the machine woke.
    patiently(call).await.failed(ErrorKind::Unavailable);
    service.pass(2);
    service.call().await.after_waiting();
}
