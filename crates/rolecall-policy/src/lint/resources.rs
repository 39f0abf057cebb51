//! The lints of actions together with resources.

use super::catalog::{Action, ActionResource, Glob, ResourceType};
use super::cover::covers;
use super::location::ElementPath;
use super::registry::{
    ACTION_NOT_FOR_RESOURCE, BUCKET_ACTION_ON_OBJECTS, ECR_LOGIN_ON_REPOSITORY, Lint,
    MISSING_REQUIRED_RESOURCE, OBJECT_ACTION_ON_BUCKETS, RESOURCE_WILDCARD,
};
use super::view::{ActionView, PolicyView, Report, StatementView, is_star};
use super::{PolicyKind, PolicyLint, StatementLint};
use crate::pattern::Pattern;

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
    // The token is for the whole registry, so the action is allowed on `*` only. Among the actions
    // on a repository it is void, and every pull fails at the login.
    if action.pattern.matches("ecr:GetAuthorizationToken") {
        let message = format!("{text:?} is never {effect}: logging in to ECR is for no repository");
        let fix = "write a statement for it with the Resource \"*\"";
        return (ECR_LOGIN_ON_REPOSITORY, message, fix.to_owned());
    }
    // s3:ListBucket is granted on the bucket's ARN, and the actions on objects on `<bucket>/*`:
    // with the other one, the statement is accepted and allows nothing.
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

/// Actions on all resources, that could be allowed on some.
fn wildcard(statement: &StatementView<'_>, report: &mut Report) {
    let grants = matches!(
        statement.options.kind,
        PolicyKind::Inline | PolicyKind::Managed | PolicyKind::AwsManaged
    );
    let is_limited = !statement.statement.conditions.is_empty();
    if !grants || !statement.is_allow() || statement.has_not_action() || is_limited {
        return;
    }
    let open = OpenArn::of(statement);
    if open.is_empty() && !statement.has_all_resources() {
        return;
    }
    // Some of what a pattern such as `ec2:Describe*` matches may be for no type of resource: these
    // need the star.
    let is_for_some = |action: &Action| action.resources().next().is_some();
    let actions = statement.actions.iter();
    let narrow = actions.filter(|action| action.matched.iter().all(is_for_some));
    let mut narrow = narrow
        .flat_map(|action| action.matched.iter())
        .filter(|action| statement.has_all_resources() || are_all_open(**action, &open));
    if let Some(first) = narrow.next() {
        let message = match narrow.count() {
            0 => format!("{first} is allowed on all resources"),
            more => format!("{first} and {more} other actions are allowed on all resources"),
        };
        let place = ElementPath::Resources(statement.index);
        report.add(RESOURCE_WILDCARD, place, message, "name the resources");
    }
}

/// So many resources of a statement are compared with the forms of ARNs. This bounds the work on a
/// list of thousands.
const MAX_OPEN: usize = 32;

/// A resource that may stand for all of a type: a wildcard, or nothing, is its Region and account.
struct OpenArn<'a> {
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: Pattern,
}

impl<'a> OpenArn<'a> {
    fn of(statement: &StatementView<'a>) -> Vec<Self> {
        if statement.has_not_resource() {
            return Vec::new();
        }
        let is_open = |field: &str| field.is_empty() || is_star(field);
        let arns = statement.resources().iter().filter_map(|resource| {
            let [_, _, service, region, account, resource] = split_six(resource.as_str())?;
            let resource = Pattern::new(resource);
            let is_arn = is_open(region) && is_open(account);
            is_arn.then_some(Self { service, region, account, resource })
        });
        arns.take(MAX_OPEN).collect()
    }

    /// Returns `true` if each ARN of a form such as `arn:${Partition}:s3:::${BucketName}` matches.
    fn covers(&self, form: &str) -> bool {
        let Some([_, _, service, region, account, resource]) = split_six(form) else {
            return false;
        };
        let is_covered = |form: &str, field: &str| form == field || is_star(field);
        // A placeholder stands for any text, as a star does.
        let mut inner = String::new();
        for (number, part) in resource.split("${").enumerate() {
            match part.split_once('}').filter(|_| number > 0) {
                Some((_, rest)) => {
                    inner.push('*');
                    inner.push_str(rest);
                }
                None => inner.push_str(part),
            }
        }
        service == self.service
            && is_covered(region, self.region)
            && is_covered(account, self.account)
            && covers(&self.resource, &inner)
    }
}

fn split_six(arn: &str) -> Option<[&str; 6]> {
    let mut fields = arn.splitn(6, ':');
    let mut next = || fields.next();
    Some([next()?, next()?, next()?, next()?, next()?, next()?])
}

/// Returns `true` if the resources are all of the types that an action needs, or all of one of
/// those that it may be for.
fn are_all_open(action: Action, open: &[OpenArn<'_>]) -> bool {
    let is_open = |kind: ActionResource| {
        let mut forms = kind.resource_type.arns();
        forms.all(|form| open.iter().any(|arn| arn.covers(form)))
    };
    let mut required = action.resources().filter(|it| it.is_required).peekable();
    match required.peek() {
        Some(_) => required.all(is_open),
        None => action.resources().any(is_open),
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
