//! Temporary credentials, who they are, and when they end.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;

use crate::{AccountId, Clock, Moment, RoleArn, SessionTags, SourceIdentity};

/// Temporary credentials + who they are + when they end. Cloning costs one reference count.
///
/// `Debug` shows the access key id, which logs of AWS show too, and never the secret key or the session token.
///
/// ```
/// use aws_credential_types::Credentials;
/// use rolecall_core::Session;
///
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let session = Session::builder(keys).base("static keys").build();
/// assert_eq!(session.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
/// assert_eq!(session.expires_at(), None, "static keys do not end");
/// assert!(!format!("{session:?}").contains("wJalr"));
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    credentials: Credentials,
    role: Option<AssumedRole>,
    role_arn: Option<RoleArn>,
    account: Option<AccountId>,
    measured: Option<Measured>,
    packed_policy_size: Option<u8>,
    source_identity: Option<SourceIdentity>,
    tags: SessionTags,
    web_identity: Option<VerifiedToken>,
    lineage: Lineage,
}

/// A lifetime counted on a clock that nobody can set.
#[derive(Clone, Copy, Debug)]
struct Measured {
    since: Moment,
    lifetime: Duration,
}

impl Session {
    /// Starts from credentials; their `expiry` is the session's end by the wall clock.
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
                lineage: Lineage::default(),
            },
        }
    }

    /// The credentials, as the SDK has them.
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// The public half of the key.
    pub fn access_key_id(&self) -> &str {
        self.0.credentials.access_key_id()
    }

    /// The assumed role that this session is, where STS said so.
    pub fn role(&self) -> Option<&AssumedRole> {
        self.0.role.as_ref()
    }

    /// The role that it is a session of, with its path, which the session's own ARN leaves out; where that is known.
    ///
    /// ```
    /// use aws_credential_types::Credentials;
    /// use rolecall_core::{RoleArn, Session};
    /// let role = RoleArn::parse("arn:aws:iam::444455556666:role/shop/orders")?;
    /// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
    /// let session = Session::builder(keys).role_arn(role.clone()).build();
    /// assert_eq!(session.role_arn(), Some(&role));
    /// # Ok::<(), rolecall_core::InvalidParameter>(())
    /// ```
    pub fn role_arn(&self) -> Option<&RoleArn> {
        self.0.role_arn.as_ref()
    }

    /// The account, where it is known.
    pub fn account(&self) -> Option<&AccountId> {
        self.0.account.as_ref()
    }

    /// The end by this machine's wall clock; `None` for keys that do not end. For people and for the SDK: a cache
    /// counts by [`ends`](Self::ends).
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.credentials.expiry()
    }

    /// How long the session was good for when it was asked for, where the source measured it (server's Expiration
    /// minus the server's Date).
    pub fn lifetime(&self) -> Option<Duration> {
        self.0.measured.map(|m| m.lifetime)
    }

    /// When it was asked for, where the source measured it.
    pub fn requested_at(&self) -> Option<Moment> {
        self.0.measured.map(|m| m.since)
    }

    /// The end on `clock`'s own time line; [`Moment::MAX`] for keys that do not end.
    ///
    /// Measured by the source it does not depend on the wall clock. Else it is what is left by the wall clock now, so
    /// ask once, when the session comes in.
    pub fn ends(&self, clock: &Clock) -> Moment {
        match (self.0.measured, self.expires_at()) {
            (Some(measured), _) => measured.since + measured.lifetime,
            (None, Some(end)) => clock.now() + end.duration_since(clock.wall()).unwrap_or_default(),
            (None, None) => Moment::MAX,
        }
    }

    /// How much of the allowed size policies and tags took, in per cent, where STS said so.
    pub fn packed_policy_size(&self) -> Option<u8> {
        self.0.packed_policy_size
    }

    /// Who is behind the session, where that was set or is handed on by the session that assumed it.
    pub fn source_identity(&self) -> Option<&SourceIdentity> {
        self.0.source_identity.as_ref()
    }

    /// The session's tags, as far as they are known: those that were asked for, and the transitive ones of the session
    /// that assumed it. Tags of the role itself, and those that a web identity token brings, are not here.
    pub fn tags(&self) -> &SessionTags {
        &self.0.tags
    }

    /// What STS verified of the web identity token that the session was got with; `None` for any other session.
    pub fn web_identity(&self) -> Option<&VerifiedToken> {
        self.0.web_identity.as_ref()
    }

    /// How this session came about.
    pub fn lineage(&self) -> &Lineage {
        &self.0.lineage
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

/// Builds a [`Session`]: what a source says of the credentials that it got.
///
/// ```
/// use std::time::Duration;
/// use aws_credential_types::Credentials;
/// use rolecall_core::{Clock, Session};
///
/// let clock = Clock::system();
/// let asked = clock.now();
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let session = Session::builder(keys)
///     .base("vault")
///     .lifetime(asked, Duration::from_secs(900), &clock)
///     .build();
/// assert_eq!(session.ends(&clock), asked + Duration::from_secs(900));
/// ```
pub struct SessionBuilder {
    inner: Inner,
}

impl SessionBuilder {
    /// The assumed role that the session is.
    #[must_use]
    pub fn role(mut self, role: AssumedRole) -> Self {
        self.inner.role = Some(role);
        self
    }

    /// The role that it is a session of.
    #[must_use]
    pub fn role_arn(mut self, role: RoleArn) -> Self {
        self.inner.role_arn = Some(role);
        self
    }

    /// The account that the session is in.
    #[must_use]
    pub fn account(mut self, account: AccountId) -> Self {
        self.inner.account = Some(account);
        self
    }

    /// The session is good for `lifetime` from the moment the request for it was sent. The expiry that the SDK sees
    /// becomes this machine's wall time plus what is left.
    #[must_use]
    pub fn lifetime(mut self, since: Moment, lifetime: Duration, clock: &Clock) -> Self {
        self.inner.measured = Some(Measured { since, lifetime });
        let left = (since + lifetime) - clock.now();
        // A lifetime that the calendar cannot hold has, for all purposes, no end there.
        *self.inner.credentials.expiry_mut() = clock.wall().checked_add(left);
        self
    }

    /// How much of the allowed size policies and tags took, in per cent.
    #[must_use]
    pub fn packed_policy_size(mut self, per_cent: Option<u8>) -> Self {
        self.inner.packed_policy_size = per_cent;
        self
    }

    /// Who is behind the session.
    #[must_use]
    pub fn source_identity(mut self, identity: Option<SourceIdentity>) -> Self {
        self.inner.source_identity = identity;
        self
    }

    /// The session's tags.
    #[must_use]
    pub fn tags(mut self, tags: SessionTags) -> Self {
        self.inner.tags = tags;
        self
    }

    /// What STS verified of the web identity token.
    #[must_use]
    pub fn web_identity(mut self, token: VerifiedToken) -> Self {
        self.inner.web_identity = Some(token);
        self
    }

    /// The source that began it, in a few words: "web identity", "static keys".
    #[must_use]
    pub fn base(mut self, base: impl Into<String>) -> Self {
        self.inner.lineage = Lineage { base: base.into(), hops: Vec::new() };
        self
    }

    /// The session that assumed the role, and the role.
    #[must_use]
    pub fn assumed_by(mut self, parent: &Session, role: RoleArn) -> Self {
        let mut lineage = parent.lineage().clone();
        lineage.hops.push(role);
        self.inner.lineage = lineage;
        self
    }

    /// The session.
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

/// Who an assumed session is, as STS says it (`AssumedRoleUser`).
///
/// ```
/// use rolecall_core::AssumedRole;
/// let role = AssumedRole::new("arn:aws:sts::111122223333:assumed-role/orders/checkout", "AROAEXAMPLE:checkout");
/// assert_eq!(role.role_name(), Some("orders"));
/// assert_eq!(role.session_name(), Some("checkout"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    arn: String,
    id: String,
}

impl AssumedRole {
    /// From the ARN `arn:<partition>:sts::<account>:assumed-role/<name>/<session>` and the id `<role id>:<session>`.
    pub fn new(arn: impl Into<String>, id: impl Into<String>) -> Self {
        Self { arn: arn.into(), id: id.into() }
    }

    /// The session's ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The role's unique id, a colon, and the session's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The account in the ARN.
    pub fn account(&self) -> Option<AccountId> {
        self.arn.split(':').nth(4)?.parse().ok()
    }

    /// The role's name, without its path: STS leaves that out.
    pub fn role_name(&self) -> Option<&str> {
        self.parts().map(|(role, _)| role)
    }

    /// The session's name.
    pub fn session_name(&self) -> Option<&str> {
        self.parts().map(|(_, session)| session)
    }

    fn parts(&self) -> Option<(&str, &str)> {
        self.arn.splitn(6, ':').nth(5)?.strip_prefix("assumed-role/")?.split_once('/')
    }
}

/// What STS verified of a web identity token, as it says in its answer; not every server says all of it.
///
/// ```
/// use rolecall_core::VerifiedToken;
/// let mut token = VerifiedToken::default();
/// token.subject = Some("system:serviceaccount:shop:checkout".into());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedToken {
    /// `SubjectFromWebIdentityToken`: the token's `sub`.
    pub subject: Option<String>,
    /// `Provider`: the token's `iss`, or the ARN of its identity provider.
    pub provider: Option<String>,
    /// `Audience`: the token's `aud`.
    pub audience: Option<String>,
}

