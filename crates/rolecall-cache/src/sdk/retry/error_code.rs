//! The error code of a service's response.

use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextMut;
use aws_smithy_types::error::ErrorMetadata;
use rolecall_core::InvalidSession;

/// Largest body that is searched for a code, in bytes. Errors of AWS services are far smaller.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Returns why the service rejected the session of the attempt, or `None` if it did not.
pub(super) fn invalid_session(
    context: &FinalizerInterceptorContextMut<'_>,
) -> Option<InvalidSession> {
    InvalidSession::from_code(&of_error(context).or_else(|| of_response(context))?)
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

    use super::super::tests::{rejected, unmodeled};
    use super::*;

    #[test]
    fn code_is_read_in_each_protocol() {
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

    fn reason(mut context: InterceptorContext) -> Option<InvalidSession> {
        invalid_session(&(&mut context).into())
    }

    /// Returns a rejection of this many bytes.
    fn rejection_of_size(size: usize) -> String {
        let rejection = "<Error><Code>ExpiredToken</Code></Error>";
        format!("{rejection}{}", " ".repeat(size - rejection.len()))
    }

    #[test]
    fn response_counts_by_status_and_size() {
        for (status, size, rejects) in [
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
            let context = rejected("AKIA1", status, rejection_of_size(size));
            assert_eq!(reason(context).is_some(), rejects, "{status}, {size} bytes");
        }
        assert_eq!(MAX_BODY_BYTES, 65_536);
    }

    #[test]
    fn header_code_takes_precedence_over_body() {
        for (code, expected) in [
            ("ExpiredTokenException:http://x/", Some(InvalidSession::Expired)),
            ("UnrecognizedClientException", Some(InvalidSession::Unknown)),
            ("AccessDenied", None),
        ] {
            let mut context = rejected("AKIA1", 403, rejection_of_size(100));
            let response = context.response_mut().unwrap();
            response.headers_mut().insert("x-amzn-errortype", code);
            assert_eq!(reason(context), expected, "{code}");
        }
    }

    #[test]
    fn parsed_code_takes_precedence_over_response() {
        for (code, body, rejects) in [
            (Some("ExpiredToken"), "", true),
            (Some("ExpiredToken"), "<Error><Code>AccessDenied</Code></Error>", true),
            (Some("AccessDenied"), "<Error><Code>ExpiredToken</Code></Error>", false),
            (None, "<Error><Code>ExpiredToken</Code></Error>", true),
            (None, "<Error><Code>AccessDenied</Code></Error>", false),
            (None, "", false),
        ] {
            let mut context = rejected("AKIA1", 403, body);
            context.set_output_or_error(Err(unmodeled(code)));
            assert_eq!(reason(context).is_some(), rejects, "{code:?} {body}");
        }
    }
}
