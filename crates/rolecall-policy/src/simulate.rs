//! Simulations: a request and the policies around it, as one JSON object.

use std::fmt;

use crate::arn::{Arn, is_account};
use crate::caller::Caller;
use crate::context::Context;
use crate::error::{PolicyError, excerpt};
use crate::evaluate::{Decision, Policies, evaluate};
use crate::json::{Json, Value};
use crate::limits::{MAX_DOCUMENT_BYTES, PolicyKind};
use crate::model::Document;
use crate::node::{Node, Parsed, Source};
use crate::policy::{PermissionPolicy, ResourcePolicy, TrustPolicy};
use crate::read::utf8;
use crate::request::Request;

/// A request and the policies that decide it, read from a JSON object.
///
/// The members of the object:
///
/// - `id`: a string or a number, returned by [`id`](Self::id). Optional: `null` is the same as no
///   id;
/// - `request`: an object with `action`, `resource`, `principal` (an ARN, a service, or
///   `anonymous`), and optionally `resource_account` and `context` (condition keys, each with a
///   string or a list of strings);
/// - `identity_policies`, `session_policies`, `permission_boundaries`: lists of documents;
/// - `resource_policy`: a document; for `sts:AssumeRole*`, `sts:TagSession` and
///   `sts:SetSourceIdentity` the role's trust policy;
/// - `scps`, `rcps`: a list of documents for each level of the organisation, from its root. A list
///   of documents alone is one level;
/// - `expected`, `rule`, `comment`: ignored.
///
/// A member that is absent or `null` means that there are no policies of the kind; an empty list
/// allows nothing. Other members are errors.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Outcome, Simulation};
/// let simulation = Simulation::parse(r#"{
///     "id": "read-orders",
///     "request": {
///         "action": "s3:GetObject",
///         "resource": "arn:aws:s3:::shop/orders/1",
///         "principal": "arn:aws:iam::111122223333:user/ann",
///         "context": {"aws:username": "ann"}
///     },
///     "identity_policies": [{"Statement": {
///         "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::shop/*"
///     }}]
/// }"#)?;
/// assert_eq!(simulation.id().unwrap().to_string(), "read-orders");
/// assert_eq!(simulation.evaluate().outcome(), Outcome::Allowed);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    id: Option<SimulationId>,
    request: Request,
    identity: Vec<PermissionPolicy>,
    resource: Option<ResourcePolicy>,
    trust: Option<TrustPolicy>,
    session: Option<Vec<PermissionPolicy>>,
    boundaries: Option<Vec<PermissionPolicy>>,
    service_control: Option<Vec<Vec<PermissionPolicy>>>,
    resource_control: Option<Vec<Vec<ResourcePolicy>>>,
}

/// The `id` of a simulation: a string or a number.
///
/// `Display` writes the string, or the number as it is spelled, and the type serialises as the
/// string or number that it is.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Simulation;
/// let id = Simulation::find_id(r#"{"id": 4711}"#).unwrap();
/// assert_eq!(serde_json::to_string(&id).unwrap(), "4711");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SimulationId {
    /// A string.
    Text(String),
    /// A number, in its JSON spelling.
    Number(String),
}

impl SimulationId {
    fn of(json: &Json<'_>) -> Option<Self> {
        match &json.value {
            Value::String(id) => Some(Self::Text(id.to_string())),
            Value::Number(id) => Some(Self::Number((*id).to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for SimulationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(id) | Self::Number(id) => f.write_str(id),
        }
    }
}

impl serde::Serialize for SimulationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = match self {
            Self::Text(_) => None,
            // A number that serde_json does not hold is written as a string.
            Self::Number(id) => serde_json::from_str::<serde_json::Number>(id).ok(),
        };
        match number {
            Some(number) => number.serialize(serializer),
            None => serializer.collect_str(self),
        }
    }
}

impl Simulation {
    /// Parses a simulation.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `json` is not such an object, or if one of its policies cannot be
    /// parsed. The location begins with the member, such as
    /// `identity_policies[0].Statement.Effect`.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        read_simulation(Source::new("simulation", json).parse(MAX_DOCUMENT_BYTES)?)
    }

    /// Parses a simulation from bytes, which must be UTF-8.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`parse`](Self::parse) does.
    pub fn from_slice(json: &[u8]) -> Result<Self, PolicyError> {
        Self::parse(utf8("simulation", json)?)
    }

    /// Returns the member `id` of a line that is no valid simulation, to name it in an error.
    ///
    /// The line may be malformed, or not be UTF-8, in other places than the `id`. Returns `None` if
    /// the `id` is not found.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::Simulation;
    /// let line = br#"{"request": {"action": \x}, "id": "read-orders", "#;
    /// assert_eq!(Simulation::find_id(line).unwrap().to_string(), "read-orders");
    /// ```
    pub fn find_id(line: impl AsRef<[u8]>) -> Option<SimulationId> {
        let text = String::from_utf8_lossy(line.as_ref());
        SimulationId::of(&Json::find_member(&text, "id")?)
    }

    /// Returns the member `id`.
    pub fn id(&self) -> Option<&SimulationId> {
        self.id.as_ref()
    }

    /// Returns the request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Returns the policies.
    pub fn policies(&self) -> Policies<'_> {
        let mut policies = Policies::new().identity(&self.identity);
        if let Some(policy) = &self.resource {
            policies = policies.resource(policy);
        }
        if let Some(policy) = &self.trust {
            policies = policies.trust(policy);
        }
        if let Some(list) = &self.session {
            policies = policies.session(list);
        }
        if let Some(list) = &self.boundaries {
            policies = policies.boundaries(list);
        }
        if let Some(levels) = &self.service_control {
            policies = policies.service_control(levels);
        }
        if let Some(levels) = &self.resource_control {
            policies = policies.resource_control(levels);
        }
        policies
    }

    /// Evaluates the request.
    pub fn evaluate(&self) -> Decision<'_> {
        evaluate(&self.request, &self.policies())
    }
}

