use super::{InvalidParameter, length_fault, limits, limits::TextLimit, text_parameter};

fn parse_limited(value: &str, limit: &TextLimit) -> Result<String, InvalidParameter> {
    match limit.fault(value) {
        None => Ok(value.to_owned()),
        Some(fault) => Err(InvalidParameter::new(limit.field, value, fault, limit.rule())),
    }
}

/// The external id that a role's trust policy requires of a third party (`sts:ExternalId`), against
/// the confused deputy problem.
///
/// Has 2 to 1224 characters: ASCII letters, digits and `_+=,.@:/-`. It is not a secret: IAM
/// shows it to every principal that may read the role.
///
/// # Examples
///
/// ```
/// use rolecall_core::ExternalId;
/// assert_eq!(ExternalId::parse("shop-4711")?.as_str(), "shop-4711");
/// assert!(ExternalId::parse("x").is_err());
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExternalId(Box<str>);

text_parameter!(ExternalId);

impl ExternalId {
    /// Parses an external id.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value has a wrong length or contains other characters.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        parse_limited(value, &limits::EXTERNAL_ID).map(|value| Self(value.into()))
    }
}

/// The identity of the person or program that uses a session, for CloudTrail and policies
/// (`sts:SourceIdentity`).
///
/// All sessions that are assumed from the session inherit it, and no hop can change it. The trust
/// policy of the role must allow `sts:SetSourceIdentity`.
///
/// Has 2 to 64 characters: ASCII letters, digits and `_+=,.@-`.
///
/// # Examples
///
/// ```
/// use rolecall_core::SourceIdentity;
/// assert_eq!(SourceIdentity::parse("ann@shop.example")?.as_str(), "ann@shop.example");
/// assert!(SourceIdentity::parse("Ann Other").is_err());
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceIdentity(Box<str>);

text_parameter!(SourceIdentity);

impl SourceIdentity {
    /// Parses a source identity.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value has a wrong length or contains other characters.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        parse_limited(value, &limits::SOURCE_IDENTITY).map(|value| Self(value.into()))
    }
}

/// The host name of an OAuth 2.0 identity provider: `www.amazon.com` or `graph.facebook.com`.
///
/// Must not be set for tokens of OpenID Connect providers.
///
/// # Examples
///
/// ```
/// use rolecall_core::ProviderId;
/// assert!(ProviderId::parse("www.amazon.com").is_ok());
/// assert!(ProviderId::parse("https://www.amazon.com").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(Box<str>);

text_parameter!(ProviderId);

impl ProviderId {
    /// Parses the host name of a provider.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not a host name of 4 to 2048 characters.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        let rule = "a host name of 4 to 2048 characters, without scheme and port";
        let length = value.chars().count();
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        let fault = if !limits::PROVIDER_ID.contains(&length) {
            length_fault(length)
        } else if !value.bytes().all(is_allowed) {
            "it is not a host name".to_owned()
        } else {
            return Ok(Self(value.into()));
        };
        Err(InvalidParameter::new("provider id", value, fault, rule))
    }
}

/// The name of a role session: the last part of the session's ARN, shown in CloudTrail and
/// available to policies (`sts:RoleSessionName`).
///
/// Has 2 to 64 characters: ASCII letters, digits and `_+=,.@-`.
///
/// # Examples
///
/// ```
/// use rolecall_core::SessionName;
/// assert_eq!(SessionName::parse("checkout-7f9c")?.as_str(), "checkout-7f9c");
/// assert!(SessionName::parse("check out").is_err());
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionName(Box<str>);

text_parameter!(SessionName);

impl SessionName {
    /// Parses a session name.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value has a wrong length or contains other characters.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        parse_limited(value, &limits::SESSION_NAME).map(|value| Self(value.into()))
    }

    /// Derives a session name from the names of the application and the host.
    ///
    /// Characters that STS does not allow are replaced with `-`. If the name is too long, the part
    /// of the application is truncated, because the host (in Kubernetes, the pod) distinguishes
    /// sessions.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::SessionName;
    /// let name = SessionName::derived(Some("check out"), Some("checkout-7f9c-x2x"));
    /// assert_eq!(name.as_str(), "check-out@checkout-7f9c-x2x");
    /// assert_eq!(SessionName::derived(None, None).as_str(), "rolecall");
    /// ```
    pub fn derived(application: Option<&str>, host: Option<&str>) -> Self {
        let limit = &limits::SESSION_NAME;
        let max_length = *limit.length.end();
        let replace_disallowed = |text: &str| -> String {
            // Two of each: a single character would be too short whatever it is.
            let is_allowed = |c: char| limit.fault(&format!("{c}{c}")).is_none();
            text.chars().map(|c| if is_allowed(c) { c } else { '-' }).collect()
        };
        let application = replace_disallowed(application.unwrap_or("rolecall"));
        let name = match host.map(replace_disallowed) {
            None => application.chars().take(max_length).collect(),
            Some(host) => {
                let host: String = host.chars().take(max_length - 1).collect();
                let remaining = max_length - 1 - host.len();
                let application: String = application.chars().take(remaining).collect();
                format!("{application}@{host}")
            }
        };
        // Empty and one-letter names can leave a result that is too short.
        if limit.fault(&name).is_some() { Self("rolecall".into()) } else { Self(name.into()) }
    }

    /// Returns the session name in `AWS_ROLE_SESSION_NAME`, or else a name
    /// [derived](Self::derived) from the names of the program and the machine.
    ///
    /// A derived name is the same in each call and therefore does not change with a refresh.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig) if the variable is set
    /// and is not a valid session name.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::{Environment, SessionName};
    /// let environment = Environment::fixed([("HOSTNAME", "checkout-7f9c")]);
    /// let name = SessionName::from_environment(&environment)?;
    /// assert_eq!(name.as_str(), "rolecall@checkout-7f9c");
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn from_environment(environment: &crate::Environment) -> Result<Self, crate::SessionError> {
        const VARIABLE: &str = "AWS_ROLE_SESSION_NAME";
        if let Some(name) = environment.var(VARIABLE)? {
            return Self::parse(&name).map_err(|error| {
                let error = crate::SessionError::from(error);
                error.with_hint(format!("correct the environment variable {VARIABLE} or unset it"))
            });
        }
        let application = environment.application_name();
        let host = environment.host_name();
        Ok(Self::derived(application.as_deref(), host.as_deref()))
    }
}
