//! Sessions: credentials with their role, account, expiration and origin.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;

use crate::{AccountId, Clock, Moment, RoleArn, SessionTags, SourceIdentity};

/// Credentials with the assumed role, the account, the expiration, and how they were obtained.
///
/// Most sessions are temporary credentials from STS. Long-term access keys are a session that does
/// not expire. Clones are cheap and share the credentials.
///
/// The `Debug` output contains the access key id, which is not a secret, and never the secret key
/// or the session token.
///
/// # Examples
///
/// ```
/// use aws_credential_types::Credentials;
/// use rolecall_core::Session;
///
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let credentials = Credentials::new(id, secret, None, None, "static");
/// let session = Session::builder(credentials).base("static keys").build();
/// assert_eq!(session.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
/// assert_eq!(session.expires_at(), None, "static keys do not expire");
/// assert!(!format!("{session:?}").contains("wJalr"));
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    credentials: Credentials,
    role: Option<AssumedRole>,
    role_arn: Option<RoleArn>,
    account: Option<AccountId>,
    measured: Option<MeasuredLifetime>,
    packed_policy_size: Option<u8>,
    source_identity: Option<SourceIdentity>,
    tags: SessionTags,
    web_identity: Option<VerifiedToken>,
    is_static: bool,
    lineage: Lineage,
}

/// A lifetime that counts from a moment of the [`Clock`], independent of the wall clock.
#[derive(Clone, Copy, Debug)]
struct MeasuredLifetime {
    requested_at: Moment,
    lifetime: Duration,
}

impl Session {
    /// Creates a builder from credentials. Their `expiry`, if they have one, is the time at which
    /// the session expires.
    pub fn builder(credentials: Credentials) -> SessionBuilder {
        SessionBuilder {
            inner: Inner {
                credentials,
                role: None,
                role_arn: None,
                account: None,
                measured: None,
                packed_policy_size: None,
                source_identity: None,
                tags: SessionTags::new(),
                web_identity: None,
                is_static: false,
                lineage: Lineage::default(),
            },
        }
    }

    /// Returns the credentials as the SDK's type.
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// Returns the access key id.
    pub fn access_key_id(&self) -> &str {
        self.0.credentials.access_key_id()
    }

    /// Returns the assumed role, as STS describes it, if there is one.
    pub fn role(&self) -> Option<&AssumedRole> {
        self.0.role.as_ref()
    }

    /// Returns the ARN of the role that was assumed, if it is known.
    ///
    /// This ARN contains the role's path, which the ARN of [`role`](Self::role) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use aws_credential_types::Credentials;
    /// use rolecall_core::{RoleArn, Session};
    ///
    /// let role = RoleArn::parse("arn:aws:iam::444455556666:role/shop/orders")?;
    /// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    /// let credentials = Credentials::new(id, secret, None, None, "static");
    /// let session = Session::builder(credentials).role_arn(role.clone()).build();
    /// assert_eq!(session.role_arn(), Some(&role));
    /// # Ok::<(), rolecall_core::InvalidParameter>(())
    /// ```
    pub fn role_arn(&self) -> Option<&RoleArn> {
        self.0.role_arn.as_ref()
    }

    /// Returns the account of the session, if it is known.
    pub fn account(&self) -> Option<&AccountId> {
        self.0.account.as_ref()
    }

