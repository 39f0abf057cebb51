//! Simulations: a request and the policies around it, as one JSON object.

use crate::arn::is_account;
use crate::caller::Caller;
use crate::context::Context;
use crate::error::{PolicyError, Position, join};
use crate::evaluate::{Decision, Policies, evaluate};
use crate::json::{Json, Member, Value, line_and_column};
use crate::limits::PolicyKind;
use crate::model::Document;
use crate::policy::{PermissionPolicy, ResourcePolicy, TrustPolicy};
use crate::read::{parse_json, read_value};
use crate::request::Request;

/// A request and the policies that decide it, read from a JSON object.
///
/// The members of the object:
///
/// - `id`: a string or a number, returned by [`id`](Self::id);
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
/// assert_eq!(simulation.id(), Some("read-orders"));
/// assert_eq!(simulation.evaluate().outcome(), Outcome::Allowed);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Simulation {
    id: Option<String>,
    request: Request,
    identity: Vec<PermissionPolicy>,
    resource: Option<ResourcePolicy>,
    trust: Option<TrustPolicy>,
    session: Option<Vec<PermissionPolicy>>,
    boundaries: Option<Vec<PermissionPolicy>>,
    service_control: Option<Vec<Vec<PermissionPolicy>>>,
    resource_control: Option<Vec<Vec<ResourcePolicy>>>,
}

/// Members that people write beside a simulation, and that have no part in it.
const ANNOTATIONS: [&str; 3] = ["expected", "rule", "comment"];

impl Simulation {
    /// Parses a simulation.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `json` is not such an object, or if one of its policies cannot be
    /// parsed. The location begins with the member, such as
    /// `identity_policies[0].Statement.Effect`.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        Reader { text: json }.simulation(parse_json(json)?)
    }

    /// Returns the member `id` of a JSON object that may be no valid simulation, to name it in an
    /// error. Returns `None` if `json` is not valid JSON, or has no such member.
    pub fn id_of(json: &str) -> Option<String> {
        let Value::Object(members) = Json::parse(json).ok()?.value else { return None };
        let id = members.into_iter().find(|member| member.key == "id")?;
        match id.value.value {
            Value::String(id) => Some(id.into_owned()),
            Value::Number(id) => Some(id.to_owned()),
            _ => None,
        }
    }

    /// Returns the member `id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
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

type Parsed<T> = Result<T, PolicyError>;

struct Reader<'a> {
    text: &'a str,
}

/// The members of an object, taken out one by one.
struct Members<'a> {
    members: Vec<Member<'a>>,
    offset: usize,
}

impl<'a> Members<'a> {
    /// A member that is `null` counts as absent.
    fn take(&mut self, key: &str) -> Option<Json<'a>> {
        let index = self.members.iter().position(|member| member.key == key)?;
        let value = self.members.swap_remove(index).value;
        (value.value != Value::Null).then_some(value)
    }
}

impl<'a> Reader<'a> {
    fn error(&self, location: &str, offset: usize, message: impl Into<String>) -> PolicyError {
        let (line, column) = line_and_column(self.text, offset);
        let position = Some(Position { line, column });
        PolicyError { location: location.to_owned(), position, message: message.into() }
    }

