//! How a policy that was built is printed.

use clap::{Args, ValueEnum};
use rolecall::policy::terraform::{Configuration, IamPolicy, IamRole};
use rolecall::policy::{PermissionPolicy, PolicyKind, TrustPolicy};

use crate::cli::OutputFormat;
use crate::error::Failure;
use crate::output::Output;

/// Options of the result.
#[derive(Debug, Args)]
#[command(next_help_heading = "Result")]
pub(super) struct DocumentArgs {
    /// Print the document, or a Terraform resource with it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "json")]
    format: Format,
    /// Print the document without white space
    #[arg(long, conflicts_with = "name")]
    compact: bool,
    /// Name of the role or policy in Terraform; defaults to one that Terraform generates
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Label of the Terraform resource; defaults to the name
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Partition, such as aws-cn; defaults to that of the ARNs and Regions
    #[arg(long, value_name = "PARTITION")]
    pub(super) partition: Option<String>,
}

/// The form of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Terraform,
}

/// What a permission policy is attached to, which limits its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Inline policy of a role: at most 10,240 characters
    Inline,
    /// Managed policy: at most 6,144 characters
    Managed,
    /// Session policy: at most 2,048 characters
    Session,
}

impl Kind {
    pub(super) fn policy_kind(self) -> PolicyKind {
        match self {
            Self::Inline => PolicyKind::Inline,
            Self::Managed => PolicyKind::Managed,
            Self::Session => PolicyKind::Session,
        }
    }
}

impl DocumentArgs {
    /// Refuses options that contradict each other.
    fn is_terraform(&self, output: &Output) -> Result<bool, Failure> {
        match self.format {
            Format::Terraform if self.compact => {
                Err(Failure::usage("--compact is for --format json"))
            }
            Format::Terraform if output.global().output == OutputFormat::Json => {
                Err(Failure::usage("--format terraform prints no JSON")
                    .with_hint("leave out --output json"))
            }
            Format::Terraform => Ok(true),
            Format::Json if self.name.is_some() || self.label.is_some() => {
                Err(Failure::usage("--name and --label are for --format terraform"))
            }
            Format::Json => Ok(false),
        }
    }

    pub(super) fn print_trust(
        &self,
        output: &mut Output,
        policy: &TrustPolicy,
    ) -> Result<(), Failure> {
        if self.is_terraform(output)? {
            let role = IamRole::new(self.label("role"), policy);
            let role = match &self.name {
                Some(name) => role.role_name(name),
                None => role,
            };
            return print(output, |configuration| configuration.add(role).map(|_| ()));
        }
        output.json_text(&if self.compact { policy.to_compact_json() } else { policy.to_json() })
    }

    pub(super) fn print_permission(
        &self,
        output: &mut Output,
        policy: &PermissionPolicy,
    ) -> Result<(), Failure> {
        if self.is_terraform(output)? {
            let block = IamPolicy::new(self.label("policy"), policy);
            let block = match &self.name {
                Some(name) => block.policy_name(name),
                None => block,
            };
            return print(output, |configuration| configuration.add(block).map(|_| ()));
        }
        output.json_text(&if self.compact { policy.to_compact_json() } else { policy.to_json() })
    }

    /// Returns the label: that of the option, or the name with other characters replaced.
    fn label(&self, default: &str) -> String {
        match (&self.label, &self.name) {
            (Some(label), _) => label.clone(),
            (None, Some(name)) => {
                let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
                let text = name.chars().map(|c| if is_inside(c) { c } else { '_' });
                let text: String = text.collect();
                match text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                    true => text,
                    false => format!("_{text}"),
                }
            }
            (None, None) => default.to_owned(),
        }
    }
}

fn print(
    output: &mut Output,
    add: impl FnOnce(&mut Configuration) -> Result<(), rolecall::policy::PolicyError>,
) -> Result<(), Failure> {
    let mut configuration = Configuration::new();
    add(&mut configuration).map_err(|error| Failure::usage_of(&error))?;
    // The file ends in a line break already.
    output.line(configuration.to_string().trim_end())
}
