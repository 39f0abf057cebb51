//! What STS, or a person, would object to in a token.
//!
//! (AWS STS API Reference, "AssumeRoleWithWebIdentity": the signature algorithms, the times and the
//! length.)

use std::time::{Duration, SystemTime};

use rolecall::policy::WebIdentityClaims;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Jwt;
use crate::time::{distance, duration, timestamp};

const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
const MAX_LENGTH: usize = 20_000;
/// Clocks of two machines rarely agree better than this.
const SKEW: Duration = Duration::from_secs(300);
/// The tokens that EKS projects into pods live as long.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// STS rejects the token.
    Error,
    /// The token works, and is not as it should be.
    Warning,
}

/// A problem of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn error(&mut self, message: impl Into<String>, hint: &'static str) {
        self.0.push(Problem { severity: Severity::Error, message: message.into(), hint });
    }

    fn warn(&mut self, message: impl Into<String>, hint: &'static str) {
        self.0.push(Problem { severity: Severity::Warning, message: message.into(), hint });
    }
}

/// Returns the problems of a token, those of its form first.
pub(crate) fn find(jwt: &Jwt, now: SystemTime) -> Vec<Problem> {
    let mut problems = Problems::default();
    check_form(jwt, &mut problems);
    check_identity(jwt, &mut problems);
    check_times(jwt, now, &mut problems);
    problems.0
}

fn check_form(jwt: &Jwt, problems: &mut Problems) {
    if !jwt.surroundings.is_empty() {
        let what = match jwt.surroundings.as_str() {
            "\n" | "\r\n" => "a line break follows the token",
            _ => "white space surrounds the token",
        };
        let hint = "remove it: rolecall ignores it, other programs may send it to STS";
        problems.warn(what, hint);
    }
    if jwt.length > MAX_LENGTH {
        let message = format!("{} characters; STS accepts at most {MAX_LENGTH}", jwt.length);
        problems.error(message, "configure the issuer to add fewer claims");
    }
    let hint = "configure the issuer to sign with RS256 or ES256";
    match jwt.header.get("alg").and_then(Value::as_str) {
        None => problems.error("the header names no algorithm (alg)", hint),
        Some(name) if !ALGORITHMS.contains(&name) => {
            problems.error(format!("STS does not accept the algorithm {name:?}"), hint);
        }
        Some(_) => {}
    }
    if !jwt.header.contains_key("kid") {
        let hint = "configure the issuer to add it: STS finds the key by it";
        problems.warn("the header names no key (kid)", hint);
    }
    if jwt.unverified.is_none() {
        let message = "a claim that STS reads has a wrong type, or occurs twice";
        problems.error(message, "compare the claims with those of an ID token");
    }
}

fn check_identity(jwt: &Jwt, problems: &mut Problems) {
    let hint = "pass an ID token, not an access token";
    match jwt.text("iss") {
        None => problems.error("there is no issuer (iss)", hint),
        Some(issuer) if !issuer.starts_with("https://") && issuer != "accounts.google.com" => {
            let hint = match is_local(issuer) {
                true => "use it with a local AWS alone: IAM registers https URLs only",
                false => "configure the issuer with a URL that begins with https://",
            };
            problems.error(format!("the issuer {issuer:?} is not an https URL"), hint);
        }
        Some(_) => {}
    }
    if jwt.text("sub").is_none_or(str::is_empty) {
        problems.error("there is no subject (sub)", hint);
    }
    let audiences = jwt.unverified.as_ref().map(|claims| claims.audiences());
    match audiences {
        Some([]) => {
            let hint = "ask the issuer for the audience sts.amazonaws.com";
            problems.error("there is no audience (aud)", hint);
        }
        Some(many) if !many.iter().any(|audience| audience.starts_with("sts.amazonaws.com")) => {
            let hint = "check that the OIDC provider in IAM has it as a client id";
            let message = format!("the audience is {many:?}, not \"sts.amazonaws.com\"");
            problems.warn(message, hint);
        }
        _ => {}
    }
}

/// Returns `true` for an issuer on this machine, without TLS, as a local AWS has one.
fn is_local(issuer: &str) -> bool {
    let claims = Map::from_iter([("iss".to_owned(), Value::from(issuer))]);
    issuer.starts_with("http://") && WebIdentityClaims::parse(&claims).is_ok()
}

