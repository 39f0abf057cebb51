//! A parent's session that is so new that STS does not know it yet.

use rolecall_core::ManualClock;

use super::*;

/// A parent that measured when it requested its session.
#[derive(Debug)]
struct Measured(Session);

#[async_trait]
impl ProvideSession for Measured {
    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        Ok(self.0.clone())
    }
}

/// Calls STS with a signer of this age, which STS does not know for the first `rejections` calls.
/// Returns the result and the number of calls, and when each was made, in milliseconds, rounded
/// down to a tenth of a second.
async fn assume(
    code: &str,
    age: Duration,
    rejections: usize,
) -> (Result<Session, SessionError>, Vec<u128>) {
    let manual = ManualClock::new();
    let clock = manual.clock();
    let keys = Credentials::new(KEYS[0], "secret", None, None, "test");
    let lifetime = Duration::from_secs(3600);
    let signer = Session::builder(keys).lifetime(clock.now(), lifetime, &clock).build();
    manual.advance(age);
    let sts = FakeSts::failing(vec![error_body(code, "the token is invalid"); rejections]);
    let provider = sts.provider(Measured(signer), role());
    let context = FetchContext::foreground().with_clock(clock);
    let start = tokio::time::Instant::now();
    let call = tokio::spawn(async move { provider.provide_session(context).await });
    let mut calls = Vec::new();
    // Tokio's paused time moves only while every task sleeps.
    while !call.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        while calls.len() < sts.forms().len() {
            calls.push(start.elapsed().as_millis() / 100 * 100);
        }
    }
    (call.await.unwrap(), calls)
}

const RECENT: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn recent_signer_is_retried_after_growing_pauses() {
    let (result, calls) = assume("InvalidClientTokenId", RECENT, 3).await;
    result.unwrap();
    assert_eq!(calls, [0, 500, 1500, 3500]);
}

#[tokio::test(start_paused = true)]
async fn recent_signer_is_given_up_after_three_retries() {
    let (result, calls) = assume("InvalidClientTokenId", RECENT, 9).await;
    assert_eq!(result.unwrap_err().code(), Some("InvalidClientTokenId"));
    assert_eq!(calls.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn older_or_expired_signer_is_not_retried() {
    let older = Duration::from_secs(10);
    for (code, age) in [("InvalidClientTokenId", older), ("ExpiredToken", RECENT)] {
        let (result, calls) = assume(code, age, 1).await;
        assert_eq!(result.unwrap_err().code(), Some(code));
        assert_eq!(calls, [0], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn background_fetch_does_not_request_an_mfa_code() {
    let sts = FakeSts::default();
    let role = role().mfa_serial(SERIAL).unwrap();
    let provider = sts.provider(Parent::new(KEYS), role).with_mfa(Codes);
    let error = provider.provide_session(FetchContext::background()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    let expected = format!("a background fetch does not request an MFA code of {SERIAL}");
    assert_eq!(error.message(), expected);
    assert!(error.location().is_some(), "{error}");
    assert!(sts.forms().is_empty(), "STS is not called");
    fetch(&provider).await.unwrap();
}
