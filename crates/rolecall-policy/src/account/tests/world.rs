//! Random small accounts, and the policies of each principal put together from the same data for
//! the evaluator.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::account::{AccountDetails, Accounts};
use crate::{
    Caller, Context, PermissionPolicy, Policies, Request, ResourcePolicy, TrustPolicy, evaluate,
};

pub(super) const IDS: [&str; 2] = ["111122223333", "444455556666"];

/// A user or role.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) account: usize,
    pub(super) name: String,
    /// `None` for a user.
    pub(super) trust: Option<Value>,
    /// Inline, of a group, and managed ones.
    pub(super) policies: [Option<Value>; 3],
    pub(super) boundary: Option<Value>,
    pub(super) team: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) identities: Vec<Identity>,
    /// The policy of the bucket `a`, which the first account owns.
    pub(super) bucket: Option<Value>,
}

/// Documents for the parts of a world.
#[derive(Clone)]
pub(super) struct Documents {
    pub(super) identity: BoxedStrategy<Value>,
    pub(super) trust: BoxedStrategy<Value>,
    pub(super) bucket: BoxedStrategy<Value>,
}

impl Identity {
    pub(super) fn arn(&self) -> String {
        let kind = if self.trust.is_some() { "role" } else { "user" };
        format!("arn:aws:iam::{}:{kind}/{}", IDS[self.account], self.name)
    }

    /// A request of the user, or of a session of the role.
    pub(super) fn caller(&self) -> Caller {
        match self.trust {
            None => Caller::user(IDS[self.account], self.arn()),
            Some(_) => Caller::role_session(IDS[self.account], self.arn(), &self.name, "session"),
        }
    }

    /// The keys that follow from the principal.
    pub(super) fn keys(&self) -> Context {
        let context = Context::new()
            .with("aws:PrincipalArn", self.arn())
            .with("aws:PrincipalAccount", IDS[self.account])
            .with("aws:PrincipalIsAWSService", "false");
        let context = match &self.team {
            Some(team) if !self.takes_tags() => context.with("aws:PrincipalTag/team", team),
            _ => context,
        };
        match self.trust {
            None => context
                .with("aws:PrincipalType", "User")
                .with("aws:username", &self.name)
                .with("aws:userid", format!("AIDA{}", self.name)),
            Some(_) => context.with("aws:PrincipalType", "AssumedRole"),
        }
    }

    pub(super) fn takes_tags(&self) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.to_string().contains("TagSession"))
    }
}

impl World {
    pub(super) fn accounts(&self) -> Accounts {
        let mut accounts = Accounts::new();
        for account in 0..IDS.len() {
            if self.identities.iter().any(|it| it.account == account) {
                let json = self.description(account).to_string();
                accounts = accounts.with(AccountDetails::parse(&json).unwrap()).unwrap();
            }
        }
        match &self.bucket {
            Some(policy) => {
                let policy = ResourcePolicy::parse(&policy.to_string()).unwrap();
                accounts.with_resource_policy("arn:aws:s3:::a", IDS[0], policy)
            }
            None => accounts.with_resource("arn:aws:s3:::a", IDS[0]),
        }
    }

    fn description(&self, account: usize) -> Value {
        let iam = |path: &str| format!("arn:aws:iam::{}:{path}", IDS[account]);
        let (mut users, mut roles) = (Vec::new(), Vec::new());
        let (mut groups, mut policies) = (Vec::new(), Vec::new());
        let mut manage = |name: String, document: &Value| {
            let arn = iam(&format!("policy/{name}"));
            policies.push(json!({
                "PolicyName": name, "Arn": arn,
                "PolicyVersionList": [{"IsDefaultVersion": true, "Document": document}],
            }));
            arn
        };
        for it in self.identities.iter().filter(|it| it.account == account) {
            let kind = if it.trust.is_some() { "Role" } else { "User" };
            let mut value = json!({"Arn": it.arn()});
            value[format!("{kind}Name")] = it.name.clone().into();
            value[format!("{kind}Id")] = format!("AIDA{}", it.name).into();
            let [inline, of_group, managed] = &it.policies;
            if let Some(document) = inline {
                value[format!("{kind}PolicyList")] =
                    json!([{"PolicyName": "inline", "PolicyDocument": document}]);
            }
            let mut attached = Vec::new();
            if let Some(document) = managed {
                attached.push(json!({"PolicyArn": manage(format!("m-{}", it.name), document)}));
            }
            if let Some(document) = of_group {
                if it.trust.is_some() {
                    attached.push(json!({"PolicyArn": manage(format!("g-{}", it.name), document)}));
                } else {
                    groups.push(json!({
                        "GroupName": it.name, "Arn": iam(&format!("group/{}", it.name)),
                        "GroupPolicyList": [{"PolicyName": "g", "PolicyDocument": document}],
                    }));
                    value["GroupList"] = json!([it.name]);
                }
            }
            value["AttachedManagedPolicies"] = attached.into();
            if let Some(document) = &it.boundary {
                let arn = manage(format!("b-{}", it.name), document);
                value["PermissionsBoundary"] = json!({"PermissionsBoundaryArn": arn});
            }
            if let Some(team) = &it.team {
                value["Tags"] = json!([{"Key": "team", "Value": team}]);
            }
            match &it.trust {
                None => users.push(value),
                Some(trust) => {
                    value["AssumeRolePolicyDocument"] = trust.clone();
                    roles.push(value);
                }
            }
        }
        json!({
            "UserDetailList": users, "RoleDetailList": roles,
            "GroupDetailList": groups, "Policies": policies,
        })
    }

