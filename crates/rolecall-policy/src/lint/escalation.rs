//! The lints of actions that give away more than they name: passing roles, and creating
//! service-linked roles.

use super::location::ElementPath;
use super::registry::{
    CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE, CREATE_SLR_WITH_NOT_RESOURCE,
    CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE, CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE,
    CREATE_SLR_WITH_STAR_IN_RESOURCE, CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION, Lint,
    PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE, PASS_ROLE_WITH_NOT_RESOURCE,
    PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE, PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE,
    PASS_ROLE_WITH_STAR_IN_RESOURCE, PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION,
};
use super::view::{Report, StatementView};
use super::{PolicyKind, StatementLint};
use crate::pattern::Pattern;

pub(super) const STATEMENT: &[StatementLint] = &[pass_role, create_service_linked_role];

/// An action on roles, and its lints by how the statement includes the action: by name, by a
/// wildcard, by NotAction; each with too many resources, and with NotResource.
struct Sensitive {
    action: &'static str,
    /// A condition on this key limits the action in another way.
    key: &'static str,
    key_name: &'static str,
    does: &'static str,
    /// What the last field of an ARN of every role has.
    resource: &'static str,
    with_star: [&'static Lint; 3],
    with_not_resource: [&'static Lint; 3],
}

const PASS_ROLE: Sensitive = Sensitive {
    action: "iam:PassRole",
    key: "iam:passedtoservice",
    key_name: "iam:PassedToService",
    does: "passing",
    resource: "role/\u{1}",
    with_star: [
        PASS_ROLE_WITH_STAR_IN_RESOURCE,
        PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE,
        PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION,
    ],
    with_not_resource: [
        PASS_ROLE_WITH_NOT_RESOURCE,
        PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE,
        PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE,
    ],
};

const CREATE_ROLE: Sensitive = Sensitive {
    action: "iam:CreateServiceLinkedRole",
    key: "iam:awsservicename",
    key_name: "iam:AWSServiceName",
    does: "creating",
    resource: "role/aws-service-role/\u{1}/\u{1}",
    with_star: [
        CREATE_SLR_WITH_STAR_IN_RESOURCE,
        CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE,
        CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION,
    ],
    with_not_resource: [
        CREATE_SLR_WITH_NOT_RESOURCE,
        CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE,
        CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE,
    ],
};

fn pass_role(statement: &StatementView<'_>, report: &mut Report) {
    PASS_ROLE.check(statement, report);
}

fn create_service_linked_role(statement: &StatementView<'_>, report: &mut Report) {
    CREATE_ROLE.check(statement, report);
}

impl Sensitive {
    fn check(&self, statement: &StatementView<'_>, report: &mut Report) {
        let is_limited = statement.tests(self.key);
        // A session policy and a control policy only limit what others allow.
        let is_limit = statement.is_guardrail() || statement.options.kind == PolicyKind::Session;
        if !statement.is_allow() || is_limit || is_limited {
            return;
        }
        let Some((how, place)) = self.included(statement) else { return };
        let kinds = if statement.has_not_resource() {
            self.with_not_resource
        } else if statement.resources().iter().any(|it| self.is_every_role(it.as_str())) {
            self.with_star
        } else {
            return;
        };
        let [by_name, by_wildcard, by_not_action] = kinds;
        let lint = match how {
            Included::Name => by_name,
            Included::Wildcard => by_wildcard,
            Included::NotAction => by_not_action,
        };
        let roles = if statement.has_not_resource() { "all roles but some" } else { "all roles" };
        let message = format!("the statement allows {} {roles}", self.does);
        let fix = format!(
            "name the roles in the Resource of a statement of {}, or test {}",
            self.action, self.key_name
        );
        report.add(lint, place, message, fix);
    }

    /// Returns how the statement includes the action, if it does, and where.
    fn included(&self, statement: &StatementView<'_>) -> Option<(Included, ElementPath)> {
        if !statement.includes(self.action) {
            return None;
        }
        if statement.has_not_action() {
            return Some((Included::NotAction, ElementPath::Actions(statement.index)));
        }
        let matching = statement.actions.iter().enumerate();
        let mut matching = matching.filter(|(_, it)| it.pattern.matches(self.action));
        // An action that is named is meant, and one that a wildcard matches may be an accident:
        // they have different lints.
        let by_name = matching.clone().find(|(_, action)| !action.has_wildcard());
        let (index, action) = by_name.or_else(|| matching.next())?;
        let how = if action.has_wildcard() { Included::Wildcard } else { Included::Name };
        Some((how, statement.action(index)))
    }

    /// Returns `true` if a resource matches roles of any name. A prefix of names, as in
    /// `role/app-*`, is a choice of the author.
    fn is_every_role(&self, resource: &str) -> bool {
        match resource.splitn(6, ':').nth(5) {
            Some(last) => Pattern::new(last).matches(self.resource),
            None => resource.ends_with('*'),
        }
    }
}

enum Included {
    Name,
    Wildcard,
    NotAction,
}
