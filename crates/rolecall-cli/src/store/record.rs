//! A session as the store keeps it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rolecall::Session;
use rolecall::params::RoleArn;
use rolecall::provider::{AssumedRole, Credentials};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// A session is replaced when less than this remains of it, or less than a third of its lifetime.
///
/// The AWS CLI and boto3 run a `credential_process` again when less than 15 minutes remain, and
/// before each request until they get a session with more.
const REPLACED: Duration = Duration::from_secs(15 * 60);
/// The same for a session that needs an MFA code, which a person would have to enter.
const REPLACED_WITH_MFA: Duration = Duration::from_secs(60);
/// By so much the clock may have been set back since the session was stored.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// What is stored of a session: the credentials, and what results show of it. Session tags, source
/// identity and claims of the token are not stored.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// In milliseconds since 1970, by the clock of this machine.
    expires_at: u64,
    /// In seconds.
    lifetime: u64,
    account: Option<String>,
    role_arn: Option<String>,
    assumed_role_arn: Option<String>,
    assumed_role_id: Option<String>,
    packed_policy_size: Option<u8>,
    base: String,
    hops: Vec<String>,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.secret_access_key.zeroize();
        self.session_token.zeroize();
    }
}

/// What is to be done with a stored session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Fresh,
    /// It is valid and is replaced.
    Due,
    Expired,
}

impl Record {
    /// Returns `None` if the session does not expire.
    pub(super) fn new(session: &Session, now: SystemTime) -> Option<Self> {
        let expires_at = session.expires_at()?;
        let remaining = expires_at.duration_since(now).unwrap_or_default();
        let since = expires_at.duration_since(UNIX_EPOCH).ok()?;
        let (credentials, role) = (session.credentials(), session.role());
        Some(Self {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().to_owned(),
            session_token: credentials.session_token().map(str::to_owned),
            expires_at: u64::try_from(since.as_millis()).ok()?,
            lifetime: session.lifetime().unwrap_or(remaining).as_secs(),
            account: session.account().map(ToString::to_string),
            role_arn: session.role_arn().map(ToString::to_string),
            assumed_role_arn: role.map(|role| role.arn().to_owned()),
            assumed_role_id: role.map(|role| role.id().to_owned()),
            packed_policy_size: session.packed_policy_size(),
            base: session.lineage().base().to_owned(),
            hops: session.lineage().hops().iter().map(ToString::to_string).collect(),
        })
    }

    pub(super) fn to_json(&self) -> Option<Zeroizing<Vec<u8>>> {
        // The buffer does not grow: that would leave copies of the secrets in freed memory.
        let mut text = Zeroizing::new(Vec::with_capacity(super::MAX_ENTRY));
        serde_json::to_writer(&mut *text, self).ok()?;
        Some(text)
    }

    /// Reads a record, and the session in it. Returns `None` if it is not a record of this version
    /// of the program.
    pub(super) fn parse(text: &[u8]) -> Option<(Self, Session)> {
        let record: Self = serde_json::from_slice(text).ok()?;
        let session = record.session()?;
        Some((record, session))
    }

