//! `rolecall scaffold`: a Terraform folder for a service in a Kubernetes cluster.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fmt, fs};

use clap::Args;
use rolecall::params::ExternalId;
use rolecall::policy::{
    OidcProvider, OneOf, PolicyError, ReferenceArrangement, Statement, Thumbprint, TrustedPrincipal,
};
use serde::Serialize;

use crate::error::Failure;
use crate::files::{self, Existing};
use crate::input::Input;
use crate::output::Output;
use crate::random;

/// The random bytes of an external id.
const EXTERNAL_ID_BYTES: usize = 16;
const MAX_CHAIN_FILE: u64 = 1024 * 1024;
/// Where the webhook of EKS mounts the token.
const TOKEN_FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

/// Write a Terraform folder for a service in a Kubernetes cluster, and the settings of its pods
///
/// The folder has the OIDC provider of the cluster, a role for the service account, a role for the
/// project, which the former assumes with an external id, policies for a bucket, secrets and
/// images, and the environment variables of the pod. AWS is not called.
///
/// The project's role may list the bucket, read and write its objects, read the secrets below NAME/
/// and common/, and push images to the repositories below NAME/ and common/, in the Region and in
/// every account whose own policies allow it. All projects have the prefix common/ in common: where
/// a project must not push what others run, remove it from the policy "images" in main.tf. The
/// result lists the actions and their resources.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  rolecall scaffold --project shop --account 111122223333 --region eu-west-1 --bucket shop-data \\
    --issuer https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E")]
pub(crate) struct Scaffold {
    /// Folder to write; defaults to the name of the project
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Name of the project, after which its roles are named; the project's role may read the
    /// secrets and push to the repositories below NAME/ and below common/
    #[arg(long, value_name = "NAME")]
    project: String,
    /// Account of the roles
    #[arg(long, value_name = "ID")]
    account: String,
    /// Region of the secrets and repositories
    #[arg(long, value_name = "REGION")]
    region: String,
    /// Name of the bucket
    #[arg(long, value_name = "NAME")]
    bucket: String,
    /// Issuer of the cluster's tokens
    #[arg(long, value_name = "URL", help_heading = "Cluster")]
    issuer: String,
    /// Thumbprint of the issuer's certificate authority, if AWS does not trust it; repeat for more
    #[arg(long, value_name = "HEX", help_heading = "Cluster")]
    thumbprint: Vec<String>,
    /// File with the issuer's certificate chain in PEM, of which the thumbprint is computed
    #[arg(long, value_name = "FILE", help_heading = "Cluster", conflicts_with = "thumbprint")]
    certificate_chain: Option<PathBuf>,
    /// Namespace of the service account; defaults to the name of the project
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    /// Name of the service account; defaults to the name of the project
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    service_account: Option<String>,
    /// Name of the project's role; defaults to the name of the project
    #[arg(long, value_name = "NAME", help_heading = "Roles")]
    role_name: Option<String>,
    /// Name of the service account's role; defaults to PROJECT-service-account
    #[arg(long, value_name = "NAME", help_heading = "Roles")]
    service_account_role_name: Option<String>,
    /// External id of the project's role; defaults to a random one of 128 bits
    #[arg(long, value_name = "ID", help_heading = "Roles")]
    external_id: Option<ExternalId>,
    /// Role that may assume the project's role, too, with the external id; repeat for more
    #[arg(long, value_name = "ROLE_ARN", help_heading = "Roles")]
    trust_role: Vec<String>,
    /// Account that may assume the project's role, too, with the external id; repeat for more
    #[arg(long, value_name = "ID", help_heading = "Roles")]
    trust_account: Vec<String>,
    /// Partition, such as aws-cn; defaults to that of the Region
    #[arg(long, value_name = "PARTITION", help_heading = "Roles")]
    partition: Option<String>,
}

/// The result, as JSON.
#[derive(Debug, Serialize)]
struct Written {
    files: Vec<String>,
    service_account_role: String,
    project_role: String,
    provider: String,
    /// What the project's role may do.
    permissions: Vec<Permission>,
}

/// The actions and the resources of a statement.
#[derive(Debug, Serialize)]
struct Permission {
    actions: Vec<String>,
    resources: Vec<String>,
}

impl Permission {
    /// Returns the permissions of the project's role, as its policies have them.
    fn of(arrangement: &ReferenceArrangement) -> Vec<Self> {
        let policies = arrangement.project_permissions().iter();
        let statements = policies.flat_map(|policy| policy.document().statements());
        let permission = |statement: &Statement| {
            let actions = statement.actions().patterns().iter();
            let resources = statement.resources().into_iter().flat_map(OneOf::patterns);
            Self {
                actions: actions.map(|action| action.as_str().to_owned()).collect(),
                resources: resources.map(|resource| resource.as_str().to_owned()).collect(),
            }
        };
        statements.map(permission).collect()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.actions.join(", "), self.resources.join(", "))
    }
}

