use crate::arn::{Arn, is_account};
use crate::caller::{Caller, CallerKind};
use crate::context::Context;
use crate::model::Action;

/// A request to AWS, as the evaluator sees it: a caller, an action on a resource, and the condition
/// keys.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, Context, Request};
/// let caller = Caller::parse("arn:aws:sts::111122223333:assumed-role/checkout/pod-1")?;
/// let request = Request::new(caller, "s3:GetObject", "arn:aws:s3:::shop/orders/1")
///     .resource_account("444455556666")
///     .context(Context::new().with("aws:PrincipalTag/team", "blue"));
/// assert_eq!(request.account_of_resource(), Some("444455556666"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(crate) caller: Caller,
    pub(crate) action: Action,
    action_text: String,
    pub(crate) resource: String,
    resource_account: Option<String>,
    pub(crate) context: Context,
}

impl Request {
    /// Creates a request without condition keys.
    ///
    /// `action` is a service prefix and a name, such as `s3:GetObject`, and `resource` an ARN, or
    /// `*` for an action that has no resource. The account of the resource defaults to the one in
    /// its ARN, and where the ARN has none, as in Amazon S3, to the caller's.
    pub fn new(caller: Caller, action: impl Into<String>, resource: impl Into<String>) -> Self {
        let (action_text, resource) = (action.into(), resource.into());
        // The ARN of an S3 bucket has no account, and that of AWS's own policy has `aws`: neither
        // can be compared with the caller's account.
        let resource_account = Arn::parse(&resource)
            .map(|arn| arn.account)
            .filter(|account| is_account(account))
            .map(str::to_owned);
        let action = Action::parse(&action_text);
        Self { caller, action, action_text, resource, resource_account, context: Context::new() }
    }

    /// Sets the account that owns the resource.
    #[must_use]
    pub fn resource_account(mut self, account: impl Into<String>) -> Self {
        self.resource_account = Some(account.into());
        self
    }

    /// Sets the condition keys. Defaults to none.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Returns the caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns the action.
    pub fn action(&self) -> &str {
        &self.action_text
    }

    /// Returns the resource.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Returns the condition keys.
    pub fn get_context(&self) -> &Context {
        &self.context
    }

    /// Returns the account that owns the resource, or `None` if neither the request nor the caller
    /// tells it.
    pub fn account_of_resource(&self) -> Option<&str> {
        self.resource_account.as_deref().or(self.caller.account())
    }

    /// Returns `true` if the caller belongs to the account that owns the resource.
    pub(crate) fn is_same_account(&self) -> bool {
        self.caller.account().is_some() && self.caller.account() == self.account_of_resource()
    }

    /// Returns `true` if the caller is an identity of a provider of another account than the
    /// resource's. Well-known providers have no account.
    pub(crate) fn has_foreign_provider(&self) -> bool {
        let provider = Arn::parse(self.caller.arn()).map(|arn| arn.account);
        matches!(self.caller.kind(), CallerKind::Federated)
            && provider.zip(self.account_of_resource()).is_some_and(|(of, role)| of != role)
    }

    /// Returns `true` for the actions that a role's trust policy decides: those that assume a role,
    /// and those that are checked with them.
    pub(crate) fn is_decided_by_trust(&self) -> bool {
        match self.action.as_lower_case() {
            "sts:assumerole" | "sts:assumerolewithwebidentity" | "sts:assumerolewithsaml" => true,
            // GetFederationToken checks them on the session, which has no trust policy.
            "sts:tagsession" | "sts:setsourceidentity" => {
                !self.resource.contains(":federated-user/")
            }
            _ => false,
        }
    }
}
