use std::fmt;
use std::path::Path;

use rolecall_core::{Environment, ErrorKind, FetchError, FileFault, limits};
use zeroize::Zeroizing;

/// A token that proves who a workload is. Shown by nothing; this copy is wiped from memory when it is dropped.
///
/// ```
/// use rolecall_web_identity::WebIdentityToken;
/// let token = WebIdentityToken::parse("  eyJhbGciOiJSUzI1NiJ9.e30.c2ln\n").unwrap();
/// assert_eq!(token.expose(), "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "white space around it is not part of it");
/// assert_eq!(format!("{token:?}"), "WebIdentityToken(29 characters)");
/// ```
#[derive(Clone)]
pub struct WebIdentityToken(Zeroizing<String>);

/// Room for the longest token and white space around it.
const LARGEST_FILE: usize = 64 * 1024;

/// How often a file that is missing is looked for again, at once.
const MISSED: usize = 2;

const ONE_TOKEN: &str = "AWS_WEB_IDENTITY_TOKEN_FILE: it must name a file that holds one token";

impl WebIdentityToken {
    /// Takes a token, with white space around it or not. The error ([`ErrorKind::TokenUnavailable`]) says what is wrong
    /// and shows nothing of the text.
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        Self::checked(text).map_err(|fault| {
            let message = format!("the web identity token: {fault}");
            FetchError::new(ErrorKind::TokenUnavailable, message)
        })
    }

    /// The error is the fault alone.
    pub(crate) fn checked(text: &str) -> Result<Self, String> {
        let token = text.trim();
        if token.is_empty() {
            return Err("it is empty".into());
        }
        if let Some(at) = token.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(format!("it is no token: character {at} is not printable ASCII"));
        }
        let allowed = limits::WEB_IDENTITY_TOKEN_LENGTH;
        if !allowed.contains(&token.len()) {
            let (from, to) = (allowed.start(), allowed.end());
            return Err(format!("it has {} characters, STS takes {from} to {to}", token.len()));
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    /// Reads a token file.
    pub(crate) async fn read(path: &Path, environment: &Environment) -> Result<Self, FetchError> {
        let unavailable = |fault: String| {
            let message = format!("the web identity token file {}: {fault}", path.display());
            FetchError::new(ErrorKind::TokenUnavailable, message)
        };
        let mut contents = environment.read_file(path, LARGEST_FILE).await;
        // The kubelet takes the old directory away as soon as the link points to the new one: who was on the way
        // through the old finds nothing there.
        for _ in 0..MISSED {
            match &contents {
                Err(error) if error.fault == FileFault::Missing => {
                    contents = environment.read_file(path, LARGEST_FILE).await;
                }
                _ => break,
            }
        }
        let contents = match contents {
            Ok(contents) => Zeroizing::new(contents),
            Err(error) => {
                let hint = match error.fault {
                    FileFault::Missing => {
                        "whether the service account's token is mounted there, and AWS_WEB_IDENTITY_TOKEN_FILE"
                    }
                    FileFault::PermissionDenied => {
                        "the file's owner and the user that this process runs as (in a pod: securityContext.fsGroup)"
                    }
                    _ => ONE_TOKEN,
                };
                return Err(unavailable(error.fault.to_string()).with_hint(hint));
            }
        };
        let text = std::str::from_utf8(&contents)
            .map_err(|_| unavailable("it is no token: it is not text".into()));
        text.and_then(|text| Self::checked(text).map_err(unavailable))
            .map_err(|error| error.with_hint(ONE_TOKEN))
    }

    /// The token itself, to be sent and not to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebIdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebIdentityToken({} characters)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    mod swaps;

    async fn read(contents: impl Into<Vec<u8>>) -> Result<WebIdentityToken, FetchError> {
        let env = Environment::fixed([("A", "b")]).with_file("/token", contents);
        WebIdentityToken::read(Path::new("/token"), &env).await
    }

    #[tokio::test]
    async fn a_file_that_holds_no_token_says_why_and_shows_nothing() {
        let long = "x".repeat(20_001);
        for (contents, fault) in [
            (b"".to_vec(), "it is empty"),
            (b" \n\n".to_vec(), "it is empty"),
            (vec![0x7f, b'E', b'L', b'F', 0xff], "it is not text"),
            (b"abc\0def-hidden".to_vec(), "character 3 is not printable ASCII"),
            (b"two words-hidden".to_vec(), "character 3 is not printable ASCII"),
            (b"abc".to_vec(), "it has 3 characters"),
            (long.into_bytes(), "it has 20001 characters"),
            (vec![b'x'; 1_000_000], "it is larger than 65536 bytes"),
        ] {
            let error = read(contents).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
            let text = error.to_string();
            assert!(text.contains(fault) && text.contains("/token"), "{text}");
            assert!(
                text.contains("AWS_WEB_IDENTITY_TOKEN_FILE") && !text.contains("hidden"),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_missing_file_and_a_directory() {
        let env = Environment::process();
        let missing = WebIdentityToken::read(Path::new("/no/such/token"), &env).await.unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the web identity token file /no/such/token: it does not exist; look at: whether the service account's \
             token is mounted there, and AWS_WEB_IDENTITY_TOKEN_FILE"
        );
        let directory = WebIdentityToken::read(Path::new("/"), &env).await.unwrap_err();
        assert!(directory.to_string().contains("it is a directory"), "{directory}");
    }
}
