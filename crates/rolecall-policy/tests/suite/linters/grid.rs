//! What every builder makes, over a grid of partitions and options.

mod permission;
mod trust;

use rolecall_policy::{AllowedSessionTags, PermissionPolicy, TrustPolicy};

use super::policy::{NONE, OWN, Policy};
use crate::arrangement;

/// A partition and one of its Regions.
#[derive(Clone, Copy)]
struct Place {
    partition: &'static str,
    region: &'static str,
}

const PLACES: [Place; 3] = [
    Place { partition: "aws", region: "eu-west-1" },
    Place { partition: "aws-cn", region: "cn-north-1" },
    Place { partition: "aws-us-gov", region: "us-gov-west-1" },
];

impl Place {
    /// Returns an ARN of IAM in your account.
    fn iam(self, resource: &str) -> String {
        format!("arn:{}:iam::{OWN}:{resource}", self.partition)
    }

    /// Returns an ARN in your account and the Region.
    fn arn(self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{OWN}:{resource}", self.partition, self.region)
    }
}

/// Session tags: what callers may pass, with a name for each.
fn tags() -> Vec<(&'static str, Option<AllowedSessionTags>)> {
    let new = AllowedSessionTags::new;
    let required = || new().required("team", ["shop", "ops"]).unwrap();
    let both = required().optional("stage", ["test"]).unwrap();
    vec![
        ("no tags", None),
        ("a tag", Some(new().required("team", ["shop"]).unwrap())),
        ("any tag value", Some(new().required_with_any_value("team").unwrap())),
        ("optional tag", Some(new().optional_with_any_value("cost").unwrap())),
        ("tags", Some(both.clone())),
        ("transitive tags", Some(both.transitive(["team"]).unwrap())),
        ("tags of pods", Some(AllowedSessionTags::eks_pod_identity())),
    ]
}

/// What callers may do with the source identity, with a name for each.
const IDENTITIES: [(&str, &[&str]); 3] =
    [("no identity", &[]), ("an identity", &["ann"]), ("identities", &["ann", "bob"])];

fn of_trust(name: String, policy: &TrustPolicy) -> Policy {
    let name = format!("built trust: {name}");
    Policy { name, kind: "trust", document: policy.to_json(), code: NONE }
}

/// Returns a policy of permissions, as that of an identity and as that of a session.
fn of_permission(name: &str, policy: &PermissionPolicy) -> [Policy; 2] {
    ["identity", "session"].map(|kind| {
        let name = format!("built {kind}: {name}");
        Policy { name, kind, document: policy.to_json(), code: NONE }
    })
}

/// Returns the policies.
pub(super) fn built() -> Vec<Policy> {
    let mut policies = Vec::new();
    for place in PLACES {
        policies.extend(trust::all(place));
        policies.extend(permission::all(place));
        policies.extend(reference_arrangement(place));
    }
    policies
}

fn reference_arrangement(place: Place) -> Vec<Policy> {
    let Place { partition, region } = place;
    let arrangement = arrangement::builder().region(region).build().unwrap();
    let name = |what: &str| format!("arrangement, {what}, {partition}");
    let mut policies = vec![
        of_trust(name("service account"), arrangement.service_account_trust()),
        of_trust(name("project"), arrangement.project_trust()),
    ];
    for (what, policy) in [
        ("roles", arrangement.assume_role_permissions()),
        ("bucket", arrangement.bucket_permissions()),
        ("secrets", arrangement.secret_permissions()),
        ("images", arrangement.image_permissions()),
    ] {
        policies.extend(of_permission(&name(what), policy));
    }
    policies
}