    fn expires_at(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.expires_at))
    }

    fn session(&self) -> Option<Session> {
        let mut credentials = Credentials::builder()
            .access_key_id(self.access_key_id.as_str())
            .secret_access_key(self.secret_access_key.as_str())
            .expiry(self.expires_at()?)
            .provider_name("rolecall-store");
        credentials.set_session_token(self.session_token.clone());
        let credentials = credentials.build();
        let builder = || Session::builder(credentials.clone());
        let mut session = builder().base(self.base.as_str());
        for hop in &self.hops {
            session = builder().assumed_by(&session.build(), RoleArn::parse(hop).ok()?);
        }
        session = session.packed_policy_size(self.packed_policy_size);
        if let Some(arn) = &self.role_arn {
            session = session.role_arn(RoleArn::parse(arn).ok()?);
        }
        if let (Some(arn), Some(id)) = (&self.assumed_role_arn, &self.assumed_role_id) {
            session = session.role(AssumedRole::new(arn, id));
        }
        if let Some(account) = &self.account {
            session = session.account(account.parse().ok()?);
        }
        Some(session.build())
    }

    pub(super) fn age(&self, now: SystemTime, asks_for_mfa: bool) -> Age {
        let remaining = self.expires_at().and_then(|at| at.duration_since(now).ok());
        let Some(remaining) = remaining.filter(|remaining| !remaining.is_zero()) else {
            return Age::Expired;
        };
        let lifetime = Duration::from_secs(self.lifetime);
        // The clock was set back. How much of the session remains is not known.
        if remaining > lifetime + CLOCK_TOLERANCE {
            return Age::Expired;
        }
        let replaced = if asks_for_mfa { REPLACED_WITH_MFA } else { REPLACED };
        match remaining > replaced.min(lifetime / 3) {
            true => Age::Fresh,
            false => Age::Due,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "arn:aws:iam::444455556666:role/hub";
    const ORDERS: &str = "arn:aws:iam::777788889999:role/shop/orders";

    fn session(expires_at: SystemTime) -> Session {
        let credentials = Credentials::new(
            "ASIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            Some("the-token".to_owned()),
            Some(expires_at),
            "test",
        );
        let base = Session::builder(credentials.clone()).base("environment keys").build();
        let hub = Session::builder(credentials.clone())
            .assumed_by(&base, RoleArn::parse(HUB).unwrap())
            .build();
        Session::builder(credentials)
            .assumed_by(&hub, RoleArn::parse(ORDERS).unwrap())
            .role_arn(RoleArn::parse(ORDERS).unwrap())
            .role(AssumedRole::new("arn:aws:sts::777788889999:assumed-role/orders/ann", "A:ann"))
            .account("777788889999".parse().unwrap())
            .packed_policy_size(Some(7))
            .build()
    }

    #[test]
    fn session_is_read_back() {
        let expires_at = UNIX_EPOCH + Duration::from_millis(1_900_000_000_123);
        let session = session(expires_at);
        let record = Record::new(&session, UNIX_EPOCH).unwrap();
        let (again, read) = Record::parse(&record.to_json().unwrap()).unwrap();
        assert!(record == again);
        assert_eq!(read.credentials().session_token(), session.credentials().session_token());
        assert_eq!(
            read.credentials().secret_access_key(),
            session.credentials().secret_access_key()
        );
        assert_eq!(read.access_key_id(), session.access_key_id());
        assert_eq!(read.expires_at(), Some(expires_at));
        assert_eq!(read.lineage(), session.lineage());
        assert_eq!(read.lineage().hops().len(), 2);
        assert_eq!(read.role(), session.role());
        assert_eq!(read.role_arn(), session.role_arn());
        assert_eq!(read.account(), session.account());
        assert_eq!(read.packed_policy_size(), Some(7));
    }

    #[test]
    fn session_is_replaced_before_it_expires() {
        use Age::{Due, Expired, Fresh};
        let issued = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        // Lifetime and time since it was issued in minutes, and the age without and with MFA.
        for (lifetime, minutes, age, with_mfa) in [
            (60, -2, Expired, Expired),
            (60, 0, Fresh, Fresh),
            (60, 44, Fresh, Fresh),
            (60, 45, Due, Fresh),
            (60, 58, Due, Fresh),
            (60, 59, Due, Due),
            (60, 60, Expired, Expired),
            (60, 600, Expired, Expired),
            (720, 704, Fresh, Fresh),
            (720, 705, Due, Fresh),
            (15, 9, Fresh, Fresh),
            (15, 10, Due, Fresh),
        ] {
            let lifetime = Duration::from_secs(lifetime * 60);
            let record = Record::new(&session(issued + lifetime), issued).unwrap();
            let distance = Duration::from_secs(60 * i64::unsigned_abs(minutes));
            let now = if minutes < 0 { issued - distance } else { issued + distance };
            assert_eq!(record.age(now, false), age, "{lifetime:?} after {minutes}");
            assert_eq!(record.age(now, true), with_mfa, "{lifetime:?} after {minutes}, MFA");
        }
    }

    #[test]
    fn other_text_is_no_record() {
        for text in ["", "{}", "[]", r#"{"access_key_id": "x"}"#] {
            assert!(Record::parse(text.as_bytes()).is_none(), "{text}");
        }
    }
}