/// How a session came about: a base, and the roles assumed from there, in order.
///
/// ```
/// use aws_credential_types::Credentials;
/// use rolecall_core::Session;
///
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let base = Session::builder(keys.clone()).base("web identity").build();
/// let role = "arn:aws:iam::444455556666:role/orders".parse().unwrap();
/// let next = Session::builder(keys).assumed_by(&base, role).build();
/// assert_eq!(next.lineage().to_string(), "web identity -> arn:aws:iam::444455556666:role/orders");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    base: String,
    hops: Vec<RoleArn>,
}

impl Lineage {
    /// The first source, in a few words.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The roles assumed on it, in order.
    pub fn hops(&self) -> &[RoleArn] {
        &self.hops
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.base.is_empty() { "unnamed source" } else { &self.base })?;
        for hop in &self.hops {
            write!(f, " -> {hop}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    #[test]
    fn debug_shows_neither_secret_nor_token() {
        let keys = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            Some("the-session-token".into()),
            None,
            "test",
        );
        let builder = Session::builder(keys).base("test");
        let shown = format!("{builder:?}");
        let session = builder.build();
        let shown = format!("{shown} {session:?} {session:#?} {:?}", session.credentials());
        assert!(shown.contains("AKIAIOSFODNN7EXAMPLE"));
        assert!(!shown.contains("wJalr") && !shown.contains("the-session-token"), "{shown}");
    }

    #[test]
    fn a_measured_end_does_not_move_with_the_wall_clock() {
        let hands = ManualClock::new();
        let clock = hands.clock();
        let asked = clock.now();
        let hour = Duration::from_secs(3600);
        let session =
            Session::builder(Credentials::for_tests()).lifetime(asked, hour, &clock).build();
        assert_eq!(session.expires_at(), Some(clock.wall() + hour));
        hands.set_wall(clock.wall() - 10 * hour);
        assert_eq!(session.ends(&clock), asked + hour);
    }

    #[test]
    fn an_end_by_the_wall_clock_is_what_is_left_of_it() {
        let hands = ManualClock::new();
        let clock = hands.clock();
        let keys = |end| Credentials::new("a", "b", None, Some(end), "test");
        let later = Session::builder(keys(clock.wall() + Duration::from_secs(60))).build();
        assert_eq!(later.ends(&clock), clock.now() + Duration::from_secs(60));
        let over = Session::builder(keys(clock.wall() - Duration::from_secs(60))).build();
        assert_eq!(over.ends(&clock), clock.now());
    }
}
