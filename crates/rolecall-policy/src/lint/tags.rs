//! The lints of tag keys on actions of services that do not support them.

use super::StatementLint;
use super::condition_keys::requires_key;
use super::registry::{
    ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE,
    ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE,
    DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE,
    DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE,
};
use super::view::{Report, StatementView};

pub(super) const STATEMENT: &[StatementLint] = &[unsupported];

fn unsupported(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let key = condition.lower_case_key();
        let is_tag = key.starts_with("aws:resourcetag/") || key.starts_with("aws:requesttag/");
        if !(is_tag || key == "aws:tagkeys") || !requires_key(condition) {
            continue;
        }
        let (key, place) = (condition.key(), statement.condition(index));
        if statement.has_not_action() {
            let (lint, fix) = if statement.is_allow() {
                let fix = "list the actions in Action";
                (ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE, fix)
            } else {
                let fix = "list the actions in Action, or write an operator with IfExists";
                (DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE, fix)
            };
            let effect = if statement.is_allow() { "allowed" } else { "denied" };
            let message = format!("actions of services without {key} are not {effect}");
            report.add(lint, place, message, fix);
            continue;
        }
        let services = without(statement, key);
        if services.is_empty() {
            continue;
        }
        let (lint, effect) = if statement.is_allow() {
            (ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE, "allowed")
        } else {
            (DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE, "denied")
        };
        let services = services.join(", ");
        let message =
            format!("{key} does not apply to the actions of {services}: none is {effect}");
        let fix = "move these actions to a statement without the condition";
        report.add(lint, place, message, fix);
    }
}

/// Returns the prefixes of the services that list a key for none of the statement's actions.
fn without(statement: &StatementView<'_>, key: &str) -> Vec<&'static str> {
    let mut services: Vec<(&'static str, bool)> = Vec::new();
    for action in &statement.actions {
        let Some(service) = action.service.filter(|_| !action.matched.is_empty()) else { continue };
        let prefix = service.prefix();
        let supports = || {
            let numbers = service.key_numbers(key);
            action.matched.iter().any(|action| action.has_key(&numbers))
        };
        match services.iter_mut().find(|(known, _)| *known == prefix) {
            Some((_, true)) => {}
            Some((_, known)) => *known = supports(),
            None => services.push((prefix, supports())),
        }
    }
    services.into_iter().filter(|(_, supports)| !supports).map(|(prefix, _)| prefix).collect()
}
