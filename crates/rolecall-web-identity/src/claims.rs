use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

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
    issued: Option<u64>,
    begins: Option<u64>,
    kubernetes: Option<KubernetesClaims>,
    github: Option<GitHubClaims>,
    source_identity: Option<String>,
    tags: BTreeMap<String, Vec<String>>,
    transitive_tag_keys: Vec<String>,
}

/// What Kubernetes says of the pod that a token was made for: the claim `kubernetes.io`. Not verified.
///
/// ```
/// use rolecall_web_identity::UnverifiedClaims;
/// // {"kubernetes.io":{"namespace":"shop"}}
/// let claims = UnverifiedClaims::of("e30.eyJrdWJlcm5ldGVzLmlvIjp7Im5hbWVzcGFjZSI6InNob3AifX0.c2ln").unwrap();
/// assert_eq!(claims.kubernetes().unwrap().namespace, "shop");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KubernetesClaims {
    /// The namespace.
    pub namespace: String,
    /// The service account's name.
    pub service_account: Option<String>,
    /// The pod's name.
    pub pod: Option<String>,
    /// The node's name.
    pub node: Option<String>,
}

/// What GitHub Actions says of the job that a token was made for. Not verified.
///
/// ```
/// use rolecall_web_identity::UnverifiedClaims;
/// // {"repository":"shop/api"}
/// let claims = UnverifiedClaims::of("e30.eyJyZXBvc2l0b3J5Ijoic2hvcC9hcGkifQ.c2ln").unwrap();
/// assert_eq!(claims.github().unwrap().repository, "shop/api");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct GitHubClaims {
    /// `owner/name`.
    pub repository: String,
    /// As `refs/heads/main`.
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    /// The reusable workflow that the job is of, with its own ref.
    pub job_workflow_ref: Option<String>,
    /// The deployment environment.
    pub environment: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    iat: Option<f64>,
    nbf: Option<f64>,
    // What is of another form is somebody else's: the token is read all the same.
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Value>,
    #[serde(rename = "https://aws.amazon.com/source_identity")]
    source_identity: Option<Value>,
    #[serde(rename = "https://aws.amazon.com/tags")]
    tags: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TagClaims {
    principal_tags: BTreeMap<String, Vec<String>>,
    transitive_tag_keys: Vec<String>,
}

