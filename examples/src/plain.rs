//! One clear sentence for whatever went wrong.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rolecall::{ErrorKind, FetchError};

/// An error as a person at a terminal wants it: what happened, and what to look at.
///
/// ```
/// let plain = rolecall_examples::Plain::new("there is no bucket \"shop\"");
/// assert_eq!(plain.to_string(), "there is no bucket \"shop\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    text: String,
    code: Option<String>,
    /// A service refused it, by its policies.
    denied: bool,
    /// What is wrong is what was asked for, not what came of it.
    usage: bool,
}

impl Plain {
    /// Something that went wrong.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: None, denied: false, usage: false }
    }

    /// Something that was asked for wrongly.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(text) }
    }

    /// The code of the service or of STS, if it was one of them that refused.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether a service denied it. That STS denied the session is another thing.
    pub fn is_denied(&self) -> bool {
        self.denied
    }

    /// The same, about this thing.
    #[must_use]
    pub fn about(self, what: impl fmt::Display) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    /// What a program ends with: 2 for what was asked for wrongly, 1 for all else.
    pub fn exit_code(&self) -> u8 {
        if self.usage { 2 } else { 1 }
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Plain {}

impl From<FetchError> for Plain {
    fn from(error: FetchError) -> Self {
        let configuration =
            matches!(error.kind(), ErrorKind::NotConfigured | ErrorKind::InvalidConfig);
        Self {
            text: error.report(),
            code: error.code().map(str::to_owned),
            denied: false,
            usage: configuration && error.code().is_none(),
        }
    }
}

impl From<rolecall::InvalidParameter> for Plain {
    fn from(error: rolecall::InvalidParameter) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<std::io::Error> for Plain {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Plain
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        if let Some(error) = FetchError::find(&error) {
            return error.clone().into();
        }
        match &error {
            SdkError::ServiceError(refused) => {
                let status = refused.raw().status().as_u16();
                Self::refused(refused.err(), status)
            }
            SdkError::TimeoutError(_) => Self::new("the service did not answer in time"),
            SdkError::ConstructionFailure(_) => {
                let text = last(&error);
                // What cannot even be asked for.
                Self::usage(format!("the request cannot be made: {text}"))
            }
            SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
                Self::new(format!("the service cannot be reached: {}", last(&error)))
            }
            _ => Self::new(last(&error)),
        }
    }
}

impl Plain {
    fn refused(error: &(impl ProvideErrorMetadata + Error), status: u16) -> Self {
        let code = error.code().map(str::to_owned).or_else(|| match status {
            403 => Some("Forbidden".to_owned()),
            404 => Some("NotFound".to_owned()),
            _ => None,
        });
        let said = match (error.message(), &code) {
            (Some(message), Some(code)) => format!("{} ({code})", message.trim_end_matches('.')),
            (Some(message), None) => message.to_owned(),
            (None, Some(code)) => code.clone(),
            (None, None) => format!("HTTP status {status}"),
        };
        let hint = HINTS.iter().find(|(known, _)| Some(*known) == code.as_deref());
        let text = match hint {
            Some((_, hint)) => format!("{said}; look at: {hint}"),
            None => said,
        };
        // S3's answer to a HEAD has no body, and so no code but the status.
        let denied =
            matches!(code.as_deref(), Some("AccessDenied" | "AccessDeniedException" | "Forbidden"));
        Self { text, code, denied, usage: false }
    }
}

/// What to look at when a service refuses.
const HINTS: &[(&str, &str)] = &[
    ("AccessDenied", "whether the role's permission policies allow it"),
    ("AccessDeniedException", "whether the role's permission policies allow it"),
    ("NoSuchBucket", "the bucket's name"),
    (
        "InvalidBucketName",
        "the bucket's name: 3 to 63 lower case letters, digits, dots and hyphens, no more",
    ),
    ("NoSuchKey", "the key, and the prefix before it"),
    ("ResourceNotFoundException", "the secret's name, the Region, and the role's account"),
    ("RepositoryNotFoundException", "the repository's name, the Region, and the role's account"),
    ("ExpiredToken", "who renews these credentials: their session has ended"),
    ("ExpiredTokenException", "who renews these credentials: their session has ended"),
    ("PermanentRedirect", "AWS_REGION: the bucket is in another Region"),
];

/// Says what a failed call was about.
///
/// ```
/// use rolecall_examples::{About, Plain};
/// let failed: Result<(), Plain> = Err(Plain::new("it is not there"));
/// let error = failed.about("secret \"shop/db\"").unwrap_err();
/// assert_eq!(error.to_string(), "secret \"shop/db\": it is not there");
/// ```
pub trait About<T> {
    /// The same result; its error begins with what it is about.
    fn about(self, what: impl fmt::Display) -> Result<T, Plain>;
}

impl<T, E: Into<Plain>> About<T> for Result<T, E> {
    fn about(self, what: impl fmt::Display) -> Result<T, Plain> {
        self.map_err(|error| error.into().about(what))
    }
}

type Cause<'a> = &'a (dyn Error + 'static);

/// The errors from this one down to the cause.
fn causes(error: Cause<'_>) -> impl Iterator<Item = Cause<'_>> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The cause at the very bottom, with the one above it where it says too little by itself.
fn last(error: Cause<'_>) -> String {
    let chain: Vec<String> = causes(error).map(ToString::to_string).collect();
    let mut texts = chain.iter().rev();
    let bottom = texts.next().cloned().unwrap_or_default();
    match texts.find(|text| !text.contains(&bottom)) {
        Some(above) if chain.len() > 2 => format!("{above}: {bottom}"),
        _ => bottom,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_sts_denied_the_session_is_no_services_denial() {
        let error = FetchError::new(ErrorKind::Denied, "no").with_code("AccessDenied");
        let plain = Plain::from(error);
        assert_eq!((plain.code(), plain.is_denied()), (Some("AccessDenied"), false));
        assert_eq!(plain.exit_code(), 1);
    }

    #[test]
    fn what_is_configured_wrongly_ends_with_2() {
        for (kind, code) in [
            (ErrorKind::NotConfigured, 2),
            (ErrorKind::InvalidConfig, 2),
            (ErrorKind::TokenUnavailable, 1),
            (ErrorKind::Unavailable, 1),
        ] {
            assert_eq!(Plain::from(FetchError::new(kind, "x")).exit_code(), code, "{kind}");
        }
    }
}
