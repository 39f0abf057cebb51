use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// What a token says of itself. Nothing was verified: for people and for error messages, never for a decision.
///
/// ```
/// use rolecall_web_identity::UnverifiedClaims;
///
/// // {"iss":"https://shop.example","sub":"system:serviceaccount:shop:checkout","aud":["sts.amazonaws.com"]}
/// let payload = "eyJpc3MiOiJodHRwczovL3Nob3AuZXhhbXBsZSIsInN1YiI6InN5c3RlbTpzZXJ2aWNlYWNjb3VudDpzaG9wOmNoZWNrb3V0IiwiYXVkIjpbInN0cy5hbWF6b25hd3MuY29tIl19";
/// let claims = UnverifiedClaims::of(&format!("e30.{payload}.c2ln")).unwrap();
/// assert_eq!(claims.subject(), Some("system:serviceaccount:shop:checkout"));
/// assert_eq!(
///     claims.to_string(),
///     "iss https://shop.example, sub system:serviceaccount:shop:checkout, aud sts.amazonaws.com",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedClaims {
    issuer: Option<String>,
    subject: Option<String>,
    audiences: Vec<String>,
    expires: Option<u64>,
}

#[derive(Deserialize)]
struct Wire {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl UnverifiedClaims {
    /// Reads a JWT's payload; `None` if there is none to read.
    pub fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let payload = parts.nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let wire: Wire = serde_json::from_slice(&json).ok()?;
        Some(Self {
            issuer: wire.iss,
            subject: wire.sub,
            audiences: match wire.aud {
                None => Vec::new(),
                Some(Audience::One(one)) => vec![one],
                Some(Audience::Many(many)) => many,
            },
            // Saturates: no number makes a panic.
            expires: wire.exp.map(|seconds| seconds as u64),
        })
    }

    /// `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// `aud`: one or many.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `exp`.
    pub fn expires_at(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.expires?))
    }
}

impl fmt::Display for UnverifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |claim: &Option<String>| claim.as_deref().map_or("(none)".into(), shown);
        write!(f, "iss {}, sub {}, aud ", or_none(&self.issuer), or_none(&self.subject))?;
        match self.audiences.as_slice() {
            [] => f.write_str("(none)")?,
            many => f.write_str(&shown(&many.join(" ")))?,
        }
        let Some(expires) = self.expires else { return Ok(()) };
        let date = i64::try_from(expires).ok().map(DateTime::from_secs);
        match date.and_then(|date| date.fmt(Format::DateTime).ok()) {
            Some(date) => write!(f, ", ends {date}"),
            None => write!(f, ", ends {expires} s after 1970"),
        }
    }
}

/// A claim is whatever the token's author wrote: on one line, and of bounded length.
fn shown(claim: &str) -> String {
    const LONGEST: usize = 200;
    let clean = claim.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = clean.take(LONGEST).collect();
    if claim.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.the-signature", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn claims_of_every_form() {
        let claims =
            UnverifiedClaims::of(&token(r#"{"iss":"i","aud":"a","exp":1700000000}"#)).unwrap();
        assert_eq!(claims.to_string(), "iss i, sub (none), aud a, ends 2023-11-14T22:13:20Z");
        let many = UnverifiedClaims::of(&token(r#"{"sub":"s","aud":["a","b"]}"#)).unwrap();
        assert_eq!(many.to_string(), "iss (none), sub s, aud a b");
        let long = format!(r#"{{"sub":"a\n\u001b[31m{}"}}"#, "x".repeat(5000));
        let long = UnverifiedClaims::of(&token(&long)).unwrap().to_string();
        assert!(long.starts_with("iss (none), sub a  [31mxxx") && long.len() < 300, "{long}");
        let never = UnverifiedClaims::of(&token(r#"{"exp":1e300}"#)).unwrap();
        assert!(never.to_string().contains("after 1970"), "{never}");
        assert_eq!(never.expires_at(), None);
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        for text in ["", "abc", "a.b.c", "a.!!.c", &token("[]"), &token("{\"iss\":1}")] {
            assert_eq!(UnverifiedClaims::of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_none_shows_the_signature(
            payload in any::<String>(), exp in any::<f64>(), text in any::<String>(),
        ) {
            let _ = UnverifiedClaims::of(&text);
            let _ = UnverifiedClaims::of(&token(&payload));
            if let Some(claims) = UnverifiedClaims::of(&token(&format!("{{\"exp\":{exp}}}"))) {
                let shown = format!("{claims} {claims:?}");
                prop_assert!(!shown.contains("the-signature"));
            }
        }
    }
}
