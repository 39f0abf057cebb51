//! The lints of `Action` and `NotAction`.

use super::catalog::{Service, nearest_prefix, service};
use super::cover::covered;
use super::location::ElementPath;
use super::registry::{
    ALLOW_WITH_NOT_ACTION, FULL_ACCESS, INVALID_ACTION, INVALID_SERVICE_IN_ACTION,
    REDUNDANT_ACTION, SERVICE_WILDCARD, WILDCARD_IN_SERVICE_PREFIX,
};
use super::view::{ActionView, Report, StatementView};
use super::{PolicyKind, StatementLint};
use crate::model::ActionPattern;
use crate::pattern::Pattern;

pub(super) const STATEMENT: &[StatementLint] =
    &[existence, not_action, full_access, service_wildcard, redundant];

/// A pattern that matches no action.
fn existence(statement: &StatementView<'_>, report: &mut Report) {
    let severity = statement.options.unknown_actions;
    for (index, action) in statement.actions.iter().enumerate() {
        let (place, text) = (statement.action(index), action.pattern.as_str());
        let Some(prefix) = action.pattern.service() else { continue };
        if prefix.contains(['*', '?']) {
            let message =
                format!("{text:?} matches no action: a wildcard stands for no service prefix");
            let fix = "name the service, or write * for all actions";
            report.add(WILDCARD_IN_SERVICE_PREFIX, place, message, fix);
            continue;
        }
        if report.is_full() || !action.matched.is_empty() {
            continue;
        }
        let Some(service) = action.service else {
            let message = format!("the service prefix {prefix:?} does not exist");
            let fix = match nearest_prefix(prefix) {
                Some(nearest) => format!("write {nearest}"),
                None => "check the prefix in the Service Authorization Reference".to_owned(),
            };
            report.add_as(severity, INVALID_SERVICE_IN_ACTION, place, message, fix);
            continue;
        };
        let (message, fix) = no_action(action.pattern, service);
        report.add_as(severity, INVALID_ACTION, place, message, fix);
    }
}

/// Returns the message and the fix for a pattern that matches no action of its service.
fn no_action(pattern: &ActionPattern, service: &'static Service) -> (String, String) {
    let text = pattern.as_str();
    let (verb, nearest) = if text.contains(['*', '?']) {
        ("matches no action", None)
    } else {
        let name = pattern.name().map(Pattern::as_str);
        ("is not an action", name.and_then(|name| service.nearest_action(name)))
    };
    let message = format!("{text:?} {verb} of {}", service.title());
    let fix = match nearest {
        Some(nearest) => format!("write {}:{nearest}", service.prefix()),
        None => "check the name in the Service Authorization Reference".to_owned(),
    };
    (message, fix)
}

/// Returns a note if the action of a request does not exist, although its service does, or `None`.
///
/// A decision about such a request is that of the policies alone: `s3:Get*` allows `s3:Get`, which
/// is probably misspelled. The actions are those of [`lint_document`](crate::lint_document).
///
/// # Examples
///
/// ```
/// use rolecall_policy::unknown_action;
/// assert_eq!(unknown_action("s3:GetObject"), None);
/// assert_eq!(
///     unknown_action("s3:GetObjekt").as_deref(),
///     Some("\"s3:GetObjekt\" is not an action of Amazon S3; hint: write s3:GetObject"),
/// );
/// assert_eq!(unknown_action("example:GetObjekt"), None, "the service is not known");
/// ```
pub fn unknown_action(action: &str) -> Option<String> {
    let pattern: ActionPattern = action.parse().ok()?;
    let service = service(pattern.service()?)?;
    if !service.matching_actions(pattern.name()?).is_empty() {
        return None;
    }
    let (message, fix) = no_action(&pattern, service);
    Some(format!("{message}; hint: {fix}"))
}

fn not_action(statement: &StatementView<'_>, report: &mut Report) {
    let is_wide = statement.has_not_action() && !statement.excepts_all_actions();
    if statement.is_allow() && is_wide && !statement.is_guardrail() {
        report.add(
            ALLOW_WITH_NOT_ACTION,
            ElementPath::Actions(statement.index),
            "the statement allows all actions but these, also those that AWS will add",
            "list the actions in Action, or deny these",
        );
    }
}

/// The kinds of policies in which a wide Allow grants something. A session policy and a service
/// control policy only limit what others grant.
fn grants(statement: &StatementView<'_>) -> bool {
    statement.is_allow()
        && !statement.has_not_action()
        && statement.options.kind != PolicyKind::Session
        && !statement.is_guardrail()
}

fn full_access(statement: &StatementView<'_>, report: &mut Report) {
    let is_unconditional = statement.statement.conditions.is_empty();
    if !grants(statement) || !is_unconditional || !statement.has_all_resources() {
        return;
    }
    if let Some(index) = statement.actions.iter().position(ActionView::is_all) {
        report.add(
            FULL_ACCESS,
            statement.action(index),
            "the statement allows all actions on all resources",
            "list the actions that are needed, and their resources",
        );
    }
}

fn service_wildcard(statement: &StatementView<'_>, report: &mut Report) {
    if !grants(statement) || statement.is_trust() {
        return;
    }
    let is_full = statement.has_all_resources() && statement.statement.conditions.is_empty();
    for (index, action) in statement.actions.iter().enumerate() {
        let name = action.pattern.name().map(|it| it.as_str());
        let of = match (action.service, name) {
            (Some(service), Some("*")) => service.title(),
            // Where nothing limits them, a lint of its own reports it.
            _ if action.is_all() && !is_full => "all services",
            _ => continue,
        };
        let message = format!("all actions of {of} are allowed");
        let fix = "list the actions that are needed";
        report.add(SERVICE_WILDCARD, statement.action(index), message, fix);
    }
}

fn redundant(statement: &StatementView<'_>, report: &mut Report) {
    let patterns = &statement.statement.actions.patterns;
    // A star stands for actions of all services, and a prefix has no wildcards.
    let texts: Vec<String> = patterns.iter().map(|it| it.as_str().to_lowercase()).collect();
    for (index, outer) in covered(&texts) {
        let (Some(inner), Some(outer)) = (patterns.get(index), patterns.get(outer)) else {
            continue;
        };
        let message = format!("{:?} is contained in {:?}", inner.as_str(), outer.as_str());
        report.add(REDUNDANT_ACTION, statement.action(index), message, "remove it");
    }
}