fn check_times(jwt: &Jwt, now: SystemTime, problems: &mut Problems) {
    let (issued, expires) = (jwt.time("iat"), jwt.time("exp"));
    for claim in ["iat", "nbf", "exp"] {
        let value = jwt.claims.get(claim);
        if value.is_some_and(|value| value.as_i64().is_none() && !value.is_null()) {
            let message = format!("the claim {claim} is not a whole number of seconds");
            problems.error(message, "configure the issuer to write NumericDate integers");
        }
    }
    match expires {
        None => problems.error(
            "there is no time of expiration (exp)",
            "use a token that expires, such as a projected service account token",
        ),
        Some(time) if time <= now => problems.error(
            format!("the token expired {}, at {}", distance(time, now), timestamp(time)),
            "check the process that renews the token file",
        ),
        Some(_) => {}
    }
    if issued.is_none() {
        problems.error("there is no time of issue (iat)", "pass an ID token");
    }
    let starts = [("nbf", jwt.time("nbf")), ("iat", issued)];
    let future = starts.into_iter().find(|(_, time)| time.is_some_and(|time| time > now));
    if let Some((claim, Some(time))) = future {
        let message = format!("the token is valid {} only ({claim})", distance(time, now));
        let hint = "check the clocks of this machine and of the issuer";
        match time.duration_since(now) {
            Ok(ahead) if ahead > SKEW => problems.error(message, hint),
            _ => problems.warn(message, hint),
        }
    }
    if let (Some(issued), Some(expires)) = (issued, expires) {
        match expires.duration_since(issued) {
            Ok(lifetime) if lifetime > LONG => problems.warn(
                format!("the token is valid for {}", duration(lifetime)),
                "ask the issuer for a shorter lifetime: a leaked token is valid as long",
            ),
            Ok(_) => {}
            Err(_) => problems
                .error("the token expires before it was issued", "check the clock of the issuer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    const NOW: u64 = 1_767_323_045;

    fn problems(header: Value, change: impl Fn(&mut Value), end: &str) -> Vec<(Severity, String)> {
        let mut claims = json!({
            "iss": "https://oidc.example.com", "sub": "checkout", "aud": "sts.amazonaws.com",
            "iat": NOW - 60, "exp": NOW + 3600,
        });
        change(&mut claims);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}.c2ln{end}", part(&header), part(&claims));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        let found = find(&Jwt::parse(&text).unwrap_or_else(|_| panic!("{text}")), now);
        found.into_iter().map(|problem| (problem.severity, problem.message)).collect()
    }

    #[test]
    fn sound_token_has_no_problem() {
        let header = json!({"alg": "RS256", "kid": "1"});
        assert_eq!(problems(header, |_| (), ""), []);
    }

    #[test]
    fn each_problem_is_found_alone() {
        use Severity::{Error, Warning};
        type Change = fn(&mut Value);
        let sound = || json!({"alg": "ES256", "kid": "1"});
        let remove = |value: &mut Value, name: &str| {
            value.as_object_mut().unwrap().remove(name);
        };
        let cases: Vec<(Value, Change, &str, Severity, &str)> = vec![
            (sound(), |_| (), "\n", Warning, "a line break follows the token"),
            (sound(), |_| (), " \n", Warning, "white space surrounds the token"),
            (json!({"alg": "ES256"}), |_| (), "", Warning, "the header names no key (kid)"),
            (json!({"kid": "1"}), |_| (), "", Error, "the header names no algorithm (alg)"),
            (
                json!({"alg": "none", "kid": "1"}),
                |_| (),
                "",
                Error,
                "STS does not accept the algorithm \"none\"",
            ),
            (sound(), |v| v["x"] = "x".repeat(20_000).into(), "", Error, "STS accepts at most"),
            (sound(), |v| v["iss"] = Value::Null, "", Error, "there is no issuer (iss)"),
            (sound(), |v| v["iss"] = "a.example".into(), "", Error, "is not an https URL"),
            (sound(), |v| v["iss"] = "http://localhost".into(), "", Error, "is not an https URL"),
            (sound(), |v| v["sub"] = "".into(), "", Error, "there is no subject (sub)"),
            (sound(), |v| v["aud"] = json!([]), "", Error, "there is no audience (aud)"),
            (sound(), |v| v["aud"] = "vault".into(), "", Warning, "the audience is [\"vault\"]"),
            (sound(), |v| v["exp"] = Value::Null, "", Error, "no time of expiration (exp)"),
            (sound(), |v| v["exp"] = (NOW - 3).into(), "", Error, "expired 3 seconds ago, at 2026"),
            (sound(), |v| v["iat"] = Value::Null, "", Error, "there is no time of issue (iat)"),
            (
                sound(),
                |v| v["nbf"] = (NOW + 9).into(),
                "",
                Warning,
                "valid in 9 seconds only (nbf)",
            ),
            (sound(), |v| v["nbf"] = (NOW + 900).into(), "", Error, "in 15 minutes only (nbf)"),
            (sound(), |v| v["iat"] = (NOW + 900).into(), "", Error, "in 15 minutes only (iat)"),
            (sound(), |v| v["exp"] = (NOW + 700_000).into(), "", Warning, "is valid for 8 days"),
            (sound(), |v| v["exp"] = json!(NOW as f64 + 9.5), "", Error, "exp is not a whole"),
            (
                sound(),
                |v| (v["exp"], v["iat"]) = ((NOW + 9).into(), (NOW + 10).into()),
                "",
                Warning,
                "only (iat)",
            ),
        ];
        for (header, change, end, severity, message) in cases {
            let found = problems(header, change, end);
            let first = found.first().unwrap_or_else(|| panic!("{message}"));
            assert!(first.0 == severity && first.1.contains(message), "{message}: {found:?}");
            assert!(found.len() == 1 || message == "only (iat)", "{message}: {found:?}");
        }
        let found = problems(sound(), |v| v["aud"] = 1.into(), "");
        assert!(found[0].1.starts_with("a claim that STS reads"), "{found:?}");
        let found = problems(sound(), |v| remove(v, "aud"), "");
        assert_eq!(found, [(Error, "there is no audience (aud)".to_owned())]);
    }
}
