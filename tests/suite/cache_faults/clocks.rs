//! Clocks that are wrong, corrected, or suspended.

use std::collections::HashSet;

use super::*;

const DAY: Duration = Duration::from_secs(24 * HOUR);

/// Makes calls over three session lifetimes: none waits, and STS receives as many requests as with
/// correct clocks.
async fn assert_normal_operation(service: &Service, case: &str) {
    let before = service.sts_calls();
    for outcome in service.calls_every(MINUTE, 3 * HOUR).await {
        assert!(!outcome.waited, "{case}: {outcome:?}");
        let session = outcome.session.unwrap();
        assert!(session.lifetime().unwrap() <= seconds(HOUR), "{case}");
    }
    let sts_calls = service.sts_calls() - before;
    // Each hop may sign one request again, by the time of STS.
    assert!((3 * 3..=3 * 5 + 3).contains(&sts_calls), "{case}: {sts_calls}");
}

/// Shifts the `Date` of the first hop's responses, as a proxy in front of STS with a wrong clock
/// does.
fn offset_date_of_first_hop(offset: i64) -> FaultRule {
    FaultRule::date_offset(offset).on("AssumeRoleWithWebIdentity")
}

#[tokio::test]
async fn date_behind_does_not_extend_lifetime() {
    for offset in [-3600, -36_000] {
        let service = Service::new().await;
        service.inject(offset_date_of_first_hop(offset));
        service.call().await.expect_waited();
        // The SDK's client signs the next request by the wrong time, is rejected, and corrects it.
        assert!(service.sts_calls() <= 4, "{}", service.sts_calls());
        let session =
            service.providers[0].provide_session(FetchContext::foreground()).await.unwrap();
        assert_eq!(session.lifetime(), Some(seconds(HOUR)), "{offset}: the requested lifetime");
        expect_all_immediate(service.calls_every(MINUTE, 3 * HOUR).await);
        let failures =
            service.providers.each_ref().map(|provider| provider.status().consecutive_failures);
        assert_eq!(failures, [0; 3], "{offset}");
    }
}

#[tokio::test]
async fn date_ahead_shortens_lifetime() {
    let service = Service::new().await;
    service.inject(offset_date_of_first_hop(1800));
    service.call().await.expect_waited();
    let session = service.providers[0].provide_session(FetchContext::foreground()).await.unwrap();
    let lifetime = session.lifetime().unwrap();
    assert!(lifetime <= seconds(HOUR / 2) && lifetime > seconds(HOUR / 2 - 5), "{lifetime:?}");
    expect_all_immediate(service.calls_every(MINUTE, 3 * HOUR).await);
}

#[tokio::test]
async fn date_past_expiration_fails_refresh() {
    let service = Service::with_session().await;
    service.inject(offset_date_of_first_hop(3600).lasting(seconds(56 * MINUTE)));
    expect_all_immediate(service.calls_every(MINUTE, 55 * MINUTE).await);
    let error = service.providers[0].status().last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error}");
    assert_eq!(error.message(), "the response of STS has a session that has already expired");
    // The next attempt follows within a quarter of the remaining four minutes.
    expect_all_immediate(service.calls_every(10, 3 * MINUTE).await);
    let status = service.providers[0].status();
    assert_eq!((status.state, status.consecutive_failures), (State::Fresh, 0), "{status:?}");
}

/// The hops whose response has a wrong `Date`.
const HOPS: [(&str, &str); 3] = [
    ("the web identity", "AssumeRoleWithWebIdentity"),
    ("the first role", "AssumeRole"),
    ("the second role", "AssumeRole"),
];

/// Offsets in seconds. One hour ahead is the offset by which a session has already expired when it
/// arrives.
const DATE_OFFSETS: [i64; 3] = [-36_000, -3600, 3600];

#[tokio::test]
async fn wrong_date_during_cold_start_costs_one_wait() {
    for (hop, (name, operation)) in HOPS.into_iter().enumerate() {
        for offset in DATE_OFFSETS {
            let case = format!("{offset} s at {name}");
            let service = Service::new().await;
            // In a cold start, the second role's request is the second call of AssumeRole.
            let nth = if hop == 2 { 2 } else { 1 };
            service.inject(FaultRule::date_offset(offset).on(operation).nth(nth));
            let first = service.call().await;
            assert!(first.waited, "{case}");
            if offset > 0 {
                let error = first.session.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{case}: {error}");
                assert!(!service.call().await.waited, "{case}: the error is remembered");
                service.advance(2);
                let next = service.call().await;
                assert!(next.waited, "{case}");
                assert_eq!(service.remaining(&next.session.unwrap()), seconds(HOUR), "{case}");
            } else {
                assert_eq!(service.remaining(&first.session.unwrap()), seconds(HOUR), "{case}");
            }
            for provider in &service.providers {
                let session = provider.provide_session(FetchContext::foreground()).await.unwrap();
                assert_eq!(
                    session.lifetime(),
                    Some(seconds(HOUR)),
                    "{case}: the requested lifetime"
                );
            }
            assert_normal_operation(&service, &case).await;
        }
    }
}

