use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

/// The claims of a token whose signature was not verified.
///
/// Use them in messages only, never to decide on access: any program can create a token with any
/// claims.
///
/// # Examples
///
/// ```
/// use rolecall_web_identity::UnverifiedClaims;
///
/// // {"iss":"https://shop.example","sub":"checkout"}
/// let payload = "eyJpc3MiOiJodHRwczovL3Nob3AuZXhhbXBsZSIsInN1YiI6ImNoZWNrb3V0In0";
/// let claims = UnverifiedClaims::of(&format!("e30.{payload}.c2ln")).unwrap();
/// assert_eq!(claims.subject(), Some("checkout"));
/// assert_eq!(claims.to_string(), "iss https://shop.example, sub checkout, aud (none)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedClaims {
    issuer: Option<String>,
    subject: Option<String>,
    audiences: Vec<String>,
    expires_at: Option<u64>,
    issued_at: Option<u64>,
    not_before: Option<u64>,
    kubernetes: Option<KubernetesClaims>,
    github: Option<GitHubClaims>,
    source_identity: Option<String>,
    tags: TagClaims,
}

/// The unverified claim `kubernetes.io` of a token, which describes the pod that it was issued for.
///
/// # Examples
///
/// ```
/// use rolecall_web_identity::UnverifiedClaims;
/// // {"kubernetes.io":{"namespace":"shop"}}
/// let token = "e30.eyJrdWJlcm5ldGVzLmlvIjp7Im5hbWVzcGFjZSI6InNob3AifX0.c2ln";
/// let claims = UnverifiedClaims::of(token).unwrap();
/// assert_eq!(claims.kubernetes().unwrap().namespace, "shop");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KubernetesClaims {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the service account.
    pub service_account: Option<String>,
    /// Name of the pod.
    pub pod: Option<String>,
    /// Name of the node.
    pub node: Option<String>,
}

/// The unverified claims of a GitHub Actions token, which describe the job that it was issued for.
///
/// # Examples
///
/// ```
/// use rolecall_web_identity::UnverifiedClaims;
/// // {"repository":"shop/api"}
/// let claims = UnverifiedClaims::of("e30.eyJyZXBvc2l0b3J5Ijoic2hvcC9hcGkifQ.c2ln").unwrap();
/// assert_eq!(claims.github().unwrap().repository, "shop/api");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GitHubClaims {
    /// Repository, as `owner/name`.
    pub repository: String,
    /// Git ref, such as `refs/heads/main`.
    pub git_ref: Option<String>,
    /// Reusable workflow of the job, with its own ref.
    pub job_workflow_ref: Option<String>,
    /// Deployment environment.
    pub environment: Option<String>,
}

/// The payload of a JWT. A claim that occurs twice makes it unreadable: which of the two its issuer
/// meant is not known.
#[derive(Deserialize)]
struct Payload {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    iat: Option<f64>,
    nbf: Option<f64>,
    // Other issuers may use these names for claims of another form. As typed fields, they would
    // make the whole payload unreadable, and `iss` and `sub` with it.
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Value>,
    #[serde(rename = "https://aws.amazon.com/source_identity")]
    source_identity: Option<Value>,
    #[serde(rename = "https://aws.amazon.com/tags")]
    tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The claims of a GitHub token, without those of [`Payload`].
#[derive(Deserialize)]
struct GitHubPayload {
    repository: String,
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    job_workflow_ref: Option<String>,
    environment: Option<String>,
}

/// The session tags that a token sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct TagClaims {
    principal_tags: BTreeMap<String, Vec<String>>,
    transitive_tag_keys: Vec<String>,
}

fn read_kubernetes(claim: &Value) -> Option<KubernetesClaims> {
    let name = |object: &str| claim[object]["name"].as_str().map(str::to_owned);
    Some(KubernetesClaims {
        namespace: claim["namespace"].as_str()?.to_owned(),
        service_account: name("serviceaccount"),
        pod: name("pod"),
        node: name("node"),
    })
}

fn read_github(payload: &[u8]) -> Option<GitHubClaims> {
    let GitHubPayload { repository, git_ref, job_workflow_ref, environment } =
        serde_json::from_slice(payload).ok()?;
    Some(GitHubClaims { repository, git_ref, job_workflow_ref, environment })
}

