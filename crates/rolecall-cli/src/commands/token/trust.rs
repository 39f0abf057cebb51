//! Whether a trust policy accepts a token.

use std::path::{Path, PathBuf};

use clap::Args;
use rolecall::params::{RoleArn, SessionName};
use rolecall::policy::{
    CheckedAction, Effect, MismatchedElement, OidcProvider, PolicyError, Principal, TrustPolicy,
    WebIdentityClaims,
};
use serde::Serialize;

use crate::error::Failure;
use crate::input::Input;
use crate::jwt::Jwt;
use crate::output::{Output, style};

/// A trust policy has at most 4,096 characters.
const MAX_POLICY_FILE: u64 = 64 * 1024;

/// Options of the check.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trust policy")]
pub(super) struct TrustArgs {
    /// Check whether this trust policy of a role accepts the token
    #[arg(long, value_name = "POLICY.json")]
    trust: Option<PathBuf>,
    /// OIDC provider in the role's account; defaults to the one that the policy names
    #[arg(long, value_name = "ARN", requires = "trust")]
    provider: Option<String>,
    /// Client id that the provider is registered with in IAM; repeat for all of them
    #[arg(long, value_name = "ID", requires = "trust")]
    client_id: Vec<String>,
    /// Role that has the policy; defaults to any role in the provider's account
    #[arg(long, value_name = "ROLE_ARN", requires = "trust")]
    role: Option<RoleArn>,
    /// Session name of the call
    #[arg(long, value_name = "NAME", requires = "trust", default_value = "session")]
    session_name: SessionName,
}

/// The result, as JSON.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Trust {
    Checked(TrustResult),
    /// The check could not run, so that `accepted` is null.
    NotChecked {
        accepted: Option<bool>,
        error: String,
    },
}

/// What the policy says about the token.
#[derive(Debug, Serialize)]
pub(super) struct TrustResult {
    accepted: bool,
    role: String,
    /// Why STS does not accept the token for the provider, whatever the policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_fault: Option<String>,
    actions: Vec<CheckedAction>,
}

impl TrustArgs {
    /// Returns the path of the policy.
    pub(super) fn policy(&self) -> Option<&Path> {
        self.trust.as_deref()
    }

    /// Checks the token, if there is a policy to check it with.
    ///
    /// What the token says can be shown whether or not the check can run, so that only invalid
    /// arguments are errors.
    pub(super) fn check(&self, jwt: &Jwt, output: &Output) -> Result<Option<Trust>, Failure> {
        let Some(file) = &self.trust else { return Ok(None) };
        match self.check_with(file, jwt, output) {
            Ok(result) => Ok(Some(Trust::Checked(result))),
            Err(failure @ Failure::Operation { .. }) => {
                Ok(Some(Trust::NotChecked { accepted: None, error: failure.to_string() }))
            }
            Err(failure) => Err(failure),
        }
    }

    fn check_with(&self, file: &Path, jwt: &Jwt, output: &Output) -> Result<TrustResult, Failure> {
        let input = Input::from(file);
        let text = input.read(output, "the trust policy", MAX_POLICY_FILE)?;
        let trust = TrustPolicy::parse_as(rolecall::policy::PolicyKind::TrustRaised, &text);
        let trust = trust.map_err(|error| refused(&input.to_string(), &error))?;
        let claims = WebIdentityClaims::parse(&jwt.claims)
            .map_err(|error| refused("the claims of the token", &error))?;
        let role = self.role(&trust, &claims)?;
        let check = claims
            .check_trust(&trust, &role, self.session_name.as_str())
            .map_err(|error| refused("the token", &error))?;
        let provider_fault = self.provider_fault(&claims)?;
        let accepted = provider_fault.is_none() && check.is_allowed();
        Ok(TrustResult { accepted, role, provider_fault, actions: check.actions })
    }

    /// Checks the token with the client ids, if there are any.
    fn provider_fault(&self, claims: &WebIdentityClaims) -> Result<Option<String>, Failure> {
        if self.client_id.is_empty() {
            return Ok(None);
        }
        // A provider with another issuer was refused before.
        let mut provider = OidcProvider::builder(format!("https://{}", claims.issuer()));
        for id in &self.client_id {
            provider = provider.client_id(id);
        }
        let provider = provider.build().map_err(|error| match error.location.as_str() {
            "client id" => Failure::usage_of(&error),
            _ => refused("the issuer of the token", &error),
        })?;
        Ok(claims.check_provider(&provider).err().map(|error| error.to_string()))
    }

