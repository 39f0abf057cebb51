use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rolecall_core::{
    ErrorKind, ErrorLocation, FetchContext, FetchMode, MfaCode, MfaSerial, ProvideSession, Remedy,
    Session, SessionDuration, SessionError, SessionName,
};
use rolecall_sts::{SignerRetry, StsClient, invalid_signer};

use crate::{ProvideMfaCode, Role};

/// Time limit of one hop, without its parent. The STS client returns its own error after 14 s.
const HOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Time limit for an MFA code. A person may have to type it.
const MFA_CODE_TIMEOUT: Duration = Duration::from_secs(120);

/// Provides sessions of a role by AssumeRole, signed with the sessions of a parent provider.
///
/// If STS rejects the parent's session, because it expired or because its role was recreated, the
/// parent is asked to invalidate it, and the call is repeated once with the parent's next session.
/// A session that the parent requested less than 10 seconds ago and that STS does not know is not
/// replaced: the call is repeated with it up to 3 times, after 0.5, 1 and 2 seconds.
///
/// A background fetch does not request an MFA code; it fails instead.
///
/// # Examples
///
/// ```
/// use aws_credential_types::Credentials;
/// use rolecall_assume_role::{AssumeRoleProvider, Role};
/// use rolecall_core::{SdkProvider, SessionName};
/// use rolecall_sts::{Endpoint, Region, StsClient};
///
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let parent = SdkProvider::new(Credentials::new(id, secret, None, None, "static"));
/// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
/// let role = Role::new("arn:aws:iam::444455556666:role/orders")?;
/// let orders = AssumeRoleProvider::new(parent, role, sts, SessionName::parse("checkout")?);
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AssumeRoleProvider {
    role: Role,
    hop: Arc<Hop>,
}

/// The state that all roles on one parent share. A pool of thousands of roles has one.
#[derive(Clone, Debug)]
struct Hop {
    parent: Arc<dyn ProvideSession>,
    sts: StsClient,
    session_name: SessionName,
    index: usize,
    mfa: Option<Arc<dyn ProvideMfaCode>>,
}

impl AssumeRoleProvider {
    /// Creates a provider that assumes `role` with the sessions of `parent`.
    ///
    /// Sessions are named `session_name` unless the role sets a session name of its own.
    pub fn new(
        parent: impl ProvideSession,
        role: Role,
        sts: StsClient,
        session_name: SessionName,
    ) -> Self {
        let parent = Arc::new(parent);
        Self { role, hop: Arc::new(Hop { parent, sts, session_name, index: 1, mfa: None }) }
    }

