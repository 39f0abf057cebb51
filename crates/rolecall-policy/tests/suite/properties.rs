//! Properties of all decisions, on generated cases and on changes of them.
//!
//! No expected decision stands here: a property compares the evaluator with itself.

mod change;

use fastrand::Rng;
use rolecall_policy::{
    Outcome, PermissionPolicy, PolicyError, PolicyKind, ResourcePolicy, Simulation, TrustPolicy,
};
use serde_json::{Value, json};

use crate::generate;
use change::Pool;

/// Cases of each property.
const CASES: u64 = 2_000;

fn decide(case: &Value) -> Outcome {
    let simulation = Simulation::parse(&case.to_string());
    simulation.unwrap_or_else(|error| panic!("{error}: {case}")).evaluate().outcome()
}

/// Counts what changes of cases do to their decisions.
#[derive(Debug, Default)]
struct Narrowing {
    /// Changes of a case that was denied, where only a widening would show.
    of_denied: usize,
    /// Allowed cases that the change denies.
    narrowed: usize,
}

impl Narrowing {
    #[track_caller]
    fn check(&mut self, before: &Value, after: &Value) {
        let (old, new) = (decide(before), decide(after));
        assert!(old.is_allowed() || !new.is_allowed(), "{old} becomes {new}:\n{before}\n{after}");
        self.of_denied += usize::from(!old.is_allowed());
        self.narrowed += usize::from(old.is_allowed() && !new.is_allowed());
    }

    /// A change that is never seen to matter, or never meets a denied case, would prove nothing.
    #[track_caller]
    fn assert_seen(&self) {
        let enough = usize::try_from(CASES / 20).unwrap();
        assert!(self.of_denied >= enough && self.narrowed >= enough, "{self:?}");
    }
}

fn cases() -> impl Iterator<Item = (u64, Value)> {
    (0..CASES).map(|seed| (seed, generate::case(seed)))
}

/// Parses a document of a member of a case, writes it, and parses what was written.
fn check_round_trip(member: &str, is_trust: bool, text: &str) -> Result<(), PolicyError> {
    match member {
        "resource_policy" if is_trust => {
            let policy = TrustPolicy::parse_as(PolicyKind::TrustRaised, text)?;
            let written = policy.to_json();
            assert_eq!(TrustPolicy::parse_as(PolicyKind::TrustRaised, &written)?, policy);
        }
        "resource_policy" | "rcps" => {
            let kind = match member {
                "rcps" => PolicyKind::ResourceControl,
                _ => PolicyKind::Resource,
            };
            let policy = ResourcePolicy::parse_as(kind, text)?;
            assert_eq!(ResourcePolicy::parse_as(kind, &policy.to_json())?, policy);
        }
        _ => {
            let kind = match member {
                "scps" => PolicyKind::ServiceControl,
                "session_policies" => PolicyKind::Session,
                _ => PolicyKind::AwsManaged,
            };
            let policy = PermissionPolicy::parse_as(kind, text)?;
            assert_eq!(PermissionPolicy::parse_as(kind, &policy.to_json())?, policy);
        }
    }
    Ok(())
}

#[test]
fn written_policies_parse_to_equal_ones() {
    for (_, mut case) in cases() {
        let is_trust = change::is_trust(&case);
        for (member, document) in change::documents(&mut case) {
            let text = document.to_string();
            check_round_trip(member, is_trust, &text)
                .unwrap_or_else(|error| panic!("{error}: {text}"));
        }
    }
}

#[test]
fn added_deny_never_widens() {
    let pool = Pool::new(CASES, 300);
    let mut narrowing = Narrowing::default();
    for (seed, case) in cases() {
        let mut rng = Rng::with_seed(seed);
        let changed = change::add_deny(&case, &pool, &mut rng);
        narrowing.check(&case, &changed);
    }
    narrowing.assert_seen();
}

#[test]
fn removed_allow_never_widens() {
    let mut narrowing = Narrowing::default();
    for (_, case) in cases() {
        for changed in change::without_each_allow(&case) {
            narrowing.check(&case, &changed);
        }
    }
    narrowing.assert_seen();
}

/// Checks that a kind of policies, which the case had not, does not widen its decision.
fn check_added_member(member: &str) {
    let mut narrowing = Narrowing::default();
    let mut donor = Value::Null;
    for (_, case) in cases() {
        if let Some(own) = case.get(member) {
            donor = own.clone();
        }
        let mut without = case.clone();
        without.as_object_mut().unwrap().remove(member);
        if donor.is_null() {
            continue;
        }
        // The case's own policies are about its request; those of an earlier case mostly are not.
        let mut with = without.clone();
        with[member] = donor.clone();
        narrowing.check(&without, &with);
    }
    narrowing.assert_seen();
}

#[test]
fn added_session_policy_never_widens() {
    check_added_member("session_policies");
}

#[test]
fn added_boundary_never_widens() {
    check_added_member("permission_boundaries");
}

#[test]
fn added_service_control_policy_never_widens() {
    check_added_member("scps");
}

#[test]
fn added_resource_control_policy_never_widens() {
    check_added_member("rcps");
}

#[test]
fn added_level_of_service_control_never_widens() {
    let mut narrowing = Narrowing::default();
    let mut donor = json!([]);
    for (seed, case) in cases() {
        let Some(levels) = case.get("scps").map(change::levels) else { continue };
        let mut changed = levels.clone();
        changed.insert(Rng::with_seed(seed).usize(0..=levels.len()), donor);
        donor = levels.first().cloned().unwrap_or_else(|| json!([]));
        // No level allows nothing: a first one is no addition to others.
        if levels.is_empty() {
            continue;
        }
        let (mut before, mut after) = (case.clone(), case);
        before["scps"] = json!(levels);
        after["scps"] = json!(changed);
        narrowing.check(&before, &after);
    }
    narrowing.assert_seen();
}

#[test]
fn order_does_not_change_decisions() {
    for (seed, mut case) in cases() {
        let mut rng = Rng::with_seed(seed);
        change::add_account_allow(&mut case, &mut rng);
        let changed = change::shuffle(&case, &mut rng);
        assert_eq!(decide(&case), decide(&changed), "{case}\n{changed}");
    }
}

#[test]
fn letter_case_does_not_change_decisions() {
    for (seed, case) in cases() {
        let changed = change::change_letter_case(&case, &mut Rng::with_seed(seed));
        assert_ne!(case, changed);
        assert_eq!(decide(&case), decide(&changed), "{case}\n{changed}");
    }
}
