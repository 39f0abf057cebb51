use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rolecall_core::{
    ErrorKind, FetchContext, FetchError, Place, Session, SessionDuration, SessionName,
    SessionSource,
};
use rolecall_sts::{StsClient, refuses_signer};

use crate::{MfaCodes, Role};

/// How long a hop takes at most, beside its parent: the STS client gives up after 14 s.
const HOP_LIMIT: Duration = Duration::from_secs(15);

/// How long a code may take to come: a person may be asked for it.
const CODE_LIMIT: Duration = Duration::from_secs(120);

/// The hop from a parent's session to a role's.
///
/// If STS refuses the session that signs (it ended, or its role was made anew), the parent is told and asked for
/// another, once.
///
/// ```
/// use aws_credential_types::Credentials;
/// use rolecall_assume_role::{AssumeRole, Role};
/// use rolecall_core::{ProviderSource, SessionName};
/// use rolecall_sts::{Endpoint, Region, StsClient};
///
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
/// let role = Role::new("arn:aws:iam::444455556666:role/orders")?;
/// let orders = AssumeRole::new(ProviderSource::new(keys), role, sts, SessionName::parse("checkout")?);
/// # Ok::<(), rolecall_core::FetchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AssumeRole {
    role: Role,
    way: Arc<Way>,
}

/// What hops on the same parent have in common: of thousands of roles, each has a reference to it.
#[derive(Clone, Debug)]
struct Way {
    parent: Arc<dyn SessionSource>,
    sts: StsClient,
    session_name: SessionName,
    index: usize,
    codes: Option<Arc<dyn MfaCodes>>,
}

impl AssumeRole {
    /// A hop on `parent`. The session is called `session_name` where the role says nothing else.
    pub fn new(
        parent: impl SessionSource,
        role: Role,
        sts: StsClient,
        session_name: SessionName,
    ) -> Self {
        Hops::new(parent, sts, session_name).to(role)
    }

    /// Its place in the chain, from 1, for errors.
    #[must_use]
    pub fn at_hop(mut self, index: usize) -> Self {
        Arc::make_mut(&mut self.way).index = index;
        self
    }

    /// Where the codes of the role's MFA device come from.
    #[must_use]
    pub fn mfa_codes(mut self, codes: impl MfaCodes) -> Self {
        Arc::make_mut(&mut self.way).codes = Some(Arc::new(codes));
        self
    }

    /// The role that it assumes.
    pub fn role(&self) -> &Role {
        &self.role
    }

    async fn signer(&self, cx: FetchContext) -> Result<Session, FetchError> {
        self.way.parent.session(cx).await.map_err(|error| {
            // A chain is configured here: a provider chain above must not go on to another identity.
            error.through_hop(self.way.index).of_configured()
        })
    }

    async fn assume(&self, signer: &Session, cx: FetchContext) -> Result<Session, FetchError> {
        let assumed = match self.refused_in_advance(signer) {
            Some(error) => Err(error),
            None => self.ask(signer, cx).await,
        };
        assumed.map_err(|error| {
            let error = match (error.kind(), error.code()) {
                (ErrorKind::Denied, Some("AccessDenied")) => {
                    let hint = self.what_to_look_at(signer, denied_action(&error));
                    error.with_hint(hint)
                }
                _ => error,
            };
            error.at(Place::hop(self.way.index, self.role.arn().clone()))
        })
    }

    async fn ask(&self, signer: &Session, cx: FetchContext) -> Result<Session, FetchError> {
        let mut request = self.role.request(&self.way.session_name);
        if let Some(serial) = &self.role.parts().mfa_serial {
            let Some(codes) = &self.way.codes else {
                let message =
                    format!("the role is asked for with MFA, and nothing gives codes of {serial}");
                return Err(FetchError::new(ErrorKind::InvalidConfig, message)
                    .with_hint("assume_with_mfa, which takes a source of codes; a pool has none"));
            };
            let code = codes.code(serial).await.map_err(FetchError::of_configured)?;
            request.mfa = Some((serial.clone(), code));
        }
        self.way.sts.assume_role(signer, &request, cx).await
    }

