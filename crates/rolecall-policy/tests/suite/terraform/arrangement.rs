//! The reference arrangement as a Terraform file.

use rolecall_policy::{OidcProvider, PermissionPolicy, ReferenceArrangement, TrustPolicy};
use serde_json::{Value, json};

use super::program::{self, Terraform};
use super::read::{EvaluatedFile, decode_policies, read_files};
use crate::arrangement::{builder, example};

const COMMITTED: &str = include_str!("../../../docs/reference-arrangement.tf");

#[test]
fn committed_file_is_output_of_example() {
    let output = example::output(&["--terraform".to_owned()]).unwrap();
    let hint = "run the example again, as its first lines say";
    assert!(output == COMMITTED, "docs/reference-arrangement.tf is not current; hint: {hint}");
}

/// The references in policies, and the ARNs that they stand for.
fn linked(arrangement: &ReferenceArrangement) -> [(&'static str, &str); 3] {
    [
        ("aws_iam_openid_connect_provider.cluster.arn", arrangement.provider_arn()),
        ("aws_iam_role.service_account.arn", arrangement.service_account_role()),
        ("aws_iam_role.project.arn", arrangement.project_role()),
    ]
}

/// Writes ARNs instead of the references in policies, which Terraform knows only after it has
/// created the blocks.
fn without_links(arrangement: &ReferenceArrangement) -> String {
    let mut file = arrangement.terraform().unwrap().to_string();
    for (reference, arn) in linked(arrangement) {
        assert!(!file.contains(&format!("{arn:?}")), "{arn} is not a reference");
        assert_eq!(file.matches(reference).count(), 1, "{reference}");
        file = file.replace(reference, &format!("{arn:?}"));
    }
    file
}

fn assert_complete(arrangement: &ReferenceArrangement, file: &EvaluatedFile) {
    let json = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let project = arrangement.project_role_name();
    let thumbprints: Vec<_> = arrangement.provider().thumbprints().iter().collect();
    let url = arrangement.provider().url();
    let mut provider = json!({"url": url, "client_id_list": ["sts.amazonaws.com"]});
    if let [thumbprint] = thumbprints[..] {
        provider["thumbprint_list"] = json!([thumbprint.as_str()]);
    }
    let role = |name: &str, trust: &TrustPolicy| {
        assert_eq!(TrustPolicy::parse(&trust.to_json()).as_ref(), Ok(trust));
        json!({"name": name, "assume_role_policy": json(trust.to_json())})
    };
    let name = arrangement.service_account_role_name();
    let service_account = role(name, arrangement.service_account_trust());
    let mut expected = EvaluatedFile::from([
        ("aws_iam_openid_connect_provider.cluster".to_owned(), provider),
        ("aws_iam_role.service_account".to_owned(), service_account),
        ("aws_iam_role.project".to_owned(), role(project, arrangement.project_trust())),
    ]);
    for (label, policy, role) in [
        ("bucket", arrangement.bucket_permissions(), "project"),
        ("secrets", arrangement.secret_permissions(), "project"),
        ("images", arrangement.image_permissions(), "project"),
        ("assume_role", arrangement.assume_role_permissions(), "service_account"),
    ] {
        let name = format!("{project}-{}", label.replace('_', "-"));
        let block = json!({"name": name, "policy": json(policy.to_json())});
        expected.insert(format!("aws_iam_policy.{label}"), block);
        let attachment = json!({
            "role": {"reference": format!("aws_iam_role.{role}.name")},
            "policy_arn": {"reference": format!("aws_iam_policy.{label}.arn")},
        });
        expected.insert(format!("aws_iam_role_policy_attachment.{label}"), attachment);
    }
    // What Terraform evaluates is again the policy that was built.
    for (address, policy) in [
        ("aws_iam_policy.bucket", arrangement.bucket_permissions()),
        ("aws_iam_policy.assume_role", arrangement.assume_role_permissions()),
    ] {
        let text = file[address]["policy"].as_str().unwrap();
        assert_eq!(PermissionPolicy::parse(text).as_ref(), Ok(policy));
    }
    let decoded: EvaluatedFile =
        file.iter().map(|(address, block)| (address.clone(), decode_policies(block))).collect();
    assert_eq!(decoded, expected);
}

fn arrangements() -> Vec<ReferenceArrangement> {
    let china = OidcProvider::eks("cn-north-1", "EXAMPLE").unwrap().build().unwrap();
    let china = builder().region("cn-north-1").cluster(china).service_account("a", "b.c");
    vec![example::arrangement().unwrap(), china.build().unwrap()]
}

#[test]
fn arrangement_is_formatted_and_evaluates_to_policies() {
    if program::is_left_out() {
        return;
    }
    let arrangements = arrangements();
    let files: Vec<String> = arrangements
        .iter()
        .map(|arrangement| arrangement.terraform().unwrap().to_string())
        .collect();
    let terraform = Terraform::new().unwrap();
    assert_eq!(terraform.format_differences(&files), "");

    let files: Vec<String> = arrangements.iter().map(without_links).collect();
    let evaluated = read_files(&files, |expressions| terraform.evaluate(expressions));
    for (arrangement, file) in arrangements.iter().zip(&evaluated) {
        assert_complete(arrangement, file);
    }
}

#[test]
fn arrangement_evaluates_to_policies_in_hcl_rs() {
    for arrangement in arrangements() {
        assert_complete(&arrangement, &super::read_with_hcl(&without_links(&arrangement)));
    }
}

#[test]
fn client_id_that_terraform_may_change_is_an_error() {
    let provider = OidcProvider::builder("https://idp.example.com")
        .client_id("sts.amazonaws.com")
        .client_id("e\u{301}");
    let arrangement = builder().cluster(provider.build().unwrap()).build().unwrap();
    let error = arrangement.terraform().unwrap_err();
    assert_eq!(error.location, "aws_iam_openid_connect_provider.cluster.client_id_list");
}
