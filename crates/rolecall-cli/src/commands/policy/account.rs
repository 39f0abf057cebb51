//! `rolecall policy who-can` and `can`: questions about the description of an account.

use std::process::ExitCode;

use anstyle::Style;
use clap::Args;
use rolecall::policy::account::{
    Access, AccessReport, Assumer, Grant, Permissions, RoleAssumers, Verdict,
};
use rolecall::policy::{PolicyError, unknown_action};
use serde::Serialize;
use serde_json::json;

use super::accounts::AccountArgs;
use crate::error::Failure;
use crate::output::{Output, style};

fn refused(error: &PolicyError) -> Failure {
    // The hint of the library names a function.
    if error.location == "resource account" {
        let message = error.message.split("; hint: ").next().unwrap_or_default();
        return Failure::usage(message).with_hint("pass --resource-account");
    }
    Failure::operation_of(error)
}

/// List the users and roles that can call an action on a resource
///
/// Condition keys that are not known make an answer conditional. For sts:AssumeRole on a role, the
/// answer contains services, identity providers and other accounts, and the principals that reach
/// the role through other roles.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aws iam get-account-authorization-details > account.json
  rolecall policy who-can s3:GetObject arn:aws:s3:::shop/orders/1 --account account.json
  rolecall policy who-can sts:AssumeRole arn:aws:iam::111122223333:role/deploy \\
    --account account.json
  rolecall policy who-can s3:GetObject arn:aws:s3:::shop/orders/1 \\
    --account account.json --account other.json --resource-account 444455556666 \\
    --scp root.json --scp 111122223333=FullAWSAccess.json,no-s3.json")]
pub(super) struct WhoCan {
    /// Action, such as s3:GetObject
    #[arg(value_name = "ACTION")]
    action: String,
    /// ARN of the resource, or *
    #[arg(value_name = "RESOURCE")]
    resource: String,
    #[command(flatten)]
    account: AccountArgs,
}

/// The actions by which a principal without a role of its own assumes one.
const FEDERATED: [&str; 2] = ["sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"];

impl WhoCan {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let accounts = self.account.accounts(output, Some(&self.resource))?;
        let context = self.account.context();
        let is = |action: &str| self.action.eq_ignore_ascii_case(action);
        if is("sts:AssumeRole") || FEDERATED.iter().any(|action| is(action)) {
            let report = accounts.who_can_assume(&self.resource, &context);
            let mut report = report.map_err(|error| refused(&error))?;
            if !is("sts:AssumeRole") {
                report.assumers.retain(|assumer| match assumer.path.as_slice() {
                    [hop] => is(&hop.action),
                    _ => false,
                });
            }
            return self.print_assumers(output, &report);
        }
        let report = accounts.who_can(&self.action, &self.resource, &context);
        self.print_access(output, &report.map_err(|error| refused(&error))?)
    }

    fn title(&self, output: &mut Output) -> Result<(), Failure> {
        output.paragraph(0, (style::NAME, &self.action), &format!("on {}", self.resource))
    }

    fn print_access(&self, output: &mut Output, report: &AccessReport) -> Result<(), Failure> {
        if !output.is_table() {
            return output.json(report);
        }
        self.title(output)?;
        for access in &report.access {
            output.line("")?;
            print_access(output, access)?;
        }
        if report.access.is_empty() {
            output.line("")?;
            output.line("no described user or role")?;
        }
        print_notes(output, &report.notes)
    }

    fn print_assumers(&self, output: &mut Output, report: &RoleAssumers) -> Result<(), Failure> {
        if !output.is_table() {
            return output.json(report);
        }
        self.title(output)?;
        for assumer in &report.assumers {
            output.line("")?;
            print_assumer(output, assumer)?;
        }
        if report.assumers.is_empty() {
            output.line("")?;
            output.line("no principal that is known")?;
        }
        print_notes(output, &report.notes)
    }
}

fn print_access(output: &mut Output, access: &Access) -> Result<(), Failure> {
    output.heading(&access.subject.to_string())?;
    print_verdict(output, access.verdict, &access.reason)
}

fn print_assumer(output: &mut Output, assumer: &Assumer) -> Result<(), Failure> {
    let subject = assumer.subject.to_string();
    output.heading(&subject)?;
    let text = assumer.to_string();
    // The text begins with the subject and the verdict.
    let text = text.strip_prefix(&format!("{subject}: {}", assumer.verdict)).unwrap_or(&text);
    print_verdict(output, assumer.verdict, text.trim_start())
}

fn print_verdict(output: &mut Output, verdict: Verdict, text: &str) -> Result<(), Failure> {
    output.paragraph(2, (color(verdict), &format!("{verdict}:")), text)
}

