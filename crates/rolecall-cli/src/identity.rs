//! The identity that a command starts from, and the roles it assumes.

mod mfa;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use rolecall::params::{
    ExternalId, InvalidParameter, MfaSerial, PolicyArn, RoleArn, SessionDuration, SessionName,
    SessionPolicy, SourceIdentity,
};
use rolecall::sts::Region;
use rolecall::web_identity::WebIdentityConfig;
use rolecall::{Chain, ChainBuilder, Environment, Role};

use crate::error::Failure;
use crate::input::{Input, read_file, read_regular_file};
use crate::parameters::{NumberedExternalId, Tag};
use crate::{completion, recursion};

/// Size limit of a policy file in bytes. STS accepts 2,048 characters after minification.
const MAX_POLICY_FILE: u64 = 64 * 1024;

/// The identity that a command starts from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Identity")]
pub(crate) struct BaseArgs {
    /// Identity to start from: auto, env, web-identity or profile:NAME
    ///
    /// `auto` is the default order of the AWS SDKs: access keys, profile, web identity, container,
    /// instance. `env` is the access keys of the environment, and `web-identity` is AWS_ROLE_ARN
    /// and AWS_WEB_IDENTITY_TOKEN_FILE.
    #[arg(long, value_name = "BASE", default_value_t = Base::Auto)]
    #[arg(add = ArgValueCompleter::new(completion::bases))]
    pub(crate) base: Base,
    /// Region of the STS endpoint; defaults to AWS_REGION, then to the profile's Region
    #[arg(long, value_name = "REGION", value_parser = Region::parse)]
    pub(crate) region: Option<Region>,
}

/// A value of `--base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Auto,
    Env,
    WebIdentity,
    Profile(String),
}

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.split_once(':')) {
            ("auto", _) => Ok(Self::Auto),
            ("env", _) => Ok(Self::Env),
            ("web-identity", _) => Ok(Self::WebIdentity),
            (_, Some(("profile", name))) if !name.is_empty() => Ok(Self::Profile(name.to_owned())),
            _ => Err("expected auto, env, web-identity or profile:NAME".to_owned()),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Env => f.write_str("env"),
            Self::WebIdentity => f.write_str("web-identity"),
            Self::Profile(name) => write!(f, "profile:{name}"),
        }
    }
}

impl BaseArgs {
    /// Creates a chain on this identity, without a role on top of it.
    pub(crate) fn chain(&self, session_name: Option<&SessionName>) -> Result<Chain, Failure> {
        self.chain_with(self.builder(session_name))
    }

    /// Refuses an identity that would start this command again, without an end.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        recursion::check(&self.base)
    }

    fn chain_with(&self, builder: ChainBuilder) -> Result<Chain, Failure> {
        self.check()?;
        Ok(match &self.base {
            Base::Auto => builder.from_env(),
            Base::Env => builder.from_environment_keys(),
            Base::WebIdentity => builder.from_environment_web_identity(),
            Base::Profile(name) => builder.from_profile(name.as_str()),
        }?)
    }

    fn builder(&self, session_name: Option<&SessionName>) -> ChainBuilder {
        let mut builder = Chain::builder();
        if let Some(region) = &self.region {
            builder = builder.region(region.clone());
        }
        match session_name {
            Some(name) => builder.session_name(name.clone()),
            None => builder,
        }
    }
}

/// What decides the chain of base credentials: those of equal keys are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseKey {
    base: Base,
    region: Option<Region>,
    /// A part of the base for a web identity of the environment, and the default of the hops.
    session_name: Option<SessionName>,
    web_identity: Option<WebIdentityConfig>,
}

/// The roles that a command assumes, from left to right, and the parameters of their sessions.
#[derive(Clone, Debug, Args)]
pub(crate) struct RoleArgs {
    /// Roles to assume, from left to right; the last one is the result
    #[arg(value_name = "ROLE_ARN", required = true)]
    #[arg(add = ArgValueCompleter::new(completion::roles))]
    pub(crate) roles: Vec<RoleArn>,
    #[command(flatten)]
    pub(crate) base: BaseArgs,
    /// Assume the first role with the web identity token of this file
    #[arg(long, value_name = "FILE", help_heading = "Identity")]
    pub(crate) token_file: Option<PathBuf>,
    /// External id of the last role, or N=ID for that of the Nth; repeat for more
    #[arg(long, value_name = "[N=]ID", help_heading = "Session")]
    pub(crate) external_id: Vec<NumberedExternalId>,
    /// Session name of all roles; defaults to AWS_ROLE_SESSION_NAME, then to the names of program
    /// and host
    #[arg(long, value_name = "NAME", help_heading = "Session")]
    pub(crate) session_name: Option<SessionName>,
    /// Duration of the last role's session, such as 15m, 1h or 3600 (seconds); defaults to one hour
    #[arg(long, value_name = "DURATION", help_heading = "Session")]
    pub(crate) duration: Option<SessionDuration>,
    /// Session tag of the last role; repeat for more
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Session")]
    pub(crate) tag: Vec<Tag>,
    /// Key of a session tag that later sessions of a role chain inherit; repeat for more
    #[arg(long, value_name = "KEY", help_heading = "Session")]
    pub(crate) transitive: Vec<String>,
    /// Source identity of the last role's session
    #[arg(long, value_name = "NAME", help_heading = "Session")]
    pub(crate) source_identity: Option<SourceIdentity>,
    /// File with the session policy of the last role
    #[arg(long, value_name = "FILE", help_heading = "Session")]
    pub(crate) policy: Option<PathBuf>,
    /// The policy once it was read. The file may be a pipe, and may change between two reads.
    #[arg(skip)]
    pub(crate) session_policy: Arc<OnceLock<SessionPolicy>>,
    /// Managed session policy of the last role; repeat for more
    #[arg(long, value_name = "ARN", help_heading = "Session")]
    pub(crate) policy_arn: Vec<PolicyArn>,
    /// MFA device of the user that assumes the first role; asks for its code
    #[arg(long, value_name = "SERIAL", help_heading = "Session")]
    pub(crate) mfa_serial: Option<MfaSerial>,
    /// Read the MFA code from standard input; the only value is `-`, since arguments are visible to
    /// other users
    #[arg(long, value_name = "-", requires = "mfa_serial", value_parser = ["-"])]
    #[arg(help_heading = "Session")]
    pub(crate) mfa_code: Option<String>,
}

