//! The lints of actions together with resources.

use super::catalog::{Action, Glob, ResourceType};
use super::location::ElementPath;
use super::registry::{
    ACTION_NOT_FOR_RESOURCE, BUCKET_ACTION_ON_OBJECTS, ECR_LOGIN_ON_REPOSITORY, Lint,
    MISSING_REQUIRED_RESOURCE, OBJECT_ACTION_ON_BUCKETS, RESOURCE_WILDCARD,
};
use super::view::{ActionView, PolicyView, Report, StatementView};
use super::{PolicyKind, PolicyLint, StatementLint};

pub(super) const STATEMENT: &[StatementLint] = &[unsupported, wildcard];
pub(super) const POLICY: &[PolicyLint] = &[missing];

/// Actions that are for none of the statement's resources.
fn unsupported(statement: &StatementView<'_>, report: &mut Report) {
    let is_open = statement.has_all_resources() || statement.has_not_resource();
    if is_open || statement.has_not_action() || statement.resources().is_empty() {
        return;
    }
    for (index, action) in statement.actions.iter().enumerate() {
        let is_for_any = || action.matched.iter().any(|it| statement.may_match(*it));
        if action.matched.is_empty() || is_for_any() {
            continue;
        }
        let effect = if statement.is_allow() { "allowed" } else { "denied" };
        let text = action.pattern.as_str();
        let (lint, message, fix) = describe(statement, action, text, effect);
        report.add(lint, statement.action(index), message, fix);
    }
}

fn describe(
    statement: &StatementView<'_>,
    action: &ActionView<'_>,
    text: &str,
    effect: &str,
) -> (&'static Lint, String, String) {
    let is_for =
        |action: &Action, name: &str| action.resources().any(|it| it.resource_type.name == name);
    let names = |name: &str| {
        let kind = action.service.and_then(|service| service.resource_type(name));
        kind.is_some_and(|kind| statement.any_resource_may_be(kind))
    };
    let all_for = |name: &str| action.matched.iter().all(|it| is_for(it, name));
    let is_s3 = action.pattern.service() == Some("s3");
    if action.pattern.matches("ecr:GetAuthorizationToken") {
        let message = format!("{text:?} is never {effect}: logging in to ECR is for no repository");
        let fix = "write a statement for it with the Resource \"*\"";
        return (ECR_LOGIN_ON_REPOSITORY, message, fix.to_owned());
    }
    if is_s3 && all_for("bucket") && names("object") {
        let message =
            format!("{text:?} is never {effect}: it is for buckets, and these are objects");
        let fix = "add the ARN of the bucket, without a slash";
        return (BUCKET_ACTION_ON_OBJECTS, message, fix.to_owned());
    }
    if is_s3 && all_for("object") && names("bucket") {
        let message =
            format!("{text:?} is never {effect}: it is for objects, and these are buckets");
        let fix = "add /* to the ARN of the bucket";
        return (OBJECT_ACTION_ON_BUCKETS, message, fix.to_owned());
    }
    let mut forms = action.matched.iter().flat_map(|it| it.resources());
    let message = format!("{text:?} is never {effect}: it is for none of the resources");
    let fix = match forms.next().and_then(|it| it.resource_type.arns().next()) {
        Some(form) => format!("add a resource such as {form}"),
        None => "write a statement for it with the Resource \"*\"".to_owned(),
    };
    (ACTION_NOT_FOR_RESOURCE, message, fix)
}

/// Actions by name that need a type of resource which no statement allows them on.
fn missing(policy: &PolicyView<'_>, report: &mut Report) {
    for statement in policy.allows() {
        let is_open = statement.has_all_resources() || statement.has_not_resource();
        if is_open || statement.has_not_action() || statement.resources().is_empty() {
            continue;
        }
        for (index, view) in statement.actions.iter().enumerate() {
            let [action] = &*view.matched else { continue };
            if view.has_wildcard() || report.is_full() {
                continue;
            }
            let required = action.resources().filter(|it| it.is_required);
            let mut lacking = required
                .map(|it| it.resource_type)
                .filter(|kind| !statement.any_resource_may_be(kind))
                .peekable();
            // Only where it is for some of the resources: `unsupported` reports the rest.
            if lacking.peek().is_none() || !statement.may_match(*action) {
                continue;
            }
            let text = view.pattern.as_str();
            for kind in lacking.filter(|kind| !is_allowed_on(policy, text, kind)) {
                let message = format!(
                    "{action} is for resources of the type {} as well, and none is allowed",
                    kind.name
                );
                let form = kind.arns().next().unwrap_or_default();
                let fix = format!("add a resource such as {form}, if the call needs it");
                report.add(MISSING_REQUIRED_RESOURCE, statement.action(index), message, fix);
            }
        }
    }
}

fn is_allowed_on(policy: &PolicyView<'_>, action: &str, kind: &'static ResourceType) -> bool {
    policy.allows().any(|statement| {
        (statement.has_not_resource() || statement.any_resource_may_be(kind))
            && statement.includes(action)
    })
}

/// Actions by name on all resources, that could be allowed on some.
fn wildcard(statement: &StatementView<'_>, report: &mut Report) {
    let grants = matches!(
        statement.options.kind,
        PolicyKind::Inline | PolicyKind::Managed | PolicyKind::AwsManaged
    );
    let is_limited = !statement.statement.conditions.is_empty();
    if !grants || !statement.is_allow() || is_limited || !statement.has_all_resources() {
        return;
    }
    let by_name = statement.actions.iter().filter(|it| !it.has_wildcard());
    let matched = by_name.flat_map(|it| it.matched.iter());
    let mut narrow = matched.filter(|it| it.resources().next().is_some());
    if let Some(first) = narrow.next() {
        let message = match narrow.count() {
            0 => format!("{first} is allowed on all resources"),
            more => format!("{first} and {more} other actions are allowed on all resources"),
        };
        let place = ElementPath::Resources(statement.index);
        report.add(RESOURCE_WILDCARD, place, message, "name the resources");
    }
}

impl StatementView<'_> {
    /// Returns `true` if an action may be called on one of the resources.
    pub(super) fn may_match(&self, action: Action) -> bool {
        let mut kinds = action.resources().map(|it| it.resource_type).peekable();
        match kinds.peek() {
            Some(_) => kinds.any(|kind| self.any_resource_may_be(kind)),
            // An action without types of resources is allowed by a star only.
            None => self.resource_globs().iter().any(|it| it.overlaps(&Glob::literal("*"))),
        }
    }

    /// Returns `true` if one of the resources may be of a type. The answers are kept, since the
    /// actions of a service share their types.
    fn any_resource_may_be(&self, kind: &'static ResourceType) -> bool {
        let known =
            self.kinds.borrow().iter().find(|(known, _)| std::ptr::eq(*known, kind)).copied();
        if let Some((_, answer)) = known {
            return answer;
        }
        let answer = self.resource_globs().iter().any(|resource| kind.may_match(resource));
        self.kinds.borrow_mut().push((kind, answer));
        answer
    }

    fn resource_globs(&self) -> &[Glob] {
        self.globs.get_or_init(|| {
            self.resources().iter().map(|it| Glob::wildcards(it.as_str())).collect()
        })
    }
}
