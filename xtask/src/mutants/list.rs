//! The rules that must not be lost: every check of the local STS, and every row of the slot's table.

use super::Mutant;

const WEB_IDENTITY: &str = "crates/rolecall-testkit/src/web_identity.rs";
const STS: &str = "crates/rolecall-testkit/src/sts.rs";
const SIGV4: &str = "crates/rolecall-testkit/src/sigv4.rs";
const SLOT: &str = "crates/rolecall-cache/src/slot.rs";
const CACHED: &str = "crates/rolecall-cache/src/cached.rs";
const IN_FLIGHT: &str = "crates/rolecall-cache/src/cached/in_flight.rs";
const EVALUATE: &str = "crates/rolecall-policy/src/evaluate.rs";

const fn testkit(
    rule: &'static str,
    file: &'static str,
    code: &'static str,
    instead: &'static str,
    noticed_by: &'static str,
) -> Mutant {
    Mutant { rule, package: "rolecall-testkit", file, code, instead, noticed_by }
}

const fn cache(
    rule: &'static str,
    file: &'static str,
    code: &'static str,
    instead: &'static str,
    noticed_by: &'static str,
) -> Mutant {
    Mutant { rule, package: "rolecall-cache", file, code, instead, noticed_by }
}

pub(super) const MUTANTS: &[Mutant] = &[
    testkit(
        "local STS: the token's signature",
        WEB_IDENTITY,
        "    verify_signature(token, &claims.issuer).await?;\n",
        "    let _ = verify_signature(token, &claims.issuer).await;\n",
        "the_tokens_signature_is_checked",
    ),
    testkit(
        "local STS: iss, by the account's identity provider",
        STS,
        "let provider = provider.ok_or_else(|| web_identity::no_provider(&claims.issuer))?;",
        "let provider = provider.unwrap_or(crate::world::Provider { arn: String::new(), \
         client_ids: vec![\"sts.amazonaws.com\".into()] });",
        "the_tokens_issuer_is_checked",
    ),
    testkit(
        "local STS: aud, by the identity provider's client ids",
        WEB_IDENTITY,
        "if !claims.audiences().iter().any(|audience| provider.client_ids.contains(audience)) {",
        "if provider.client_ids.is_empty() {",
        "the_tokens_audience_is_checked_against_the_providers_client_ids",
    ),
    testkit(
        "local STS: aud, by the trust policy",
        STS,
        "context = context.with(&format!(\"{issuer}:aud\"), audience);",
        "context = context.with(&format!(\"{issuer}:aud\"), audience.replace(\"vault\", \"sts.amazonaws.com\"));",
        "the_tokens_audience_is_checked_by_the_trust_policy",
    ),
    testkit(
        "local STS: exp",
        WEB_IDENTITY,
        "    if expires <= now {",
        "    if expires <= SystemTime::UNIX_EPOCH {",
        "the_tokens_expiry_is_checked_by_the_servers_clock",
    ),
    testkit(
        "local STS: sub, by the trust policy",
        STS,
        ".with(&format!(\"{issuer}:sub\"), &claims.subject);",
        ".with(&format!(\"{issuer}:sub\"), \"system:serviceaccount:shop:checkout\");",
        "the_tokens_subject_is_checked_by_the_trust_policy",
    ),
    testkit(
        "local STS: the external id",
        STS,
        "context = context.with(\"sts:ExternalId\", id.as_str());\n    }",
        "let _ = id;\n    }\n    context = context.with(\"sts:ExternalId\", \"shop-4711\");",
        "the_external_id_is_checked",
    ),
    testkit(
        "local STS: SigV4",
        SIGV4,
        "if expected.is_none_or(|expected| !same(&expected, authorization.signature)) {",
        "if expected.is_none() {",
        "the_signature_is_checked",
    ),
    testkit(
        "local STS: SigV4, the session token",
        SIGV4,
        "if key.credentials.session_token() != header(\"x-amz-security-token\") {",
        "if key.credentials.session_token().is_some() != header(\"x-amz-security-token\").is_some() {",
        "an_unknown_key_and_a_wrong_session_token_are_refused",
    ),
    testkit(
        "local STS: SigV4, the clock",
        SIGV4,
        "    if let Some(message) = skew(date, signed_at, now) {",
        "    if let Some(message) = skew(date, now, now) {",
        "an_old_signature_and_one_of_the_future_are_refused",
    ),
    testkit(
        "local STS: a session's end",
        SIGV4,
        "if key.credentials.expiry().is_some_and(|expiry| expiry <= now) {",
        "if key.credentials.expiry().is_some_and(|expiry| expiry <= SystemTime::UNIX_EPOCH) {",
        "a_session_ends_by_the_servers_clock",
    ),
    testkit(
        "local STS: the account that a role trusts",
        EVALUATE,
        "(Trust::Delegated, *account == self.account)",
        "(Trust::Delegated, !account.is_empty())",
        "the_callers_account_is_checked",
    ),
    testkit(
        "local STS: the caller's own policies",
        EVALUATE,
        "(_, Decision::ImplicitDeny) => Verdict::IdentityDoesNotAllow,",
        "(_, Decision::ImplicitDeny) => Verdict::Allowed,",
        "the_callers_own_policies_are_checked",
    ),
    testkit(
        "local STS: SigV4, the service that it is signed for",
        SIGV4,
        "if authorization.service != service || !date.starts_with(authorization.date) {",
        "if service.is_empty() || !date.starts_with(authorization.date) {",
        "a_signature_for_another_service_is_refused",
    ),
    testkit(
        "local STS: an audience beside the one that the account knows",
        STS,
        "claims.audiences().iter().filter(|a| provider.client_ids.contains(a))",
        "claims.audiences().iter()",
        "an_audience_of_somebody_elses_beside_ours_proves_nothing",
    ),
    testkit(
        "local AWS: a condition key that it would never match",
        "crates/rolecall-testkit/src/world.rs",
        "        if !known(key) {",
        "        if key.is_empty() {",
        "worlds_that_cannot_be_are_refused",
    ),
    cache(
        "slot: a session that comes in late starts no other at once",
        SLOT,
        "Failures { in_a_row: 0, last: None, not_before: now + AFTER_SUCCESS }",
        "Failures { in_a_row: 0, last: None, not_before: now + AFTER_SUCCESS / 2_000_000_000 }",
        "a_session_that_comes_in_late_in_its_own_window_starts_no_other_at_once",
    ),
    cache(
        "slot: a mark of use outlives a failed refresh",
        CACHED,
        "let flag = self.used_flag(session).unwrap_or_default();",
        "let flag = Arc::<AtomicBool>::default();",
        "a_refresh_that_fails_does_not_make_the_session_an_unused_one",
    ),
    cache(
        "slot: a rejection goes on to the source",
        CACHED,
        "        self.0.source.reject(rejected);",
        "        let _ = rejected;",
        "a_rejection_goes_on_to_what_is_within",
    ),
    cache(
        "slot: the timer is started anew when its runtime is gone",
        CACHED,
        "if state.timer.as_ref().is_none_or(AbortHandle::is_finished) {",
        "if state.timer.is_none() {",
        "the_timer_goes_on_on_the_runtime_of_the_next_fetch",
    ),
    cache(
        "slot: before refresh-at, the session and nothing else",
        SLOT,
        "        if now < windows.refresh_at {\n            return hand(false);",
        "        if now < windows.refresh_at {\n            return hand(may_start);",
        "before_refresh_at_the_session_is_handed_out_and_nothing_else_happens",
    ),
    cache(
        "slot: in the refresh window, a refresh starts",
        SLOT,
        "            return hand(may_start);",
        "            return hand(false);",
        "in_the_refresh_window_the_session_is_handed_out_at_once_and_a_refresh_starts",
    ),
    cache(
        "slot: in the refresh window, backoff holds",
        SLOT,
        "            return hand(may_start);",
        "            return hand(running.is_none());",
        "in_the_refresh_window_no_refresh_starts_while_backoff_forbids",
    ),
    cache(
        "slot: in the hard window, a caller waits two seconds",
        SLOT,
        "            _ => self.wait(now, HARD_WAIT, otherwise),",
        "            _ => self.wait(now, OVERDUE, otherwise),",
        "in_the_hard_window_a_caller_waits_two_seconds_for_the_running_refresh",
    ),
    cache(
        "slot: in the hard window, backoff holds and the session is handed out",
        SLOT,
        "            None if !may_start => hand(false),\n            _ => self.wait(now, HARD_WAIT, otherwise),",
        "            _ => self.wait(now, HARD_WAIT, otherwise),",
        "in_the_hard_window_the_session_is_handed_out_at_once_while_backoff_forbids",
    ),
    cache(
        "slot: in the hard window, the session if the refresh fails",
        SLOT,
        "            _ => self.wait(now, HARD_WAIT, otherwise),",
        "            _ => self.wait(now, HARD_WAIT, None),",
        "in_the_hard_window_a_refresh_that_fails_leaves_callers_the_session_until_its_end",
    ),
    cache(
        "slot: an expired session is as good as none",
        SLOT,
        "let Some(held) = self.held.as_ref().filter(|held| now < held.windows.end) else {",
        "let Some(held) = self.held.as_ref() else {",
        "an_expired_session_is_as_good_as_none",
    ),
    cache(
        "slot: a failed first load is remembered",
        SLOT,
        "(Some(error), None) if !may_start => Decision::Fail(error.clone()),",
        "(Some(error), None) if !may_start && false => Decision::Fail(error.clone()),",
        "with_none_the_error_of_a_moment_ago_is_remembered_and_then_tried_again",
    ),
    cache(
        "slot: a rejected session, the limit on fetches",
        SLOT,
        "let allowed = may_start && now >= self.rejections.not_before;",
        "let allowed = may_start;",
        "a_rejected_session_is_handed_out_while_the_limiter_allows_no_fetch",
    ),
    cache(
        "slot: a rejected session, callers wait for another",
        SLOT,
        "                _ => self.wait(now, OVERDUE, otherwise),",
        "                _ => hand(false),",
        "after_a_rejection_the_next_caller_gets_a_new_session_within_the_limit",
    ),
    cache(
        "slot: a fetch is taken over when it is overdue",
        SLOT,
        "self.running.filter(|running| now < running.overdue_at)",
        "self.running.filter(|running| now < running.overdue_at || now >= running.overdue_at)",
        "an_overdue_fetch_is_taken_over",
    ),
    cache(
        "slot: the timer refreshes what is used alone",
        SLOT,
        "            true => Tick::Refresh,\n            false => Tick::SleepUntil(Moment::MAX),",
        "            true | false => Tick::Refresh,",
        "the_timer_refreshes_a_used_session_and_an_unused_one_lapses",
    ),
    cache(
        "slot: a late result is discarded",
        IN_FLIGHT,
        "        if !state.slot.awaits(self.generation) {\n            drop(state);",
        "        if self.generation == 0 {\n            drop(state);",
        "when_a_runtime_stands_still_a_caller_on_another_takes_over_and_the_late_session_is_discarded",
    ),
    Mutant {
        rule: "no session token in the log of the local STS",
        package: "rolecall-tests",
        file: SIGV4,
        code: "let quiet = tracing::Dispatch::none();",
        instead: "let quiet = tracing::dispatcher::get_default(tracing::Dispatch::clone);",
        noticed_by: "the_whole_tour_shows_no_secret_at_trace",
    },
];
