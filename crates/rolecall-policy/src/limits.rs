//! The kinds of policies, and the limits that IAM and AWS Organizations set for each.
//!
//! (IAM User Guide, "IAM and AWS STS quotas"; AWS Organizations User Guide, "Quotas".)

/// The longest document that is read at all, in bytes. It is beyond every quota, with room for
/// white space, and bounds the work on a hostile input.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 1_048_576;

/// The last character that IAM accepts in a policy document.
pub(crate) const LAST_CHARACTER: char = '\u{ff}';

/// The longest name of a user or role, in characters.
pub(crate) const MAX_NAME: usize = 64;

/// The kind of a policy, which decides its elements and its size limit.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{PermissionPolicy, PolicyKind};
/// let json = r#"{"Version": "2012-10-17", "Statement": [
///     {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
/// ]}"#;
/// let policy = PermissionPolicy::parse_as(PolicyKind::Session, json)?;
/// assert_eq!(PolicyKind::Session.max_characters(), 2048);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// An inline policy of a role: at most 10,240 characters.
    Inline,
    /// A customer managed policy, also as a permissions boundary: at most 6,144 characters.
    Managed,
    /// A managed policy that AWS wrote: at most 262,144 characters.
    AwsManaged,
    /// A session policy: at most 2,048 characters.
    Session,
    /// A service control policy: at most 10,240 characters.
    ServiceControl,
    /// A role's trust policy: at most 2,048 characters, the default of the quota.
    Trust,
    /// A role's trust policy in an account whose quota was raised: at most 4,096 characters.
    TrustRaised,
    /// A resource policy, such as a bucket policy: at most 20,480 characters, the largest that a
    /// service accepts.
    Resource,
    /// A resource control policy: at most 5,120 characters.
    ResourceControl,
}

impl PolicyKind {
    /// Returns the size limit in characters.
    pub const fn max_characters(self) -> usize {
        match self {
            Self::Inline | Self::ServiceControl => 10_240,
            Self::Managed => 6_144,
            Self::AwsManaged => 262_144,
            Self::Session | Self::Trust => 2_048,
            Self::TrustRaised => 4_096,
            Self::Resource => 20_480,
            Self::ResourceControl => 5_120,
        }
    }

    /// Returns `true` if white space between tokens counts towards the limit.
    pub(crate) const fn counts_white_space(self) -> bool {
        matches!(self, Self::Session)
    }

    /// Returns the code of the lint that reports a document over the limit.
    pub(crate) const fn size_code(self) -> &'static str {
        match self {
            Self::Inline | Self::Managed | Self::AwsManaged => {
                "POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA"
            }
            Self::Session => "POLICY_SIZE_EXCEEDS_SESSION_POLICY_QUOTA",
            Self::ServiceControl => "POLICY_SIZE_EXCEEDS_SCP_QUOTA",
            Self::Trust | Self::TrustRaised => "POLICY_SIZE_EXCEEDS_ROLE_TRUST_POLICY_QUOTA",
            Self::Resource => "POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA",
            Self::ResourceControl => "POLICY_SIZE_EXCEEDS_RCP_QUOTA",
        }
    }

    pub(crate) const fn has_principal(self) -> bool {
        matches!(self, Self::Trust | Self::TrustRaised | Self::Resource | Self::ResourceControl)
    }

    pub(crate) const fn has_resource(self) -> bool {
        !matches!(self, Self::Trust | Self::TrustRaised)
    }

    /// Returns `true` if the document may have an `Id`. IAM refuses it in identity policies.
    pub(crate) const fn has_id(self) -> bool {
        self.has_principal() || matches!(self, Self::ServiceControl)
    }

    /// Returns `true` if a Sid may hold characters other than ASCII letters and digits.
    pub(crate) const fn has_free_sids(self) -> bool {
        matches!(self, Self::Resource)
    }

    /// Returns what the kind is called in an error message.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Inline => "an inline policy",
            Self::Managed => "a managed policy",
            Self::AwsManaged => "an AWS managed policy",
            Self::Session => "a session policy",
            Self::ServiceControl => "a service control policy",
            Self::Trust | Self::TrustRaised => "a trust policy",
            Self::Resource => "a resource policy",
            Self::ResourceControl => "a resource control policy",
        }
    }
}
