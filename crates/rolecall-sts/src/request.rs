//! The requests of the operations that return sessions.

use rolecall_core::{
    ExternalId, MfaCode, MfaSerial, PolicyArn, ProvidedContext, ProviderId, RoleArn,
    SessionDuration, SessionName, SessionPolicy, SessionTags, SourceIdentity,
};

/// The parameters of AssumeRole.
///
/// # Examples
///
/// ```
/// use rolecall_core::{ExternalId, RoleArn, SessionName};
/// use rolecall_sts::AssumeRoleRequest;
///
/// let role = RoleArn::parse("arn:aws:iam::444455556666:role/orders")?;
/// let mut request = AssumeRoleRequest::new(role, SessionName::parse("checkout")?);
/// request.external_id = Some(ExternalId::parse("shop-4711")?);
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssumeRoleRequest {
    /// `RoleArn`.
    pub role: RoleArn,
    /// `RoleSessionName`.
    pub session_name: SessionName,
    /// `ExternalId`.
    pub external_id: Option<ExternalId>,
    /// `DurationSeconds`. STS defaults to one hour.
    pub duration: Option<SessionDuration>,
    /// `Tags` and `TransitiveTagKeys`.
    pub tags: SessionTags,
    /// `SourceIdentity`.
    pub source_identity: Option<SourceIdentity>,
    /// `Policy`.
    pub policy: Option<SessionPolicy>,
    /// `PolicyArns`.
    pub policy_arns: Vec<PolicyArn>,
    /// `SerialNumber` and `TokenCode`.
    pub mfa: Option<(MfaSerial, MfaCode)>,
    /// `ProvidedContexts`.
    pub provided_contexts: Vec<ProvidedContext>,
}

impl AssumeRoleRequest {
    /// Creates a request with the required parameters only.
    pub fn new(role: RoleArn, session_name: SessionName) -> Self {
        Self {
            role,
            session_name,
            external_id: None,
            duration: None,
            tags: SessionTags::new(),
            source_identity: None,
            policy: None,
            policy_arns: Vec::new(),
            mfa: None,
            provided_contexts: Vec::new(),
        }
    }
}

/// The parameters of AssumeRoleWithWebIdentity, without the token.
///
/// # Examples
///
/// ```
/// use rolecall_core::{RoleArn, SessionName};
/// use rolecall_sts::WebIdentityRequest;
///
/// let role = RoleArn::parse("arn:aws:iam::111122223333:role/checkout")?;
/// let request = WebIdentityRequest::new(role, SessionName::parse("checkout")?);
/// assert_eq!(request.duration, None);
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebIdentityRequest {
    /// `RoleArn`.
    pub role: RoleArn,
    /// `RoleSessionName`.
    pub session_name: SessionName,
    /// `DurationSeconds`. STS defaults to one hour.
    pub duration: Option<SessionDuration>,
    /// `ProviderId`. Required for OAuth 2.0 access tokens, not allowed for OIDC tokens.
    pub provider_id: Option<ProviderId>,
    /// `Policy`.
    pub policy: Option<SessionPolicy>,
    /// `PolicyArns`.
    pub policy_arns: Vec<PolicyArn>,
}

impl WebIdentityRequest {
    /// Creates a request with the required parameters only.
    pub fn new(role: RoleArn, session_name: SessionName) -> Self {
        Self {
            role,
            session_name,
            duration: None,
            provider_id: None,
            policy: None,
            policy_arns: Vec::new(),
        }
    }
}
