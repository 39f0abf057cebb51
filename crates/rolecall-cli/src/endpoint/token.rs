//! The authorization token of the endpoint.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::error::Failure;

/// Length of the token before it is written as hexadecimal digits.
const BYTES: usize = 32;

/// A random token of 256 bits. A client sends it as the value of `Authorization`, as the AWS SDKs
/// do with the content of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.
pub(crate) struct AuthToken(String);

impl AuthToken {
    pub(crate) fn random() -> Result<Self, Failure> {
        let mut bytes = [0; BYTES];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| Failure::operation("the system has no random numbers"))?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Returns `true` if a file with these contents is one with a token.
    pub(crate) fn is_token(contents: &[u8]) -> bool {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        contents.len() == 2 * BYTES && contents.iter().all(is_digit)
    }

    /// Returns `true` if a client sent this token.
    ///
    /// The comparison takes the same time for every value of the right length, so that its duration
    /// tells nothing about the token. The length is no secret.
    pub(crate) fn matches(&self, sent: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), sent).is_ok()
    }

    /// Returns the token, for the file that only the client's user can read.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        let token = AuthToken::random().unwrap();
        let text = token.expose().to_owned();
        assert_eq!(text.len(), 64);
        assert!(AuthToken::is_token(text.as_bytes()));
        assert!(!AuthToken::is_token(&text.as_bytes()[1..]));
        assert!(!AuthToken::is_token(text.to_uppercase().replace('0', "G").as_bytes()));
        assert!(token.matches(text.as_bytes()));
        let flipped = |index: usize| {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 1;
            bytes
        };
        let wrong = [
            Vec::new(),
            text[..63].into(),
            format!("{text}0").into(),
            format!(" {text}").into(),
            text.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A").into(),
            text.repeat(1000).into(),
            flipped(0),
            flipped(63),
        ];
        for sent in wrong {
            assert!(!token.matches(&sent), "{}", String::from_utf8_lossy(&sent));
        }
    }

    #[test]
    fn every_token_is_another_and_debug_hides_it() {
        let (a, b) = (AuthToken::random().unwrap(), AuthToken::random().unwrap());
        assert_ne!(a.expose(), b.expose());
        assert_eq!(format!("{a:?}"), "AuthToken(..)");
    }
}