    /// Creates a provider of another role on the same parent, STS client and settings.
    ///
    /// # Examples
    ///
    /// ```
    /// # use rolecall_assume_role::{AssumeRoleProvider, Role};
    /// # fn show(orders: AssumeRoleProvider) -> Result<(), rolecall_core::InvalidParameter> {
    /// let invoices = orders.with_role(Role::new("arn:aws:iam::444455556666:role/invoices")?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_role(&self, role: Role) -> Self {
        Self { role, hop: Arc::clone(&self.hop) }
    }

    /// Sets the position in the role chain that errors show. Defaults to 1, the first hop.
    #[must_use]
    pub fn with_hop_index(mut self, index: usize) -> Self {
        Arc::make_mut(&mut self.hop).index = index;
        self
    }

    /// Sets the MFA code provider, for roles with an [`mfa_serial`](Role::mfa_serial).
    ///
    /// A fetch of a role without a serial number then fails with [`ErrorKind::InvalidConfig`],
    /// instead of assuming the role without MFA.
    #[must_use]
    pub fn with_mfa(mut self, codes: impl ProvideMfaCode) -> Self {
        Arc::make_mut(&mut self.hop).mfa = Some(Arc::new(codes));
        self
    }

    /// Returns the role that this provider assumes.
    pub fn role(&self) -> &Role {
        &self.role
    }

    async fn parent_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        self.hop.parent.provide_session(context).await.map_err(|error| {
            // The parent's own location stays; the error only learns that the chain is at least
            // this long. The chain is configured, so "not configured" below it must not let an SDK
            // provider chain continue with another identity.
            let error = match error.location() {
                Some(_) => error.at(self.location()),
                None => error,
            };
            error.configured()
        })
    }

    async fn assume_role(
        &self,
        signer: &Session,
        context: FetchContext,
    ) -> Result<Session, SessionError> {
        let assumed = match self.reject_long_chained_session(signer) {
            Some(error) => Err(error),
            None => self.call_sts(signer, context).await,
        };
        assumed.map_err(|error| {
            let error = match (error.kind(), error.code()) {
                (ErrorKind::Denied, Some("AccessDenied")) => {
                    let hint = self.denied_hint(signer, &error);
                    error.with_hint(hint)
                }
                _ => error,
            };
            error.at(self.location())
        })
    }

    async fn call_sts(
        &self,
        signer: &Session,
        context: FetchContext,
    ) -> Result<Session, SessionError> {
        let mut request = self.role.request(&self.hop.session_name);
        if let Some((serial, codes)) = self.mfa()? {
            // Asked for after the parent's session has been fetched: a code is valid for 30
            // seconds.
            let code = provide_code_in_time(codes, serial).await?;
            request.mfa = Some((serial.clone(), code));
        }
        self.hop.sts.assume_role(signer, &request, context.mode()).await
    }

    /// Returns the MFA device and the provider of its codes, or `None` if the role needs no MFA.
    fn mfa(&self) -> Result<Option<(&MfaSerial, &dyn ProvideMfaCode)>, SessionError> {
        let invalid = |message: String, hint: &str| {
            Err(SessionError::new(ErrorKind::InvalidConfig, message).with_hint(hint))
        };
        match (self.role.get_mfa_serial(), self.hop.mfa.as_deref()) {
            (Some(serial), Some(codes)) => Ok(Some((serial, codes))),
            (None, None) => Ok(None),
            (Some(serial), None) => invalid(
                format!("the role requires MFA, but no provider of codes for {serial} is set"),
                "pass a provider of codes to assume_role_with_mfa; a pool cannot have one",
            ),
            // STS would issue a session without MFA, which a trust policy may well allow. The
            // author of the code believes that MFA protects the role.
            (None, Some(_)) => invalid(
                format!(
                    "a provider of MFA codes is set, but the role {} has no MFA device",
                    self.role.arn()
                ),
                "set the serial number of the device with Role::mfa_serial",
            ),
        }
    }

    /// Returns an error if a chained session would exceed one hour.
    ///
    /// STS fails such a call with a ValidationError that does not mention chaining.
    fn reject_long_chained_session(&self, signer: &Session) -> Option<SessionError> {
        let requested = self.role.get_duration()?;
        if signer.role().is_none() && signer.role_arn().is_none() {
            return None;
        }
        if requested <= SessionDuration::MAX_IN_ROLE_CHAIN {
            return None;
        }
        let message = format!(
            "the role requests a session of {requested}, but sessions in a role chain are limited \
             to one hour"
        );
        let hint = "set the role's duration to one hour or less";
        let error = SessionError::new(ErrorKind::InvalidConfig, message).with_hint(hint);
        Some(error.with_remedy(Remedy::RoleChainDuration))
    }

    /// Names everything that a person can check after AccessDenied: STS does not say which policy
    /// denied the call, or whether the role exists.
    fn denied_hint(&self, signer: &Session, error: &SessionError) -> String {
        let mfa = self.role.get_mfa_serial().map(|serial| {
            format!(
                "check that the MFA code is the current one of {serial}, that it was not used \
                 before, and that the clock of the device is right"
            )
        });
        // STS checks the code before it evaluates policies.
        if let (Some(mfa), true) = (&mfa, error.message().starts_with(INVALID_MFA)) {
            return mfa.clone();
        }
        let action = denied_action(error);
        let role = self.role.arn();
        let caller = match signer.role() {
            Some(role) => role.arn().to_owned(),
            None => format!("the owner of access key {}", signer.access_key_id()),
        };
        // Within an account, a trust policy that names the caller is enough. Across accounts, the
        // caller's own policies must allow the call as well.
        let identity = match signer.account() {
            Some(account) if *account == role.account() => {
                "unless the trust policy names the caller, allow"
            }
            _ => "allow",
        };
        let allow = match action {
            ASSUME_ROLE => String::new(),
            other => format!(" {other}"),
        };
        // The likely cause is the first: a role that is assumed with an external id usually
        // requires one, and its value is an argument that can be misspelled.
        let trust = match self.role.get_external_id() {
            Some(id) => format!(
                "check that the sts:ExternalId condition of {role}, if any, is {:?}; \
                 allow {caller}{allow} in its trust policy",
                id.as_str()
            ),
            None => format!(
                "allow {caller}{allow} in the trust policy of {role}; check that it has no \
                 sts:ExternalId condition (no external id was sent)"
            ),
        };
        format!(
            "{trust}; {identity} {action} on the role in the caller's own policies; check that the \
             role exists{}",
            mfa.map(|mfa| format!("; {mfa}")).unwrap_or_default()
        )
    }

    fn location(&self) -> ErrorLocation {
        ErrorLocation::hop(self.hop.index, self.role.arn().clone())
    }
}