    /// Returns the time at which the session expires, by this machine's wall clock, or `None` if it
    /// does not expire.
    ///
    /// This time is for display and for the SDK. To compare the expiration with a deadline, use
    /// [`expiration`](Self::expiration), which a wrong wall clock does not affect if the provider
    /// measured the lifetime.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.credentials.expiry()
    }

    /// Returns the lifetime that the session had when it was requested, or `None` if the provider
    /// did not measure it.
    ///
    /// For sessions from STS, this is the `Expiration` of the response minus its `Date` header,
    /// both by the server's clock.
    pub fn lifetime(&self) -> Option<Duration> {
        self.0.measured.map(|measured| measured.lifetime)
    }

    /// Returns the moment at which the session was requested, or `None` if the provider did not
    /// measure it.
    pub fn requested_at(&self) -> Option<Moment> {
        self.0.measured.map(|measured| measured.requested_at)
    }

    /// Returns the moment at which the session expires, or [`Moment::MAX`] if it does not expire.
    ///
    /// If the provider measured the [`lifetime`](Self::lifetime), the result does not depend on the
    /// wall clock. Otherwise, the result is computed from the current time of the wall clock: call
    /// this method once, when the session is received.
    pub fn expiration(&self, clock: &Clock) -> Moment {
        match (self.0.measured, self.expires_at()) {
            (Some(measured), _) => measured.requested_at + measured.lifetime,
            // A session that has expired has no remaining lifetime and expires now: there is no
            // moment to convert a past wall time to.
            (None, Some(expires_at)) => {
                clock.now() + expires_at.duration_since(clock.wall()).unwrap_or_default()
            }
            (None, None) => Moment::MAX,
        }
    }

    /// Returns the size of the session policies and tags as a percentage of the allowed size, if
    /// STS reported it.
    pub fn packed_policy_size(&self) -> Option<u8> {
        self.0.packed_policy_size
    }

    /// Returns the source identity, if one is set. It was set by the request, or inherited from the
    /// session that assumed the role.
    pub fn source_identity(&self) -> Option<&SourceIdentity> {
        self.0.source_identity.as_ref()
    }

    /// Returns the known session tags: those of the request, and the transitive tags of the session
    /// that assumed the role.
    ///
    /// Tags of the role itself and tags in a web identity token are not included.
    pub fn tags(&self) -> &SessionTags {
        &self.0.tags
    }

    /// Returns the claims of the web identity token that STS verified, or `None` if the session was
    /// obtained without a token.
    pub fn web_identity(&self) -> Option<&VerifiedToken> {
        self.0.web_identity.as_ref()
    }

    /// Returns `true` if the keys cannot change while the process runs; see
    /// [`SessionBuilder::static_keys`].
    pub fn is_static(&self) -> bool {
        self.0.is_static
    }

    /// Returns how the session was obtained: its base credentials and its hops.
    pub fn lineage(&self) -> &Lineage {
        &self.0.lineage
    }

    /// Sets the base of the lineage to `name` if the provider has set none.
    ///
    /// A provider that does not call [`SessionBuilder::base`] then has the same name in lineages as
    /// in errors.
    #[doc(hidden)]
    #[must_use]
    pub fn with_default_base(mut self, name: &str) -> Self {
        // Checked first: `make_mut` copies the session if the provider kept a clone.
        if self.0.lineage.base.is_empty() {
            Arc::make_mut(&mut self.0).lineage.base = name.to_owned();
        }
        self
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("access_key_id", &self.access_key_id())
            .field("role", &self.0.role)
            .field("account", &self.0.account)
            .field("expires_at", &self.expires_at())
            .field("lifetime", &self.lifetime())
            .field("source_identity", &self.0.source_identity)
            .field("lineage", &self.0.lineage)
            .finish_non_exhaustive()
    }
}

/// A builder of a [`Session`], for implementations of [`ProvideSession`](crate::ProvideSession).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use aws_credential_types::Credentials;
/// use rolecall_core::{Clock, Session};
///
/// let clock = Clock::system();
/// let requested_at = clock.now();
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let session = Session::builder(Credentials::new(id, secret, None, None, "static"))
///     .base("vault")
///     .lifetime(requested_at, Duration::from_secs(900), &clock)
///     .build();
/// assert_eq!(session.expiration(&clock), requested_at + Duration::from_secs(900));
/// ```
pub struct SessionBuilder {
    inner: Inner,
}

impl SessionBuilder {
    /// Sets the assumed role, as STS describes it.
    #[must_use]
    pub fn role(mut self, role: AssumedRole) -> Self {
        self.inner.role = Some(role);
        self
    }

    /// Sets the ARN of the role that was assumed.
    #[must_use]
    pub fn role_arn(mut self, role: RoleArn) -> Self {
        self.inner.role_arn = Some(role);
        self
    }

    /// Sets the account of the session.
    #[must_use]
    pub fn account(mut self, account: AccountId) -> Self {
        self.inner.account = Some(account);
        self
    }

    /// Sets the lifetime, which counts from `requested_at`: the moment before the request was sent.
    ///
    /// Replaces the expiry of the credentials with this machine's wall time plus the remaining
    /// lifetime, so that the SDK and the cache agree on the expiration.
    #[must_use]
    pub fn lifetime(mut self, requested_at: Moment, lifetime: Duration, clock: &Clock) -> Self {
        self.inner.measured = Some(MeasuredLifetime { requested_at, lifetime });
        let remaining = (requested_at + lifetime) - clock.now();
        // An expiration that is too late for `SystemTime` has no representation for the SDK. The
        // credentials do not expire for it.
        *self.inner.credentials.expiry_mut() = clock.wall().checked_add(remaining);
        self
    }

    /// Declares that the keys cannot change while the process runs, such as those of environment
    /// variables.
    ///
    /// A cache does not request them again. It requests other keys without an expiration every 15
    /// minutes, as the SDK does, since they may be rotated. Has no effect on keys that expire.
    #[must_use]
    pub fn static_keys(mut self) -> Self {
        self.inner.is_static = true;
        self
    }

    /// Sets the size of the session policies and tags, as a percentage of the allowed size.
    #[must_use]
    pub fn packed_policy_size(mut self, percent: Option<u8>) -> Self {
        self.inner.packed_policy_size = percent;
        self
    }