/// The members of a simulation. The last three are annotations, which have no part in it.
const MEMBERS: [&str; 11] = [
    "id",
    "request",
    "identity_policies",
    "resource_policy",
    "session_policies",
    "permission_boundaries",
    "scps",
    "rcps",
    "expected",
    "rule",
    "comment",
];

const REQUEST_MEMBERS: [&str; 5] =
    ["action", "resource", "resource_account", "principal", "context"];

fn read_simulation(node: Node<'_, '_>) -> Parsed<Simulation> {
    let mut members = node.object()?;
    let id = members.take("id").map(read_id).transpose()?;
    let request = read_request(members.require("request")?)?;
    let permission = PermissionPolicy::from_document;
    let mut list = |key: &str, kind: PolicyKind| {
        let policies = members.take(key).map(|node| read_policies(kind, node, permission));
        policies.transpose()
    };
    // AWS's own policies are larger than a customer's may be.
    let identity = list("identity_policies", PolicyKind::AwsManaged)?.unwrap_or_default();
    let session = list("session_policies", PolicyKind::Session)?;
    let boundaries = list("permission_boundaries", PolicyKind::AwsManaged)?;
    let (mut resource, mut trust) = (None, None);
    if let Some(node) = members.take("resource_policy") {
        if request.is_decided_by_trust() {
            trust = Some(TrustPolicy::from_document(node.document(PolicyKind::Trust)?));
        } else {
            resource = Some(ResourcePolicy::from_document(node.document(PolicyKind::Resource)?));
        }
    }
    let service_control = members
        .take("scps")
        .map(|node| read_levels(PolicyKind::ServiceControl, node, permission))
        .transpose()?;
    let resource_control = members
        .take("rcps")
        .map(|node| read_levels(PolicyKind::ResourceControl, node, ResourcePolicy::from_document))
        .transpose()?;
    members.finish(&MEMBERS)?;
    Ok(Simulation {
        id,
        request,
        identity,
        resource,
        trust,
        session,
        boundaries,
        service_control,
        resource_control,
    })
}

fn read_id(node: Node<'_, '_>) -> Parsed<SimulationId> {
    SimulationId::of(&node.json).ok_or_else(|| {
        node.error(format!("expected a string or a number, found {}", node.json.kind()))
    })
}

fn read_request(node: Node<'_, '_>) -> Parsed<Request> {
    let mut members = node.object()?;
    let action = members.require("action")?.parse_text(check_action)?;
    let resource = members.require("resource")?.parse_text(check_resource)?;
    let caller = members
        .require("principal")?
        .parse_text(|principal| Caller::parse(principal).map_err(|error| error.message))?;
    let mut request = Request::new(caller, action, resource);
    if let Some(node) = members.take("resource_account") {
        request = request.resource_account(node.parse_text(check_account)?);
    }
    if let Some(node) = members.take("context") {
        request = request.context(read_context(node)?);
    }
    members.finish(&REQUEST_MEMBERS)?;
    Ok(request)
}

/// A request has one action, without wildcards.
fn check_action(action: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let named = |part: &str| !part.is_empty() && part.chars().all(known);
    match action.split_once(':') {
        Some((service, name)) if named(service) && named(name) => Ok(action.to_owned()),
        _ => Err(format!("{} is not an action, such as s3:GetObject", excerpt(action))),
    }
}

fn check_resource(resource: &str) -> Result<String, String> {
    let is_valid = resource == "*" || Arn::parse(resource).is_some();
    let fault = || format!("{} is neither \"*\" nor an ARN", excerpt(resource));
    is_valid.then(|| resource.to_owned()).ok_or_else(fault)
}

fn check_account(account: &str) -> Result<String, String> {
    let is_valid = is_account(account).then(|| account.to_owned());
    is_valid.ok_or_else(|| format!("{} is not an account id, 12 digits", excerpt(account)))
}

fn read_context(node: Node<'_, '_>) -> Parsed<Context> {
    let mut context = Context::new();
    for (key, node) in node.object()?.into_members() {
        if context.has_key(&key) {
            return Err(node.error("the key stands here in two spellings"));
        }
        let values = match node.json.value {
            Value::List(_) => node.items()?.map(Node::scalar).collect::<Parsed<Vec<String>>>()?,
            _ => vec![node.scalar()?],
        };
        context = context.with_values(&key, values);
    }
    Ok(context)
}

fn read_policies<T>(
    kind: PolicyKind,
    node: Node<'_, '_>,
    wrap: fn(Document) -> T,
) -> Parsed<Vec<T>> {
    node.items()?.map(|node| node.document(kind).map(wrap)).collect()
}

/// Reads a list of levels, or of documents, which is one level.
fn read_levels<T>(
    kind: PolicyKind,
    node: Node<'_, '_>,
    wrap: fn(Document) -> T,
) -> Parsed<Vec<Vec<T>>> {
    // A list of policies is one level. Taken for a list of levels, each policy would have to allow
    // the request by itself.
    let is_object = |item: &Json<'_>| matches!(item.value, Value::Object(_));
    if matches!(&node.json.value, Value::List(items) if items.iter().any(is_object)) {
        return Ok(vec![read_policies(kind, node, wrap)?]);
    }
    node.items()?.map(|level| read_policies(kind, level, wrap)).collect()
}

#[cfg(test)]
mod tests;
