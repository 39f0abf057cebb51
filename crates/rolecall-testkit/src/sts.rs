//! The three operations, and every check between a request and a session.

use std::time::{Duration, SystemTime};

use rolecall_core::{ExternalId, InvalidParameter, RoleArn, SessionDuration, SessionName};
use rolecall_policy::{Caller, Context, Policies};

use axum::extract::Request;

use crate::grant::{Asked, Carried};
use crate::server::{Answer, Shared};
use crate::sigv4::{Claim, Dialect, Refusal, Signed, Verified};
use crate::wire::{self, Fault, Form, escape, timestamp};
use crate::world::{Key, host_and_path};
use crate::{iam, mfa, web_identity};

/// What became of a call.
struct Outcome {
    operation: &'static str,
    caller: Option<String>,
    /// The inside of the operation's result element.
    result: Result<String, Fault>,
}

/// The longest request: a token of 20,000 characters, form-encoded, and room.
const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// STS: `POST /` alone.
pub(crate) async fn serve(
    shared: &Shared,
    claim: Result<Claim, Refusal>,
    request: Request,
    request_id: &str,
) -> Answer {
    let (head, body) = request.into_parts();
    let refused = |fault: Fault| Answer::failed(wire::failure(&fault, request_id), fault);
    let Ok(body) = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        return refused(Fault::new(413, "RequestEntityTooLarge", "the request is too long"));
    };
    if head.method != "POST" || head.uri.path() != "/" || head.uri.query().is_some() {
        return refused(Fault::new(404, "InvalidAction", "there is STS at POST / alone"));
    }
    let effect =
        operation_of(&body).and_then(|operation| Some((operation, shared.fault(operation)?)));
    if let Some((operation, effect)) = &effect
        && let Some(response) = effect.replace_response(request_id).await
    {
        return Answer::of_fault(response, effect.name()).of(operation);
    }
    let outcome = answer(shared, claim, &Signed::of(&head, &body)).await;
    let answer = match outcome.result {
        Ok(result) => Answer::done(wire::success(outcome.operation, &result, request_id)),
        Err(fault) => refused(fault),
    };
    let answer = match effect {
        Some((_, effect)) => answer.with_fault(effect).await,
        None => answer,
    };
    answer.of(outcome.operation).by(outcome.caller)
}

pub(crate) const OPERATIONS: [&str; 3] =
    ["AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"];

fn operation_of(body: &[u8]) -> Option<&'static str> {
    let action = Form::parse(body)?.take("Action")?;
    OPERATIONS.into_iter().find(|operation| *operation == action)
}

async fn answer(shared: &Shared, claim: Result<Claim, Refusal>, request: &Signed<'_>) -> Outcome {
    let refused = |result| Outcome { operation: "Unknown", caller: None, result: Err(result) };
    let Some(mut form) = Form::parse(request.body) else {
        return refused(Fault::new(400, "MalformedInput", "the body is no form"));
    };
    let action = form.take("Action").unwrap_or_default();
    match form.take("Version").as_deref() {
        Some("2011-06-15") => {}
        _ => return refused(Fault::new(400, "InvalidAction", "the Version is not 2011-06-15")),
    }
    let now = shared.clock.wall();
    match action.as_str() {
        "AssumeRole" => {
            let caller = claim.and_then(|claim| claim.verify(request, &shared.world(), now));
            signed("AssumeRole", caller, |key| assume_role(shared, form, key, now))
        }
        "GetCallerIdentity" => {
            let caller = claim.and_then(|claim| claim.verify(request, &shared.world(), now));
            signed("GetCallerIdentity", caller, |key| {
                all_taken(&form)?;
                Ok(caller_identity(key))
            })
        }
        "AssumeRoleWithWebIdentity" => {
            // It is not signed, yet a request that names two callers is refused here, too: what
            // such a request means depends on the reader.
            let result = match claim {
                Err(refusal @ Refusal::Repeated(_)) => Err(refusal.fault(Dialect::Query)),
                _ => assume_role_with_web_identity(shared, form, now).await,
            };
            Outcome { operation: "AssumeRoleWithWebIdentity", caller: None, result }
        }
        other => {
            let message = format!("Could not find operation {other} for version 2011-06-15");
            refused(Fault::new(400, "InvalidAction", message))
        }
    }
}

