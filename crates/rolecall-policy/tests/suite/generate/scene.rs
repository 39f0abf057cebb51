//! The request of a case: its caller, action, resource and context.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::sample::{Kind, Sample};

pub(super) const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];
pub(super) const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
pub(super) const SERVICES: [&str; 3] =
    ["ec2.amazonaws.com", "lambda.amazonaws.com", "ecs-tasks.amazonaws.com"];
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
const USERS: [&str; 3] = ["alice", "bob", "ci-bot"];
const ROLES: [&str; 3] = ["orders", "billing", "deploy"];
const SESSIONS: [&str; 3] = ["build", "alice@example.com", "i-0abc"];
pub(super) const PATHS: [&str; 3] = ["", "app/", "dev/eu/"];
pub(super) const WORDS: [&str; 12] = [
    "orders",
    "Orders",
    "billing",
    "dev",
    "prod/eu",
    "team-a",
    "alice",
    "a*b",
    "what?",
    "cost$5",
    "${aws:username}",
    "k\u{e4}se",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallerKind {
    Root,
    User,
    Role,
    Session,
    FederatedUser,
    WebIdentity,
    Service,
    Anonymous,
}

/// A key of the context and its values.
pub(super) struct Given {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) samples: Vec<Sample>,
    is_list: bool,
}

/// A request, from which the policies of the case are derived.
pub(super) struct Scene {
    pub(super) partition: &'static str,
    pub(super) kind: CallerKind,
    pub(super) caller: String,
    /// The caller's account. Empty for callers that have none.
    pub(super) account: &'static str,
    /// The name of the caller's user or role, without its path.
    pub(super) name: &'static str,
    /// The path of the caller's user or role.
    pub(super) path: &'static str,
    pub(super) action: &'static str,
    pub(super) resource: String,
    resource_account: Option<&'static str>,
    pub(super) same_account: bool,
    pub(super) trust: bool,
    pub(super) context: Vec<Given>,
}

/// The keys of the context, with their share in percent.
const KEYS: [(&str, Kind, u32); 21] = [
    ("aws:PrincipalArn", Kind::Arn, 70),
    ("aws:PrincipalAccount", Kind::Text, 35),
    ("aws:username", Kind::Text, 60),
    ("aws:userid", Kind::Text, 15),
    ("aws:PrincipalTag/team", Kind::Text, 40),
    ("aws:RequestTag/env", Kind::Text, 25),
    ("aws:RequestTag/digest", Kind::Binary, 15),
    ("aws:SourceIp", Kind::Address, 45),
    ("aws:VpcSourceIp", Kind::Address, 10),
    ("aws:CurrentTime", Kind::Date, 40),
    ("aws:TokenIssueTime", Kind::Date, 15),
    ("aws:SecureTransport", Kind::Bool, 30),
    ("aws:MultiFactorAuthPresent", Kind::Bool, 25),
    ("aws:MultiFactorAuthAge", Kind::Number, 30),
    ("s3:max-keys", Kind::Number, 15),
    ("aws:TagKeys", Kind::Texts, 40),
    ("sts:TransitiveTagKeys", Kind::Texts, 15),
    ("aws:SourceArn", Kind::Arn, 25),
    ("sts:ExternalId", Kind::Text, 20),
    ("sts:RoleSessionName", Kind::Text, 15),
    ("oidc.example.com:sub", Kind::Text, 15),
];

