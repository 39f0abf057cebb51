//! The crate against the tables of `tests/cases`.

use rolecall_policy::{
    PermissionPolicy, PolicyError, PolicyKind, ResourcePolicy, Simulation, TrustPolicy,
};
use serde_json::Value;

use crate::cases::{Refusal, Table, load, run, run_parse};

/// Decides a case as the command `rolecall policy simulate` does.
pub(crate) fn decide(case: &Value) -> Result<String, String> {
    let simulation = Simulation::parse(&case.to_string()).map_err(|error| error.to_string())?;
    Ok(simulation.evaluate().outcome().to_string())
}

/// Parses what was written, and writes it again.
type Reparse = fn(&str) -> Result<String, PolicyError>;

fn parse(kind: &str, text: &str) -> Result<(), PolicyError> {
    let permission = |kind| PermissionPolicy::parse_as(kind, text).map(|policy| policy.to_json());
    let (written, reparse): (String, Reparse) = match kind {
        "trust" => (TrustPolicy::parse(text)?.to_json(), |text| {
            TrustPolicy::parse_as(PolicyKind::TrustRaised, text).map(|policy| policy.to_json())
        }),
        "resource" => (ResourcePolicy::parse(text)?.to_json(), |text| {
            ResourcePolicy::parse(text).map(|policy| policy.to_json())
        }),
        "rcp" => {
            let policy = ResourcePolicy::parse_as(PolicyKind::ResourceControl, text)?;
            (policy.to_json(), |text| ResourcePolicy::parse(text).map(|policy| policy.to_json()))
        }
        _ => {
            let kind = match kind {
                "identity" => PolicyKind::Managed,
                "inline_role" => PolicyKind::Inline,
                "session" => PolicyKind::Session,
                "scp" => PolicyKind::ServiceControl,
                "aws_managed" => PolicyKind::AwsManaged,
                other => panic!("unknown kind {other}"),
            };
            (permission(kind)?, |text| {
                // A service control policy may have an Id.
                let kind = PolicyKind::ServiceControl;
                let policy = PermissionPolicy::parse_as(PolicyKind::AwsManaged, text);
                policy
                    .or_else(|_| PermissionPolicy::parse_as(kind, text))
                    .map(|policy| policy.to_json())
            })
        }
    };
    // What was accepted is written and read again without a loss.
    assert_eq!(reparse(&written).as_deref(), Ok(written.as_str()));
    Ok(())
}

fn check(table: Table, run: impl Fn(&Value) -> Result<(), String>) {
    let failed: Vec<String> =
        load(table).iter().filter_map(|case| run(&case.value).err()).collect();
    assert!(failed.is_empty(), "{} cases:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn decisions_equal_table() {
    check(Table::Evaluate, |case| run(case, decide));
}

#[test]
fn parse_results_equal_table() {
    check(Table::Parse, |case| {
        run_parse(case, |kind, text| {
            parse(kind, text).map_err(|error| Refusal {
                path: error.location.clone(),
                message: error.to_string(),
                line: error.position.map_or(1, |position| position.line as usize),
            })
        })
    });
}
