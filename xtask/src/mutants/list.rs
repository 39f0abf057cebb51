//! The rules that must not be lost: every check of the local STS, and every row of the slot's table.

mod cache;

use super::Mutant;

const WEB_IDENTITY: &str = "crates/rolecall-testkit/src/web_identity.rs";
const STS: &str = "crates/rolecall-testkit/src/sts.rs";
const SIGV4: &str = "crates/rolecall-testkit/src/sigv4.rs";
const WORLD: &str = "crates/rolecall-testkit/src/world/role.rs";
const EVALUATE: &str = "crates/rolecall-policy/src/evaluate.rs";

const S3: &str = "crates/rolecall-testkit/src/s3.rs";
const S3_OBJECTS: &str = "crates/rolecall-testkit/src/s3/objects.rs";
const GRANT: &str = "crates/rolecall-testkit/src/grant.rs";
const ECR: &str = "crates/rolecall-testkit/src/ecr.rs";
const BUILD: &str = "crates/rolecall-policy/src/build.rs";

const STS_CLIENT: &str = "crates/rolecall-sts/src/client.rs";
const SETTINGS: &str = "crates/rolecall-sts/src/settings.rs";
const ENDPOINT: &str = "crates/rolecall-sts/src/endpoint.rs";
const BUDGET: &str = "crates/rolecall-sts/src/budget.rs";
const HOP: &str = "crates/rolecall-assume-role/src/source.rs";
const DEFAULT_CHAIN: &str = "crates/rolecall/src/default_chain.rs";
const FAULTS: &str = "crates/rolecall-testkit/src/faults.rs";

const POLICY: &str = "rolecall-policy";
const TESTKIT: &str = "rolecall-testkit";
const STS_CRATE: &str = "rolecall-sts";
const SUITES: &str = "rolecall-tests";

const fn mutant(
    package: &'static str,
    rule: &'static str,
    file: &'static str,
    code: &'static str,
    instead: &'static str,
    noticed_by: &'static str,
) -> Mutant {
    Mutant { rule, package, file, code, instead, noticed_by }
}

pub(super) fn all() -> impl Iterator<Item = &'static Mutant> {
    MUTANTS.iter().chain(cache::MUTANTS)
}

