//! From our requests to the SDK's, parameter by parameter.

use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::operation::assume_role_with_web_identity::builders::AssumeRoleWithWebIdentityFluentBuilder;
use aws_sdk_sts::types::{PolicyDescriptorType, ProvidedContext, Tag};
use rolecall_core::{MfaCode, PolicyArn, SessionDuration};

use crate::{AssumeRoleRequest, WebIdentityRequest};

pub(crate) fn assume_role(
    call: AssumeRoleFluentBuilder,
    request: &AssumeRoleRequest,
) -> AssumeRoleFluentBuilder {
    let (serial, code) = match &request.mfa {
        Some((serial, code)) => (Some(serial), Some(code)),
        None => (None, None),
    };
    let tags = request.tags.iter().filter_map(|(key, value)| {
        // Both are set: it cannot fail.
        Tag::builder().key(key).value(value).build().ok()
    });
    let contexts = request.provided_contexts.iter().map(|context| {
        ProvidedContext::builder()
            .provider_arn(context.provider_arn())
            .context_assertion(context.expose_assertion())
            .build()
    });
    call.role_arn(request.role.as_str())
        .role_session_name(request.session_name.as_str())
        .set_external_id(text(request.external_id.as_ref()))
        .set_duration_seconds(seconds(request.duration))
        .set_tags(some(tags.collect()))
        .set_transitive_tag_keys(some(request.tags.transitive_keys().map(Into::into).collect()))
        .set_source_identity(text(request.source_identity.as_ref()))
        .set_policy(text(request.policy.as_ref()))
        .set_policy_arns(some(descriptors(&request.policy_arns)))
        .set_serial_number(text(serial))
        .set_token_code(code.map(|code| code.expose().to_owned()))
        .set_provided_contexts(some(contexts.collect()))
}

pub(crate) fn web_identity(
    call: AssumeRoleWithWebIdentityFluentBuilder,
    token: &str,
    request: &WebIdentityRequest,
) -> AssumeRoleWithWebIdentityFluentBuilder {
    call.role_arn(request.role.as_str())
        .role_session_name(request.session_name.as_str())
        .web_identity_token(token)
        .set_duration_seconds(seconds(request.duration))
        .set_provider_id(text(request.provider_id.as_ref()))
        .set_policy(text(request.policy.as_ref()))
        .set_policy_arns(some(descriptors(&request.policy_arns)))
}

/// What of a request must not come back in a message.
pub(crate) fn secrets_of(request: &AssumeRoleRequest) -> Vec<&str> {
    let code = request.mfa.iter().map(|(_, code): &(_, MfaCode)| code.expose());
    code.chain(request.provided_contexts.iter().map(|context| context.expose_assertion())).collect()
}

fn descriptors(arns: &[PolicyArn]) -> Vec<PolicyDescriptorType> {
    arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn.as_str()).build()).collect()
}

/// An empty list is not sent.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

fn seconds(duration: Option<SessionDuration>) -> Option<i32> {
    duration.and_then(|duration| i32::try_from(duration.as_secs()).ok())
}
