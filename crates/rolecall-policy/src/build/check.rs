//! The rules for the input of builders, each in one place.

pub(super) use crate::arn::is_partition;
use crate::arn::{Arn, check_account, check_region, check_session_name, is_name_character};
use crate::error::PolicyError;
use crate::limits::{LAST_CHARACTER, MAX_NAME};
use crate::principal::Principal;

/// The longest input, in characters. An ARN is at most 2,048 characters long.
const MAX_INPUT: usize = 2_048;

pub(super) fn fault(location: &str, message: impl Into<String>) -> PolicyError {
    PolicyError::new(location, message)
}

/// Checks that a value stands for itself: IAM would take a wildcard or a policy variable for more
/// than it names.
pub(super) fn literal(what: &str, value: &str) -> Result<(), PolicyError> {
    let fail = |message: &str| Err(fault(what, format!("{value:?} {message}")));
    if value.is_empty() {
        return fail("is empty; hint: give a value");
    }
    if value.chars().count() > MAX_INPUT {
        let start: String = value.chars().take(40).collect();
        let message = format!("a value that begins with {start:?} has more than {MAX_INPUT}");
        return Err(fault(what, format!("{message} characters; hint: shorten it")));
    }
    if value.contains(['*', '?']) {
        return fail("contains a wildcard; hint: name each value, without * and ?");
    }
    if value.contains("${") {
        return fail("contains a policy variable; hint: remove \"${\"");
    }
    if let Some(c) = value.chars().find(|c| c.is_control() || *c > LAST_CHARACTER) {
        return fail(&format!("contains {c:?}, which IAM refuses in a policy; hint: remove it"));
    }
    Ok(())
}

/// Collects values that stand for themselves, of which there must be at least one.
pub(super) fn literals<V: Into<String>>(
    what: &str,
    values: impl IntoIterator<Item = V>,
) -> Result<Vec<String>, PolicyError> {
    let values: Vec<String> = values.into_iter().map(Into::into).collect();
    for value in &values {
        literal(what, value)?;
    }
    not_empty(what, values)
}

/// Checks that a list has values.
pub(super) fn not_empty(what: &str, values: Vec<String>) -> Result<Vec<String>, PolicyError> {
    if values.is_empty() {
        return Err(fault(what, format!("no {what} is given; hint: pass at least one")));
    }
    Ok(values)
}

/// Checks an account id.
pub(super) fn account(id: &str) -> Result<String, PolicyError> {
    check_account(id).map(|()| id.to_owned())
}

/// Checks the name of a Region.
pub(super) fn region(name: &str) -> Result<String, PolicyError> {
    check_region(name).map(|()| name.to_owned())
}

/// Checks the name of a session, or a source identity.
pub(super) fn session_name(what: &str, name: &str) -> Result<(), PolicyError> {
    literal(what, name)?;
    check_session_name(what, name)
}

/// Checks an external id: 2 to 1,224 characters.
pub(super) fn external_id(id: &str) -> Result<(), PolicyError> {
    let what = "external id";
    literal(what, id)?;
    let known = |c: char| is_name_character(c) || ":/".contains(c);
    if !(2..=1_224).contains(&id.len()) || !id.chars().all(known) {
        let rule = "2 to 1,224 letters, digits and the characters _+=,.@:/-";
        return Err(fault(what, format!("{id:?} is not valid; hint: use {rule}")));
    }
    Ok(())
}

/// Checks the unique id of a role.
pub(super) fn role_id(id: &str) -> Result<(), PolicyError> {
    let known = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if !(16..=128).contains(&id.len()) || !id.starts_with("AROA") || !id.bytes().all(known) {
        let hint = "hint: pass the RoleId that GetRole returns, such as AROADBQP57FF2AEXAMPLE";
        return Err(fault("role id", format!("{id:?} is not the unique id of a role; {hint}")));
    }
    Ok(())
}

/// Checks the ARN of a user or role, and returns it as a principal.
pub(super) fn iam_arn(kind: &'static str, arn: &str) -> Result<Principal, PolicyError> {
    literal(kind, arn)?;
    let principal = Principal::aws(arn).ok().filter(|principal| match principal {
        Principal::User(_) => kind == "user",
        Principal::Role(_) => kind == "role",
        _ => false,
    });
    let parsed = Arn::parse(arn);
    let named = parsed.is_some_and(|arn| {
        let (path, name) = arn.resource.rsplit_once('/').unwrap_or_default();
        is_partition(arn.partition)
            && path.bytes().all(|b| b.is_ascii_graphic())
            && (1..=MAX_NAME).contains(&name.len())
            && name.chars().all(is_name_character)
    });
    principal.filter(|_| named).ok_or_else(|| {
        let hint = format!("hint: write arn:aws:iam::<account>:{kind}/<name>");
        fault(kind, format!("{arn:?} is not the ARN of a {kind}; {hint}"))
    })
}

/// Checks prefixes as they stand in ARNs: each ends in `/` and consists of characters that the
/// names have.
pub(super) fn prefixes<P: Into<String>>(
    given: impl IntoIterator<Item = P>,
    known: impl Fn(char) -> bool,
) -> Result<Vec<String>, PolicyError> {
    let what = "prefix";
    let prefixes: Vec<String> = given.into_iter().map(Into::into).collect();
    for prefix in &prefixes {
        literal(what, prefix)?;
        if !prefix.ends_with('/') || prefix.trim_matches('/').is_empty() {
            let beside = format!("{prefix}-other");
            let message = "is not a name that ends in \"/\", and would include";
            let hint = "hint: end the prefix in \"/\"";
            return Err(fault(what, format!("{prefix:?} {message} {beside:?}; {hint}")));
        }
        only(what, prefix, &known)?;
    }
    not_empty(what, prefixes)
}

/// Checks names as they stand in ARNs: each consists of characters that the names have.
pub(super) fn names<N: Into<String>>(
    given: impl IntoIterator<Item = N>,
    known: impl Fn(char) -> bool,
) -> Result<Vec<String>, PolicyError> {
    let what = "name";
    let names = literals(what, given)?;
    for name in &names {
        only(what, name, &known)?;
        if name.ends_with('/') {
            let hint = "hint: call under with it";
            return Err(fault(what, format!("{name:?} is a prefix of names; {hint}")));
        }
    }
    Ok(names)
}

fn only(what: &str, text: &str, known: impl Fn(char) -> bool) -> Result<(), PolicyError> {
    let Some(c) = text.chars().find(|c| !known(*c)) else { return Ok(()) };
    let message = format!("contains {c:?}, which these names cannot contain");
    Err(fault(what, format!("{text:?} {message}; hint: remove it")))
}

/// Checks the name of a Kubernetes namespace: a DNS label.
pub(super) fn namespace(name: &str) -> Result<(), PolicyError> {
    kubernetes("namespace", name, is_dns_label(name), "1 to 63 lower case letters, digits and -")
}

/// Checks the name of a Kubernetes service account: a DNS subdomain.
pub(super) fn service_account(name: &str) -> Result<(), PolicyError> {
    let valid = name.len() <= 253 && name.split('.').all(is_dns_label);
    let rule = "1 to 253 lower case letters, digits, - and .";
    kubernetes("service account", name, valid, rule)
}

fn kubernetes(what: &str, name: &str, valid: bool, rule: &str) -> Result<(), PolicyError> {
    literal(what, name)?;
    if valid {
        return Ok(());
    }
    Err(fault(what, format!("{name:?} is not a Kubernetes name; hint: use {rule}")))
}

fn is_dns_label(label: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(known)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