impl Scaffold {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let external_id = match &self.external_id {
            Some(id) => id.to_string(),
            None => random::hex::<EXTERNAL_ID_BYTES>()?,
        };
        let thumbprint =
            match &self.certificate_chain {
                Some(path) => {
                    let input = Input::from(path.as_path());
                    let text = input.read(output, "the certificate chain", MAX_CHAIN_FILE)?;
                    let chain = Thumbprint::from_pem_chain(&text);
                    Some(chain.map_err(|error| {
                        Failure::operation_of(&format_args!("{input}: {error}"))
                    })?)
                }
                None => None,
            };
        let arrangement = self
            .arrangement(&external_id, thumbprint)
            .map_err(|error| Failure::usage_of(&rename(error)))?;
        let terraform = arrangement.terraform().map_err(|error| Failure::usage_of(&error))?;
        let files = [
            ("main.tf", terraform.to_string()),
            ("versions.tf", self.versions()),
            ("outputs.tf", OUTPUTS.to_owned()),
            ("pod.env", self.pod_variables(&arrangement, &external_id)),
            ("service-account.yaml", self.service_account(&arrangement)),
        ];
        let folder = self.out.clone().unwrap_or_else(|| PathBuf::from(&self.project));
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        // Before a file is written whose path cannot be printed.
        files::path_text(&folder)?;
        files::write_all(&folder, &files, existing)?;
        let paths = files.iter().map(|(name, _)| folder.join(name).display().to_string());
        let written = Written {
            files: paths.collect(),
            service_account_role: arrangement.service_account_role().to_owned(),
            project_role: arrangement.project_role().to_owned(),
            provider: arrangement.provider_arn().to_owned(),
            permissions: Permission::of(&arrangement),
        };
        let mut rows: Vec<_> = written.files.iter().map(|file| ("File", file.clone())).collect();
        rows.extend([
            ("Pod's role", written.service_account_role.clone()),
            ("Project's role", written.project_role.clone()),
            ("Provider", written.provider.clone()),
        ]);
        let allowed = written.permissions.iter();
        rows.extend(allowed.map(|permission| ("Allowed", permission.to_string())));
        output.record(&written, &rows)?;
        // A relative path that begins with a dash would be an option.
        let folder = fs::canonicalize(&folder).unwrap_or(folder);
        output.note(&format!("next: `terraform -chdir={} init`", folder.display()));
        Ok(ExitCode::SUCCESS)
    }

    fn arrangement(
        &self,
        external_id: &str,
        thumbprint: Option<Thumbprint>,
    ) -> Result<ReferenceArrangement, PolicyError> {
        let mut provider = OidcProvider::builder(&self.issuer).client_id("sts.amazonaws.com");
        for text in &self.thumbprint {
            provider = provider.thumbprint(Thumbprint::parse(text)?);
        }
        if let Some(thumbprint) = thumbprint {
            provider = provider.thumbprint(thumbprint);
        }
        let mut builder = ReferenceArrangement::builder(&self.project)
            .account(&self.account)
            .region(&self.region)
            .bucket(&self.bucket)
            .cluster(provider.build()?)
            .service_account(self.namespace(), self.service_account_name())
            .external_id(external_id);
        if let Some(partition) = &self.partition {
            builder = builder.partition(partition);
        }
        if let Some(name) = &self.role_name {
            builder = builder.project_role_name(name);
        }
        if let Some(name) = &self.service_account_role_name {
            builder = builder.service_account_role_name(name);
        }
        for arn in &self.trust_role {
            builder = builder.trusted_principal(TrustedPrincipal::role(arn)?);
        }
        for id in &self.trust_account {
            builder = builder.trusted_principal(TrustedPrincipal::account(id)?);
        }
        builder.build()
    }

    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(&self.project)
    }

    fn service_account_name(&self) -> &str {
        self.service_account.as_deref().unwrap_or(&self.project)
    }

    fn versions(&self) -> String {
        // The arrangement has checked the Region and the account.
        format!(
            r#"terraform {{
  required_version = ">= 1.5"

  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }}
  }}
}}

provider "aws" {{
  region = "{}"

  # Credentials of another account change nothing there.
  allowed_account_ids = ["{}"]
}}
"#,
            self.region, self.account
        )
    }

    fn pod_variables(&self, arrangement: &ReferenceArrangement, external_id: &str) -> String {
        format!(
            "# The environment of the pod. With service-account.yaml, EKS sets the first three.
AWS_REGION={}
AWS_ROLE_ARN={}
AWS_WEB_IDENTITY_TOKEN_FILE={TOKEN_FILE}
# The next role of the chain, for Chain::assume_role.
PROJECT_ROLE_ARN={}
PROJECT_EXTERNAL_ID={external_id}
",
            self.region,
            arrangement.service_account_role(),
            arrangement.project_role(),
        )
    }

    fn service_account(&self, arrangement: &ReferenceArrangement) -> String {
        format!(
            r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: "{}"
  namespace: "{}"
  annotations:
    eks.amazonaws.com/role-arn: "{}"
"#,
            self.service_account_name(),
            self.namespace(),
            arrangement.service_account_role(),
        )
    }
}

/// The labels are those of the arrangement.
const OUTPUTS: &str = r#"output "service_account_role_arn" {
  description = "The role of the pod's service account: AWS_ROLE_ARN."
  value       = aws_iam_role.service_account.arn
}

output "project_role_arn" {
  description = "The role that the pod assumes next: PROJECT_ROLE_ARN."
  value       = aws_iam_role.project.arn
}
"#;

/// Names the option instead of the method of the builder.
fn rename(mut error: PolicyError) -> PolicyError {
    if error.location == "url" {
        error.location = "issuer".to_owned();
    }
    error
}