    /// What STS would refuse for what the parent's session is.
    fn refused_in_advance(&self, signer: &Session) -> Option<FetchError> {
        let asked = self.role.parts().duration?;
        if signer.role().is_none() && signer.role_arn().is_none() {
            return None;
        }
        if asked <= SessionDuration::LONGEST_IN_A_CHAIN {
            return None;
        }
        let message = format!(
            "the session is asked for {asked}, and a role that a role's session assumes is granted for one hour at most"
        );
        let hint = "the role's duration: one hour or less, as STS refuses more in a chain";
        Some(FetchError::new(ErrorKind::InvalidConfig, message).with_hint(hint))
    }

    fn what_to_look_at(&self, signer: &Session, action: &str) -> String {
        let role = self.role.arn();
        let caller = match signer.role() {
            Some(role) => role.arn().to_owned(),
            None => format!("the owner of the access key {}", signer.access_key_id()),
        };
        let external_id = match &self.role.parts().external_id {
            Some(id) => format!("its sts:ExternalId condition, if any, must be {:?}", id.as_str()),
            None => {
                "it must have no sts:ExternalId condition, since no external id was sent".into()
            }
        };
        let identity = match signer.account() {
            Some(account) if *account == role.account() => "unless it names the caller itself, the",
            _ => "the",
        };
        let allow = match action {
            ASSUME_ROLE => String::new(),
            other => format!(" {other}"),
        };
        format!(
            "the trust policy of {role} must allow {caller}{allow}; {external_id}; {identity} caller's own policies \
             must allow {action} on the role"
        )
    }
}

/// Hops from one parent, to whatever role. Each costs two pointers beside its role: all else is shared.
///
/// ```
/// # use rolecall_core::SessionSource;
/// # use rolecall_sts::StsClient;
/// use rolecall_assume_role::{Hops, Role};
/// use rolecall_core::SessionName;
///
/// # fn show(hub: impl SessionSource, sts: StsClient) -> Result<(), rolecall_core::InvalidParameter> {
/// let hops = Hops::new(hub, sts, SessionName::parse("checkout")?).at_hop(2);
/// let orders = hops.to(Role::new("arn:aws:iam::444455556666:role/orders")?);
/// let invoices = hops.to(Role::new("arn:aws:iam::444455556666:role/invoices")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Hops(Arc<Way>);

impl Hops {
    /// Hops on `parent`. Sessions are called `session_name` where the role says nothing else.
    pub fn new(parent: impl SessionSource, sts: StsClient, session_name: SessionName) -> Self {
        let parent = Arc::new(parent);
        Self(Arc::new(Way { parent, sts, session_name, index: 1, codes: None }))
    }

    /// Their place in the chain, from 1, for errors.
    #[must_use]
    pub fn at_hop(mut self, index: usize) -> Self {
        Arc::make_mut(&mut self.0).index = index;
        self
    }

    /// The one to this role.
    pub fn to(&self, role: Role) -> AssumeRole {
        AssumeRole { role, way: Arc::clone(&self.0) }
    }
}

const ASSUME_ROLE: &str = "sts:AssumeRole";

/// What was denied: tags and a source identity are actions of their own (`sts:TagSession`, `sts:SetSourceIdentity`).
fn denied_action(error: &FetchError) -> &str {
    let named = error.message().split_once(" to perform: ").and_then(|(_, rest)| {
        let (action, _) = rest.split_once(' ')?;
        action.strip_prefix("sts:").is_some_and(|name| !name.is_empty()).then_some(action)
    });
    named.unwrap_or(ASSUME_ROLE)
}

#[async_trait]
impl SessionSource for AssumeRole {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        let signer = self.signer(cx).await?;
        match self.assume(&signer, cx).await {
            Err(error) if refuses_signer(&error) => {
                self.way.parent.reject(&signer);
                let another = self.signer(cx).await?;
                if another.access_key_id() == signer.access_key_id() {
                    return Err(error);
                }
                self.assume(&another, cx).await
            }
            result => result,
        }
    }

    fn label(&self) -> &str {
        self.role.arn().as_str()
    }

    /// The wait for the parent does not count against the hop.
    fn limit(&self) -> Duration {
        let person = self.way.codes.as_ref().map_or(Duration::ZERO, |_| CODE_LIMIT);
        self.way.parent.limit().saturating_add(person + HOP_LIMIT)
    }
}
