//! An OIDC issuer on the loopback address: a discovery document, public keys, and signed tokens, as
//! of a Kubernetes cluster.

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

/// An RSA key of 2,048 bits that signs tokens.
///
/// An [`OidcIssuer`] has a key of its own. Generate another one to sign tokens that the issuer's
/// public keys do not verify; see [`TokenBuilder::signed_by`].
///
/// # Examples
///
/// ```
/// let key = rolecall_testkit::SigningKey::generate()?;
/// assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.id()));
/// # Ok::<(), rolecall_testkit::SetupError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<(String, KeyPair)>);

impl SigningKey {
    /// Generates a new key, under a random key id.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError::Key`] if the key could not be generated.
    pub fn generate() -> Result<Self, SetupError> {
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| SetupError::Key("failed to generate an RSA key".into()))?;
        let id = crate::wire::random(b"0123456789abcdef", 16);
        Ok(Self(Arc::new((id, pair))))
    }

    /// Returns the key id (`kid`).
    pub fn id(&self) -> &str {
        &self.0.0
    }

    /// Returns the key of an issuer that was dropped, or a new one.
    ///
    /// Generating a key takes a tenth of a second, and most tests start an issuer. Two issuers that
    /// exist at the same time never share a key: a token of one must not verify at the other.
    fn take_spare_or_generate() -> Result<Self, SetupError> {
        let spare = lock_spare_keys().pop();
        spare.map_or_else(Self::generate, Ok)
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
            .map_err(|_| SetupError::Key("failed to sign the token".into()))?;
        Ok(signature)
    }
}

/// The keys of issuers that were dropped.
static SPARE_KEYS: Mutex<Vec<SigningKey>> = Mutex::new(Vec::new());
/// Keys beyond this number are dropped with their issuers.
const MAX_SPARE_KEYS: usize = 16;

fn lock_spare_keys() -> std::sync::MutexGuard<'static, Vec<SigningKey>> {
    SPARE_KEYS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

/// An OIDC issuer on the loopback address, which serves until it is dropped.
///
/// It publishes a discovery document and its public key over HTTP, as a Kubernetes cluster does,
/// and signs tokens. Register it with [`Account::oidc_provider`](crate::Account::oidc_provider).
/// Two issuers that exist at the same time have different keys.
///
/// # Examples
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
    /// Starts an issuer on a free port, with the system clock.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError::Listen`] if no port could be opened on the loopback address, and
    /// [`SetupError::Key`] if the key could not be generated.
    pub async fn start() -> Result<Self, SetupError> {
        Self::start_with_clock(Clock::system()).await
    }

    /// Starts an issuer that dates its tokens by `clock`.
    ///
    /// Use the clock of the [`LocalAws`](crate::LocalAws) that verifies the tokens, such as that of
    /// a `ManualClock` of rolecall-core.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError::Listen`] if no port could be opened on the loopback address, and
    /// [`SetupError::Key`] if the key could not be generated.
    pub async fn start_with_clock(clock: Clock) -> Result<Self, SetupError> {
        let key = SigningKey::take_spare_or_generate()?;
        let published = Arc::new(Mutex::new(vec![key.jwk()]));
        let (listener, address) = Listening::bind(0).await?;
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

    /// Returns the issuer's URL, which is the `iss` claim of its tokens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the URL without its scheme, as in the condition keys `<issuer>:sub` and
    /// `<issuer>:aud` of a trust policy.
    pub fn host_and_path(&self) -> &str {
        host_and_path(&self.url)
    }

    /// Returns the ARN of the identity provider for this issuer in an account.
    pub fn provider_arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:oidc-provider/{}", self.host_and_path())
    }

    /// Returns a builder of a token as the kubelet writes it, for this service account.
    ///
    /// The audience defaults to `sts.amazonaws.com`, and the lifetime to one hour.
    pub fn service_account_token(&self, namespace: &str, name: &str) -> TokenBuilder<'_> {
        let mut claims = Map::new();
        claims.insert("iss".into(), json!(self.url));
        claims.insert("sub".into(), json!(format!("system:serviceaccount:{namespace}:{name}")));
        claims.insert("aud".into(), json!(["sts.amazonaws.com"]));
        claims.insert(
            "kubernetes.io".into(),
            json!({ "namespace": namespace, "serviceaccount": { "name": name } }),
        );
        let lifetime = Duration::from_secs(3600);
        TokenBuilder { issuer: self, key: &self.key, claims, lifetime, backdated: Duration::ZERO }
    }

    /// Stops publishing the issuer's public key, as after a failed rotation.
    ///
    /// STS then answers `InvalidIdentityToken` to its tokens, and says that it could not retrieve a
    /// verification key.
    pub fn withdraw_keys(&self) {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for OidcIssuer {
    fn drop(&mut self) {
        let mut spare = lock_spare_keys();
        if spare.len() < MAX_SPARE_KEYS {
            spare.push(self.key.clone());
        }
    }
}

fn json_answer(value: &Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], value.to_string())
}

/// Builds and signs a token of an [`OidcIssuer`].
///
/// A token is valid unless a method makes it invalid. Returned by
/// [`OidcIssuer::service_account_token`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// use rolecall_testkit::{OidcIssuer, SigningKey};
/// use std::time::Duration;
///
/// let cluster = OidcIssuer::start().await?;
/// let token = || cluster.service_account_token("shop", "checkout");
/// let wrong_audience = token().audience("vault").sign()?;
/// let expired = token().expired_for(Duration::from_secs(60)).sign()?;
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
    lifetime: Duration,
    backdated: Duration,
}

impl<'a> TokenBuilder<'a> {
    /// Sets the audience (`aud`). Defaults to `sts.amazonaws.com`.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", json!([audience]))
    }

    /// Sets the issuer (`iss`). Defaults to [`OidcIssuer::url`].
    pub fn issuer(self, url: &str) -> Self {
        self.claim("iss", json!(url))
    }

    /// Sets a claim by its name, replacing its value.
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.into(), value);
        self
    }

    /// Sets the lifetime of the token. Defaults to one hour.
    pub fn expires_in(mut self, duration: Duration) -> Self {
        self.lifetime = duration;
        self
    }

    /// Backdates the token, so that its lifetime ended `duration` ago.
    ///
    /// Call it after [`expires_in`](Self::expires_in).
    pub fn expired_for(mut self, duration: Duration) -> Self {
        self.backdated = self.lifetime + duration;
        self
    }

    /// Signs the token with another key, under the key id of the issuer's own.
    pub fn signed_by(mut self, key: &'a SigningKey) -> Self {
        self.key = key;
        self
    }

    /// Signs the token with RS256 and returns it as a JWT.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError::Key`] if the key cannot sign.
    pub fn sign(mut self) -> Result<String, SetupError> {
        let issued = self.issuer.clock.wall() - self.backdated;
        let seconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
        };
        for (name, time) in [("iat", issued), ("nbf", issued), ("exp", issued + self.lifetime)] {
            self.claims.entry(name).or_insert_with(|| json!(seconds(time)));
        }
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.issuer.key.id() });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&Value::Object(self.claims)));
        let signature = self.key.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn issuers_alive_together_have_different_keys() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let (one, two) =
                (OidcIssuer::start().await.unwrap(), OidcIssuer::start().await.unwrap());
            assert_ne!(one.key.id(), two.key.id());
            seen.extend([one.key.id().to_owned(), two.key.id().to_owned()]);
        }
        assert_eq!(seen.len(), 2, "the keys of dropped issuers are used again");
    }
}
