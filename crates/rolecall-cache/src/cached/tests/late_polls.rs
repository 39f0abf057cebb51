//! Callers that are polled so rarely that the session they waited for has expired.

use super::*;

/// Sessions are valid for 2 seconds, and the caller is polled every 3. It must not fetch without
/// end.
#[tokio::test]
async fn rarely_polled_caller_stops_after_five_fetches() {
    let script = ScriptedProvider::with_responses([Response::ValidFor(2); 1100]);
    let cached = script.cached();
    let mut caller = pin!(request(&cached));
    for fetches in 1..=5 {
        assert!(poll(&mut caller).is_none(), "{fetches}");
        settle().await;
        assert_eq!(script.fetches(), fetches);
        script.advance(3);
    }
    let error = poll(&mut caller).expect("the caller waits").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "5 fetches ended without a session that is still valid");
    settle().await;
    assert_eq!(script.fetches(), 5);
}
