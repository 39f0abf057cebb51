use super::*;
use crate::{
    AllowedSessionTags, TrustedGitHubActions, TrustedPodIdentity, TrustedPrincipal, TrustedService,
    TrustedServiceAccount, TrustedWebIdentity,
};

#[test]
fn invalid_principals_are_errors() {
    let account = |id: &str| TrustedPrincipal::account(id).map(|_| ());
    let user = |arn: &str| TrustedPrincipal::user(arn).map(|_| ());
    let role = |arn: &str| TrustedPrincipal::role(arn).map(|_| ());
    let id = |id: &str| TrustedPrincipal::role(CHECKOUT).unwrap().external_id(id).map(|_| ());
    let identity =
        |id: &str| TrustedPrincipal::role(CHECKOUT).unwrap().source_identity([id]).map(|_| ());
    assert_errors([
        ("account", account("1234"), Some("\"1234\" is not an account id")),
        ("account star", account("*"), Some("is not an account id")),
        ("role of user", role(ANN), Some("is not the ARN of a role")),
        ("role star", role("arn:aws:iam::111122223333:role/*"), Some("contains a wildcard")),
        ("role session", role("arn:aws:sts::111122223333:assumed-role/a/b"), Some("is not the")),
        ("user of role", user(CHECKOUT), Some("is not the ARN of a user")),
        ("user name", user("ann"), Some("\"ann\" is not the ARN of a user")),
        ("group", user("arn:aws:iam::111122223333:group/devs"), Some("is not the ARN of a user")),
        ("unique id", user("AIDADBQP57FF2AEXAMPLE"), Some("is not the ARN of a user")),
        ("external id", id("shop:4711/eu+x=1,a.b@c-d_e"), None),
        ("external id empty", id(""), Some("is empty")),
        ("external id short", id("a"), Some("\"a\" is not valid")),
        ("external id space", id("a b"), Some("\"a b\" is not valid")),
        ("external id variable", id("${aws:username}"), Some("contains a policy variable")),
        ("external id star", id("shop-*"), Some("contains a wildcard")),
        ("external id long", id(&"a".repeat(1_225)), Some("is not valid")),
        ("source identity", identity("ann@shop.example"), None),
        ("source identity short", identity("a"), Some("is not valid")),
        ("source identity star", identity("an*"), Some("contains a wildcard")),
    ]);
}

#[test]
fn invalid_web_identities_are_errors() {
    let service_account = |provider: &str, namespace: &str, name: &str| {
        TrustedServiceAccount::new(provider, namespace, name).map(|_| ())
    };
    let web = |provider: &str, sub: &str, aud: &str| {
        TrustedWebIdentity::new(provider, sub, aud).map(|_| ())
    };
    let claim = |name: &str, value: &str| {
        let trusted = TrustedWebIdentity::new(PROVIDER, "a", "b").unwrap();
        trusted.claim("hd", ["shop.example"]).unwrap().claim(name, [value]).map(|_| ())
    };
    let none: [&str; 0] = [];
    let provider = |rest: &str| format!("arn:aws:iam::111122223333:oidc-provider/{rest}");
    let no_provider = Some("is not the ARN of an OIDC provider");
    assert_errors([
        ("role", service_account(CHECKOUT, "shop", "checkout"), no_provider),
        ("URL", service_account("https://shop.example", "shop", "checkout"), no_provider),
        ("SAML", web("arn:aws:iam::111122223333:saml-provider/x", "a", "b"), no_provider),
        ("no issuer", web(&provider(""), "a", "b"), no_provider),
        ("issuer slash", web(&provider("shop.example/"), "a", "b"), None),
        ("Cognito", web("cognito-identity.amazonaws.com", "a", "b"), None),
        ("Facebook", web("graph.facebook.com", "a", "b"), no_provider),
        ("issuer space", web(&provider("shop example"), "a", "b"), no_provider),
        ("issuer star", web(&provider("*"), "a", "b"), Some("contains a wildcard")),
        ("issuer dollar", web(&provider("${x}"), "a", "b"), Some("contains a policy variable")),
        ("issuer port", web(&provider("shop.example:8443/x"), "a", "b"), None),
        ("namespace star", service_account(PROVIDER, "*", "a"), Some("contains a wildcard")),
        ("namespace case", service_account(PROVIDER, "Shop", "a"), Some("is not a Kubernetes")),
        ("namespace dot", service_account(PROVIDER, "a.b", "a"), Some("is not a Kubernetes")),
        ("namespace hyphen", service_account(PROVIDER, "-a", "a"), Some("is not a Kubernetes")),
        ("namespace colon", service_account(PROVIDER, "a:b", "c"), Some("is not a Kubernetes")),
        ("name empty", service_account(PROVIDER, "shop", ""), Some("is empty")),
        ("name dots", service_account(PROVIDER, "shop", "a.b-c"), None),
        ("name long", service_account(PROVIDER, "shop", &"a".repeat(254)), Some("Kubernetes")),
        ("subject star", web(PROVIDER, "repo:shop/*", "b"), Some("contains a wildcard")),
        ("subject empty", web(PROVIDER, "", "b"), Some("is empty")),
        ("audience star", web(PROVIDER, "a", "*"), Some("contains a wildcard")),
        ("claim", claim("email", "ann@shop.example"), None),
        ("claim value", claim("email", "*@shop.example"), Some("contains a wildcard")),
        ("claim sub", claim("sub", "a"), Some("\"sub\" is already required")),
        ("claim AUD", claim("AUD", "a"), Some("is already required")),
        ("claim twice", claim("HD", "a"), Some("is already required")),
        ("claim name", claim("a b", "a"), Some("is not the name of a claim")),
        ("claim colon", claim("a:b", "a"), Some("is not the name of a claim")),
        (
            "claim without values",
            TrustedWebIdentity::new(PROVIDER, "a", "b").unwrap().claim("x", none).map(|_| ()),
            Some("no claim value is given"),
        ),
    ]);
}

