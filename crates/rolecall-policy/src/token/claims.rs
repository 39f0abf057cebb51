//! The forms of claims.

use serde_json::{Map, Value};

use crate::arn::check_session_name;
use crate::error::{PolicyError, excerpt};
use crate::tag::{MAX_TAGS, check_tag};

fn fail<T>(location: &str, fault: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError::new(location, fault))
}

/// The values of a claim as those of a condition key, or `None` if the token does not have it.
pub(super) fn strings(
    name: &str,
    value: Option<&Value>,
) -> Result<Option<Vec<String>>, PolicyError> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            let forms = "a string, a number, a truth value, or a list of them";
            fail(name, format!("the claim has another form; hint: issue {forms}"))
        }
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        // A key without values is a key that the request does not have.
        Some(Value::Array(list)) if list.is_empty() => Ok(None),
        Some(Value::Array(list)) => list.iter().map(one).collect::<Result<_, _>>().map(Some),
        Some(single) => Ok(Some(vec![one(single)?])),
    }
}

/// A list of strings.
pub(super) fn list(name: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let fault = || PolicyError::new(name, "expected a list of strings; hint: issue a JSON array");
    let items = value.as_array().ok_or_else(fault)?;
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(fault)).collect()
}

const TAGS: &str = "https://aws.amazon.com/tags";
const PRINCIPAL_TAGS: &str = "principal_tags";
const TRANSITIVE_TAG_KEYS: &str = "transitive_tag_keys";

#[derive(Debug)]
pub(super) struct SessionTags {
    /// Sorted by key.
    pub(super) tags: Vec<(String, String)>,
    pub(super) transitive_keys: Vec<String>,
}

/// Reads the session tags.
///
/// Both claim formats are read: the object `https://aws.amazon.com/tags` with the members
/// `principal_tags` and `transitive_tag_keys`, and the claims
/// `https://aws.amazon.com/tags/principal_tags/<key>` and
/// `https://aws.amazon.com/tags/transitive_tag_keys`.
pub(super) fn session_tags(claims: &Map<String, Value>) -> Result<SessionTags, PolicyError> {
    let mut tags: Vec<(String, String)> = Vec::new();
    let mut transitive = Vec::new();
    if let Some(nested) = object(TAGS, claims.get(TAGS))? {
        let location = format!("{TAGS}.{PRINCIPAL_TAGS}");
        for (key, value) in object(&location, nested.get(PRINCIPAL_TAGS))?.into_iter().flatten() {
            push_tag(&mut tags, &format!("{location}.{key}"), key, value)?;
        }
        if let Some(keys) = nested.get(TRANSITIVE_TAG_KEYS) {
            transitive.extend(list(&format!("{TAGS}.{TRANSITIVE_TAG_KEYS}"), keys)?);
        }
    }
    let prefix = format!("{TAGS}/{PRINCIPAL_TAGS}/");
    for (name, value) in claims {
        if let Some(key) = name.strip_prefix(&prefix) {
            push_tag(&mut tags, name, key, value)?;
        }
    }
    let name = format!("{TAGS}/{TRANSITIVE_TAG_KEYS}");
    if let Some(keys) = claims.get(&name) {
        transitive.extend(list(&name, keys)?);
    }
    if tags.len() > MAX_TAGS {
        let fault = format!("there are {} tags; hint: issue at most {MAX_TAGS}", tags.len());
        return fail(TAGS, fault);
    }
    if let Some(key) = transitive.iter().find(|key| position(&tags, key).is_none()) {
        let fault = format!("the transitive tag key {} is not the key of a tag", excerpt(key));
        return fail(TAGS, format!("{fault}; hint: add the tag, or remove the key"));
    }
    tags.sort();
    Ok(SessionTags { tags, transitive_keys: transitive })
}

/// Keys of session tags are the same regardless of case.
fn position(tags: &[(String, String)], key: &str) -> Option<usize> {
    let key = key.to_lowercase();
    tags.iter().position(|(present, _)| present.to_lowercase() == key)
}

fn push_tag(
    tags: &mut Vec<(String, String)>,
    location: &str,
    key: &str,
    value: &Value,
) -> Result<(), PolicyError> {
    // AWS documents a single string, and its example is a list of one.
    let single = match value {
        Value::Array(list) => match list.as_slice() {
            [single] => Some(single),
            _ => None,
        },
        single => Some(single),
    };
    let Some(value) = single.and_then(Value::as_str) else {
        return fail(location, "expected one string; hint: issue one value for each tag");
    };
    check_tag(location, key, value)?;
    if position(tags, key).is_some() {
        let fault = format!("the tag key {} is repeated", excerpt(key));
        return fail(location, format!("{fault}; hint: issue keys that differ in more than case"));
    }
    tags.push((key.to_owned(), value.to_owned()));
    Ok(())
}

fn object<'a>(
    location: &str,
    value: Option<&'a Value>,
) -> Result<Option<&'a Map<String, Value>>, PolicyError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => fail(location, "expected an object; hint: issue a JSON object"),
    }
}

const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

pub(super) fn source_identity(claims: &Map<String, Value>) -> Result<Option<String>, PolicyError> {
    let text = match claims.get(SOURCE_IDENTITY) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return fail(SOURCE_IDENTITY, "expected a string; hint: issue a JSON string"),
    };
    check_session_name(SOURCE_IDENTITY, text)?;
    Ok(Some(text.clone()))
}