    /// Returns the ARN of the role. Only its partition and account matter, unless the token names
    /// the roles that it is for.
    fn role(&self, trust: &TrustPolicy, claims: &WebIdentityClaims) -> Result<String, Failure> {
        let provider = match &self.provider {
            Some(arn) => Some(Provider::parse(arn).ok_or_else(|| {
                Failure::usage(format!("{arn:?} is not the ARN of an OIDC provider"))
                    .with_hint("write arn:aws:iam::<account>:oidc-provider/<issuer>")
            })?),
            None => None,
        };
        if let Some(provider) = &provider
            && provider.issuer != claims.issuer()
        {
            return Err(Failure::operation(format!(
                "the issuer of the token is {:?}, and the provider is for {:?}",
                claims.issuer(),
                provider.issuer
            ))
            .with_hint("pass the provider of this issuer"));
        }
        if let Some(role) = &self.role {
            return Ok(role.to_string());
        }
        let named = trusted_providers(trust);
        let of_issuer = named.iter().find(|provider| provider.issuer == claims.issuer());
        let provider = provider.as_ref().or(of_issuer).or(named.first());
        match provider {
            Some(Provider { partition, account, .. }) => {
                Ok(format!("arn:{partition}:iam::{account}:role/any"))
            }
            None => {
                let message = "the trust policy names no OIDC provider of an account";
                Err(Failure::operation(message).with_hint("pass --role or --provider"))
            }
        }
    }
}

fn refused(what: &str, error: &PolicyError) -> Failure {
    Failure::operation_of(&format_args!("{what}: {error}"))
}

/// The parts of the ARN of an OIDC provider.
struct Provider {
    partition: String,
    account: String,
    issuer: String,
}

impl Provider {
    fn parse(arn: &str) -> Option<Self> {
        let mut fields = arn.splitn(6, ':');
        let (Some("arn"), Some(partition), Some("iam"), Some(""), Some(account), Some(resource)) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            return None;
        };
        let issuer = resource.strip_prefix("oidc-provider/")?.to_owned();
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        is_account.then(|| Self {
            partition: partition.to_owned(),
            account: account.to_owned(),
            issuer,
        })
    }
}

fn trusted_providers(trust: &TrustPolicy) -> Vec<Provider> {
    let statements = trust.document().statements().iter();
    let principals = statements
        .filter(|statement| statement.effect() == Effect::Allow)
        .filter_map(|statement| statement.principals())
        .flat_map(|principals| principals.patterns());
    principals
        .filter_map(|principal| match principal {
            Principal::Federated(name) => Provider::parse(name),
            _ => None,
        })
        .collect()
}

impl Trust {
    /// Returns `true` if the policy accepts the token.
    pub(super) fn accepts(&self) -> bool {
        matches!(self, Self::Checked(TrustResult { accepted: true, .. }))
    }

    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.line("")?;
        output.heading("Trust policy")?;
        match self {
            Self::Checked(result) => result.print(output),
            Self::NotChecked { error, .. } => print_fault(output, "not checked:", error),
        }
    }
}

/// Prints an error, and its hint in a line of its own.
fn print_fault(output: &mut Output, mark: &str, fault: &str) -> Result<(), Failure> {
    let (fact, hint) = fault.split_once("; hint: ").unwrap_or((fault, ""));
    output.paragraph(2, (style::ERROR, mark), fact)?;
    match hint {
        "" => Ok(()),
        hint => output.paragraph(4, (style::HINT, "hint:"), hint),
    }
}

impl TrustResult {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let (mark, text) = match self.accepted {
            true => ((style::GOOD, "accepts"), "the token"),
            false => ((style::ERROR, "does not accept"), "the token"),
        };
        output.paragraph(2, mark, text)?;
        if let Some(fault) = &self.provider_fault {
            print_fault(output, "refused by the provider:", fault)?;
        }
        for CheckedAction { explanation, .. } in &self.actions {
            let (mark, word) = match explanation.outcome.is_allowed() {
                true => (style::GOOD, "allowed:"),
                false => (style::ERROR, "denied:"),
            };
            // What follows repeats the statements, which are below.
            let reason = explanation.reason.split("; statement ").next().unwrap_or_default();
            output.paragraph(2, (mark, word), reason)?;
            for statement in &explanation.statements {
                let sid = statement.sid.as_ref().filter(|sid| !sid.is_empty());
                let sid = sid.map(|sid| format!(" ({sid})")).unwrap_or_default();
                let effect = statement.effect.as_str();
                let name = format!("statement {}{sid}, {effect}:", statement.statement + 1);
                match &statement.mismatch {
                    None => output.paragraph(4, (style::PLAIN, ""), &format!("{name} matches"))?,
                    Some(mismatch) => print_mismatch(output, &name, mismatch)?,
                }
            }
        }
        Ok(())
    }
}

fn print_mismatch(
    output: &mut Output,
    name: &str,
    mismatch: &MismatchedElement,
) -> Result<(), Failure> {
    let key = mismatch.key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
    let text = format!("{name} {}{key} does not match", mismatch.element);
    output.paragraph(4, (style::PLAIN, ""), &text)?;
    let list = |values: &[String]| {
        values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" or ")
    };
    output.paragraph(6, (style::NAME, "expected"), &list(&mismatch.expected))?;
    let actual = match &mismatch.actual {
        Some(values) => list(values),
        None => "the request does not have the key".to_owned(),
    };
    output.paragraph(6, (style::NAME, "actual"), &actual)
}
