//! Whose token it is: OIDC, verified by the issuer's keys over HTTP.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::wire::{Fault, timestamp};
use crate::world::Provider;

/// The claims that STS looks at.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Claims {
    #[serde(rename = "iss")]
    pub(crate) issuer: String,
    #[serde(rename = "sub")]
    pub(crate) subject: String,
    #[serde(rename = "aud")]
    audience: Audience,
    azp: Option<String>,
    exp: u64,
    nbf: Option<u64>,
    #[serde(rename = "https://aws.amazon.com/tags", default)]
    tags: Tags,
    #[serde(rename = "https://aws.amazon.com/source_identity")]
    source_identity: Option<String>,
}

/// Session tags, as a token has them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tags {
    #[serde(default)]
    principal_tags: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    transitive_tag_keys: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    /// Tags, and the keys of those that are transitive.
    pub(crate) fn tags(&self) -> (&BTreeMap<String, Vec<String>>, &[String]) {
        (&self.tags.principal_tags, &self.tags.transitive_tag_keys)
    }

    pub(crate) fn source_identity(&self) -> Option<&str> {
        self.source_identity.as_deref()
    }

    pub(crate) fn audiences(&self) -> &[String] {
        match &self.audience {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Many(many) => many,
        }
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(400, "InvalidIdentityToken", message)
}

/// What the token says, before anything of it is believed: which issuer to ask.
pub(crate) fn unverified(token: &str) -> Result<Claims, Fault> {
    let message = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|json| serde_json::from_slice(&json).ok()).ok_or_else(|| invalid(message))
}

pub(crate) fn no_provider(issuer: &str) -> Fault {
    invalid(format!("No OpenIDConnect provider found in your account for {issuer}"))
}

/// Every check but the trust policy's: signature, audience, time.
pub(crate) async fn verify(
    token: &str,
    claims: &Claims,
    provider: &Provider,
    now: SystemTime,
) -> Result<(), Fault> {
    verify_signature(token, &claims.issuer).await?;
    if claims.azp.is_some() {
        // Where there is one, AWS takes it for the audience.
        return Err(invalid("The local STS does not know the claim azp"));
    }
    if !claims.audiences().iter().any(|audience| provider.client_ids.contains(audience)) {
        return Err(invalid("Incorrect token audience"));
    }
    let at = |seconds: u64| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    let (Some(expires), Some(begins)) = (at(claims.exp), at(claims.nbf.unwrap_or(0))) else {
        return Err(invalid("The token's times cannot be read"));
    };
    if expires <= now {
        let message = format!(
            "Token expired: current date/time {} must be before the expiration date/time {}",
            timestamp(now),
            timestamp(expires)
        );
        return Err(Fault::new(400, "ExpiredTokenException", message));
    }
    if now < begins {
        return Err(invalid(format!("The token is not good before {}", timestamp(begins))));
    }
    Ok(())
}

async fn verify_signature(token: &str, issuer: &str) -> Result<(), Fault> {
    let no_key = |reason: String| {
        // With two spaces, as AWS writes it.
        invalid(
            "Couldn't retrieve verification key from your identity provider,  please reference \
             AssumeRoleWithWebIdentity documentation for requirements",
        )
        .because(reason)
    };
    let header = jsonwebtoken::decode_header(token).map_err(|error| {
        invalid("The ID Token's header cannot be read").because(error.to_string())
    })?;
    let keys = keys_of(issuer).await.map_err(&no_key)?;
    let key = keys.into_iter().find(|key| Some(&key.kid) == header.kid.as_ref());
    let key = key.ok_or_else(|| no_key("the issuer has no key of that id".into()))?;
    let key = DecodingKey::from_rsa_components(&key.n, &key.e)
        .map_err(|error| no_key(error.to_string()))?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Times are by our own clock, and the rest by the provider: the signature alone is looked at
    // here.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).map(|_| ()).map_err(
        |error| invalid("The ID Token's signature is not valid").because(error.to_string()),
    )
}

#[derive(Deserialize)]
struct Discovery {
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Deserialize)]
struct PublicKey {
    kid: String,
    n: String,
    e: String,
}

/// How long an issuer may take for each answer, and how long that may be.
const ISSUER_LIMIT: Duration = Duration::from_secs(2);
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

async fn keys_of(issuer: &str) -> Result<Vec<PublicKey>, String> {
    let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let discovery: Discovery = fetch(&discovery).await?;
    let keys: KeySet = fetch(&discovery.jwks_uri).await?;
    Ok(keys.keys)
}

async fn fetch<T: serde::de::DeserializeOwned>(url: &str) -> Result<T, String> {
    let get = async {
        let uri: hyper::Uri = url.parse().map_err(|_| format!("{url} is not a URL"))?;
        // A test must not reach the network, whatever issuer a token names.
        let host = uri.host().unwrap_or_default();
        if uri.scheme_str() != Some("http") || !matches!(host, "127.0.0.1" | "localhost" | "[::1]")
        {
            return Err(format!("{url} is not on this machine"));
        }
        let client: Client<HttpConnector, Empty<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let response = client.get(uri).await.map_err(|error| format!("{url}: {error}"))?;
        let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await;
        let body = body.map_err(|error| format!("{url}: {error}"))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))
    };
    match tokio::time::timeout(ISSUER_LIMIT, get).await {
        Ok(result) => result,
        Err(_) => Err(format!("{url} took longer than {ISSUER_LIMIT:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn issuer_off_loopback_is_not_contacted() {
        for url in
            ["http://192.0.2.1/keys", "https://127.0.0.1/keys", "http://localhost.example/keys"]
        {
            let error = fetch::<serde_json::Value>(url).await.unwrap_err();
            assert!(error.contains("is not on this machine"), "{error}");
        }
    }
}
