//! Secrets Manager: create, put, describe and get.

use std::collections::HashMap;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::json::{Call, Service, timestamp};
use crate::server::SetupError;
use crate::wire::{BASE64, Fault, random, request_id};
use crate::world::Account;

pub(crate) static SERVICE: Service = Service {
    name: "secretsmanager",
    target: "secretsmanager",
    operations: &[
        ("CreateSecret", create),
        ("PutSecretValue", put),
        ("DescribeSecret", describe),
        ("GetSecretValue", get),
    ],
};

impl Account {
    /// Adds a secret with this text in a Region. Its ARN ends in `-` and six random characters.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_testkit::Account;
    /// let account = Account::new("111122223333").secret("eu-west-1", "shop/db", "swordfish");
    /// ```
    pub fn secret(
        mut self,
        region: impl Into<String>,
        name: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        self.secrets.push((region.into(), name.into(), text.into()));
        self
    }
}

/// The longest secret, in bytes. (Secrets Manager User Guide, "Quotas".)
const MAX_SECRET_BYTES: usize = 65_536;
/// More secrets than this are not taken.
const MAX_SECRETS: usize = 10_000;

/// Every secret, by account, Region and name.
#[derive(Default)]
pub(crate) struct Store(HashMap<(String, String, String), Secret>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.0.len()).finish()
    }
}

struct Secret {
    arn: String,
    description: Option<String>,
    created: SystemTime,
    changed: SystemTime,
    current: Version,
    previous: Option<Version>,
}

#[derive(Clone, PartialEq)]
struct Version {
    id: String,
    value: Content,
    created: SystemTime,
}

#[derive(Clone, PartialEq)]
enum Content {
    Text(String),
    /// In base64, as it came.
    Binary(String),
}

impl Store {
    pub(crate) fn of(accounts: &[Account], now: SystemTime) -> Result<Self, SetupError> {
        let mut store = Self::default();
        for account in accounts {
            for (region, name, text) in &account.secrets {
                let wrong = |why: &str| {
                    SetupError::Invalid(format!("account {}: secret {name:?}: {why}", account.id))
                };
                let content = Content::Text(text.clone());
                check(name, &content).map_err(|fault| wrong(&fault.message))?;
                let place = (account.id.clone(), region.clone(), name.clone());
                let version = Version { id: request_id(), value: content, created: now };
                if store.0.contains_key(&place) {
                    return Err(wrong("the name is used twice"));
                }
                let secret = Secret::new(&place, None, version, now);
                store.0.insert(place, secret);
            }
        }
        Ok(store)
    }
}

impl Secret {
    fn new(
        (account, region, name): &(String, String, String),
        description: Option<String>,
        current: Version,
        now: SystemTime,
    ) -> Self {
        // Letters and digits alone: the rest of the alphabet is the last two characters.
        let suffix = random(&BASE64[..62], 6);
        let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}");
        Self { arn, description, created: now, changed: now, current, previous: None }
    }
}

/// What a request names: the account and Region of its secret, and its name.
struct Named {
    place: (String, String, String),
    /// What is allowed or denied: the secret's ARN, or that which it would begin with.
    arn: String,
}

/// A secret by its name or ARN; the ARN's six random characters may be left out.
fn named(call: &Call<'_>, store: &Store, id: &str) -> Result<Named, Fault> {
    let (account, region, name) = match id.strip_prefix("arn:") {
        None => (call.account(), call.region, id),
        Some(rest) => match rest.splitn(6, ':').collect::<Vec<_>>().as_slice() {
            // Each Region has its own endpoint, which knows its own secrets alone.
            ["aws", "secretsmanager", region, account, "secret", name]
                if *region == call.region =>
            {
                (*account, *region, *name)
            }
            [_, "secretsmanager", _, _, "secret", _] => return Err(not_found()),
            _ => return Err(invalid("Invalid secret ARN.")),
        },
    };
    let place = (account.to_owned(), region.to_owned(), name.to_owned());
    if let Some(secret) = store.0.get(&place) {
        return Ok(Named { place, arn: secret.arn.clone() });
    }
    if let Some((place, secret)) = store.0.iter().find(|(_, secret)| secret.arn == id) {
        return Ok(Named { place: place.clone(), arn: secret.arn.clone() });
    }
    let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}");
    Ok(Named { place, arn })
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(400, "InvalidParameterException", message)
}

fn not_found() -> Fault {
    let message = "Secrets Manager can't find the specified secret.";
    Fault::new(400, "ResourceNotFoundException", message)
}

/// Secrets Manager API Reference, CreateSecret: the patterns and lengths of `Name` and
/// `SecretString`.
fn check(name: &str, content: &Content) -> Result<(), Fault> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b);
    if name.is_empty() || name.len() > 512 || !name.bytes().all(known) {
        return Err(Fault::new(
            400,
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        ));
    }
    let length = match content {
        Content::Text(text) => text.len(),
        Content::Binary(base64) => match STANDARD.decode(base64) {
            Ok(bytes) => bytes.len(),
            Err(_) => {
                return Err(Fault::new(
                    400,
                    "SerializationException",
                    "SecretBinary is not base64",
                ));
            }
        },
    };
    if length > MAX_SECRET_BYTES {
        return Err(Fault::new(
            400,
            "ValidationException",
            "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have \
             length less than or equal to 65536",
        ));
    }
    Ok(())
}