const MUTANTS: &[Mutant] = &[
    mutant(
        TESTKIT,
        "local STS: the token's signature",
        WEB_IDENTITY,
        "    verify_signature(token, &claims.issuer).await?;\n",
        "    let _ = verify_signature(token, &claims.issuer).await;\n",
        "the_tokens_signature_is_checked",
    ),
    mutant(
        TESTKIT,
        "local STS: iss, by the account's identity provider",
        STS,
        "let provider = provider.ok_or_else(|| web_identity::no_provider(&claims.issuer))?;",
        "let provider = provider.unwrap_or(crate::world::Provider { arn: String::new(), \
         client_ids: vec![\"sts.amazonaws.com\".into()] });",
        "the_tokens_issuer_is_checked",
    ),
    mutant(
        TESTKIT,
        "local STS: aud, by the identity provider's client ids",
        WEB_IDENTITY,
        "if !claims.audiences().iter().any(|audience| provider.client_ids.contains(audience)) {",
        "if provider.client_ids.is_empty() {",
        "the_tokens_audience_is_checked_against_the_providers_client_ids",
    ),
    mutant(
        TESTKIT,
        "local STS: aud, by the trust policy",
        STS,
        "context = context.with(&format!(\"{issuer}:aud\"), audience);",
        "context = context.with(&format!(\"{issuer}:aud\"), audience.replace(\"vault\", \"sts.amazonaws.com\"));",
        "the_tokens_audience_is_checked_by_the_trust_policy",
    ),
    mutant(
        TESTKIT,
        "local STS: exp",
        WEB_IDENTITY,
        "    if expires <= now {",
        "    if expires <= SystemTime::UNIX_EPOCH {",
        "the_tokens_expiry_is_checked_by_the_servers_clock",
    ),
    mutant(
        TESTKIT,
        "local STS: sub, by the trust policy",
        STS,
        ".with(&format!(\"{issuer}:sub\"), &claims.subject);",
        ".with(&format!(\"{issuer}:sub\"), \"system:serviceaccount:shop:checkout\");",
        "the_tokens_subject_is_checked_by_the_trust_policy",
    ),
    mutant(
        TESTKIT,
        "local STS: the external id",
        STS,
        "context = context.with(\"sts:ExternalId\", id.as_str());\n    }",
        "let _ = id;\n    }\n    context = context.with(\"sts:ExternalId\", \"shop-4711\");",
        "the_external_id_is_checked",
    ),
    mutant(
        TESTKIT,
        "local STS: SigV4",
        SIGV4,
        "if expected.is_none_or(|expected| !same(&expected, authorization.signature)) {",
        "if expected.is_none() {",
        "the_signature_is_checked",
    ),
    mutant(
        TESTKIT,
        "local STS: SigV4, the session token",
        SIGV4,
        "if key.credentials.session_token() != header(\"x-amz-security-token\") {",
        "if key.credentials.session_token().is_some() != header(\"x-amz-security-token\").is_some() {",
        "an_unknown_key_and_a_wrong_session_token_are_refused",
    ),
    mutant(
        TESTKIT,
        "local STS: SigV4, the clock",
        SIGV4,
        "    if let Some(message) = skew(date, signed_at, now) {",
        "    if let Some(message) = skew(date, now, now) {",
        "an_old_signature_and_one_of_the_future_are_refused",
    ),
    mutant(
        TESTKIT,
        "local STS: a session's end",
        SIGV4,
        "Some(expiry) if expiry <= now =>",
        "Some(expiry) if expiry <= SystemTime::UNIX_EPOCH =>",
        "a_session_ends_by_the_servers_clock",
    ),
    mutant(
        TESTKIT,
        "local STS: the account that a role trusts",
        EVALUATE,
        "(Trust::Delegated, *account == self.account)",
        "(Trust::Delegated, !account.is_empty())",
        "the_callers_account_is_checked",
    ),
    mutant(
        TESTKIT,
        "local STS: the caller's own policies",
        EVALUATE,
        "(_, Decision::ImplicitDeny) => Verdict::IdentityDoesNotAllow,",
        "(_, Decision::ImplicitDeny) => Verdict::Allowed,",
        "the_callers_own_policies_are_checked",
    ),
    mutant(
        TESTKIT,
        "local AWS: the service that a request is signed for",
        "crates/rolecall-testkit/src/server.rs",
        "Some(\"sts\") | None =>",
        "Some(\"sts\" | \"sqs\") | None =>",
        "a_signature_for_another_service_is_refused",
    ),
    mutant(
        TESTKIT,
        "local STS: an audience beside the one that the account knows",
        STS,
        "claims.audiences().iter().filter(|a| provider.client_ids.contains(a))",
        "claims.audiences().iter()",
        "an_audience_of_somebody_elses_beside_ours_proves_nothing",
    ),
    mutant(
        TESTKIT,
        "local AWS: a condition key that it would never match",
        "crates/rolecall-testkit/src/world.rs",
        "        if !known(key) {",
        "        if key.is_empty() {",
        "worlds_that_cannot_be_are_refused",
    ),
    mutant(
        TESTKIT,
        "local S3: the caller's policies",
        S3,
        ".map_err(|message| S3Error::with_message(S3ErrorCode::AccessDenied, message))",
        ".or(Ok(()))",
        "policies_are_held_against_buckets_keys_and_prefixes",
    ),
    mutant(
        TESTKIT,
        "local S3: the prefix that is listed, as a condition",
        S3,
        "context = context.with(&format!(\"s3:{parameter}\"), value);",
        "context = context.with(&format!(\"s3:{parameter}\"), format!(\"orders/{value}\"));",
        "policies_are_held_against_buckets_keys_and_prefixes",
    ),
    mutant(
        TESTKIT,
        "local S3: a session's end",
        S3,
        "    sigv4::not_ended(&key, now)?;\n",
        "    let _ = sigv4::not_ended(&key, now);\n",
        "keys_and_sessions_are_held_against_what_was_issued",
    ),
    mutant(
        TESTKIT,
        "local S3: headers that are not signed",
        SIGV4,
        "if all_signed { Ok(key) }",
        "if all_signed || !headers.is_empty() { Ok(key) }",
        "what_was_changed_on_the_way_is_refused",
    ),
    mutant(
        TESTKIT,
        "local S3: an object's checksum",
        S3_OBJECTS,
        "        verify_checksum(&given, &bytes)?;\n",
        "        let _ = verify_checksum(&given, &bytes);\n",
        "what_was_changed_on_the_way_is_refused",
    ),
    mutant(
        TESTKIT,
        "local S3: that there is no such object learns who may list",
        S3_OBJECTS,
        "        if may_list {\n",
        "        if may_list || !key.is_empty() {\n",
        "that_there_is_no_object_learns_who_may_list",
    ),
    mutant(
        TESTKIT,
        "local S3: who owns the bucket",
        S3_OBJECTS,
        "Some(expected) if *expected != owner =>",
        "Some(expected) if expected.is_empty() =>",
        "buckets_that_are_not_there_or_none",
    ),
    mutant(
        TESTKIT,
        "local AWS: another account's resources",
        "crates/rolecall-testkit/src/iam.rs",
        "Decision::Allow if caller.account() != account =>",
        "Decision::Allow if account.is_empty() =>",
        "policies_are_held_against_buckets_keys_and_prefixes",
    ),
    mutant(
        TESTKIT,
        "local Secrets Manager: the caller's policies",
        "crates/rolecall-testkit/src/json.rs",
        ".map_err(|message| Fault::new(400, \"AccessDeniedException\", message))",
        ".or(Ok(()))",
        "policies_are_held_against_secrets",
    ),
    mutant(
        TESTKIT,
        "local Secrets Manager: 64 KB",
        "crates/rolecall-testkit/src/secrets.rs",
        "if length > LONGEST_SECRET {",
        "if length > LONGEST_SECRET + 1 {",
        "a_secret_of_64_kb_and_no_longer_one",
    ),
    mutant(
        TESTKIT,
        "local ECR: a layer's digest",
        ECR,
        "if !input.layer_digests.contains(&digest) {",
        "if input.layer_digests.is_empty() {",
        "uploads_that_are_not_right_are_refused",
    ),
    mutant(
        TESTKIT,
        "local ECR: the end of a layer's URL",
        "crates/rolecall-testkit/src/ecr/store.rs",
        "(now < offer.2).then",
        "(now < offer.2 + OFFER).then",
        "an_image_with_a_layer_of_20_mb_is_pushed_in_parts_and_pulled_byte_for_byte",
    ),
    mutant(
        TESTKIT,
        "grants: tags need sts:TagSession",
        GRANT,
        "let tagging = !self.tags.is_empty();",
        "let tagging = false;",
        "tags_are_allowed_by_the_trust_policy_and_seen_by_it",
    ),
    mutant(
        TESTKIT,
        "grants: a source identity that is handed on needs sts:SetSourceIdentity",
        GRANT,
        "self.source_identity.is_some() || caller.source_identity.is_some()",
        "self.source_identity.is_some()",
        "a_source_identity_is_set_once_and_stays",
    ),
    mutant(
        TESTKIT,
        "grants: transitive tags alone go on",
        GRANT,
        ".filter(|(key, _)| caller.transitive.contains(*key))",
        ".filter(|_| true)",
        "transitive_tags_go_on_and_cannot_be_changed",
    ),
    mutant(
        TESTKIT,
        "grants: a session policy narrows the session",
        STS,
        "if carried.decision(action, arn.as_str(), &context) != Decision::Allow {",
        "if carried.decision(action, arn.as_str(), &context) == Decision::ExplicitDeny {",
        "session_policies_narrow_what_the_role_may",
    ),
    mutant(
        TESTKIT,
        "grants: a managed policy is one of the role's account",
        "crates/rolecall-testkit/src/world.rs",
        "let of_account = arn.split(':').nth(4) == Some(account);",
        "let of_account = !account.is_empty();",
        "session_policies_narrow_what_the_role_may",
    ),
    mutant(
        TESTKIT,
        "grants: an MFA code is taken once",
        "crates/rolecall-testkit/src/mfa.rs",
        "self.last = found.or(self.last);",
        "self.last = None;",
        "mfa_is_by_a_code_of_the_callers_device_which_is_taken_once",
    ),
    mutant(
        POLICY,
        "policies: a prefix ends in a slash",
        BUILD,
        "if !prefix.ends_with('/') || prefix == \"/\" {",
        "if prefix.is_empty() || prefix == \"/\" {",
        "what_would_let_in_more_than_was_named_is_refused",
    ),
    mutant(
        POLICY,
        "policies: a prefix is no pattern",
        BUILD,
        "if prefix.contains(['*', '?']) || prefix.contains(\"${\") {",
        "if prefix.contains(\"${\") {",
        "what_would_let_in_more_than_was_named_is_refused",
    ),
    mutant(
        POLICY,
        "policies: listing is narrowed to the prefixes",
        "crates/rolecall-policy/src/build/s3.rs",
        "condition: (!patterns.is_empty())",
        "condition: patterns.is_empty()",
        "each_line_allows_what_it_names_and_nothing_beside_it",
    ),
    mutant(
        TESTKIT,
        "local AWS: the sessions of a role end with it",
        WORLD,
        "        let Some(arn) = &owner.role else { return true };",
        "        let Some(arn) = owner.role.as_ref().filter(|_| false) else { return true };",
        "the_sessions_of_a_role_end_with_it_and_its_successor_has_others",
    ),
    mutant(
        TESTKIT,
        "local AWS: a trust policy holds the unique id of whom it names",
        WORLD,
        "of.filter(|of| of.made > by.made)",
        "of.filter(|of| of.made > by.made && false)",
        "a_trust_policy_of_before_does_not_trust_a_roles_successor",
    ),
    mutant(
        STS_CRATE,
        "where STS is: the environment before the profile",
        SETTINGS,
        "if let Some(value) = self.environment.var(variable)? {",
        "if let Some(value) = self.environment.var(variable)?.filter(|_| self.profile.is_none()) {",
        "the_environment_counts_before_the_profile",
    ),
    mutant(
        STS_CRATE,
        "where STS is: configured endpoints can be ignored",
        ENDPOINT,
        "if !settings.flag(&IGNORE_ENDPOINT_URLS)?",
        "if settings.flag(&IGNORE_ENDPOINT_URLS).is_ok()",
        "aws_ignore_configured_endpoint_urls",
    ),
    mutant(
        STS_CRATE,
        "budget: nobody waits longer than he has patience for",
        BUDGET,
        "        if turn > now + patience {",
        "        if turn > now + patience + patience {",
        "turns_are_given_in_order_at_even_distances",
    ),
    mutant(
        STS_CRATE,
        "budget: nobody in the background waits",
        BUDGET,
        "            _ => Duration::ZERO,",
        "            _ => patience,",
        "nobody_in_the_background_waits_and_callers_wait_for_their_turn",
    ),
    mutant(
        STS_CRATE,
        "budget: turns that passed are not made up for all at once",
        BUDGET,
        "        self.wait_in(&self.pace, until).await?;\n",
        "",
        "turns_that_passed_behind_calls_that_hung_are_not_made_up_for_at_once",
    ),
    mutant(
        STS_CRATE,
        "budget: the wait for room counts against the same patience",
        BUDGET,
        "self.clock.until(until, self.at_once.acquire())",
        "self.clock.until(until + patience, self.at_once.acquire())",
        "nobody_waits_longer_than_his_patience_though_he_waits_twice",
    ),
    mutant(
        SUITES,
        "budget: each call takes a turn, and holds it",
        STS_CLIENT,
        "                Ok(turn) => turn,",
        "                Ok(turn) => drop(turn),",
        "the_budget_bounds_what_sts_is_asked_at_once_and_fails_nobody",
    ),
    mutant(
        SUITES,
        "hop: the wait for the parent does not count",
        HOP,
        "        self.way.parent.limit().saturating_add(person + HOP_LIMIT)",
        "        person + HOP_LIMIT",
        "the_wait_for_the_parent_does_not_count_against_the_hop",
    ),
    mutant(
        SUITES,
        "hop: a denied action is the one that was denied",
        HOP,
        "    named.unwrap_or(ASSUME_ROLE)",
        "    named.filter(|_| false).unwrap_or(ASSUME_ROLE)",
        "access_denied",
    ),
    mutant(
        SUITES,
        "default chain: what is configured and has nothing lets no other take its place",
        DEFAULT_CHAIN,
        "        self.0.session(cx).await.map_err(FetchError::of_configured)",
        "        self.0.session(cx).await",
        "a_container_that_has_nothing_lets_no_other_identity_take_its_place",
    ),
    mutant(
        TESTKIT,
        "faults: an outage ends",
        FAULTS,
        "if other || self.until.is_some_and(|end| now >= end) {",
        "if other {",
        "an_outage_ends",
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
