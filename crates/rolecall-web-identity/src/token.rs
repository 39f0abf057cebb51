use std::fmt;
use std::path::Path;

use rolecall_core::{Environment, ErrorKind, FileFault, SessionError, limits};
use zeroize::Zeroizing;

/// A token that proves the identity of a workload, usually a JWT.
///
/// The token is a secret: `Debug` shows its length only, and each copy is zeroed when it is
/// dropped.
///
/// # Examples
///
/// ```
/// use rolecall_web_identity::WebIdentityToken;
///
/// let token = WebIdentityToken::parse("  eyJhbGciOiJSUzI1NiJ9.e30.c2ln\n").unwrap();
/// assert_eq!(token.expose(), "eyJhbGciOiJSUzI1NiJ9.e30.c2ln");
/// assert_eq!(format!("{token:?}"), "WebIdentityToken(29 characters)");
/// ```
#[derive(Clone)]
pub struct WebIdentityToken(Zeroizing<String>);

/// Size limit of a token file: the longest token, and white space around it.
const MAX_FILE_SIZE: usize = 64 * 1024;

/// Number of times that a missing file is opened again, without a pause.
const MISSING_RETRIES: usize = 2;

/// The hints name no setting of the path: [`TokenFile`](crate::TokenFile) adds the one that it
/// knows.
const CHECK_FILE: &str = "check that the path is that of a file which contains one token";
const MISSING_FILE: &str = "check the path, and that the token is there (in a pod, that of the service account is mounted)";

impl WebIdentityToken {
    /// Parses a token. White space around it is removed.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::TokenUnavailable`] if the text is empty, contains characters other than
    /// printable ASCII, or has a length that STS does not accept. The error does not show the text.
    pub fn parse(text: &str) -> Result<Self, SessionError> {
        Self::checked(text).map_err(|fault| {
            let message = format!("invalid web identity token: {fault}");
            SessionError::new(ErrorKind::TokenUnavailable, message)
        })
    }

    /// Parses a token. The error is the fault alone, without a subject.
    pub(crate) fn checked(text: &str) -> Result<Self, String> {
        let token = text.trim();
        if token.is_empty() {
            return Err("it is empty".into());
        }
        if let Some(at) = token.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(format!("character {at} is not printable ASCII"));
        }
        let allowed = limits::WEB_IDENTITY_TOKEN_LENGTH;
        if !allowed.contains(&token.len()) {
            let (min, max) = (allowed.start(), allowed.end());
            return Err(format!("it has {} characters, STS accepts {min} to {max}", token.len()));
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    /// Reads a token file.
    ///
    /// The kubelet replaces a token by a rename: the file is a link into `..data`, which is a link
    /// to a directory with the current token, and the directory as a whole is replaced. A reader
    /// that has opened the file reads the whole old token, never a mix of both.
    pub(crate) async fn read(path: &Path, environment: &Environment) -> Result<Self, SessionError> {
        let unavailable = |fault: String| {
            let message =
                format!("cannot read the web identity token file {}: {fault}", path.display());
            SessionError::new(ErrorKind::TokenUnavailable, message)
        };
        let mut contents = environment.read_file(path, MAX_FILE_SIZE).await;
        // The kubelet removes the old directory right after it replaced the link. A reader that
        // resolved the link before, and opens the file after, finds nothing. Without another
        // attempt, that race would fail a fetch although a valid token exists. The second retry is
        // for a reader that loses the race to the next swap as well.
        for _ in 0..MISSING_RETRIES {
            match &contents {
                Err(error) if error.fault == FileFault::Missing => {
                    contents = environment.read_file(path, MAX_FILE_SIZE).await;
                }
                _ => break,
            }
        }
        let contents = match contents {
            Ok(contents) => Zeroizing::new(contents),
            Err(error) => {
                let hint = match error.fault {
                    FileFault::Missing => MISSING_FILE,
                    FileFault::PermissionDenied => {
                        "check the owner of the file and the user of this process (in a pod, set securityContext.fsGroup)"
                    }
                    _ => CHECK_FILE,
                };
                return Err(unavailable(error.fault.to_string()).with_hint(hint));
            }
        };
        let text = std::str::from_utf8(&contents).map_err(|_| unavailable("it is not text".into()));
        text.and_then(|text| Self::checked(text).map_err(unavailable))
            .map_err(|error| error.with_hint(CHECK_FILE))
    }

    /// Returns the text of the token, which is a secret, for the request.
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

    async fn read(contents: impl Into<Vec<u8>>) -> Result<WebIdentityToken, SessionError> {
        let env = Environment::fixed([("A", "b")]).with_file("/token", contents);
        WebIdentityToken::read(Path::new("/token"), &env).await
    }

    #[tokio::test]
    async fn file_without_token_names_the_fault() {
        let long = "x".repeat(20_001);
        for (contents, fault) in [
            (b"".to_vec(), "it is empty"),
            (b" \n\n".to_vec(), "it is empty"),
            (vec![0x7f, b'E', b'L', b'F', 0xff], "it is not text"),
            (b"abc\0def-hidden".to_vec(), "character 3 is not printable ASCII"),
            (b"two words-hidden".to_vec(), "character 3 is not printable ASCII"),
            (b"abc".to_vec(), "it has 3 characters"),
            (long.into_bytes(), "it has 20001 characters"),
            (vec![b'x'; 1_000_000], "65536 bytes"),
        ] {
            let error = read(contents).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
            let text = error.to_string();
            assert!(text.contains(fault) && text.contains("/token"), "{text}");
            assert!(text.contains(CHECK_FILE) && !text.contains("hidden"), "{text}");
        }
    }

    #[tokio::test]
    async fn missing_file_and_directory_are_named() {
        let env = Environment::process();
        let missing = WebIdentityToken::read(Path::new("/no/such/token"), &env).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::TokenUnavailable);
        assert_eq!(
            missing.message(),
            format!(
                "cannot read the web identity token file /no/such/token: {}",
                FileFault::Missing
            )
        );
        assert_eq!(missing.hint(), Some(MISSING_FILE));
        let directory = WebIdentityToken::read(Path::new("/"), &env).await.unwrap_err();
        assert!(directory.to_string().contains(&FileFault::Directory.to_string()), "{directory}");
        assert_eq!(directory.hint(), Some(CHECK_FILE));
    }
}
