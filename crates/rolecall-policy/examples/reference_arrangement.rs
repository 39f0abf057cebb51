//! Prints the reference arrangement of a project: the policies as JSON, or a Terraform file.
//!
//! ```console
//! $ cargo run -q -p rolecall-policy --example reference_arrangement
//! {
//!   "service-account-trust": {..
//! $ cargo run -q -p rolecall-policy --features terraform --example reference_arrangement -- \
//!     --terraform > crates/rolecall-policy/docs/reference-arrangement.tf
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use rolecall_policy::{
    OidcProvider, PermissionPolicy, PolicyError, ReferenceArrangement, Thumbprint, TrustPolicy,
    TrustedPrincipal,
};

/// Returns the arrangement of the project `shop`.
pub(crate) fn arrangement() -> Result<ReferenceArrangement, PolicyError> {
    let cluster = OidcProvider::eks("eu-west-1", "EXAMPLED539D4633E53DE1B716D3041E")?
        .thumbprint(Thumbprint::parse("990F4193972F2BECF12DDEDA5237F9C952F20D9E")?)
        .build()?;
    ReferenceArrangement::builder("shop")
        .account("111122223333")
        .region("eu-west-1")
        .bucket("shop-data")
        .cluster(cluster)
        .service_account("shop", "checkout")
        .external_id("shop-4711")
        .trusted_principal(TrustedPrincipal::role("arn:aws:iam::444455556666:role/deploy")?)
        .build()
}

#[derive(serde::Serialize)]
#[serde(rename_all = "kebab-case")]
struct Documents<'a> {
    service_account_trust: &'a TrustPolicy,
    assume_role: &'a PermissionPolicy,
    project_trust: &'a TrustPolicy,
    bucket: &'a PermissionPolicy,
    secrets: &'a PermissionPolicy,
    images: &'a PermissionPolicy,
}

/// Returns what the program prints with these arguments.
pub(crate) fn output(arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let arrangement = arrangement()?;
    match arguments {
        [] => {
            let documents = Documents {
                service_account_trust: arrangement.service_account_trust(),
                assume_role: arrangement.assume_role_permissions(),
                project_trust: arrangement.project_trust(),
                bucket: arrangement.bucket_permissions(),
                secrets: arrangement.secret_permissions(),
                images: arrangement.image_permissions(),
            };
            Ok(serde_json::to_string_pretty(&documents)? + "\n")
        }
        [option] if option == "--terraform" => terraform(&arrangement),
        _ => Err("usage: reference_arrangement [--terraform]".into()),
    }
}

#[cfg(feature = "terraform")]
fn terraform(arrangement: &ReferenceArrangement) -> Result<String, Box<dyn Error>> {
    Ok(arrangement.terraform()?.to_string())
}

#[cfg(not(feature = "terraform"))]
fn terraform(_: &ReferenceArrangement) -> Result<String, Box<dyn Error>> {
    Err("the feature terraform is not enabled; hint: run with --features terraform".into())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let written = output(&arguments).and_then(|text| Ok(write!(io::stdout(), "{text}")?));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