#[test]
fn invalid_github_identities_are_errors() {
    let branch = |repository: &str, branch: &str| {
        TrustedGitHubActions::branch(GITHUB, repository, branch).map(|_| ())
    };
    let environment =
        |name: &str| TrustedGitHubActions::environment(GITHUB, "o/r", name).map(|_| ());
    let provider = |issuer: &str| {
        let arn = format!("arn:aws:iam::111122223333:oidc-provider/{issuer}");
        TrustedGitHubActions::pull_request(&arn, "o/r").map(|_| ())
    };
    let claim_of = |issuer: &str, name: &str| {
        let arn = format!("arn:aws:iam::111122223333:oidc-provider/{issuer}");
        let trusted = TrustedGitHubActions::branch(&arn, "o/r", "main").unwrap();
        trusted.claim(name, ["x"]).map(|_| ())
    };
    let claim = |name: &str| claim_of("token.actions.githubusercontent.com", name);
    let no_repository = Some("is not a repository of GitHub");
    let no_branch = Some("is not the name of a branch");
    assert_errors([
        ("branch", branch("octo-org/octo.repo_1", "feature/a-1"), None),
        ("owner alone", branch("octo-org", "main"), no_repository),
        ("owner star", branch("octo-org/*", "main"), Some("contains a wildcard")),
        ("three parts", branch("a/b/c", "main"), no_repository),
        ("colon", branch("a/b:ref", "main"), no_repository),
        ("one id", branch("a@1/b", "main"), no_repository),
        ("no digits", branch("a@1/b@x", "main"), no_repository),
        ("dots", branch("a/..", "main"), no_repository),
        ("empty owner", branch("/b", "main"), no_repository),
        ("branch star", branch("a/b", "release-*"), Some("contains a wildcard")),
        ("branch empty", branch("a/b", ""), Some("is empty")),
        ("branch colon", branch("a/b", "main:environment"), no_branch),
        ("branch space", branch("a/b", "a b"), no_branch),
        ("branch dots", branch("a/b", "a..b"), no_branch),
        ("branch slash", branch("a/b", "a//b"), no_branch),
        ("branch variable", branch("a/b", "a${b}"), Some("contains a policy variable")),
        ("environment", environment("eu west: 1"), None),
        ("environment star", environment("prod*"), Some("contains a wildcard")),
        ("environment long", environment(&"a".repeat(256)), Some("more than 255 characters")),
        ("GitHub", provider("token.actions.githubusercontent.com"), None),
        ("enterprise", provider("token.actions.githubusercontent.com/octo"), None),
        ("resident", provider("token.actions.octo.ghe.com"), None),
        ("server", provider("github.shop.example/_services/token"), None),
        ("other", provider("shop.example"), Some("is not the OIDC provider of GitHub")),
        (
            "look-alike",
            provider("token.actions.githubusercontent.com.shop.example"),
            Some("is not the OIDC provider of GitHub"),
        ),
        ("claim", claim("job_workflow_ref"), None),
        ("owner", claim("repository_owner_id"), None),
        ("unavailable claim", claim("run_id"), Some("\"run_id\" is not a claim of token.actions.")),
        ("subject", claim("sub"), Some("\"sub\" is not a claim of token.actions.")),
        ("resident claim", claim_of("token.actions.octo.ghe.com", "ref"), None),
        (
            "server claim",
            claim_of("github.shop.example/_services/token", "ref"),
            Some("\"ref\" is not a claim of github.shop.example/_services/token that STS"),
        ),
    ]);
}