impl UnverifiedClaims {
    /// Parses the claims of a JWT. Returns `None` if the token is not a JWT with a readable
    /// payload.
    pub fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let encoded = parts.nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
        let payload: Payload = serde_json::from_slice(&json).ok()?;
        // `exp` may be any number, also a negative or a huge one. The cast saturates.
        let seconds = |number: Option<f64>| number.map(|seconds| seconds as u64);
        let tags = payload.tags.and_then(|tags| serde_json::from_value(tags).ok());
        Some(Self {
            issuer: payload.iss,
            subject: payload.sub,
            audiences: match payload.aud {
                None => Vec::new(),
                Some(Audience::One(one)) => vec![one],
                Some(Audience::Many(many)) => many,
            },
            expires_at: seconds(payload.exp),
            issued_at: seconds(payload.iat),
            not_before: seconds(payload.nbf),
            kubernetes: payload.kubernetes.as_ref().and_then(read_kubernetes),
            github: read_github(&json),
            source_identity: payload.source_identity.and_then(|id| id.as_str().map(str::to_owned)),
            tags: tags.unwrap_or_default(),
        })
    }

    /// Returns the issuer (`iss`).
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns the subject (`sub`).
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Returns the audiences (`aud`).
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Returns the time at which the token expires (`exp`).
    pub fn expires_at(&self) -> Option<SystemTime> {
        to_time(self.expires_at)
    }

    /// Returns the time at which the token was issued (`iat`).
    pub fn issued_at(&self) -> Option<SystemTime> {
        to_time(self.issued_at)
    }

    /// Returns the time at which the token becomes valid (`nbf`).
    pub fn not_before(&self) -> Option<SystemTime> {
        to_time(self.not_before)
    }

    /// Returns the claims about the pod, if this is a Kubernetes token.
    pub fn kubernetes(&self) -> Option<&KubernetesClaims> {
        self.kubernetes.as_ref()
    }

    /// Returns the claims about the job, if this is a GitHub Actions token.
    pub fn github(&self) -> Option<&GitHubClaims> {
        self.github.as_ref()
    }

    /// Returns the source identity that the token sets for its sessions.
    pub fn source_identity(&self) -> Option<&str> {
        self.source_identity.as_deref()
    }

    /// Returns the session tags that the token sets for its sessions, with their values. STS
    /// accepts one value for each key.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.tags.principal_tags.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }

    /// Returns the keys of the transitive tags, which sessions that are assumed from this session
    /// inherit.
    pub fn transitive_tag_keys(&self) -> &[String] {
        &self.tags.transitive_tag_keys
    }
}

fn to_time(seconds: Option<u64>) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds?))
}

impl fmt::Display for UnverifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let audiences = match self.audiences.as_slice() {
            [] => None,
            many => Some(many.join(" ")),
        };
        write!(
            f,
            "iss {}, sub {}, aud {}",
            display_claim(self.issuer()),
            display_claim(self.subject()),
            display_claim(audiences.as_deref())
        )?;
        let Some(expires_at) = self.expires_at else { return Ok(()) };
        let date = i64::try_from(expires_at).ok().map(DateTime::from_secs);
        match date.and_then(|date| date.fmt(Format::DateTime).ok()) {
            Some(date) => write!(f, ", expires {date}"),
            // Later than the last year that a date can have.
            None => write!(f, ", expires {expires_at} s after 1970"),
        }
    }
}

/// Formats a claim for messages, on one line and with a bounded length.
///
/// A claim contains what its author wrote, which includes line breaks that would forge log lines.
pub(crate) fn display_claim(claim: Option<&str>) -> String {
    const MAX_LENGTH: usize = 200;
    let Some(claim) = claim else { return "(none)".to_owned() };
    let clean = claim.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = clean.take(MAX_LENGTH).collect();
    if claim.chars().nth(MAX_LENGTH).is_some() {
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
    fn display_shows_claims_of_every_form() {
        let claims =
            UnverifiedClaims::of(&token(r#"{"iss":"i","aud":"a","exp":1700000000}"#)).unwrap();
        assert_eq!(claims.to_string(), "iss i, sub (none), aud a, expires 2023-11-14T22:13:20Z");
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
    fn kubernetes_github_and_aws_claims_are_read() {
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

        let other = r#"{"sub": "s", "kubernetes.io": 1, "https://aws.amazon.com/tags": [], "repository": 2}"#;
        let other = UnverifiedClaims::of(&token(other)).unwrap();
        assert_eq!((other.subject(), other.kubernetes(), other.github()), (Some("s"), None, None));
    }

    #[test]
    fn other_text_has_no_claims() {
        for text in ["", "abc", "a.b.c", "a.!!.c"] {
            assert_eq!(UnverifiedClaims::of(text), None, "{text}");
        }
        for payload in [
            "[]",
            "1",
            "{}x",
            "{",
            r#"{"iss":1}"#,
            r#"{"iss":"\ud83d"}"#,
            r#"{"sub":["s"]}"#,
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","sub":null}"#,
            r#"{"aud":1}"#,
            r#"{"aud":["a",1]}"#,
            r#"{"exp":"1"}"#,
            r#"{"exp":1e999}"#,
        ] {
            assert_eq!(UnverifiedClaims::of(&token(payload)), None, "{payload}");
        }
    }

    #[test]
    fn null_and_unreadable_optional_claims_are_absent() {
        let all = r#"{"iss":null,"sub":"s","aud":null,"exp":null,"kubernetes.io":null,"x":1e999,
            "https://aws.amazon.com/tags":{"principal_tags":{"a":["1"]},"transitive_tag_keys":[1]},
            "https://aws.amazon.com/source_identity":[],"repository":"r","ref":"a","ref":"b"}"#;
        let claims = UnverifiedClaims::of(&token(all)).unwrap();
        assert_eq!(claims, UnverifiedClaims::of(&token(r#"{"sub":"s"}"#)).unwrap());
        let tags = r#"{"https://aws.amazon.com/tags":{"principal_tags":{"b":["1","2"],"a":[],"b":["3"]}}}"#;
        let tags = UnverifiedClaims::of(&token(tags)).unwrap();
        let tags: Vec<_> = tags.tags().map(|(key, values)| (key, values.len())).collect();
        assert_eq!(tags, [("a", 0), ("b", 1)]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_or_signature(
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
        fn any_claims_display_on_one_bounded_line(
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