impl Scene {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let partition = dice.weigh(&[(8, PARTITIONS[0]), (1, PARTITIONS[1]), (1, PARTITIONS[2])]);
        let trust = dice.chance(45);
        let action = draw_action(dice, trust);
        let kind = draw_kind(dice, action, trust);
        let has_account =
            !matches!(kind, CallerKind::WebIdentity | CallerKind::Service | CallerKind::Anonymous);
        let account = if has_account { *dice.pick(&ACCOUNTS) } else { "" };
        let name = *dice.pick(if kind == CallerKind::User { &USERS } else { &ROLES });
        let path = if dice.chance(50) { "" } else { *dice.pick(&PATHS) };
        let owner = if has_account && dice.chance(62) { account } else { *dice.pick(&ACCOUNTS) };
        let caller = draw_caller(dice, kind, partition, account, owner, (path, name));
        let resource = draw_resource(dice, action, partition, owner);
        let without_account = resource.split(':').nth(4).is_none_or(str::is_empty);
        let mut scene = Self {
            partition,
            kind,
            caller,
            account,
            name,
            path,
            action,
            resource,
            resource_account: None,
            same_account: has_account && owner == account,
            trust,
            context: Vec::new(),
        };
        // A resource that names no account is the caller's unless its account is given.
        if without_account && has_account && owner == account {
            scene.resource_account = dice.chance(50).then_some(owner);
        } else if without_account || dice.chance(10) {
            scene.resource_account = Some(owner);
        }
        scene.draw_context(dice);
        scene
    }

    /// Returns the ARN of the caller's role, for a session or a role.
    pub(super) fn role_arn(&self) -> String {
        format!("arn:{}:iam::{}:role/{}{}", self.partition, self.account, self.path, self.name)
    }

    pub(super) fn given(&self, key: &str) -> Option<&Given> {
        self.context.iter().find(|given| given.key == key)
    }

    /// Returns a key that the request does not have, and its kind.
    pub(super) fn missing_key(&self, dice: &mut Dice) -> (&'static str, Kind) {
        for _ in 0..8 {
            let (key, kind, _) = *dice.pick(&KEYS);
            if self.given(key).is_none() {
                return (key, kind);
            }
        }
        ("aws:RequestTag/absent", Kind::Text)
    }

    fn draw_context(&mut self, dice: &mut Dice) {
        for (key, kind, percent) in KEYS {
            let belongs = match key {
                "aws:username" => self.kind == CallerKind::User || dice.chance(10),
                "aws:PrincipalArn" => !self.account.is_empty(),
                _ => true,
            };
            if !belongs || !dice.chance(percent) {
                continue;
            }
            let own = match key {
                "aws:PrincipalArn" => Some(match self.kind {
                    CallerKind::Session => self.role_arn(),
                    _ => self.caller.clone(),
                }),
                "aws:PrincipalAccount" => Some(self.account.to_owned()),
                "aws:username" => Some(self.name.to_owned()),
                _ => None,
            };
            let own = own.filter(|text| !text.is_empty());
            let given = self.draw_given(dice, key, kind, own);
            self.context.push(given);
        }
    }

    fn draw_given(
        &self,
        dice: &mut Dice,
        key: &'static str,
        kind: Kind,
        own: Option<String>,
    ) -> Given {
        // How a role ARN matches a session depends on this key: it keeps its one value.
        let fixed = key == "aws:PrincipalArn";
        let (count, is_list) = match kind {
            Kind::Texts => (dice.weigh(&[(1, 0), (5, 1), (6, 2), (4, 3)]), true),
            _ if fixed => (1, dice.chance(4)),
            _ => dice.weigh(&[(88, (1, false)), (4, (1, true)), (6, (2, true)), (2, (0, true))]),
        };
        let mut samples: Vec<Sample> = (0..count)
            .map(|_| {
                if !fixed && dice.chance(4) {
                    Sample::text(String::new())
                } else {
                    Sample::draw(dice, kind, self.partition)
                }
            })
            .collect();
        // Whether several empty strings are like one is open.
        if let Some(first) = samples.iter().position(|sample| sample.text.is_empty()) {
            let mut index = 0;
            samples.retain(|sample| {
                index += 1;
                index <= first + 1 || !sample.text.is_empty()
            });
        }
        if let (Some(own), Some(first)) = (own, samples.first_mut())
            && (fixed || dice.chance(95))
        {
            *first = Sample::text(own);
        }
        Given { key, kind, samples, is_list }
    }

    pub(super) fn request(&self, dice: &mut Dice) -> Value {
        let mut context = Map::new();
        for given in &self.context {
            let values = match given.samples.as_slice() {
                [one] if !given.is_list => json!(one.text),
                many => many.iter().map(|sample| json!(sample.text)).collect(),
            };
            context.insert(dice.vary_case(given.key, 6), values);
        }
        let mut request = json!({
            "action": dice.vary_case(self.action, 3),
            "resource": self.resource,
            "principal": self.caller,
            "context": context,
        });
        if let Some(account) = self.resource_account {
            request["resource_account"] = json!(account);
        }
        request
    }
}

