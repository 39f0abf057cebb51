//! An OIDC issuer, as a Kubernetes cluster is one: a discovery document, public keys, and signed tokens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rolecall_core::Clock;
use serde_json::{Map, Value, json};

use crate::server::{Listening, SetupError};
use crate::world::host_and_path;

/// A key that signs tokens: RSA, 2,048 bits.
///
/// ```
/// let key = rolecall_testkit::SigningKey::generate()?;
/// assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.id()));
/// # Ok::<(), rolecall_testkit::SetupError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<(String, KeyPair)>);

impl SigningKey {
    /// A new key.
    pub fn generate() -> Result<Self, SetupError> {
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| SetupError::Key("no RSA key could be generated".into()))?;
        let id = crate::wire::random(b"0123456789abcdef", 16);
        Ok(Self(Arc::new((id, pair))))
    }

    /// The key's id (`kid`).
    pub fn id(&self) -> &str {
        &self.0.0
    }

    fn jwk(&self) -> Value {
        let key = self.0.1.public_key();
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id(),
            "n": URL_SAFE_NO_PAD.encode(key.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(key.exponent().big_endian_without_leading_zero()),
        })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SetupError> {
        let mut signature = vec![0; self.0.1.public_modulus_len()];
        self.0
            .1
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| SetupError::Key("the token could not be signed".into()))?;
        Ok(signature)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

/// An OIDC issuer on this machine's loopback. It ends when it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// use rolecall_testkit::OidcIssuer;
/// let cluster = OidcIssuer::start().await?;
/// let token = cluster.service_account_token("shop", "checkout").sign()?;
/// assert_eq!(token.split('.').count(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OidcIssuer {
    url: String,
    clock: Clock,
    key: SigningKey,
    published: Arc<Mutex<Vec<Value>>>,
    _listening: Listening,
}

impl OidcIssuer {
    /// An issuer on the machine's clock.
    pub async fn start() -> Result<Self, SetupError> {
        Self::start_on(Clock::system()).await
    }

    /// An issuer whose tokens are dated by this clock.
    pub async fn start_on(clock: Clock) -> Result<Self, SetupError> {
        let key = SigningKey::generate()?;
        let published = Arc::new(Mutex::new(vec![key.jwk()]));
        let (listener, address) = Listening::bind().await?;
        let url = format!("http://{address}");
        let discovery = json!({
            "issuer": url,
            "jwks_uri": format!("{url}/keys"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let keys = Arc::clone(&published);
        let routes = axum::Router::new()
            .route("/.well-known/openid-configuration", get(async move || json_answer(&discovery)))
            .route(
                "/keys",
                get(async move || {
                    let keys = keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    json_answer(&json!({ "keys": keys }))
                }),
            );
        let listening = Listening::serve(listener, routes);
        Ok(Self { url, clock, key, published, _listening: listening })
    }

    /// The issuer's URL: the `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL without its scheme, as it stands before `:sub` and `:aud` in a trust policy's conditions.
    pub fn host_and_path(&self) -> &str {
        host_and_path(&self.url)
    }

    /// The ARN of the identity provider for this issuer in an account.
    pub fn provider_arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:oidc-provider/{}", self.host_and_path())
    }

    /// A token as the kubelet writes it: this service account, audience `sts.amazonaws.com`, good for an hour.
    pub fn service_account_token(&self, namespace: &str, name: &str) -> TokenBuilder<'_> {
        let mut claims = Map::new();
        claims.insert("iss".into(), json!(self.url));
        claims.insert("sub".into(), json!(format!("system:serviceaccount:{namespace}:{name}")));
        claims.insert("aud".into(), json!(["sts.amazonaws.com"]));
        claims.insert(
            "kubernetes.io".into(),
            json!({ "namespace": namespace, "serviceaccount": { "name": name } }),
        );
        let good_for = Duration::from_secs(3600);
        TokenBuilder { issuer: self, key: &self.key, claims, good_for, backdated: Duration::ZERO }
    }

    /// Stops publishing the key that tokens were signed with so far, as after a botched rotation.
    pub fn withdraw_keys(&self) {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn json_answer(value: &Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], value.to_string())
}

/// A token to be signed: right in everything, until told otherwise.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// use rolecall_testkit::{OidcIssuer, SigningKey};
/// use std::time::Duration;
///
/// let cluster = OidcIssuer::start().await?;
/// let token = || cluster.service_account_token("shop", "checkout");
/// let for_another_service = token().audience("vault").sign()?;
/// let over_for_a_minute = token().expired_for(Duration::from_secs(60)).sign()?;
/// let forged = token().signed_by(&SigningKey::generate()?).sign()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct TokenBuilder<'a> {
    issuer: &'a OidcIssuer,
    key: &'a SigningKey,
    claims: Map<String, Value>,
    good_for: Duration,
    backdated: Duration,
}

impl<'a> TokenBuilder<'a> {
    /// For another audience.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", json!([audience]))
    }

    /// With another issuer's URL in it.
    pub fn issuer(self, url: &str) -> Self {
        self.claim("iss", json!(url))
    }

    /// With any claim at all.
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.into(), value);
        self
    }

    /// Good for this long from now.
    pub fn good_for(mut self, duration: Duration) -> Self {
        self.good_for = duration;
        self
    }

    /// Issued an hour and `duration` ago, and over for `duration`.
    pub fn expired_for(mut self, duration: Duration) -> Self {
        self.backdated = self.good_for + duration;
        self
    }

    /// Signed by a key that is not the issuer's, under the issuer's key id.
    pub fn signed_by(mut self, key: &'a SigningKey) -> Self {
        self.key = key;
        self
    }

    /// The token: a JWT, signed with RS256.
    pub fn sign(mut self) -> Result<String, SetupError> {
        let issued = self.issuer.clock.wall() - self.backdated;
        let seconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
        };
        for (name, time) in [("iat", issued), ("nbf", issued), ("exp", issued + self.good_for)] {
            self.claims.entry(name).or_insert_with(|| json!(seconds(time)));
        }
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.issuer.key.id() });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&Value::Object(self.claims)));
        let signature = self.key.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
