//! Maps requests to the fluent builders of the SDK, parameter by parameter.

use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::operation::assume_role_with_web_identity::builders::AssumeRoleWithWebIdentityFluentBuilder;
use aws_sdk_sts::types::{PolicyDescriptorType, ProvidedContext, Tag};
use rolecall_core::{MfaCode, PolicyArn, SessionDuration};

use crate::{AssumeRoleRequest, WebIdentityRequest};

pub(crate) fn fill_assume_role(
    call: AssumeRoleFluentBuilder,
    request: &AssumeRoleRequest,
) -> AssumeRoleFluentBuilder {
    let (serial, code) = match &request.mfa {
        Some((serial, code)) => (Some(serial), Some(code)),
        None => (None, None),
    };
    let tags = request.tags.iter().filter_map(|(key, value)| {
        // `build` fails only without a key or a value, and both are set.
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
        .set_external_id(to_text(request.external_id.as_ref()))
        .set_duration_seconds(to_seconds(request.duration))
        .set_tags(non_empty(tags.collect()))
        .set_transitive_tag_keys(non_empty(
            request.tags.transitive_keys().map(Into::into).collect(),
        ))
        .set_source_identity(to_text(request.source_identity.as_ref()))
        .set_policy(to_text(request.policy.as_ref()))
        .set_policy_arns(non_empty(policy_descriptors(&request.policy_arns)))
        .set_serial_number(to_text(serial))
        .set_token_code(code.map(|code| code.expose().to_owned()))
        .set_provided_contexts(non_empty(contexts.collect()))
}

pub(crate) fn fill_web_identity(
    call: AssumeRoleWithWebIdentityFluentBuilder,
    token: &str,
    request: &WebIdentityRequest,
) -> AssumeRoleWithWebIdentityFluentBuilder {
    call.role_arn(request.role.as_str())
        .role_session_name(request.session_name.as_str())
        .web_identity_token(token)
        .set_duration_seconds(to_seconds(request.duration))
        .set_provider_id(to_text(request.provider_id.as_ref()))
        .set_policy(to_text(request.policy.as_ref()))
        .set_policy_arns(non_empty(policy_descriptors(&request.policy_arns)))
}

/// Returns the values of a request that must not appear in an error message. STS may quote them.
pub(crate) fn secrets_in(request: &AssumeRoleRequest) -> Vec<&str> {
    let code = request.mfa.iter().map(|(_, code): &(_, MfaCode)| code.expose());
    code.chain(request.provided_contexts.iter().map(|context| context.expose_assertion())).collect()
}

fn policy_descriptors(arns: &[PolicyArn]) -> Vec<PolicyDescriptorType> {
    arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn.as_str()).build()).collect()
}

/// Returns `None` for an empty list, so that the parameter is left out of the request.
fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn to_text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

fn to_seconds(duration: Option<SessionDuration>) -> Option<i32> {
    duration.and_then(|duration| i32::try_from(duration.as_secs()).ok())
}