#[tokio::test]
async fn wrong_date_during_refresh_keeps_callers_unaffected() {
    for (hop, (name, operation)) in HOPS.into_iter().enumerate() {
        for offset in DATE_OFFSETS {
            let case = format!("{offset} s at {name}");
            let service = Service::with_session().await;
            let before =
                service.providers[hop].provide_session(FetchContext::foreground()).await.unwrap();
            service.advance(10 * MINUTE);
            service.inject(FaultRule::date_offset(offset).on(operation).nth(1));
            let refreshed = with_timeout(service.providers[hop].refresh()).await;
            let cached =
                service.providers[hop].provide_session(FetchContext::foreground()).await.unwrap();
            if offset > 0 {
                assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::InvalidResponse, "{case}");
                assert_eq!(cached.access_key_id(), before.access_key_id(), "{case}");
                assert_eq!(service.remaining(&cached), seconds(50 * MINUTE), "{case}");
            } else {
                let refreshed = refreshed.unwrap();
                assert_eq!(cached.access_key_id(), refreshed.access_key_id(), "{case}");
                assert_ne!(cached.access_key_id(), before.access_key_id(), "{case}");
                assert_eq!(service.remaining(&cached), seconds(HOUR), "{case}");
            }
            let outcome = service.call().await;
            assert!(!outcome.waited, "{case}");
            let expected = if hop == 2 && offset < 0 { HOUR } else { 50 * MINUTE };
            assert_eq!(service.remaining(&outcome.session.unwrap()), seconds(expected), "{case}");
            assert_normal_operation(&service, &case).await;
        }
    }
}

#[tokio::test]
async fn wrong_wall_clock_keeps_full_lifetime() {
    for (case, ahead, difference) in [
        ("an hour ahead", true, HOUR),
        ("an hour behind", false, HOUR),
        ("ten hours behind", false, 10 * HOUR),
    ] {
        let world = World::new().await.unwrap();
        let wall = world.clock.clock().wall();
        let wrong = if ahead { wall + seconds(difference) } else { wall - seconds(difference) };
        let service = Service::with_clock(world, Some(ManualClock::at(wrong)));
        let session = service.call().await.expect_waited();
        assert_eq!(service.remaining(&session), seconds(HOUR), "{case}");
        // The SDK compares the expiration with this machine's clock.
        assert_eq!(session.expires_at(), Some(wrong + seconds(HOUR)), "{case}");
        assert_normal_operation(&service, case).await;
    }
}

#[tokio::test]
async fn wall_clock_step_past_expiration_refreshes_session() {
    for (case, step) in [("ahead", true), ("back", false)] {
        let world = World::new().await.unwrap();
        let own_clock = ManualClock::at(world.clock.clock().wall());
        let service = Service::with_clock(world, Some(own_clock));
        service.call().await.expect_waited();
        service.advance(10 * MINUTE);
        let wall = service.clock.clock().wall();
        service.clock.set_wall(if step { wall + DAY } else { wall - DAY });
        service.call().await.expect_immediate();
        // If only the wall clock says that the sessions have expired, the machine may have been
        // paused: each is refreshed once.
        assert_eq!(service.sts_calls(), if step { 6 } else { 3 }, "{case}");
        assert_normal_operation(&service, case).await;
        // The wall clock is corrected.
        let correct = service.world.clock.clock().wall();
        service.clock.set_wall(correct);
        // The correction may be a step past the expirations, too. The timer notices it at its next
        // run, and a call at the end of its session's quiet period: the first calls may wait.
        service.calls_every(MINUTE, 2 * MINUTE).await;
        assert_normal_operation(&service, case).await;
    }
}

#[tokio::test]
async fn suspend_within_lifetime_returns_session_immediately() {
    let service = Service::with_session().await;
    // No timer ran while the machine was suspended.
    service.advance(54 * MINUTE);
    let first = service.call().await.expect_immediate();
    let second = service.call().await.expect_immediate();
    assert_ne!(first.access_key_id(), second.access_key_id(), "the first call started a refresh");
    assert_eq!(service.sts_calls(), 6);
}

#[tokio::test]
async fn suspend_beyond_lifetime_fetches_once() {
    let service = Service::with_session().await;
    service.advance(8 * HOUR);
    let mut callers = [(); 10].map(|()| Box::pin(service.call_without_settling()));
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()), "all callers wait");
    let mut keys = HashSet::new();
    for caller in callers {
        let session = with_timeout(caller).await.expect_waited();
        assert_eq!(service.remaining(&session), seconds(HOUR));
        keys.insert(session.access_key_id().to_owned());
    }
    assert_eq!(keys.len(), 1, "all callers share one fetch");
    assert_eq!(service.sts_calls(), 6, "one request per hop");
}

#[tokio::test]
async fn suspend_during_fetch_is_no_failure() {
    let service = Service::new().await;
    service.inject(FaultRule::delayed(Duration::from_millis(200)).first(1));
    let mut call = Box::pin(service.call_without_settling());
    assert!(poll(&mut call).is_none());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    service.advance(2 * HOUR);
    // The timeout had passed when the machine resumed, and the session had expired. The caller
    // receives the session of another fetch.
    let session = with_timeout(call).await.expect_waited();
    assert_eq!(service.remaining(&session), seconds(HOUR));
}