    /// Sets the source identity.
    #[must_use]
    pub fn source_identity(mut self, identity: Option<SourceIdentity>) -> Self {
        self.inner.source_identity = identity;
        self
    }

    /// Sets the session tags.
    #[must_use]
    pub fn tags(mut self, tags: SessionTags) -> Self {
        self.inner.tags = tags;
        self
    }

    /// Sets the claims of the web identity token that STS verified.
    #[must_use]
    pub fn web_identity(mut self, token: VerifiedToken) -> Self {
        self.inner.web_identity = Some(token);
        self
    }

    /// Sets the lineage to the name of a provider of base credentials, such as "web identity" or
    /// "static keys", without hops.
    #[must_use]
    pub fn base(mut self, base: impl Into<String>) -> Self {
        self.inner.lineage = Lineage { base: base.into(), hops: Vec::new() };
        self
    }

    /// Sets the lineage to that of `parent`, the session that assumed the role, followed by `role`.
    #[must_use]
    pub fn assumed_by(mut self, parent: &Session, role: RoleArn) -> Self {
        let mut lineage = parent.lineage().clone();
        lineage.hops.push(role);
        self.inner.lineage = lineage;
        self
    }

    /// Builds the session.
    pub fn build(self) -> Session {
        Session(Arc::new(self.inner))
    }
}

impl fmt::Debug for SessionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBuilder")
            .field("access_key_id", &self.inner.credentials.access_key_id())
            .finish_non_exhaustive()
    }
}

/// The `AssumedRoleUser` of a response from STS: the ARN and the id of a role session.
///
/// # Examples
///
/// ```
/// use rolecall_core::AssumedRole;
///
/// let arn = "arn:aws:sts::111122223333:assumed-role/orders/checkout";
/// let role = AssumedRole::new(arn, "AROAEXAMPLE:checkout");
/// assert_eq!(role.role_name(), Some("orders"));
/// assert_eq!(role.session_name(), Some("checkout"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    arn: String,
    id: String,
}

impl AssumedRole {
    /// Creates the description from an ARN of the form
    /// `arn:<partition>:sts::<account>:assumed-role/<role name>/<session name>` and an id of the
    /// form `<role id>:<session name>`.
    ///
    /// Neither is validated, because servers other than AWS may use other forms. The methods that
    /// return a part of the ARN return `None` for such an ARN.
    pub fn new(arn: impl Into<String>, id: impl Into<String>) -> Self {
        Self { arn: arn.into(), id: id.into() }
    }

    /// Returns the ARN of the session.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the unique id of the role, followed by a colon and the session name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the account in the ARN.
    pub fn account(&self) -> Option<AccountId> {
        self.arn.split(':').nth(4)?.parse().ok()
    }

    /// Returns the name of the role, without its path, which STS leaves out.
    pub fn role_name(&self) -> Option<&str> {
        self.split_names().map(|(role, _)| role)
    }

    /// Returns the session name.
    pub fn session_name(&self) -> Option<&str> {
        self.split_names().map(|(_, session)| session)
    }

    fn split_names(&self) -> Option<(&str, &str)> {
        self.arn.splitn(6, ':').nth(5)?.strip_prefix("assumed-role/")?.split_once('/')
    }
}

/// The claims of a web identity token that STS verified, as its response reports them.
///
/// STS-compatible servers may report only some of them.
///
/// # Examples
///
/// ```
/// use rolecall_core::VerifiedToken;
/// let mut token = VerifiedToken::default();
/// token.subject = Some("system:serviceaccount:shop:checkout".into());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedToken {
    /// The token's `sub` (`SubjectFromWebIdentityToken`).
    pub subject: Option<String>,
    /// The token's `iss`, or the ARN of its identity provider (`Provider`).
    pub provider: Option<String>,
    /// The token's `aud` (`Audience`).
    pub audience: Option<String>,
}

/// The origin of a session: the provider of the base credentials, and the roles that were assumed
/// with them, in order.
///
/// # Examples
///
/// ```
/// use aws_credential_types::Credentials;
/// use rolecall_core::{RoleArn, Session};
///
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let credentials = Credentials::new(id, secret, None, None, "static");
/// let base = Session::builder(credentials.clone()).base("web identity").build();
/// let role = RoleArn::parse("arn:aws:iam::444455556666:role/orders")?;
/// let next = Session::builder(credentials).assumed_by(&base, role).build();
/// assert_eq!(next.lineage().to_string(), "web identity -> arn:aws:iam::444455556666:role/orders");
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    base: String,
    hops: Vec<RoleArn>,
}

impl Lineage {
    /// Returns the name of the provider of the base credentials. Empty if the provider has set
    /// none.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the roles that were assumed, in order.
    pub fn hops(&self) -> &[RoleArn] {
        &self.hops
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.base.is_empty() { "unnamed provider" } else { &self.base })?;
        for hop in &self.hops {
            write!(f, " -> {hop}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
