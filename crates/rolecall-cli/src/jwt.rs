//! JSON Web Tokens, without their signatures.

pub(crate) mod kind;
pub(crate) mod problems;

use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rolecall::web_identity::UnverifiedClaims;
use serde_json::{Map, Value};

use crate::error::Failure;

/// The header and the claims of a token. The signature is not kept, so that nothing can print it.
#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    /// `None` if a claim that STS reads has another type than it must have, or occurs twice.
    pub(crate) unverified: Option<UnverifiedClaims>,
    /// The number of characters.
    pub(crate) length: usize,
    /// What stands around the token: white space.
    pub(crate) surroundings: String,
}

impl Jwt {
    /// Parses the text of a token file.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let token = text.trim();
        let parts: Vec<&str> = token.split('.').collect();
        let (header, claims) = match parts.as_slice() {
            [""] => return Err(not_a_jwt("it is empty", "check what writes the token")),
            [header, claims, _] => (*header, *claims),
            [_, _, _, _, _] => {
                let hint = "STS needs a signed token (JWS); configure the issuer accordingly";
                return Err(not_a_jwt("it has five parts, as an encrypted token (JWE)", hint));
            }
            parts => {
                let fault = format!("it has {} part(s) between dots, not three", parts.len());
                return Err(not_a_jwt(&fault, "pass the token alone, without a prefix or quotes"));
            }
        };
        Ok(Self {
            header: object("header", header)?,
            claims: object("payload", claims)?,
            unverified: UnverifiedClaims::of(token),
            length: token.chars().count(),
            surroundings: text.replacen(token, "", 1),
        })
    }

    /// Returns a claim as text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// Returns a claim as a time. It may have a fraction, which is ignored.
    pub(crate) fn time(&self, claim: &str) -> Option<SystemTime> {
        let unverified = self.unverified.as_ref()?;
        match claim {
            "exp" => unverified.expires_at(),
            "iat" => unverified.issued_at(),
            "nbf" => unverified.not_before(),
            _ => None,
        }
    }
}

/// Decodes a part. The message contains nothing of it: it may be any secret.
fn object(name: &str, part: &str) -> Result<Map<String, Value>, Failure> {
    let hint = "pass an ID token, such as the file that AWS_WEB_IDENTITY_TOKEN_FILE names";
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('='));
    let bytes = bytes.map_err(|_| not_a_jwt(&format!("its {name} is not base64url"), hint))?;
    serde_json::from_slice(&bytes)
        .map_err(|_| not_a_jwt(&format!("its {name} is not a JSON object"), hint))
}

fn not_a_jwt(fault: &str, hint: &str) -> Failure {
    Failure::operation(format!("the text is not a JSON Web Token: {fault}")).with_hint(hint)
}

/// Returns `true` if an argument that should name a file is a token itself.
pub(crate) fn is_token(argument: &Path) -> bool {
    let Some(text) = argument.to_str() else { return false };
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b))
    };
    // `{"` in base64.
    text.starts_with("ey") && text.split('.').count() >= 3 && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_argument_is_recognized() {
        for (argument, expected) in [
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", true),
            ("/var/run/secrets/eks.amazonaws.com/serviceaccount/token", false),
            ("eye.test", false),
            ("eye.v1.2.txt", true),
            ("e30.e30.c2ln", false),
        ] {
            assert_eq!(is_token(Path::new(argument)), expected, "{argument}");
        }
    }

    #[test]
    fn other_text_is_refused_without_quoting_it() {
        for (text, fault) in [
            ("", "it is empty"),
            ("\n", "it is empty"),
            ("s3cret", "it has 1 part(s)"),
            ("Bearer a.b", "it has 2 part(s)"),
            ("a.b.c.d.e", "it has five parts"),
            ("s3cret!.e30.x", "its header is not base64url"),
            ("e30.s3cret!.x", "its payload is not base64url"),
            ("e30.W10.x", "its payload is not a JSON object"),
        ] {
            let Err(Failure::Operation { message, .. }) = Jwt::parse(text) else {
                panic!("{text}");
            };
            assert!(message.contains(fault), "{text}: {message}");
            assert!(!message.contains("s3cret"), "{message}");
        }
    }
}