fn draw_action(dice: &mut Dice, trust: bool) -> &'static str {
    if trust {
        dice.weigh(&[
            (10, "sts:AssumeRole"),
            (5, "sts:AssumeRoleWithWebIdentity"),
            (1, "sts:AssumeRoleWithSAML"),
            (3, "sts:TagSession"),
            (1, "sts:SetSourceIdentity"),
        ])
    } else {
        dice.weigh(&[
            (6, "s3:GetObject"),
            (3, "s3:PutObject"),
            (2, "s3:ListBucket"),
            (5, "secretsmanager:GetSecretValue"),
            (2, "secretsmanager:DescribeSecret"),
            (3, "ecr:BatchGetImage"),
            (1, "ecr:GetAuthorizationToken"),
            (1, "sts:GetCallerIdentity"),
        ])
    }
}

fn draw_kind(dice: &mut Dice, action: &str, trust: bool) -> CallerKind {
    use CallerKind::*;
    if action.contains("With") && dice.chance(94) {
        return WebIdentity;
    }
    let federated = if action == "sts:TagSession" { 25 } else { 0 };
    if trust {
        dice.weigh(&[
            (30, User),
            (40, Session),
            (6, Role),
            (6, Root),
            (4, FederatedUser),
            (14, Service),
            (2, Anonymous),
            (federated, WebIdentity),
        ])
    } else {
        dice.weigh(&[
            (28, User),
            (38, Session),
            (7, Role),
            (6, Root),
            (7, FederatedUser),
            (7, Service),
            (6, Anonymous),
        ])
    }
}

/// Returns the name of the caller. A web identity's provider is registered in the account of the
/// role, `owner`.
fn draw_caller(
    dice: &mut Dice,
    kind: CallerKind,
    partition: &str,
    account: &str,
    owner: &str,
    (path, name): (&str, &str),
) -> String {
    match kind {
        CallerKind::Root => format!("arn:{partition}:iam::{account}:root"),
        CallerKind::User => format!("arn:{partition}:iam::{account}:user/{path}{name}"),
        CallerKind::Role => format!("arn:{partition}:iam::{account}:role/{path}{name}"),
        CallerKind::Session => {
            let session = dice.pick(&SESSIONS);
            format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}")
        }
        CallerKind::FederatedUser => {
            format!("arn:{partition}:sts::{account}:federated-user/{name}")
        }
        CallerKind::WebIdentity => match dice.below(5) {
            0 => "accounts.google.com".to_owned(),
            1 => format!("arn:{partition}:iam::{owner}:saml-provider/example"),
            2 => format!("arn:{partition}:iam::{owner}:oidc-provider/oidc.example.com/id/A1B2"),
            _ => format!("arn:{partition}:iam::{owner}:oidc-provider/oidc.example.com"),
        },
        CallerKind::Service => (*dice.pick(&SERVICES)).to_owned(),
        CallerKind::Anonymous => "anonymous".to_owned(),
    }
}

fn draw_resource(dice: &mut Dice, action: &str, partition: &str, owner: &str) -> String {
    let region = *dice.pick(&REGIONS);
    let [first, second] = [dice.pick(&WORDS[..8]), dice.pick(&WORDS)];
    match action {
        "s3:ListBucket" => format!("arn:{partition}:s3:::data-{region}"),
        "s3:GetObject" | "s3:PutObject" => {
            format!("arn:{partition}:s3:::data-{region}/{first}/{second}")
        }
        "secretsmanager:GetSecretValue" | "secretsmanager:DescribeSecret" => {
            format!(
                "arn:{partition}:secretsmanager:{region}:{owner}:secret:{first}/{second}-AbCdEf"
            )
        }
        "ecr:BatchGetImage" => {
            format!("arn:{partition}:ecr:{region}:{owner}:repository/{first}/{second}")
        }
        "ecr:GetAuthorizationToken" | "sts:GetCallerIdentity" => "*".to_owned(),
        _ => {
            let (path, name) = (dice.pick(&PATHS), dice.pick(&["target", "target-eu", "admin"]));
            format!("arn:{partition}:iam::{owner}:role/{path}{name}")
        }
    }
}