impl RoleArgs {
    /// Creates the chain of these roles.
    pub(crate) fn chain(&self) -> Result<Chain, Failure> {
        self.check()?;
        let (mut chain, first) = self.base_chain()?;
        for index in first..self.roles.len() {
            chain = self.add_role(chain, index)?;
        }
        Ok(chain)
    }

    /// Creates the chain of the base credentials, and returns it with the index of the first role
    /// to add to it. A token assumes the first role, which is then a part of the base.
    pub(crate) fn base_chain(&self) -> Result<(Chain, usize), Failure> {
        self.base_chain_with(|builder| builder)
    }

    /// Creates the chain of the base credentials with more settings.
    pub(crate) fn base_chain_with(
        &self,
        configure: impl FnOnce(ChainBuilder) -> ChainBuilder,
    ) -> Result<(Chain, usize), Failure> {
        let builder = configure(self.base.builder(self.session_name.as_ref()));
        Ok(match self.web_identity()? {
            Some(config) => (builder.from_web_identity(config)?, 1),
            None => (self.base.chain_with(builder)?, 0),
        })
    }

    /// Returns everything that decides the chain of the base credentials.
    pub(crate) fn base_key(&self) -> Result<BaseKey, Failure> {
        let BaseArgs { base, region } = self.base.clone();
        let session_name = self.session_name.clone();
        Ok(BaseKey { base, region, session_name, web_identity: self.web_identity()? })
    }

    /// Adds the role with this index to the chain of those before it.
    pub(crate) fn add_role(&self, chain: Chain, index: usize) -> Result<Chain, Failure> {
        let role = self.role(index)?;
        Ok(match role.get_mfa_serial() {
            Some(_) => chain.assume_role_with_mfa(role, mfa::codes(self.mfa_code.is_some())),
            None => chain.assume_role(role),
        })
    }

    /// Returns the roles that AssumeRole assumes, in order, with the parameters of their sessions.
    pub(crate) fn hops(&self) -> Result<Vec<Role>, Failure> {
        let first = usize::from(self.token_file.is_some());
        (first..self.roles.len()).map(|index| self.role(index)).collect()
    }