    pub(super) fn compile(&self) -> Compiled {
        let parse = |value: &Value| PermissionPolicy::parse(&value.to_string()).unwrap();
        let parts = self.identities.iter().map(|it| Parts {
            caller: it.caller(),
            policies: it.policies.iter().flatten().map(parse).collect(),
            boundary: it.boundary.as_ref().map(|value| vec![parse(value)]),
            trust: it.trust.as_ref().map(|it| TrustPolicy::parse(&it.to_string()).unwrap()),
        });
        let bucket = self.bucket.as_ref();
        Compiled {
            arns: self.identities.iter().map(Identity::arn).collect(),
            parts: parts.collect(),
            bucket: bucket.map(|policy| ResourcePolicy::parse(&policy.to_string()).unwrap()),
        }
    }
}

/// The policies of a world, for the evaluator.
pub(super) struct Compiled {
    arns: Vec<String>,
    parts: Vec<Parts>,
    bucket: Option<ResourcePolicy>,
}

struct Parts {
    caller: Caller,
    policies: Vec<PermissionPolicy>,
    boundary: Option<Vec<PermissionPolicy>>,
    trust: Option<TrustPolicy>,
}

impl Compiled {
    /// Evaluates a request of the principal with an index, for each of the contexts.
    pub(super) fn outcomes(
        &self,
        caller: usize,
        action: &str,
        resource: &str,
        contexts: &[Context],
    ) -> Vec<bool> {
        let Parts { caller, policies: identity, boundary, .. } = &self.parts[caller];
        let mut policies = Policies::new().identity(identity);
        if let Some(boundary) = boundary {
            policies = policies.boundaries(boundary);
        }
        let mut request = Request::new(caller.clone(), action, resource);
        if let Some(role) = self.arns.iter().position(|arn| arn == resource) {
            policies = policies.trust(self.parts[role].trust.as_ref().unwrap());
        }
        if resource.starts_with("arn:aws:s3:::a/") {
            request = request.resource_account(IDS[0]);
            if let Some(bucket) = &self.bucket {
                policies = policies.resource(bucket);
            }
        }
        let contexts = contexts.iter();
        contexts
            .map(|context| {
                request = request.clone().context(context.clone());
                evaluate(&request, &policies).is_allowed()
            })
            .collect()
    }
}

/// Worlds of two users and as many roles as given, in one account or two.
pub(super) fn worlds(documents: Documents, roles: usize) -> impl Strategy<Value = World> {
    let identities: Vec<BoxedStrategy<Identity>> = (0..2 + roles)
        .map(|index| {
            let trust = match index {
                0 | 1 => Just(None).boxed(),
                _ => documents.trust.clone().prop_map(Some).boxed(),
            };
            let policy = prop::option::of(documents.identity.clone()).boxed();
            let policies = [policy.clone(), policy.clone(), policy];
            let boundary = prop::option::weighted(0.3, documents.identity.clone());
            let team = prop::option::of(select(vec!["blue".to_owned(), "red".to_owned()]));
            let account = prop_oneof![3 => Just(0), 1 => Just(1)];
            (account, trust, policies, boundary, team)
                .prop_map(move |(account, trust, policies, boundary, team)| Identity {
                    account,
                    name: format!("n{index}"),
                    trust,
                    policies,
                    boundary,
                    team,
                })
                .boxed()
        })
        .collect();
    (identities, prop::option::of(documents.bucket)).prop_map(|(mut identities, bucket)| {
        // The first account is always there, since it owns the bucket.
        if let Some(first) = identities.first_mut() {
            first.account = 0;
        }
        World { identities, bucket }
    })
}

/// Documents of up to three statements, one in four of which denies.
pub(super) fn document(statement: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let statement = (effect, statement).prop_map(|(effect, mut statement)| {
        statement["Effect"] = effect.into();
        statement
    });
    prop::collection::vec(statement, 1..=2)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
        .boxed()
}
