//! Which system issued a token.

use super::Jwt;

/// The systems that are recognized by the host of their issuer.
const ISSUERS: &[(&str, &str)] = &[
    ("accounts.google.com", "Google ID token"),
    ("agent.buildkite.com", "Buildkite token"),
    ("app.terraform.io", "HCP Terraform token"),
    ("cognito-identity.amazonaws.com", "Amazon Cognito identity pool token"),
    ("gitlab.com", "GitLab CI/CD token"),
    ("oidc.circleci.com", "CircleCI token"),
    ("token.actions.githubusercontent.com", "GitHub Actions token"),
];

/// The kind of a token, and what it was issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Such as `namespace shop`.
    pub(crate) details: Vec<String>,
}

impl Kind {
    pub(crate) fn of(jwt: &Jwt) -> Self {
        let claims = jwt.unverified.as_ref();
        let issuer = jwt.text("iss").unwrap_or_default();
        let issuer = issuer.strip_prefix("https://").unwrap_or(issuer);
        if let Some(pod) = claims.and_then(|claims| claims.kubernetes()) {
            let mut details = vec![format!("namespace {}", pod.namespace)];
            let mut add = |what: &str, name: &Option<String>| {
                details.extend(name.iter().map(|name| format!("{what} {name}")));
            };
            add("service account", &pod.service_account);
            add("pod", &pod.pod);
            add("node", &pod.node);
            let is_eks = issuer.starts_with("oidc.eks.") || issuer.starts_with("oidc-eks.");
            let name = match is_eks {
                true => "Kubernetes service account token of an EKS cluster",
                false => "Kubernetes service account token",
            };
            return Self { name, details };
        }
        if jwt.claims.contains_key("kubernetes.io/serviceaccount/namespace") {
            let name = "Kubernetes service account token from a Secret, which never expires";
            return Self { name, details: Vec::new() };
        }
        if let Some(job) = claims.and_then(|claims| claims.github()).filter(|_| {
            // GitLab has no claim `repository`; other issuers may copy GitHub's.
            issuer.contains("token.actions") || issuer.starts_with("github")
        }) {
            let mut details = vec![format!("repository {}", job.repository)];
            let mut add = |what: &str, name: &Option<String>| {
                details.extend(name.iter().map(|name| format!("{what} {name}")));
            };
            add("ref", &job.git_ref);
            add("environment", &job.environment);
            add("workflow", &job.job_workflow_ref);
            return Self { name: "GitHub Actions token", details };
        }
        if let Some(id) = jwt.text("sub").filter(|subject| subject.starts_with("spiffe://")) {
            return Self { name: "SPIFFE JWT-SVID", details: vec![format!("workload {id}")] };
        }
        let host = issuer.split('/').next().unwrap_or_default();
        let known = ISSUERS.iter().find(|(name, _)| *name == host);
        Self { name: known.map_or("web identity token", |(_, name)| name), details: Vec::new() }
    }
}
