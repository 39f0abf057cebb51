//! The lints of the form of ARNs in `Resource` and `NotResource`.

use super::catalog::{self, ArnForm, Glob, arn_forms};
use super::cover::covered;
use super::location::ElementPath;
use super::registry::{
    ALLOW_WITH_NOT_RESOURCE, ARN_ACCOUNT_NOT_ALLOWED, ARN_REGION_NOT_ALLOWED, INVALID_ARN_ACCOUNT,
    INVALID_ARN_REGION, INVALID_ARN_RESOURCE, INVALID_ARN_SERVICE_CASE, INVALID_PARTITION,
    INVALID_SERVICE, MISSING_ARN_ACCOUNT, MISSING_ARN_REGION, REDUNDANT_RESOURCE,
    WILDCARD_IN_SERVICE_NAME,
};
use super::view::{Report, StatementView};
use super::{StatementLint, names};
use crate::arn::{is_account, is_known_partition};
use crate::pattern::{Syntax, split_fields};

pub(super) const STATEMENT: &[StatementLint] = &[forms, not_resource, redundant];

fn forms(statement: &StatementView<'_>, report: &mut Report) {
    for (index, resource) in statement.resources().iter().enumerate() {
        if report.is_full() {
            return;
        }
        let syntax = Syntax { wildcards: true, variables: true };
        // An ARN with fewer fields ends in a star, which stands for the rest.
        let Some(fields) = split_fields::<6>(resource.as_str(), syntax) else { continue };
        let [_, partition, service, region, account, rest] = fields;
        let arn = Arn { partition, service, region, account, resource: rest };
        arn.check(statement.resource(index), report);
    }
}

/// The fields of an ARN with wildcards and variables.
struct Arn<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

/// Returns `true` if a field contains neither wildcards nor variables.
fn is_plain(field: &str) -> bool {
    !field.contains(['*', '?', '$'])
}

impl Arn<'_> {
    fn check(&self, place: ElementPath, report: &mut Report) {
        let Self { partition, service, region, account, .. } = *self;
        if is_plain(partition) && !is_known_partition(partition) {
            let message = format!("{partition:?} is not a partition");
            let fix = "write aws, or a partition such as aws-cn";
            report.add(INVALID_PARTITION, place, message, fix);
        }
        if is_plain(region) && !region.is_empty() && !names::is_region(region) {
            let message = format!("{region:?} is not the name of a Region");
            report.add(INVALID_ARN_REGION, place, message, "write a Region such as eu-west-1");
        }
        if !is_plain(service) {
            if service.contains(['*', '?']) {
                let message = format!("the service {service:?} may match services of the future");
                report.add(WILDCARD_IN_SERVICE_NAME, place, message, "name the service");
            }
            return;
        }
        let lower_case = service.to_ascii_lowercase();
        let Some(forms) = arn_forms(&lower_case) else {
            if catalog::service(&lower_case).is_none() {
                let message = format!("the service {service:?} does not exist");
                let fix = match catalog::nearest_prefix(service) {
                    Some(nearest) => format!("write {nearest}"),
                    None => "check the form of the ARN in the service's documentation".to_owned(),
                };
                report.add(INVALID_SERVICE, place, message, fix);
            }
            return;
        };
        if lower_case != service {
            let message = format!("the service {service:?} contains capital letters");
            report.add(INVALID_ARN_SERVICE_CASE, place, message, format!("write {lower_case}"));
        }
        let known = |form: &ArnForm| !form.account.is_empty() && form.account == account;
        if is_plain(account) && !account.is_empty() && !is_account(account) {
            // AWS's own resources, such as managed policies, are in the account `aws`.
            if account != "aws" && !forms.iter().any(known) {
                let message = format!("{account:?} is not an account id");
                report.add(INVALID_ARN_ACCOUNT, place, message, "write 12 digits");
            }
        }
        self.check_resource(forms, place, report);
    }

    /// Compares the ARN with the forms of its service.
    fn check_resource(&self, forms: &[ArnForm], place: ElementPath, report: &mut Report) {
        let Self { service, region, account, resource, .. } = *self;
        let glob = Glob::wildcards(resource);
        let candidates: Vec<&ArnForm> = forms.iter().filter(|it| it.may_match(&glob)).collect();
        let Some(first) = candidates.first() else {
            let message = format!("{resource:?} has the form of no resource of {service}");
            let nearest = forms.iter().max_by_key(|form| common_start(form.resource, resource));
            let form = nearest.map(|form| form.text).unwrap_or_default();
            report.add(
                INVALID_ARN_RESOURCE,
                place,
                message,
                format!("write an ARN such as {form}"),
            );
            return;
        };
        let all_lack =
            |field: fn(&ArnForm) -> &str| candidates.iter().all(|it| field(it).is_empty());
        let all_have =
            |field: fn(&ArnForm) -> &str| candidates.iter().all(|it| !field(it).is_empty());
        let form = first.text;
        if region.is_empty() && all_have(|form| form.region) {
            let message = "the ARN has no Region".to_owned();
            report.add(MISSING_ARN_REGION, place, message, format!("write {form}"));
        }
        // The documents that AWS owns have no account, though the reference lists one.
        if account.is_empty() && all_have(|form| form.account) && service != "ssm" {
            let message = "the ARN has no account".to_owned();
            report.add(MISSING_ARN_ACCOUNT, place, message, format!("write {form}"));
        }
        if !region.is_empty() && is_plain(region) && all_lack(|form| form.region) {
            let message = format!("ARNs of this kind have no Region, and this has {region:?}");
            report.add(ARN_REGION_NOT_ALLOWED, place, message, format!("write {form}"));
        }
        if !account.is_empty() && is_plain(account) && all_lack(|form| form.account) {
            let message = format!("ARNs of this kind have no account, and this has {account:?}");
            report.add(ARN_ACCOUNT_NOT_ALLOWED, place, message, format!("write {form}"));
        }
    }
}

fn common_start(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

fn not_resource(statement: &StatementView<'_>, report: &mut Report) {
    let is_wide = statement.has_not_resource() && !statement.excepts_all_resources();
    if statement.is_allow() && is_wide && !statement.is_guardrail() {
        report.add(
            ALLOW_WITH_NOT_RESOURCE,
            ElementPath::Resources(statement.index),
            "the statement allows access to all resources but these, also to future ones",
            "list the resources in Resource, or deny these",
        );
    }
}

fn redundant(statement: &StatementView<'_>, report: &mut Report) {
    let resources = statement.resources();
    let texts: Vec<String> = resources.iter().map(|it| it.as_str().to_owned()).collect();
    // In `${*}` the star is a plain character.
    if texts.iter().any(|text| text.contains("${*}") || text.contains("${?}")) {
        return;
    }
    for (index, outer) in covered(&texts) {
        let (Some(inner), Some(outer)) = (texts.get(index), texts.get(outer)) else { continue };
        let message = format!("{inner:?} is contained in {outer:?}");
        report.add(REDUNDANT_RESOURCE, statement.resource(index), message, "remove it");
    }
}
