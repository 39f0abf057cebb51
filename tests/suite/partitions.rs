//! The partitions of Regions, compared with those of botocore.

use std::collections::BTreeMap;

use rolecall::sts::Region;
use rolecall_policy::{PermissionPolicy, SecretsAccess};
use rolecall_tests::python::is_left_out;

use crate::botocore::answer;

/// Prints the partition of each Region.
const BOTOCORE: &str = r#"
import json, botocore.session
session = botocore.session.Session()
data = session.get_component("data_loader").load_data("partitions")
print(json.dumps({
    region: partition["id"]
    for partition in data["partitions"]
    for region in partition["regions"]
    if not region.endswith("-global")
}))
"#;

#[test]
fn partitions_of_regions_are_those_of_botocore() {
    if is_left_out() {
        return;
    }
    let regions = answer(BOTOCORE, &serde_json::Value::Null);
    let regions: BTreeMap<String, String> = serde_json::from_value(regions).unwrap();
    assert!(regions.len() > 40, "{regions:?}");
    for (region, partition) in &regions {
        assert_eq!(Region::parse(region).unwrap().partition(), partition, "{region}");
        let access = SecretsAccess::under(region, ["shop/"]).unwrap().read();
        let policy = PermissionPolicy::builder().secrets(access).build().unwrap().to_json();
        let resource = format!("\"arn:{partition}:secretsmanager:{region}:");
        assert!(policy.contains(&resource), "{policy}");
    }
}
