//! Sessions that arrive after their fetch was overdue and taken over.

use super::*;

/// The first fetch is overdue, and another caller takes over while its session arrives.
fn late_success(responses: Responses) {
    check_fairly(responses, move |world| {
        let World { entry, origin, manual } = world;
        let first = tasks(&entry, 1);
        let clock = {
            let (manual, origin) = (manual.clone(), Arc::clone(&origin));
            spawn(async move {
                while origin.fetches.load(Ordering::SeqCst) == 0 {
                    yield_now().await;
                }
                manual.advance(Duration::from_secs(16));
            })
        };
        block_on(async { clock.await.unwrap() });
        let second = tasks(&entry, 2);
        block_on(async {
            for caller in first.into_iter().chain(second) {
                match caller.await.unwrap() {
                    Ok(session) => {
                        assert!(["AKIA1", "AKIA2"].contains(&session.access_key_id()));
                    }
                    // The late result is no failure, and the second fetch fails in one model only.
                    Err(error) => {
                        assert!(responses == Responses::FirstIsLateSecondFails, "{error}");
                        assert_eq!(error.message(), "no");
                    }
                }
            }
            while origin.running.load(Ordering::SeqCst) > 0 || entry.is_loading() {
                yield_now().await;
            }
        });
        assert!(origin.fetches.load(Ordering::SeqCst) <= 2);
        let newest = origin.fetches.load(Ordering::SeqCst);
        match (responses, entry.hit(Session::clone)) {
            // The newest session stays, whichever came last.
            (Responses::FirstIsLate, session) => {
                let session = session.unwrap();
                assert_eq!(session.access_key_id(), format!("AKIA{newest}"));
            }
            (_, Some(session)) => assert_eq!(session.access_key_id(), "AKIA1"),
            (_, None) => {}
        }
    });
}

#[test]
fn late_session_racing_a_takeover_keeps_the_newest() {
    late_success(Responses::FirstIsLate);
}

#[test]
fn late_session_racing_a_failing_takeover_is_kept() {
    late_success(Responses::FirstIsLateSecondFails);
}

#[test]
fn late_session_racing_removal_is_discarded() {
    check_fairly(Responses::FirstIsLate, |world| {
        let World { entry, origin, manual } = world;
        let caller = tasks(&entry, 1);
        let remover = {
            let (entry, origin) = (Arc::clone(&entry), Arc::clone(&origin));
            spawn(async move {
                while origin.fetches.load(Ordering::SeqCst) == 0 {
                    yield_now().await;
                }
                manual.advance(Duration::from_secs(16));
                entry.remove();
            })
        };
        block_on(async {
            remover.await.unwrap();
            for caller in caller {
                if let Err(error) = caller.await.unwrap() {
                    assert_eq!(error.kind(), ErrorKind::Removed);
                }
            }
        });
        assert!(entry.hit(Session::clone).is_none());
    });
}
