//! The values that IAM and Terraform accept as arguments. Each rule has one function.

use std::time::Duration;

use crate::arn::{Arn, is_account, is_name_character, is_partition};
use crate::error::PolicyError;
use crate::limits::LAST_CHARACTER;
use crate::tag::{MAX_TAGS, check_tag};

/// The message of a value that is not accepted.
pub(super) type Checked = Result<(), String>;

/// Length of the name of a managed policy, in characters.
pub(super) const MAX_POLICY_NAME: usize = 128;
const MAX_PATH: usize = 512;
const MAX_DESCRIPTION: usize = 1000;
const MAX_ARN: usize = 2048;
const MIN_SESSION_SECONDS: u64 = 3600;
const MAX_SESSION_SECONDS: u64 = 43_200;

/// Returns `true` if Terraform accepts `text` as a name.
///
/// Terraform also accepts letters outside ASCII, but converts them to normalization form C.
pub(super) fn is_name(text: &str) -> bool {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_inside)
}

/// Checks the name of a role or policy.
pub(super) fn check_iam_name(name: &str, max: usize) -> Checked {
    check_length(name, 1, max)?;
    match name.chars().all(is_name_character) {
        true => Ok(()),
        false => {
            Err(format!("{name:?} is not a name; hint: use ASCII letters, digits and _+=,.@-"))
        }
    }
}

pub(super) fn check_path(path: &str) -> Checked {
    check_length(path, 1, MAX_PATH)?;
    let is_enclosed = path.starts_with('/') && path.ends_with('/');
    match is_enclosed && path.chars().all(|c| c.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(format!(
            "{path:?} is not a path; hint: begin and end it with `/`, and use printable ASCII \
             without spaces"
        )),
    }
}

pub(super) fn check_description(text: &str) -> Checked {
    check_length(text, 0, MAX_DESCRIPTION)?;
    let is_accepted =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..=LAST_CHARACTER);
    match text.chars().find(|c| !is_accepted(*c)) {
        None => Ok(()),
        Some(c) => Err(format!(
            "contains {c:?}; hint: use characters up to U+00FF that are not control characters"
        )),
    }
}

pub(super) fn check_session_duration(duration: Duration) -> Result<u64, String> {
    let seconds = duration.as_secs();
    let is_accepted = (MIN_SESSION_SECONDS..=MAX_SESSION_SECONDS).contains(&seconds);
    if is_accepted && duration.subsec_nanos() == 0 {
        return Ok(seconds);
    }
    Err(format!("{duration:?} is not accepted; hint: choose whole seconds, from 1 to 12 hours"))
}

/// Checks that Terraform keeps a text. It converts strings to Unicode normalization form C, which
/// changes none of the characters that IAM accepts in a policy.
pub(super) fn check_unchanged(text: &str) -> Checked {
    match text.chars().find(|c| *c > LAST_CHARACTER) {
        None => Ok(()),
        Some(c) => Err(format!(
            "{text:?} contains {c:?}, which Terraform may change; hint: use characters up to U+00FF"
        )),
    }
}

pub(super) fn check_policy_arn(text: &str) -> Checked {
    check_length(text, 1, MAX_ARN)?;
    let is_policy = Arn::parse(text).is_some_and(|arn| {
        let (path, name) = arn.resource.rsplit_once('/').unwrap_or_default();
        is_partition(arn.partition)
            && arn.service == "iam"
            && arn.region.is_empty()
            && (arn.account == "aws" || is_account(arn.account))
            && (path == "policy" || path.starts_with("policy/"))
            && path.chars().all(|c| c.is_ascii_graphic())
            && check_iam_name(name, MAX_POLICY_NAME).is_ok()
    });
    if is_policy {
        return Ok(());
    }
    Err(format!(
        "{text:?} is not a policy ARN; hint: write arn:<partition>:iam::<account>:policy/<name>"
    ))
}

/// Checks the tags of a block. `is_same` compares keys as IAM does for its type of resource.
pub(super) fn check_tags(
    tags: &[(String, String)],
    is_same: fn(&str, &str) -> bool,
) -> Result<(), PolicyError> {
    let location = "tags";
    if tags.len() > MAX_TAGS {
        let message = format!("has {} entries; hint: use at most {MAX_TAGS}", tags.len());
        return Err(PolicyError::new(location, message));
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        check_tag(location, key, value)?;
        let mut earlier = tags.iter().take(index);
        if let Some((other, _)) = earlier.find(|(earlier, _)| is_same(earlier, key)) {
            let message = format!("{key:?} is the same key as {other:?}; hint: remove one of them");
            return Err(PolicyError::new(location, message));
        }
    }
    Ok(())
}

fn check_length(text: &str, min: usize, max: usize) -> Checked {
    let length = text.chars().count();
    match length {
        0 if min > 0 => Err("is empty".to_owned()),
        _ if length > max => Err(format!("has {length} characters; hint: use at most {max}")),
        _ => Ok(()),
    }
}
