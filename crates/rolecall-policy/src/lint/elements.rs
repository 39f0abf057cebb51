//! The lints of the elements that are neither actions, resources, principals nor conditions.

use super::finding::Severity;
use super::location::ElementPath;
use super::registry::{EMPTY_SID_VALUE, EVERYTHING_EXCEPTED, MISSING_VERSION, OLD_VERSION};
use super::view::{PolicyView, Report, StatementView};
use super::{PolicyLint, StatementLint};
use crate::pattern::Version;

pub(super) const STATEMENT: &[StatementLint] = &[sid, excepted];
pub(super) const POLICY: &[PolicyLint] = &[version];

fn version(policy: &PolicyView<'_>, report: &mut Report) {
    match policy.document.version {
        None => report.add(
            MISSING_VERSION,
            ElementPath::Document,
            "the policy has no Version and is read as 2008-10-17, without policy variables",
            "add \"Version\": \"2012-10-17\"",
        ),
        Some(Version::V2008) => report.add(
            OLD_VERSION,
            ElementPath::Version,
            "the version 2008-10-17 has no policy variables",
            "write 2012-10-17",
        ),
        Some(Version::V2012) => {}
    }
}

fn sid(statement: &StatementView<'_>, report: &mut Report) {
    if statement.statement.sid() == Some("") {
        let place = ElementPath::Sid(statement.index);
        report.add(EMPTY_SID_VALUE, place, "the Sid is empty", "remove it, or name the statement");
    }
}

/// Statements that except all actions, all resources, or everyone.
fn excepted(statement: &StatementView<'_>, report: &mut Report) {
    let index = statement.index;
    for (is_void, what, place) in [
        (statement.excepts_all_actions(), "all actions", ElementPath::Actions(index)),
        (statement.excepts_all_resources(), "all resources", ElementPath::Resources(index)),
        (statement.excepts_everyone(), "everyone", ElementPath::Principals(index)),
    ] {
        if !is_void {
            continue;
        }
        // A void Deny lets requests through that it was written for.
        let (severity, verb) = match statement.is_allow() {
            true => (Severity::Warning, "allows"),
            false => (EVERYTHING_EXCEPTED.severity, "denies"),
        };
        let message = format!("the statement excepts {what}, and {verb} nothing");
        let fix = "name what to except, or remove the statement";
        report.add_as(severity, EVERYTHING_EXCEPTED, place, message, fix);
    }
}