fn color(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Allowed => style::GOOD,
        Verdict::Conditional => style::WARNING,
        Verdict::NotAllowed => style::ERROR,
    }
}

fn print_notes(output: &mut Output, notes: &[String]) -> Result<(), Failure> {
    if !notes.is_empty() {
        output.line("")?;
    }
    notes.iter().try_for_each(|note| output.paragraph(0, (style::HINT, "note:"), note))
}

/// Show what a user, or any session of a role, can do
///
/// With an action and a resource, the answer is about them alone, and the exit status is 1 if they
/// are not allowed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rolecall policy can arn:aws:iam::111122223333:role/checkout --account account.json
  rolecall policy can arn:aws:iam::111122223333:user/ann s3:GetObject arn:aws:s3:::shop/1 \\
    --account account.json")]
pub(super) struct Can {
    /// ARN of a user or role
    #[arg(value_name = "PRINCIPAL")]
    principal: String,
    /// Action, such as s3:GetObject
    #[arg(value_name = "ACTION", requires = "resource")]
    action: Option<String>,
    /// ARN of the resource, or *
    #[arg(value_name = "RESOURCE")]
    resource: Option<String>,
    #[command(flatten)]
    account: AccountArgs,
}

/// The answer about one action and one resource, as JSON.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    access: Access,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

impl Can {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let accounts = self.account.accounts(output, self.resource.as_deref())?;
        let context = self.account.context();
        if let (Some(action), Some(resource)) = (&self.action, &self.resource) {
            output.go_on_without_reader();
            let access = accounts.can(&self.principal, action, resource, &context);
            let access = access.map_err(|error| refused(&error))?;
            let is_denied = access.verdict == Verdict::NotAllowed;
            let notes = Vec::from_iter(unknown_action(action));
            match output.is_table() {
                true => {
                    print_access(output, &access)?;
                    print_notes(output, &notes)?;
                }
                false => output.json(&Answer { access, notes })?,
            }
            return Ok(if is_denied { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        let permissions = accounts.permissions_of(&self.principal, &context);
        let permissions = permissions.map_err(|error| refused(&error))?;
        match output.is_table() {
            true => print_permissions(output, &permissions)?,
            false => output.json(&json!({
                "permissions": permissions,
                "services": permissions.services(),
                "unknown_actions": permissions.unknown_actions(),
            }))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print_permissions(output: &mut Output, permissions: &Permissions) -> Result<(), Failure> {
    output.heading(&permissions.subject.to_string())?;
    let services = permissions.services();
    for service in &services {
        output.paragraph(2, (style::PLAIN, ""), &service.to_string())?;
    }
    if services.is_empty() {
        output.line("  no action of a known service")?;
    }
    let unknown = permissions.unknown_actions();
    if !unknown.is_empty() {
        let text = format!("actions that no known service has: {}", unknown.join(", "));
        output.paragraph(2, (style::PLAIN, ""), &text)?;
    }
    output.line("")?;
    output.heading("Statements")?;
    for (mark, grants) in [
        ((style::GOOD, "allow"), &permissions.grants),
        ((style::ERROR, "deny"), &permissions.denies),
    ] {
        grants.iter().try_for_each(|grant| print_grant(output, mark, grant))?;
    }
    for limit in &permissions.limits {
        let mark = (style::WARNING, "limit to");
        limit.grants.iter().try_for_each(|grant| print_grant(output, mark, grant))?;
        if limit.grants.is_empty() {
            let text = format!("nothing, by the {}", limit.policy_type);
            output.paragraph(2, mark, &text)?;
        }
    }
    print_notes(output, &permissions.notes)
}

fn print_grant(output: &mut Output, mark: (Style, &str), grant: &Grant) -> Result<(), Failure> {
    let actions = grant.statement.actions();
    let names = actions.patterns().iter().map(|pattern| pattern.as_str());
    let mut text = list(actions.is_negated(), names);
    if let Some(resources) = grant.statement.resources() {
        let arns = resources.patterns().iter().map(|pattern| pattern.as_str());
        text = format!("{text} on {}", list(resources.is_negated(), arns));
    }
    if !grant.requirements.is_empty() {
        let all: Vec<String> = grant.requirements.iter().map(ToString::to_string).collect();
        text = format!("{text} if {}", all.join(" and "));
    }
    output.paragraph(2, mark, &format!("{text}, by {grant}"))
}

fn list<'a>(is_negated: bool, texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.collect();
    format!("{}{}", if is_negated { "all but " } else { "" }, texts.join(", "))
}
