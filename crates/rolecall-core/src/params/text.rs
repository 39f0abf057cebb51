use super::{InvalidParameter, limits, limits::TextLimit, parsed_text};

fn parse(value: &str, limit: &TextLimit) -> Result<String, InvalidParameter> {
    match limit.fault(value) {
        None => Ok(value.to_owned()),
        Some(fault) => Err(InvalidParameter::new(limit.field, value, fault, limit.rule())),
    }
}

/// The external id that a role's trust policy asks for, so that a third party is not made a confused deputy.
///
/// 2 to 1224 characters of ASCII letters, digits and `_+=,.@:/-`. It is no secret: AWS shows it to everybody who may
/// read the role.
///
/// ```
/// use rolecall_core::ExternalId;
/// assert_eq!(ExternalId::parse("shop-4711").unwrap().as_str(), "shop-4711");
/// assert!(ExternalId::parse("x").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExternalId(String);

parsed_text!(ExternalId);

impl ExternalId {
    /// Parses an external id.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        parse(value, &limits::EXTERNAL_ID).map(Self)
    }
}

/// Who is behind a session, in CloudTrail and for policies (`sts:SourceIdentity`). It stays for all sessions that are
/// assumed from it: no hop can set another.
///
/// 2 to 64 characters of ASCII letters, digits and `_+=,.@-`. The trust policy must allow `sts:SetSourceIdentity`.
///
/// ```
/// use rolecall_core::SourceIdentity;
/// assert_eq!(SourceIdentity::parse("ann@shop.example").unwrap().as_str(), "ann@shop.example");
/// assert!(SourceIdentity::parse("Ann Other").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceIdentity(String);

parsed_text!(SourceIdentity);

impl SourceIdentity {
    /// Parses a source identity.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        parse(value, &limits::SOURCE_IDENTITY).map(Self)
    }
}

/// The host name of an OAuth 2.0 identity provider that is no OIDC provider: `www.amazon.com`, `graph.facebook.com`.
/// Not for OIDC tokens.
///
/// ```
/// use rolecall_core::ProviderId;
/// assert!(ProviderId::parse("www.amazon.com").is_ok());
/// assert!(ProviderId::parse("https://www.amazon.com").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(String);

parsed_text!(ProviderId);

impl ProviderId {
    /// Parses a provider's host name.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        let rule = "a provider id is a host name of 4 to 2048 characters, without scheme and port";
        let known = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        let fault = if !limits::PROVIDER_ID.contains(&value.chars().count()) {
            "its length is not right"
        } else if !value.bytes().all(known) {
            "it is no host name"
        } else {
            return Ok(Self(value.to_owned()));
        };
        Err(InvalidParameter::new("provider id", value, fault, rule))
    }
}

/// The name of a role session: in CloudTrail, in the session's ARN, and for policies (`sts:RoleSessionName`).
///
/// 2 to 64 characters of ASCII letters, digits and `_+=,.@-`.
///
/// ```
/// use rolecall_core::SessionName;
/// assert_eq!(SessionName::parse("checkout-7f9c").unwrap().as_str(), "checkout-7f9c");
/// assert!(SessionName::parse("check out").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionName(String);

parsed_text!(SessionName);

impl SessionName {
    /// Parses a session name.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        parse(value, &limits::SESSION_NAME).map(Self)
    }

    /// A name from whatever names the application and the host have: what STS does not allow becomes `-`, and what is
    /// too long is cut at the application, since the host (in a pod, the pod's name) tells sessions apart.
    ///
    /// ```
    /// use rolecall_core::SessionName;
    /// let name = SessionName::derived(Some("check out"), Some("checkout-7f9c-x2x"));
    /// assert_eq!(name.as_str(), "check-out@checkout-7f9c-x2x");
    /// assert_eq!(SessionName::derived(None, None).as_str(), "rolecall");
    /// ```
    pub fn derived(application: Option<&str>, host: Option<&str>) -> Self {
        let limit = &limits::SESSION_NAME;
        let most = *limit.length.end();
        let clean = |text: &str| -> String {
            let allowed = |c: char| limit.fault(&format!("{c}{c}")).is_none();
            text.chars().map(|c| if allowed(c) { c } else { '-' }).collect()
        };
        let application = clean(application.unwrap_or("rolecall"));
        let name = match host.map(clean) {
            None => application.chars().take(most).collect(),
            Some(host) => {
                let host: String = host.chars().take(most - 1).collect();
                let left = most - 1 - host.len();
                let application: String = application.chars().take(left).collect();
                format!("{application}@{host}")
            }
        };
        // Of two empty names there is "@" left.
        if limit.fault(&name).is_some() { Self("rolecall".into()) } else { Self(name) }
    }

    /// `AWS_ROLE_SESSION_NAME`, else [`derived`](Self::derived) from the program's and the machine's names, which stay
    /// the same over all refreshes.
    ///
    /// ```
    /// use rolecall_core::{Environment, SessionName};
    /// let env = Environment::fixed([("HOSTNAME", "checkout-7f9c")]);
    /// assert_eq!(SessionName::from_environment(&env)?.as_str(), "rolecall@checkout-7f9c");
    /// # Ok::<(), rolecall_core::FetchError>(())
    /// ```
    pub fn from_environment(environment: &crate::Environment) -> Result<Self, crate::FetchError> {
        const VARIABLE: &str = "AWS_ROLE_SESSION_NAME";
        if let Some(name) = environment.var(VARIABLE)? {
            return Self::parse(&name).map_err(|error| {
                let error = crate::FetchError::from(error);
                error.with_hint(format!("the environment variable {VARIABLE}"))
            });
        }
        let application = environment.application_name();
        let host = environment.host_name();
        Ok(Self::derived(application.as_deref(), host.as_deref()))
    }
}