    /// Refuses options that contradict each other, before a call of STS refuses them.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let count = self.roles.len();
        if count == 0
            && let Some(option) = self.role_options().find(|(_, is_set)| *is_set)
        {
            let message = format!("{} has no effect without a role", option.0);
            return Err(Failure::usage(message).with_hint("add the ARN of the role"));
        }
        for id in &self.external_id {
            if let Some(number) = id.number.filter(|number| *number == 0 || *number > count) {
                let message = format!("role {number} of --external-id is not there");
                let hint = match number {
                    0 => "the first role has the number 1".to_owned(),
                    _ => format!("the last role has the number {count}"),
                };
                return Err(Failure::usage(message).with_hint(hint));
            }
        }
        for index in 0..count {
            if self.external_ids(index).count() > 1 {
                let message = format!("role {} has more than one --external-id", index + 1);
                return Err(Failure::usage(message)
                    .with_hint("an id without a number is that of the last role; write N=ID"));
            }
        }
        let maximum = SessionDuration::MAX_IN_ROLE_CHAIN;
        if count > 1 && self.duration.is_some_and(|duration| duration > maximum) {
            let message = "a role that another role assumes has sessions of at most one hour";
            return Err(Failure::usage(message).with_hint("leave out --duration"));
        }
        if self.token_file.is_some() {
            self.check_token_file()?;
        }
        Ok(())
    }

    /// Returns the options that are parameters of a role, and whether they are set.
    fn role_options(&self) -> impl Iterator<Item = (&'static str, bool)> {
        [
            ("--token-file", self.token_file.is_some()),
            ("--external-id", !self.external_id.is_empty()),
            ("--duration", self.duration.is_some()),
            ("--tag", !self.tag.is_empty()),
            ("--transitive", !self.transitive.is_empty()),
            ("--source-identity", self.source_identity.is_some()),
            ("--policy", self.policy.is_some()),
            ("--policy-arn", !self.policy_arn.is_empty()),
            ("--mfa-serial", self.mfa_serial.is_some()),
        ]
        .into_iter()
    }

    /// AssumeRoleWithWebIdentity has fewer parameters than AssumeRole.
    fn check_token_file(&self) -> Result<(), Failure> {
        if self.base.base != Base::Auto {
            let message = format!("--token-file and --base {} exclude each other", self.base.base);
            return Err(Failure::usage(message).with_hint("remove one of them"));
        }
        let only = self.roles.len() == 1;
        let refused = [
            ("--external-id", self.external_ids(0).next().is_some()),
            ("--mfa-serial", self.mfa_serial.is_some()),
            ("--tag", only && !self.tag.is_empty()),
            ("--transitive", only && !self.transitive.is_empty()),
            ("--source-identity", only && self.source_identity.is_some()),
        ];
        match refused.iter().find(|(_, is_set)| *is_set) {
            None => Ok(()),
            Some((option, _)) => {
                let message = format!("{option} has no effect on a role that a token assumes");
                let hint = "AssumeRoleWithWebIdentity takes tags and source identity from the \
                            token, and has no external id and no MFA code";
                Err(Failure::usage(message).with_hint(hint))
            }
        }
    }

    /// Returns the first role with its parameters if the token of `--token-file` assumes it.
    pub(crate) fn web_identity(&self) -> Result<Option<WebIdentityConfig>, Failure> {
        let Some(file) = &self.token_file else { return Ok(None) };
        let Some(role) = self.roles.first() else { return Err(Failure::usage("no role is given")) };
        let mut config = WebIdentityConfig::new(role.clone(), file, self.default_session_name()?);
        config.token_file_setting = Some("--token-file".into());
        if self.roles.len() == 1 {
            config.duration = self.duration;
            config.policy = self.session_policy()?;
            config.policy_arns.clone_from(&self.policy_arn);
        }
        Ok(Some(config))
    }

    /// Returns the name of the sessions: the argument, or the name that the environment sets.
    pub(crate) fn default_session_name(&self) -> Result<SessionName, Failure> {
        match &self.session_name {
            Some(name) => Ok(name.clone()),
            None => Ok(SessionName::from_environment(&Environment::process())?),
        }
    }

    fn role(&self, index: usize) -> Result<Role, Failure> {
        let mut role = Role::new(self.roles[index].clone()).map_err(invalid)?;
        if let Some(id) = self.external_ids(index).next() {
            role = role.external_id(id.clone()).map_err(invalid)?;
        }
        if let (0, Some(serial)) = (index, &self.mfa_serial) {
            role = role.mfa_serial(serial.clone()).map_err(invalid)?;
        }
        if index + 1 < self.roles.len() {
            return Ok(role);
        }
        if let Some(duration) = self.duration {
            role = role.duration(duration).map_err(invalid)?;
        }
        for Tag { key, value } in &self.tag {
            role = role.tag(key.as_str(), value.as_str()).map_err(invalid)?;
        }
        for key in &self.transitive {
            role = role.transitive_tag_key(key.as_str()).map_err(invalid)?;
        }
        if let Some(identity) = &self.source_identity {
            role = role.source_identity(identity.clone()).map_err(invalid)?;
        }
        if let Some(policy) = self.session_policy()? {
            role = role.policy(policy).map_err(invalid)?;
        }
        for arn in &self.policy_arn {
            role = role.policy_arn(arn.clone()).map_err(invalid)?;
        }
        Ok(role)
    }

    fn external_ids(&self, index: usize) -> impl Iterator<Item = &ExternalId> {
        let last = self.roles.len();
        self.external_id
            .iter()
            .filter(move |id| id.number.unwrap_or(last) == index + 1)
            .map(|id| &id.id)
    }

    fn session_policy(&self) -> Result<Option<SessionPolicy>, Failure> {
        if let Some(policy) = self.session_policy.get() {
            return Ok(Some(policy.clone()));
        }
        let Some(path) = &self.policy else { return Ok(None) };
        let policy = parse_policy(path, &read_file(path, MAX_POLICY_FILE)?)?;
        Ok(Some(self.session_policy.get_or_init(|| policy).clone()))
    }
}

/// Reads a session policy from a file that can be read again.
pub(crate) fn read_policy(path: &Path) -> Result<SessionPolicy, Failure> {
    parse_policy(path, &read_regular_file(path, MAX_POLICY_FILE)?)
}

fn parse_policy(path: &Path, text: &str) -> Result<SessionPolicy, Failure> {
    SessionPolicy::parse(text)
        .map_err(|error| Failure::usage(format!("{}: {error}", Input::File(path.to_owned()))))
}

fn invalid(error: InvalidParameter) -> Failure {
    Failure::usage(error.to_string())
}
