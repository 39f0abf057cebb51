//! The outcomes of requests, and the kinds of policies that decide them.

/// Whether a request is allowed.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Outcome;
/// assert!(Outcome::Allowed.is_allowed() && !Outcome::ImplicitlyDenied.is_allowed());
/// assert_eq!(Outcome::ExplicitlyDenied.to_string(), "ExplicitlyDenied");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Outcome {
    /// The policies allow the request.
    Allowed,
    /// No policy denies the request, and a policy that must allow it does not.
    ImplicitlyDenied,
    /// A statement denies the request.
    ExplicitlyDenied,
}

impl Outcome {
    /// Returns `true` for [`Outcome::Allowed`].
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }

    /// Returns the name of the outcome.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "Allowed",
            Self::ImplicitlyDenied => "ImplicitlyDenied",
            Self::ExplicitlyDenied => "ExplicitlyDenied",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of policy that decided a request.
///
/// # Examples
///
/// ```
/// assert_eq!(rolecall_policy::PolicyType::Trust.to_string(), "trust policy");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PolicyType {
    /// An identity policy.
    Identity,
    /// A resource policy.
    Resource,
    /// The role's trust policy.
    Trust,
    /// A session policy.
    Session,
    /// A permissions boundary.
    Boundary,
    /// A service control policy.
    ServiceControl,
    /// A resource control policy.
    ResourceControl,
}

impl std::fmt::Display for PolicyType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity policy",
            Self::Resource => "resource policy",
            Self::Trust => "trust policy",
            Self::Session => "session policy",
            Self::Boundary => "permissions boundary",
            Self::ServiceControl => "service control policy",
            Self::ResourceControl => "resource control policy",
        })
    }
}

/// Why a request was decided as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// `sts:GetCallerIdentity` needs no permission.
    AlwaysAllowed,
    /// The root user has every permission in its account.
    Root,
    /// The root user cannot assume roles.
    RootCannotAssumeRoles,
    /// The identity provider is registered in another account than the role's.
    ForeignProvider,
    AllowedBy(PolicyType),
    DeniedBy(PolicyType),
    NotAllowedBy(PolicyType),
}

impl Reason {
    pub(crate) fn policy_type(self) -> Option<PolicyType> {
        match self {
            Self::AlwaysAllowed
            | Self::Root
            | Self::RootCannotAssumeRoles
            | Self::ForeignProvider => None,
            Self::AllowedBy(of) | Self::DeniedBy(of) | Self::NotAllowedBy(of) => Some(of),
        }
    }
}