/// Runs an operation as the caller whose signature was verified.
fn signed(
    operation: &'static str,
    verified: Result<Verified, Refusal>,
    run: impl FnOnce(&Key) -> Result<String, Fault>,
) -> Outcome {
    match verified {
        Err(refusal) => {
            let fault = refusal.fault(Dialect::Query);
            Outcome { operation, caller: None, result: Err(fault) }
        }
        Ok(Verified { key, .. }) => {
            let caller = Some(key.owner.caller.arn().to_owned());
            Outcome { operation, caller, result: run(&key) }
        }
    }
}

fn assume_role(
    shared: &Shared,
    mut form: Form,
    key: &Key,
    now: SystemTime,
) -> Result<String, Fault> {
    let arn: RoleArn = required(&mut form, "RoleArn", "roleArn", RoleArn::parse)?;
    let name = required(&mut form, "RoleSessionName", "roleSessionName", SessionName::parse)?;
    let external_id = optional(&mut form, "ExternalId", "externalId", ExternalId::parse)?;
    let duration = duration(&mut form)?;
    let asked = Asked::of_assume_role(&mut form)?;
    let mfa = mfa::of_request(&mut form)?;
    all_taken(&form)?;

    let caller = &key.owner.caller;
    let carried = &key.owner.carried;
    let mut context = iam::context_of(key).with("sts:RoleSessionName", name.as_str());
    context = asked.context(carried, context);
    if let Some(id) = &external_id {
        context = context.with("sts:ExternalId", id.as_str());
    }

    let mut world = shared.world();
    if let Some((serial, code)) = &mfa {
        world.check_mfa(caller.arn(), serial, code, now)?;
        context = context.with("aws:MultiFactorAuthPresent", "true");
    }
    let denied_to = |action: &str, reason: String| {
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {arn}",
            caller.arn()
        );
        Fault::new(403, "AccessDenied", message).because(reason)
    };
    let denied = |reason: String| denied_to("sts:AssumeRole", reason);
    // As at AWS, the error does not tell an absent role from one that does not trust the caller.
    let role =
        world.roles.get(arn.as_str()).ok_or_else(|| denied("there is no such role".into()))?;
    let trusted = world.as_trusted(&key.owner, role);
    for action in ["sts:AssumeRole"].into_iter().chain(asked.actions(carried)) {
        let (own, trust) = (key.owner.policies(), role.trust.as_ref());
        iam::authorize_trust(trusted.clone(), own, trust, action, &arn, &context)
            .map_err(|reason| denied_to(action, reason))?;
    }

    let longest = role.max_session;
    if key.owner.role.is_some() && duration > SessionDuration::MAX_IN_ROLE_CHAIN {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    check_max_session(duration, longest)?;
    let carried = asked.granted(carried, arn.account().as_str(), &world)?;
    let session = world.issue(&arn, &name, now + duration.as_duration(), carried);
    session.map(|key| granted(&key)).ok_or_else(|| denied("there is no such role".into()))
}

async fn assume_role_with_web_identity(
    shared: &Shared,
    mut form: Form,
    now: SystemTime,
) -> Result<String, Fault> {
    let arn: RoleArn = required(&mut form, "RoleArn", "roleArn", RoleArn::parse)?;
    let name = required(&mut form, "RoleSessionName", "roleSessionName", SessionName::parse)?;
    let token = form.take("WebIdentityToken").unwrap_or_default();
    if !rolecall_core::limits::WEB_IDENTITY_TOKEN_LENGTH.contains(&token.chars().count()) {
        return Err(constraint("", "webIdentityToken", "have length between 4 and 20000"));
    }
    let duration = duration(&mut form)?;
    let asked = Asked::of_policies(&mut form)?;
    if form.take("ProviderId").is_some() {
        // API Reference: "Do not specify this value for OpenID Connect ID tokens."
        return Err(invalid(
            "ProviderId is for OAuth 2.0 access tokens, and this is an OpenID Connect ID token",
        ));
    }
    all_taken(&form)?;

    let action = "sts:AssumeRoleWithWebIdentity";
    let denied = |reason: &str| {
        let message = format!("Not authorized to perform {action}");
        Fault::new(403, "AccessDenied", message).because(reason)
    };
    let claims = web_identity::unverified(&token)?;
    let provider = shared.world().provider(arn.account().as_str(), &claims.issuer);
    let provider = provider.ok_or_else(|| web_identity::no_provider(&claims.issuer))?;
    web_identity::verify(&token, &claims, &provider, now).await?;

    let issuer = host_and_path(&claims.issuer);
    let mut context = Context::new()
        .with("sts:RoleSessionName", name.as_str())
        .with("aws:FederatedProvider", &provider.arn)
        .with(&format!("{issuer}:sub"), &claims.subject);
    // Only a registered audience counts: a second one in the token was issued for another service.
    for audience in claims.audiences().iter().filter(|a| provider.client_ids.contains(a)) {
        context = context.with(&format!("{issuer}:aud"), audience);
    }
    let nobody = Carried::default();
    let (tags, transitive) = claims.tags();
    let asked = asked.with_claims(tags, transitive, claims.source_identity())?;
    context = asked.context(&nobody, context);
    let mut world = shared.world();
    let role = world.roles.get(arn.as_str()).ok_or_else(|| denied("there is no such role"))?;
    let caller = Caller::federated(&provider.arn);
    for action in [action].into_iter().chain(asked.actions(&nobody)) {
        let (own, trust) = (Policies::new(), role.trust.as_ref());
        iam::authorize_trust(caller.clone(), own, trust, action, &arn, &context)
            .map_err(|reason| denied(&reason))?;
    }
    check_max_session(duration, role.max_session)?;
    let carried = asked.granted(&nobody, arn.account().as_str(), &world)?;
    let session = world.issue(&arn, &name, now + duration.as_duration(), carried);
    let session = session.ok_or_else(|| denied("there is no such role"))?;
    Ok(format!(
        "{}<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken><Audience>{}</Audience><Provider>{}</Provider>",
        granted(&session),
        escape(&claims.subject),
        escape(&claims.audiences().join(" ")),
        escape(&provider.arn),
    ))
}