fn content(text: Option<String>, binary: Option<String>) -> Result<Content, Fault> {
    match (text.filter(|text| !text.is_empty()), binary.filter(|base64| !base64.is_empty())) {
        (Some(text), None) => Ok(Content::Text(text)),
        (None, Some(base64)) => Ok(Content::Binary(base64)),
        (None, None) => {
            let message = "You must provide either SecretString or SecretBinary.";
            Err(Fault::new(400, "InvalidRequestException", message))
        }
        (Some(_), Some(_)) => Err(invalid(
            "You can't specify both a binary secret value and a string secret value in the same secret.",
        )),
    }
}

/// The version's id, which SDKs make up. (Secrets Manager API Reference, CreateSecret:
/// `ClientRequestToken`.)
fn version_id(token: Option<String>) -> Result<String, Fault> {
    let Some(token) = token else {
        let message =
            "You must provide a ClientRequestToken value. We recommend a UUID-type value.";
        return Err(Fault::new(400, "InvalidRequestException", message));
    };
    if !(32..=64).contains(&token.len()) {
        return Err(invalid("ClientRequestToken must be 32-64 characters long."));
    }
    Ok(token)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    name: String,
    client_request_token: Option<String>,
    description: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

fn create(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Create = call.input()?;
    let content = content(input.secret_string, input.secret_binary)?;
    check(&input.name, &content)?;
    let place = (call.account().to_owned(), call.region.to_owned(), input.name.clone());
    let id = version_id(input.client_request_token)?;
    let version = Version { id: id.clone(), value: content, created: call.now };
    let secret = Secret::new(&place, input.description, version, call.now);
    call.authorize(&secret.arn, call.account())?;
    let mut store = call.shared.secrets();
    if let Some(held) = store.0.get(&place) {
        // The same request once more, as after an answer that was lost.
        if held.current.id == id && held.current.value == secret.current.value {
            return Ok(json!({ "ARN": held.arn, "Name": input.name, "VersionId": id }));
        }
        let message =
            format!("The operation failed because the secret {} already exists.", input.name);
        return Err(Fault::new(400, "ResourceExistsException", message));
    }
    if store.0.len() >= MAX_SECRETS {
        let message = format!("the local AWS holds at most {MAX_SECRETS} secrets");
        return Err(Fault::new(400, "LimitExceededException", message));
    }
    let output = json!({ "ARN": secret.arn, "Name": input.name, "VersionId": id });
    store.0.insert(place, secret);
    Ok(output)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Put {
    secret_id: String,
    client_request_token: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

fn put(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Put = call.input()?;
    let mut store = call.shared.secrets();
    let named = named(call, &store, &input.secret_id)?;
    call.authorize(&named.arn, &named.place.0)?;
    let content = content(input.secret_string, input.secret_binary)?;
    check(&named.place.2, &content)?;
    let id = version_id(input.client_request_token)?;
    let secret = store.0.get_mut(&named.place).ok_or_else(not_found)?;
    let known = [Some(&secret.current), secret.previous.as_ref()];
    let same_id = known.into_iter().flatten().find(|version| version.id == id);
    match same_id.map(|version| version.value == content) {
        // The same request once more.
        Some(true) => {}
        Some(false) => {
            let message = "A resource with the ID you requested already exists.";
            return Err(Fault::new(400, "ResourceExistsException", message));
        }
        None => {
            let version = Version { id: id.clone(), value: content, created: call.now };
            secret.previous = Some(std::mem::replace(&mut secret.current, version));
            secret.changed = call.now;
        }
    }
    let name = &named.place.2;
    Ok(json!({ "ARN": secret.arn, "Name": name, "VersionId": id, "VersionStages": [CURRENT] }))
}

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Describe {
    secret_id: String,
}

fn describe(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Describe = call.input()?;
    let store = call.shared.secrets();
    let named = named(call, &store, &input.secret_id)?;
    call.authorize(&named.arn, &named.place.0)?;
    let secret = store.0.get(&named.place).ok_or_else(not_found)?;
    let mut versions = json!({ secret.current.id.as_str(): [CURRENT] });
    if let Some(previous) = &secret.previous {
        versions[&previous.id] = json!([PREVIOUS]);
    }
    Ok(json!({
        "ARN": secret.arn,
        "Name": named.place.2,
        "Description": secret.description,
        "CreatedDate": timestamp(secret.created),
        "LastChangedDate": timestamp(secret.changed),
        "VersionIdsToStages": versions,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

fn get(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Get = call.input()?;
    let store = call.shared.secrets();
    let named = named(call, &store, &input.secret_id)?;
    call.authorize(&named.arn, &named.place.0)?;
    let secret = store.0.get(&named.place).ok_or_else(not_found)?;
    let all = [(CURRENT, Some(&secret.current)), (PREVIOUS, secret.previous.as_ref())];
    let asked = |stage: &str, version: &Version| match (&input.version_id, &input.version_stage) {
        (None, None) => stage == CURRENT,
        (id, wanted) => {
            id.as_ref().is_none_or(|id| *id == version.id)
                && wanted.as_ref().is_none_or(|wanted| wanted == stage)
        }
    };
    let found = all.into_iter().find_map(|(stage, version)| {
        version.filter(|version| asked(stage, version)).map(|version| (stage, version))
    });
    let (stage, version) = found.ok_or_else(|| {
        let message = "Secrets Manager can't find the specified secret value for the version or staging label.";
        Fault::new(400, "ResourceNotFoundException", message)
    })?;
    let (member, value) = match &version.value {
        Content::Text(text) => ("SecretString", text),
        Content::Binary(base64) => ("SecretBinary", base64),
    };
    Ok(json!({
        "ARN": secret.arn,
        "Name": named.place.2,
        "CreatedDate": timestamp(version.created),
        "VersionId": version.id,
        "VersionStages": [stage],
        member: value,
    }))
}