    fn members(&self, location: &str, json: Json<'a>) -> Parsed<Members<'a>> {
        let kind = json.kind();
        match json.value {
            Value::Object(members) => Ok(Members { members, offset: json.offset }),
            _ => {
                let message = format!("expected an object, found {kind}");
                Err(self.error(location, json.offset, message))
            }
        }
    }

    fn finish(&self, location: &str, members: Members<'_>, ignored: &[&str]) -> Parsed<()> {
        let unknown = members.members.iter().find(|member| !ignored.contains(&&*member.key));
        unknown.map_or(Ok(()), |member| {
            Err(self.error(&join(location, &member.key), member.offset, "unknown member"))
        })
    }

    fn string(&self, location: &str, json: Json<'a>) -> Parsed<String> {
        let kind = json.kind();
        match json.value {
            Value::String(text) => Ok(text.into_owned()),
            _ => {
                let message = format!("expected a string, found {kind}");
                Err(self.error(location, json.offset, message))
            }
        }
    }

    fn required(&self, location: &str, members: &mut Members<'a>, key: &str) -> Parsed<String> {
        let offset = members.offset;
        match members.take(key) {
            Some(json) => self.string(&join(location, key), json),
            None => Err(self.error(location, offset, format!("{key} is missing"))),
        }
    }

    fn list(&self, location: &str, json: Json<'a>) -> Parsed<Vec<Json<'a>>> {
        let kind = json.kind();
        match json.value {
            Value::List(items) => Ok(items),
            _ => {
                let message = format!("expected a list, found {kind}");
                Err(self.error(location, json.offset, message))
            }
        }
    }

    fn simulation(&self, json: Json<'a>) -> Parsed<Simulation> {
        let mut members = self.members("", json)?;
        let id = match members.take("id") {
            None => None,
            Some(Json { value: Value::Number(id), .. }) => Some(id.to_owned()),
            Some(json) => Some(self.string("id", json)?),
        };
        let Some(request) = members.take("request") else {
            return Err(self.error("", members.offset, "request is missing"));
        };
        let request = self.request(request)?;
        let mut simulation = Simulation {
            id,
            request,
            identity: Vec::new(),
            resource: None,
            trust: None,
            session: None,
            boundaries: None,
            service_control: None,
            resource_control: None,
        };
        let permission = PermissionPolicy::from_document;
        // AWS's own policies are larger than a customer's may be.
        if let Some(json) = members.take("identity_policies") {
            let kind = PolicyKind::AwsManaged;
            simulation.identity = self.policies("identity_policies", kind, json, permission)?;
        }
        if let Some(json) = members.take("resource_policy") {
            if simulation.request.is_decided_by_trust() {
                let document = self.policy("resource_policy", PolicyKind::Trust, json)?;
                simulation.trust = Some(TrustPolicy::from_document(document));
            } else {
                let document = self.policy("resource_policy", PolicyKind::Resource, json)?;
                simulation.resource = Some(ResourcePolicy::from_document(document));
            }
        }
        if let Some(json) = members.take("session_policies") {
            let kind = PolicyKind::Session;
            let policies = self.policies("session_policies", kind, json, permission)?;
            simulation.session = Some(policies);
        }
        if let Some(json) = members.take("permission_boundaries") {
            let kind = PolicyKind::AwsManaged;
            let policies = self.policies("permission_boundaries", kind, json, permission)?;
            simulation.boundaries = Some(policies);
        }
        if let Some(json) = members.take("scps") {
            let levels = self.levels("scps", PolicyKind::ServiceControl, json, permission)?;
            simulation.service_control = Some(levels);
        }
        if let Some(json) = members.take("rcps") {
            let resource = ResourcePolicy::from_document;
            let levels = self.levels("rcps", PolicyKind::ResourceControl, json, resource)?;
            simulation.resource_control = Some(levels);
        }
        self.finish("", members, &ANNOTATIONS)?;
        Ok(simulation)
    }

    fn request(&self, json: Json<'a>) -> Parsed<Request> {
        let offset = json.offset;
        let mut members = self.members("request", json)?;
        let action = self.required("request", &mut members, "action")?;
        let resource = self.required("request", &mut members, "resource")?;
        let principal = self.required("request", &mut members, "principal")?;
        let caller = Caller::parse(&principal)
            .map_err(|error| self.error("request.principal", offset, error.message))?;
        let mut request = Request::new(caller, action, resource);
        if let Some(json) = members.take("resource_account") {
            let (location, offset) = ("request.resource_account", json.offset);
            let account = self.string(location, json)?;
            if !is_account(&account) {
                let message = format!("{account:?} is not an account id, 12 digits");
                return Err(self.error(location, offset, message));
            }
            request = request.resource_account(account);
        }
        if let Some(json) = members.take("context") {
            request = request.context(self.context(json)?);
        }
        self.finish("request", members, &[])?;
        Ok(request)
    }

    fn context(&self, json: Json<'a>) -> Parsed<Context> {
        let mut context = Context::new();
        for Member { key, value, offset } in self.members("request.context", json)?.members {
            let location = format!("request.context.{key}");
            if context.get(&key).is_some() {
                let message = "the key stands here in two spellings";
                return Err(self.error(&location, offset, message));
            }
            let values = match value.value {
                Value::List(items) => items
                    .into_iter()
                    .map(|item| self.context_value(&location, item))
                    .collect::<Parsed<Vec<String>>>()?,
                _ => vec![self.context_value(&location, value)?],
            };
            context = context.with_values(&key, values);
        }
        Ok(context)
    }

    /// A string, or a number or boolean in its JSON spelling.
    fn context_value(&self, location: &str, json: Json<'a>) -> Parsed<String> {
        match json.value {
            Value::Number(text) => Ok(text.to_owned()),
            Value::Bool(value) => Ok(value.to_string()),
            _ => self.string(location, json),
        }
    }

    fn policy(&self, location: &str, kind: PolicyKind, json: Json<'a>) -> Parsed<Document> {
        read_value(kind, self.text, json).map_err(|error| error.within(location))
    }

    fn policies<T>(
        &self,
        location: &str,
        kind: PolicyKind,
        json: Json<'a>,
        wrap: fn(Document) -> T,
    ) -> Parsed<Vec<T>> {
        let documents = self.list(location, json)?.into_iter().enumerate();
        documents
            .map(|(index, json)| self.policy(&format!("{location}[{index}]"), kind, json).map(wrap))
            .collect()
    }

    /// A list of levels, or of documents, which is one level.
    fn levels<T>(
        &self,
        location: &str,
        kind: PolicyKind,
        json: Json<'a>,
        wrap: fn(Document) -> T,
    ) -> Parsed<Vec<Vec<T>>> {
        let flat = match &json.value {
            Value::List(items) => items.iter().any(|item| matches!(item.value, Value::Object(_))),
            _ => false,
        };
        if flat {
            return Ok(vec![self.policies(location, kind, json, wrap)?]);
        }
        let levels = self.list(location, json)?.into_iter().enumerate();
        levels
            .map(|(index, json)| self.policies(&format!("{location}[{index}]"), kind, json, wrap))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(change: impl Fn(&mut serde_json::Value)) -> Result<Simulation, PolicyError> {
        let mut value = serde_json::json!({
            "id": "a",
            "request": {
                "action": "s3:GetObject",
                "resource": "arn:aws:s3:::shop/a",
                "principal": "arn:aws:iam::111122223333:user/ann",
            },
            "identity_policies": [
                {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
            ],
        });
        change(&mut value);
        Simulation::parse(&value.to_string())
    }

    #[test]
    fn absent_policies_differ_from_empty_lists() {
        for (key, empty) in [
            ("session_policies", serde_json::json!([])),
            ("permission_boundaries", serde_json::json!([])),
            ("scps", serde_json::json!([])),
            ("scps", serde_json::json!([[]])),
        ] {
            assert!(parse(|_| ()).unwrap().evaluate().is_allowed());
            let with_null = parse(|value| value[key] = serde_json::Value::Null).unwrap();
            assert!(with_null.evaluate().is_allowed(), "{key}: null");
            let with_empty = parse(|value| value[key] = empty.clone()).unwrap();
            assert!(!with_empty.evaluate().is_allowed(), "{key}: {empty}");
        }
        let rcps = parse(|value| value["rcps"] = serde_json::json!([])).unwrap();
        assert!(rcps.evaluate().is_allowed(), "resource control policies only deny");
    }

    #[test]
    fn flat_list_is_one_level() {
        let allow = serde_json::json!(
            {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        );
        let other = serde_json::json!(
            {"Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}}
        );
        let flat = parse(|value| value["scps"] = serde_json::json!([allow, other])).unwrap();
        assert!(flat.evaluate().is_allowed());
        let nested = parse(|value| value["scps"] = serde_json::json!([[allow], [other]])).unwrap();
        assert!(!nested.evaluate().is_allowed());
    }

    #[test]
    fn faults_name_their_location() {
        type Change = fn(&mut serde_json::Value);
        let cases: [(Change, &str, &str); 8] = [
            (
                |v| v["sesion_policies"] = [(); 0].into_iter().collect(),
                "sesion_policies",
                "unknown",
            ),
            (|v| v["request"]["action"] = 1.into(), "request.action", "expected a string"),
            (
                |v| v["request"]["principal"] = "ann".into(),
                "request.principal",
                "\"ann\" is not a caller",
            ),
            (
                |v| v["request"]["resource_account"] = "1".into(),
                "request.resource_account",
                "12 digits",
            ),
            (
                |v| v["request"]["context"] = serde_json::json!({"a:b": 1, "A:B": 2}),
                "request.context.",
                "two spellings",
            ),
            (|v| v["identity_policies"] = 1.into(), "identity_policies", "expected a list"),
            (
                |v| v["identity_policies"][0]["Statement"]["Effect"] = "allow".into(),
                "identity_policies[0].Statement.Effect",
                "neither",
            ),
            (|v| v["scps"] = serde_json::json!([[1]]), "scps[0][0]", "expected an object"),
        ];
        for (change, location, message) in cases {
            let error = parse(change).unwrap_err();
            assert!(error.location.starts_with(location), "{error}");
            assert!(error.message.contains(message), "{error}");
        }
        let error = Simulation::parse("{").unwrap_err();
        assert!(
            error.to_string().starts_with("policy at line 1 column 2: not valid JSON"),
            "{error}"
        );
    }
}