/// The error of a background fetch. A person types the code: a refresh of a later hop would prompt
/// for one while no caller waits.
fn code_not_requested(serial: &MfaSerial) -> SessionError {
    let message = format!("a background fetch does not request an MFA code of {serial}");
    SessionError::new(ErrorKind::TokenUnavailable, message)
        .with_hint("request a session, so that a code is requested while a caller waits")
}

/// Returns the code of the device, or an error if it does not arrive within the timeout.
///
/// The timeout of the whole fetch would fire later, and its error does not say that a code was
/// missing. A provider without a cache around it would wait for ever.
async fn provide_code_in_time(
    codes: &dyn ProvideMfaCode,
    serial: &MfaSerial,
) -> Result<MfaCode, SessionError> {
    match tokio::time::timeout(MFA_CODE_TIMEOUT, codes.provide_mfa_code(serial)).await {
        Ok(provided) => provided.map_err(SessionError::configured),
        Err(_) => {
            let message = format!(
                "no code of the MFA device {serial} was available within {MFA_CODE_TIMEOUT:?}"
            );
            Err(SessionError::new(ErrorKind::TokenUnavailable, message)
                .with_hint("enter the code sooner, or check the MFA code provider")
                .with_remedy(Remedy::MfaCode))
        }
    }
}

const ASSUME_ROLE: &str = "sts:AssumeRole";

/// How the messages of STS about an MFA code or a serial number begin.
const INVALID_MFA: &str = "MultiFactorAuthentication failed";

/// Returns the action that STS denied: session tags and source identities have their own
/// (`sts:TagSession`, `sts:SetSourceIdentity`).
fn denied_action(error: &SessionError) -> &str {
    let named = error.message().split_once(" to perform: ").and_then(|(_, rest)| {
        let (action, _) = rest.split_once(' ')?;
        action.strip_prefix("sts:").is_some_and(|name| !name.is_empty()).then_some(action)
    });
    named.unwrap_or(ASSUME_ROLE)
}

#[async_trait]
impl ProvideSession for AssumeRoleProvider {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        // Checked first, so that a wrong configuration costs no call to STS.
        let mfa = self.mfa().map_err(|error| error.at(self.location()))?;
        if let Some((serial, _)) = mfa.filter(|_| context.mode() == FetchMode::Background) {
            return Err(code_not_requested(serial).at(self.location()));
        }
        let mut signer = self.parent_session(context.clone()).await?;
        let mut retry = SignerRetry::default();
        loop {
            let error = match self.assume_role(&signer, context.clone()).await {
                Ok(session) => return Ok(session),
                Err(error) => error,
            };
            let Some(reason) = invalid_signer(&error) else { return Err(error) };
            self.hop.parent.invalidate(&signer, reason);
            let next = self.parent_session(context.clone()).await?;
            let clock = context.clock();
            let Some(pause) = retry.pause(reason, &signer, &next, clock) else { return Err(error) };
            // On the runtime's clock, as the pauses of the STS client.
            tokio::time::sleep(pause).await;
            signer = next;
        }
    }

    fn name(&self) -> &str {
        self.role.arn().as_str()
    }

    /// Adds the timeout of the parent, since this hop waits for the parent's session first.
    fn timeout(&self) -> Duration {
        let mfa = self.hop.mfa.as_ref().map_or(Duration::ZERO, |_| MFA_CODE_TIMEOUT);
        self.hop.parent.timeout().saturating_add(mfa + HOP_TIMEOUT)
    }
}

#[cfg(test)]
mod tests;
