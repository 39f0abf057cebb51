//! The error code of a service's response.

use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextMut;
use aws_smithy_types::error::ErrorMetadata;
use rolecall_core::is_invalid_session_code;

/// Largest body that is searched for a code, in bytes. Errors of AWS services are far smaller.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Returns `true` if the service rejected the session of the attempt.
pub(super) fn rejects_session(context: &FinalizerInterceptorContextMut<'_>) -> bool {
    of_error(context)
        .or_else(|| of_response(context))
        .is_some_and(|code| is_invalid_session_code(&code))
}

/// Returns the code that the SDK parsed, which it does for codes that the operation does not model.
fn of_error(context: &FinalizerInterceptorContextMut<'_>) -> Option<String> {
    let error = context.output_or_error()?.err()?.as_operation_error()?;
    let metadata = std::error::Error::source(error)?.downcast_ref::<ErrorMetadata>()?;
    metadata.code().map(str::to_owned)
}

fn of_response(context: &FinalizerInterceptorContextMut<'_>) -> Option<String> {
    let response = context.response()?;
    if !response.status().is_client_error() {
        return None;
    }
    if let Some(code) = response.headers().get("x-amzn-errortype") {
        return Some(bare(code).to_owned());
    }
    let body = response.body().bytes().filter(|body| body.len() <= MAX_BODY_BYTES)?;
    of_body(std::str::from_utf8(body).ok()?)
}

/// Reads `<Code>` of the XML protocols, `__type` or `code` of the JSON ones.
fn of_body(body: &str) -> Option<String> {
    if let Some((_, rest)) = body.split_once("<Code>") {
        return rest.split_once("</Code>").map(|(code, _)| code.trim().to_owned());
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let code = body.get("__type").or_else(|| body.get("code"))?.as_str()?;
    Some(bare(code).to_owned())
}

/// Strips what the JSON protocols put around a code: `namespace#code:url`.
fn bare(code: &str) -> &str {
    let code = code.split_once('#').map_or(code, |(_, code)| code);
    code.split_once(':').map_or(code, |(code, _)| code).trim()
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;

    use super::super::tests::{refused, unmodelled};
    use super::*;

    #[test]
    fn codes_are_read_as_each_protocol_has_them() {
        for (body, code) in [
            (
                "<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>",
                Some("ExpiredToken"),
            ),
            ("<Error><Code>InvalidAccessKeyId</Code></Error>", Some("InvalidAccessKeyId")),
            (r#"{"__type": "UnrecognizedClientException"}"#, Some("UnrecognizedClientException")),
            (
                r#"{"__type": "com.amazon.coral.service#ExpiredTokenException", "message": ""}"#,
                Some("ExpiredTokenException"),
            ),
            (r#"{"code": "InvalidToken:http://x/"}"#, Some("InvalidToken")),
            (r#"{"__type": 7}"#, None),
            ("<Code>half", None),
            ("", None),
        ] {
            assert_eq!(of_body(body).as_deref(), code, "{body}");
        }
    }

    fn is_refused(mut context: InterceptorContext) -> bool {
        rejects_session(&(&mut context).into())
    }

    /// A refusal of so many bytes.
    fn refusal_of(size: usize) -> String {
        let refusal = "<Error><Code>ExpiredToken</Code></Error>";
        format!("{refusal}{}", " ".repeat(size - refusal.len()))
    }

    #[test]
    fn an_answer_counts_by_its_status_and_its_size() {
        for (status, size, refuses) in [
            (400, 100, true),
            (403, 100, true),
            (499, 100, true),
            (403, MAX_BODY_BYTES, true),
            (403, MAX_BODY_BYTES + 1, false),
            (200, 100, false),
            (307, 100, false),
            (500, 100, false),
            (503, 100, false),
        ] {
            let context = refused("AKIA1", status, refusal_of(size));
            assert_eq!(is_refused(context), refuses, "{status}, {size} bytes");
        }
        assert_eq!(MAX_BODY_BYTES, 65_536);
    }

    #[test]
    fn a_header_that_says_the_code_counts_before_the_body() {
        for (code, refuses) in [("ExpiredTokenException:http://x/", true), ("AccessDenied", false)]
        {
            let mut context = refused("AKIA1", 403, refusal_of(100));
            let response = context.response_mut().unwrap();
            response.headers_mut().insert("x-amzn-errortype", code);
            assert_eq!(is_refused(context), refuses, "{code}");
        }
    }

    #[test]
    fn code_parsed_by_the_sdk_precedes_the_response() {
        for (code, body, refuses) in [
            (Some("ExpiredToken"), "", true),
            (Some("ExpiredToken"), "<Error><Code>AccessDenied</Code></Error>", true),
            (Some("AccessDenied"), "<Error><Code>ExpiredToken</Code></Error>", false),
            (None, "<Error><Code>ExpiredToken</Code></Error>", true),
            (None, "<Error><Code>AccessDenied</Code></Error>", false),
            (None, "", false),
        ] {
            let mut context = refused("AKIA1", 403, body);
            context.set_output_or_error(Err(unmodelled(code)));
            assert_eq!(is_refused(context), refuses, "{code:?} {body}");
        }
    }
}