fn kubernetes(claim: &Value) -> Option<KubernetesClaims> {
    let name = |of: &str| claim[of]["name"].as_str().map(str::to_owned);
    Some(KubernetesClaims {
        namespace: claim["namespace"].as_str()?.to_owned(),
        service_account: name("serviceaccount"),
        pod: name("pod"),
        node: name("node"),
    })
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
        let tags = wire.tags.and_then(|tags| serde_json::from_value(tags).ok());
        let tags: TagClaims = tags.unwrap_or_default();
        // Saturates: no number makes a panic.
        let seconds = |number: Option<f64>| number.map(|seconds| seconds as u64);
        Some(Self {
            kubernetes: wire.kubernetes.as_ref().and_then(kubernetes),
            github: serde_json::from_slice(&json).ok(),
            source_identity: wire.source_identity.and_then(|id| id.as_str().map(str::to_owned)),
            tags: tags.principal_tags,
            transitive_tag_keys: tags.transitive_tag_keys,
            issued: seconds(wire.iat),
            begins: seconds(wire.nbf),
            issuer: wire.iss,
            subject: wire.sub,
            audiences: match wire.aud {
                None => Vec::new(),
                Some(Audience::One(one)) => vec![one],
                Some(Audience::Many(many)) => many,
            },
            expires: seconds(wire.exp),
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
        time(self.expires)
    }

    /// `iat`.
    pub fn issued_at(&self) -> Option<SystemTime> {
        time(self.issued)
    }

    /// `nbf`.
    pub fn not_before(&self) -> Option<SystemTime> {
        time(self.begins)
    }

    /// The pod, of a Kubernetes token.
    pub fn kubernetes(&self) -> Option<&KubernetesClaims> {
        self.kubernetes.as_ref()
    }

    /// The job, of a GitHub Actions token.
    pub fn github(&self) -> Option<&GitHubClaims> {
        self.github.as_ref()
    }

    /// The source identity that the session will have, if STS believes the token.
    pub fn source_identity(&self) -> Option<&str> {
        self.source_identity.as_deref()
    }

    /// The session tags that the session will have, if STS believes the token; it takes one value for each.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.tags.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }

    /// The keys of those tags that go on to sessions assumed from that one.
    pub fn transitive_tag_keys(&self) -> &[String] {
        &self.transitive_tag_keys
    }
}

fn time(seconds: Option<u64>) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds?))
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
    fn claims_of_kubernetes_github_and_aws() {
        let claims = UnverifiedClaims::of(&token(
            r#"{"iat": 1, "nbf": 2, "exp": 3, "kubernetes.io": {"namespace": "shop",
                "serviceaccount": {"name": "checkout", "uid": "1"}, "pod": {"name": "checkout-7f9c"}},
                "https://aws.amazon.com/source_identity": "ann",
                "https://aws.amazon.com/tags": {"principal_tags": {"Tenant": ["4711"]},
                "transitive_tag_keys": ["Tenant"]}}"#,
        ))
        .unwrap();
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(
            (claims.issued_at(), claims.not_before(), claims.expires_at()),
            (at(1), at(2), at(3))
        );
        let pod = claims.kubernetes().unwrap();
        assert_eq!(
            (pod.namespace.as_str(), pod.service_account.as_deref()),
            ("shop", Some("checkout"))
        );
        assert_eq!((pod.pod.as_deref(), pod.node.as_deref()), (Some("checkout-7f9c"), None));
        assert_eq!((claims.source_identity(), claims.github()), (Some("ann"), None));
        assert_eq!(claims.tags().collect::<Vec<_>>(), [("Tenant", &["4711".to_owned()][..])]);
        assert_eq!(claims.transitive_tag_keys(), ["Tenant"]);

        let job = r#"{"repository": "shop/api", "ref": "refs/heads/main", "job_workflow_ref": "shop/ci/x.yml@v1"}"#;
        let job = UnverifiedClaims::of(&token(job)).unwrap();
        let job = job.github().unwrap();
        assert_eq!(
            (job.repository.as_str(), job.git_ref.as_deref()),
            ("shop/api", Some("refs/heads/main"))
        );
        assert_eq!(job.job_workflow_ref.as_deref(), Some("shop/ci/x.yml@v1"));

        let foreign = r#"{"sub": "s", "kubernetes.io": 1, "https://aws.amazon.com/tags": [], "repository": 2}"#;
        let foreign = UnverifiedClaims::of(&token(foreign)).unwrap();
        assert_eq!(
            (foreign.subject(), foreign.kubernetes(), foreign.github()),
            (Some("s"), None, None)
        );
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

        #[test]
        fn any_claims_are_shown_on_one_line_of_bounded_length(
            texts in proptest::collection::vec(any::<String>(), 6),
            long in 0_usize..5000,
            depth in 0_usize..5000,
        ) {
            let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let claims = serde_json::json!({
                "iss": texts[0], "sub": "s".repeat(long), "aud": [texts[1], texts[2]], "exp": texts.len(),
                "kubernetes.io": { "namespace": texts[3], "pod": { "name": texts[4] } },
                "repository": texts[5],
            });
            let whole = claims.to_string();
            let with_deep = format!("{},\"x\":{deep}}}", &whole[..whole.len() - 1]);
            for payload in [whole, with_deep] {
                if let Some(claims) = UnverifiedClaims::of(&token(&payload)) {
                    let shown = claims.to_string();
                    prop_assert!(!shown.contains(char::is_control) && shown.chars().count() < 5000, "{shown}");
                }
            }
        }
    }
}
