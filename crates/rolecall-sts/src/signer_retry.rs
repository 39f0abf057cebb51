//! Whether a call is repeated after STS rejected the session that signed it.

use std::time::Duration;

use rolecall_core::{Clock, InvalidSession, Session};

/// Decides whether a call to STS is repeated whose signing session STS rejected.
///
/// A call is repeated once with another session. A session that STS does not know and that was
/// requested less than 10 seconds ago is not replaced, since STS may accept it soon: a cold role
/// chain assumes its second role milliseconds after the first. The call is then repeated with the
/// same session up to 3 times, after 0.5, 1 and 2 seconds.
///
/// # Examples
///
/// ```
/// use rolecall_core::{Clock, FetchContext, FetchMode, ProvideSession, SessionError};
/// use rolecall_sts::{CallerIdentity, SignerRetry, StsClient, invalid_signer};
///
/// async fn caller_identity(
///     sts: &StsClient,
///     provider: &dyn ProvideSession,
///     context: FetchContext,
/// ) -> Result<CallerIdentity, SessionError> {
///     let mut signer = provider.provide_session(context.clone()).await?;
///     let mut retry = SignerRetry::default();
///     loop {
///         let error = match sts.caller_identity(&signer, context.mode()).await {
///             Ok(identity) => return Ok(identity),
///             Err(error) => error,
///         };
///         let Some(reason) = invalid_signer(&error) else { return Err(error) };
///         provider.invalidate(&signer, reason);
///         let next = provider.provide_session(context.clone()).await?;
///         let Some(pause) = retry.pause(reason, &signer, &next, context.clock()) else {
///             return Err(error);
///         };
///         tokio::time::sleep(pause).await;
///         signer = next;
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SignerRetry {
    was_replaced: bool,
    /// Number of retries with the same session.
    retries: u32,
}

/// Number of retries with a session that STS may not know yet: 3.5 seconds in all.
const MAX_RETRIES: u32 = 3;

impl SignerRetry {
    /// Returns the pause before the call is repeated with the session `next`, or `None` if it is
    /// not repeated.
    ///
    /// `next` is what the provider returned after `rejected` was invalidated for `reason`.
    pub fn pause(
        &mut self,
        reason: InvalidSession,
        rejected: &Session,
        next: &Session,
        clock: &Clock,
    ) -> Option<Duration> {
        if next.access_key_id() != rejected.access_key_id() {
            // Once: a provider whose sessions STS rejects one after the other would be called
            // without end.
            return (!std::mem::replace(&mut self.was_replaced, true)).then_some(Duration::ZERO);
        }
        // A provider that cannot replace its session returns the same one. STS would reject it
        // again, unless it is only too new.
        if !reason.may_be_accepted_later(rejected, clock) || self.retries == MAX_RETRIES {
            return None;
        }
        let pause = InvalidSession::retry_pause(self.retries);
        self.retries += 1;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use rolecall_core::ManualClock;

    use super::*;

    fn session(key: &str, clock: &Clock) -> Session {
        Session::builder(Credentials::new(key, "secret", None, None, "test"))
            .lifetime(clock.now(), Duration::from_secs(3600), clock)
            .build()
    }

    #[test]
    fn other_session_is_tried_once() {
        let clock = ManualClock::new().clock();
        let [one, two, three] = ["AKIA1", "AKIA2", "AKIA3"].map(|key| session(key, &clock));
        let mut retry = SignerRetry::default();
        let reason = InvalidSession::Expired;
        assert_eq!(retry.pause(reason, &one, &two, &clock), Some(Duration::ZERO));
        assert_eq!(retry.pause(reason, &two, &three, &clock), None);
    }

    #[test]
    fn recent_session_is_tried_three_times_more() {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let one = session("AKIA1", &clock);
        let mut retry = SignerRetry::default();
        let mut pause = |reason| retry.pause(reason, &one, &one, &clock);
        assert_eq!(pause(InvalidSession::Expired), None);
        let pauses = [(); 4].map(|()| pause(InvalidSession::Unknown).map(|p| p.as_millis()));
        assert_eq!(pauses, [Some(500), Some(1000), Some(2000), None]);
        manual.advance(InvalidSession::RECENT);
        let mut retry = SignerRetry::default();
        assert_eq!(retry.pause(InvalidSession::Unknown, &one, &one, &clock), None);
    }
}