#[test]
fn invalid_services_are_errors() {
    let service = |name: &str| TrustedService::new(name).map(|_| ());
    let source = |arn: &str| TrustedService::lambda().source_arn(arn).map(|_| ());
    let cluster = |arn: &str| TrustedPodIdentity::any_pod().cluster(arn).map(|_| ());
    let pods = |namespace: &str, name: &str| {
        TrustedPodIdentity::service_account(namespace, name).map(|_| ())
    };
    assert_errors([
        ("service", service("states.amazonaws.com"), None),
        ("pods", service("pods.eks.amazonaws.com"), Some("hint: use TrustedPodIdentity")),
        ("star", service("*.amazonaws.com"), Some("contains a wildcard")),
        ("short name", service("states"), Some("\"states\" is not the principal")),
        ("source star", source("arn:aws:ecs:eu-west-1:111122223333:*"), Some("a wildcard")),
        ("source", source("arn:aws:s3:::shop"), None),
        ("source text", source("shop"), Some("\"shop\" is not an ARN")),
        ("account", TrustedService::ec2().source_account("1").map(|_| ()), Some("account id")),
        (
            "Region of another service",
            TrustedService::lambda().source_region("eu-west-1", "111122223333").map(|_| ()),
            Some("can be the source of ecs-tasks.amazonaws.com alone"),
        ),
        (
            "Region star",
            TrustedService::ecs_tasks().source_region("*", "111122223333").map(|_| ()),
            Some("is not a Region"),
        ),
        ("cluster", cluster(CLUSTER), None),
        ("cluster star", cluster("arn:aws:eks:eu-west-1:111122223333:cluster/*"), Some("wildcard")),
        ("cluster name", cluster("shop"), Some("\"shop\" is not the ARN of an EKS cluster")),
        ("cluster role", cluster(CHECKOUT), Some("is not the ARN of an EKS cluster")),
        ("namespace", pods("*", "checkout"), Some("contains a wildcard")),
        ("service account", pods("shop", "Checkout"), Some("is not a Kubernetes name")),
    ]);
}

#[test]
fn invalid_session_tags_are_errors() {
    let new = AllowedSessionTags::new;
    let key = |key: &str| new().required_with_any_value(key).map(|_| ());
    let tag_value = |value: &str| new().optional("team", [value]).map(|_| ());
    let none: [&str; 0] = [];
    let many = (0..50)
        .fold(new(), |tags, number| tags.optional_with_any_value(&format!("tag{number}")).unwrap());
    let team = || new().optional_with_any_value("team").unwrap();
    let role = || TrustedPrincipal::role(CHECKOUT).unwrap();
    assert_errors([
        ("key", key("Größe: 1/2"), None),
        ("key star", key("te*m"), Some("\"te*m\" contains a wildcard")),
        ("key aws", key("AWS:team"), Some("begins with aws:")),
        ("key character", key("team#1"), Some("contains '#'")),
        ("key long", key(&"a".repeat(129)), Some("has 129 characters")),
        ("value", tag_value("blue team"), None),
        ("value star", tag_value("*"), Some("contains a wildcard")),
        ("value variable", tag_value("${aws:username}"), Some("contains a policy variable")),
        ("value long", tag_value(&"a".repeat(257)), Some("has 257 characters")),
        ("no values", new().required("team", none).map(|_| ()), Some("no tag value is given")),
        ("twice", team().optional_with_any_value("TEAM").map(|_| ()), Some("already allowed")),
        ("51 tags", many.optional_with_any_value("x").map(|_| ()), Some("the 50 tags")),
        ("transitive", team().transitive(["team"]).map(|_| ()), None),
        ("not allowed", team().transitive(["cost"]).map(|_| ()), Some("is not an allowed")),
        ("no tags", role().session_tags(new()).map(|_| ()), Some("no session tag is allowed")),
        (
            "no source identity",
            role().source_identity(none).map(|_| ()),
            Some("no source identity is given"),
        ),
    ]);
}