fn caller_identity(key: &Key) -> String {
    let caller = &key.owner.caller;
    format!(
        "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
        escape(caller.arn()),
        escape(&key.owner.user_id),
        key.owner.account()
    )
}

fn granted(key: &Key) -> String {
    let credentials = &key.credentials;
    let carried = &key.owner.carried;
    let identity = carried.source_identity.as_deref().map_or_else(String::new, |identity| {
        format!("<SourceIdentity>{}</SourceIdentity>", escape(identity))
    });
    let packed = match carried.packed {
        0 => String::new(),
        packed => format!("<PackedPolicySize>{packed}</PackedPolicySize>"),
    };
    format!(
        "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
         <Expiration>{}</Expiration></Credentials><AssumedRoleUser><Arn>{}</Arn>\
         <AssumedRoleId>{}</AssumedRoleId></AssumedRoleUser>{identity}{packed}",
        credentials.access_key_id(),
        credentials.secret_access_key(),
        credentials.session_token().unwrap_or_default(),
        timestamp(credentials.expiry().unwrap_or(SystemTime::UNIX_EPOCH)),
        escape(key.owner.caller.arn()),
        escape(&key.owner.user_id),
    )
}

pub(crate) fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(400, "ValidationError", message)
}

pub(crate) fn constraint(value: &str, field: &str, must: &str) -> Fault {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: Member must {must}"
    ))
}

pub(crate) fn optional<T>(
    form: &mut Form,
    parameter: &str,
    field: &str,
    parse: impl Fn(&str) -> Result<T, InvalidParameter>,
) -> Result<Option<T>, Fault> {
    let Some(value) = form.take(parameter) else { return Ok(None) };
    match parse(&value) {
        Ok(parsed) => Ok(Some(parsed)),
        Err(error) => Err(constraint(&value, field, &format!("be valid: {}", error.rule))),
    }
}

fn required<T>(
    form: &mut Form,
    parameter: &str,
    field: &str,
    parse: impl Fn(&str) -> Result<T, InvalidParameter>,
) -> Result<T, Fault> {
    optional(form, parameter, field, parse)?.ok_or_else(|| constraint("null", field, "not be null"))
}

fn duration(form: &mut Form) -> Result<SessionDuration, Fault> {
    let Some(value) = form.take("DurationSeconds") else { return Ok(SessionDuration::DEFAULT) };
    let seconds: Option<u64> = value.parse().ok();
    seconds
        .and_then(|seconds| SessionDuration::from_secs(seconds).ok())
        .ok_or_else(|| constraint(&value, "durationSeconds", "be between 900 and 43200"))
}

fn check_max_session(duration: SessionDuration, longest: Duration) -> Result<(), Fault> {
    if duration.as_duration() > longest {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(())
}

fn all_taken(form: &Form) -> Result<(), Fault> {
    match form.left_over() {
        None => Ok(()),
        Some(field) => Err(invalid(format!("the local STS does not know the parameter {field}"))),
    }
}
