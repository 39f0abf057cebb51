//! The lints of condition keys: whether they exist, and whether requests carry them.

use super::catalog::{self, listed_key, nearest_prefix};
use super::finding::Severity;
use super::keys::{self, Carrier, Presence};
use super::registry::{
    CONDITION_KEY_NEVER_PRESENT, INVALID_GLOBAL_CONDITION_KEY, INVALID_SERVICE,
    INVALID_SERVICE_CONDITION_KEY, Lint, MISSING_TAG_KEY_IN_CONDITION,
    UNSUPPORTED_ACTION_FOR_CONDITION_KEY, UNSUPPORTED_GLOBAL_CONDITION_KEY,
    USE_CONDITION_KEY_ONLY_WITH_SUPPORTED_SERVICES,
};
use super::view::{ActionView, Report, StatementView};
use super::{PolicyKind, StatementLint};
use crate::condition::Condition;
use crate::context::Context;

pub(super) const STATEMENT: &[StatementLint] = &[existence, presence];

/// Returns `true` if a condition is met only by requests that carry its key.
pub(super) fn requires_key(condition: &Condition) -> bool {
    !condition.is_met(&Context::new())
}

/// What a condition key is about.
#[derive(Clone, Copy)]
enum Kind {
    /// The request, whatever its service; a claim of a token; or a SAML attribute.
    Request,
    /// A service, which lists it for some of its actions.
    Service,
    Unknown,
}

impl Kind {
    fn of(name: &str) -> Self {
        if keys::find(name).is_some() {
            return Self::Request;
        }
        let prefix = name.split(':').next().unwrap_or_default();
        match catalog::service(prefix) {
            Some(_) if listed_key(name).is_some() => Self::Service,
            Some(_) => Self::Unknown,
            None if keys::split_issuer(name).is_some() => Self::Request,
            None if keys::find_saml_attribute(name).is_some() => Self::Request,
            None => Self::Unknown,
        }
    }
}

fn existence(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let key = condition.key();
        if report.is_full() || !matches!(Kind::of(key), Kind::Unknown) || listed_key(key).is_some()
        {
            continue;
        }
        let (lint, message, fix) = unknown(key, condition.lower_case_key());
        report.add(lint, statement.condition(index), message, fix);
    }
}

fn unknown(key: &str, lower_case: &str) -> (&'static Lint, String, String) {
    let with_tag = format!("{}/team", lower_case.trim_end_matches('/'));
    if keys::find(&with_tag).is_some() || listed_key(&with_tag).is_some() {
        let message = format!("{key} names no tag");
        let fix = format!("add the key of the tag, as in {}/team", key.trim_end_matches('/'));
        return (MISSING_TAG_KEY_IN_CONDITION, message, fix);
    }
    let check = "check the key in the Service Authorization Reference".to_owned();
    let prefix = lower_case.split(':').next().unwrap_or_default();
    let write = |nearest: Option<&str>| nearest.map(|nearest| format!("write {nearest}"));
    match catalog::service(prefix) {
        _ if lower_case == "aws:arn" => {
            let message = "aws:ARN exists no longer".to_owned();
            let fix = "write aws:PrincipalArn or aws:SourceArn".to_owned();
            (UNSUPPORTED_GLOBAL_CONDITION_KEY, message, fix)
        }
        _ if prefix == "aws" => {
            let message = format!("the global condition key {key} does not exist");
            let fix = write(keys::nearest_global_key(key)).unwrap_or(check);
            (INVALID_GLOBAL_CONDITION_KEY, message, fix)
        }
        Some(service) => {
            let message = format!("{} has no condition key {key}", service.title());
            let fix = write(service.nearest_condition_key(key)).unwrap_or(check);
            (INVALID_SERVICE_CONDITION_KEY, message, fix)
        }
        None if prefix == "saml" => {
            let message = format!("there is no SAML attribute {key}");
            (INVALID_SERVICE_CONDITION_KEY, message, check)
        }
        None => {
            let message = format!("the service of the condition key {key} does not exist");
            let fix = write(nearest_prefix(prefix)).unwrap_or(check);
            (INVALID_SERVICE, message, fix)
        }
    }
}

/// Conditions on keys that no request for some, or for any, of the actions carries.
fn presence(statement: &StatementView<'_>, report: &mut Report) {
    // The actions of a control policy are often wider than what its condition is about.
    if statement.has_all_actions() || statement.options.kind == PolicyKind::ResourceControl {
        return;
    }
    for (index, condition) in statement.conditions() {
        if report.is_full() {
            return;
        }
        let key = condition.key();
        let kind = Kind::of(key);
        let known = statement.actions.iter().filter(|it| !it.matched.is_empty());
        let without: Vec<&ActionView<'_>> =
            known.clone().filter(|action| lacks(action, key, kind)).collect();
        if without.is_empty() {
            continue;
        }
        let place = statement.condition(index);
        let effect = if statement.is_allow() { "allows" } else { "denies" };
        let carried = keys::find(key).map(|key| key.carrier);
        if without.len() == known.count() {
            let of = match carried.map(Carrier::describe) {
                Some(requests) => format!("; {requests} do"),
                None => String::new(),
            };
            let message = format!("no request for the actions carries {key}{of}");
            let fix = match requires_key(condition) {
                true => format!("test a key that they carry: the statement {effect} nothing"),
                false => "remove the condition, which is always met".to_owned(),
            };
            // The reference does not list all keys of a service, so this is less certain. A
            // condition that is always met may be meant for requests of the future.
            let severity = match kind {
                Kind::Request if requires_key(condition) => CONDITION_KEY_NEVER_PRESENT.severity,
                _ => Severity::Warning,
            };
            report.add_as(severity, CONDITION_KEY_NEVER_PRESENT, place, message, fix);
            continue;
        }
        // A condition that other requests meet without the key is meant for some actions only.
        if !requires_key(condition) {
            continue;
        }
        let names: Vec<&str> = without.iter().take(3).map(|it| it.pattern.as_str()).collect();
        let more = match without.len().saturating_sub(3) {
            0 => String::new(),
            more => format!(" and {more} others"),
        };
        let names = names.join(", ");
        let message = format!("requests for {names}{more} never carry {key}");
        let fix = format!("move them to another statement: this one never {effect} them");
        let lint = match carried {
            Some(Carrier::VpcEndpointOf(_)) => USE_CONDITION_KEY_ONLY_WITH_SUPPORTED_SERVICES,
            _ => UNSUPPORTED_ACTION_FOR_CONDITION_KEY,
        };
        report.add(lint, place, message, fix);
    }
}

/// Returns `true` if no request for an action carries a key.
fn lacks(action: &ActionView<'_>, key: &str, kind: Kind) -> bool {
    match kind {
        Kind::Unknown => false,
        Kind::Request => action
            .matched
            .iter()
            .all(|action| keys::presence(key, &action.to_string()) == Some(Presence::Never)),
        Kind::Service => {
            let numbers = action.service.map(|it| it.key_numbers(key)).unwrap_or_default();
            !action.matched.iter().any(|action| action.has_key(&numbers))
        }
    }
}
