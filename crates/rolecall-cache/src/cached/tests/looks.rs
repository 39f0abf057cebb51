//! Callers who are polled so seldom that what they wait for has come and gone.

use super::*;

/// Sessions of two seconds, and a caller who is polled every three: it must not keep on fetching
/// for ever.
#[tokio::test]
async fn a_caller_whose_session_ends_before_it_is_polled_again_gives_up_after_four_fetches() {
    let script = Script::will([Answer::Lasting(2); 1100]);
    let cached = script.provider();
    let mut caller = pin!(ask(&cached));
    for fetches in 1..=4 {
        assert!(poll(&mut caller).is_none(), "{fetches}");
        settle().await;
        assert_eq!(script.fetches(), fetches);
        script.advance(3);
    }
    let error = poll(&mut caller).expect("it is over").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "4 fetches ended without a session that is still valid");
    settle().await;
    assert_eq!(script.fetches(), 4);
}
