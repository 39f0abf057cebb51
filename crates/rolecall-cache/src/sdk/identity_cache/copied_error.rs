//! Copies of the errors of identity resolvers, for the callers that share an attempt.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::TokenError;
use aws_smithy_runtime_api::box_error::BoxError;
use rolecall_core::SessionError;

/// Longest chain of causes that is copied: a `source` may return the error itself.
const MAX_CAUSES: u32 = 16;

/// The text of an error of another type.
#[derive(Debug)]
struct CopiedError {
    text: String,
    source: Option<BoxError>,
}

impl fmt::Display for CopiedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for CopiedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Copies an error and its causes.
///
/// An error is not `Clone` in general, and the caller that made the attempt receives the original,
/// unchanged. Token errors and rolecall's errors keep their type and their kind, which callers look
/// for in the chain of sources. Of other errors the text is copied.
pub(super) fn copy_error(error: &(dyn Error + 'static)) -> BoxError {
    copy_chain(error, MAX_CAUSES)
}

fn copy_chain(error: &(dyn Error + 'static), causes: u32) -> BoxError {
    if let Some(error) = error.downcast_ref::<SessionError>() {
        return error.clone().into();
    }
    let source = match causes {
        0 => None,
        _ => error.source().map(|source| copy_chain(source, causes - 1)),
    };
    match error.downcast_ref() {
        Some(error) => copy_token_error(error, source).into(),
        None => CopiedError { text: error.to_string(), source }.into(),
    }
}

fn copy_token_error(error: &TokenError, source: Option<BoxError>) -> TokenError {
    let source = source.unwrap_or_else(|| "the cause was not copied".into());
    match error {
        TokenError::TokenNotLoaded(_) => TokenError::not_loaded(source),
        TokenError::ProviderTimedOut(details) => {
            TokenError::provider_timed_out(details.timeout_duration())
        }
        TokenError::InvalidConfiguration(_) => TokenError::invalid_configuration(source),
        TokenError::ProviderError(_) => TokenError::provider_error(source),
        TokenError::Unhandled(_) => TokenError::unhandled(source),
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;
