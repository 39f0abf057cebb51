//! The summary of all entries, and the status of each.

use super::*;

const STATES: [State; 10] = [
    State::Empty,
    State::Loading,
    State::Fresh,
    State::Due,
    State::Refreshing,
    State::Stale,
    State::Invalidated,
    State::Failing,
    State::Expired,
    State::Removed,
];

/// Returns the summary of a pool with one entry, and the status of this entry.
fn statuses(state: State, refused: u32, error: Option<SessionError>) -> (PoolStatus, Status) {
    let report = EntryReport {
        state,
        expires_at: None,
        next_attempt: None,
        consecutive_failures: u32::from(error.is_some()).max(refused),
        refused_responses: refused,
        last_error: error,
    };
    let status = Status {
        provider: "vault".into(),
        state,
        expires_at: None,
        next_attempt: None,
        consecutive_failures: report.consecutive_failures,
        refused_responses: refused,
        last_error: report.last_error.clone(),
    };
    let mut pool = PoolStatus::default();
    pool.count(report);
    (pool, status)
}

#[test]
fn pool_and_entry_agree_on_health_in_every_state() {
    let error = || Some(SessionError::new(ErrorKind::Unavailable, "cannot reach STS"));
    for state in STATES {
        for (refused, error) in [(0, None), (0, error()), (1, error()), (2, None)] {
            let (pool, entry) = statuses(state, refused, error);
            let case = format!("{entry:?}");
            if state == State::Removed {
                assert!(pool.entries() == 0 && pool.is_healthy() && !entry.is_healthy(), "{case}");
                continue;
            }
            assert_eq!(pool.is_healthy(), entry.is_healthy(), "{case}");
            assert_eq!(pool.ready == 1, entry.is_ready(), "{case}");
            assert_eq!(pool.refused == 1, entry.refused_responses > 0, "{case}");
            assert_eq!(pool.entries(), 1, "{case}");
        }
    }
}

#[test]
fn pool_status_serializes_all_counts() {
    let (status, _) = statuses(State::Stale, 1, None);
    let expected = serde_json::json!({
        "entries": 1,
        "by_state": { "stale": 1 },
        "ready": 1,
        "failing": 0,
        "refused": 1,
        "last_error": null,
    });
    assert_eq!(serde_json::to_value(&status).unwrap(), expected);
}

#[tokio::test]
async fn refused_refresh_of_valid_session_is_counted() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    let provider = pool.get(&1);
    request(&provider).await.unwrap();
    script.push_responses([Response::Expired]);
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    let status = pool.status();
    assert_eq!((status.ready, status.failing, status.refused), (1, 0, 1));
    assert_eq!(status.by_state[&State::Stale], 1);
    assert!(!provider.status().is_healthy() && !status.is_healthy() && status.is_ready());
    script.advance(300);
    settle().await;
    let status = pool.status();
    assert_eq!((status.ready, status.failing, status.refused), (1, 0, 0));
    assert!(provider.status().is_healthy() && status.is_healthy());
}
