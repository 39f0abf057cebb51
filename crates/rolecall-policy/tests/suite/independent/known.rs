//! The known differences between ministack's evaluator and that of rolecall.

use rolecall_policy::Outcome;
use serde_json::{Value, json};

use super::ministack::Verdict;
use super::probe::{Element, look_up, texts, texts_of};

/// A class of differences in an element: its name, and whether a difference belongs to it. The
/// first class that takes a difference has it.
type ElementClass = (&'static str, fn(&Element<'_>) -> bool);

/// A class of differences in a decision.
#[derive(Clone, Copy)]
pub(super) struct DecisionClass {
    pub(super) name: &'static str,
    pub(super) explains: fn(&Disagreement<'_>) -> bool,
    /// Takes the cause from a case, after which ministack must decide as rolecall does.
    pub(super) remove_cause: Option<fn(&mut Value)>,
}

impl DecisionClass {
    const fn new(name: &'static str, explains: fn(&Disagreement<'_>) -> bool) -> Self {
        Self { name, explains, remove_cause: None }
    }

    const fn remove_cause(self, remove: fn(&mut Value)) -> Self {
        Self { remove_cause: Some(remove), ..self }
    }
}

/// A case that the evaluators decide differently though its elements match alike.
#[derive(Debug)]
pub(super) struct Disagreement<'a> {
    pub(super) case: &'a Value,
    pub(super) ours: Outcome,
    pub(super) theirs: Verdict,
}

/// Differences in one element. `docs/evaluators.md` says which is right, and why.
pub(super) const ELEMENTS: &[ElementClass] = &[
    ("variable", |element| {
        let has_names = element.is_string() || element.is_arn();
        element.has_variables && (has_names || element.name.ends_with("resource"))
    }),
    ("not-principal", |element| element.name == "notprincipal" && element.matches),
    ("root-of-other-partition", |element| {
        let is_other = |text: &String| {
            text.ends_with(":root")
                && field(text, 4) == field(element.caller, 4)
                && field(text, 1) != field(element.caller, 1)
        };
        element.is_principal() && !element.matches && element.listed.iter().any(is_other)
    }),
    ("principal-in-other-case", |element| {
        let is_other = |text: &String| is_in_other_case(text, element.caller);
        element.is_principal() && !element.matches && element.listed.iter().any(is_other)
    }),
    ("role-on-other-path", |element| {
        let is_other = |text: &String| is_on_other_path(text, element.caller, element.role);
        element.is_principal() && !element.matches && element.listed.iter().any(is_other)
    }),
    ("set-operator-on-null", |element| element.name == "forallvalues:null" && element.matches),
    ("key-without-values", |element| element.count() == Some(0)),
    ("several-values-without-set-operator", |element| {
        element.count().is_some() && element.set_operator().is_none()
    }),
    ("request-tag-with-several-values", |element| {
        element.key.starts_with("aws:requesttag/") && element.count().is_some()
    }),
    ("any-value-if-exists", |element| {
        let is_set = element.set_operator() == Some("foranyvalue");
        let is_absent = element.given.is_none() && element.name.ends_with("ifexists");
        is_set && is_absent && !element.matches
    }),
    ("all-values-of-empty-string", |element| {
        let is_set = element.set_operator() == Some("forallvalues");
        is_set && element.given_texts() == [""] && element.matches
    }),
    ("arn-wildcard-over-fields", |element| {
        let has_wildcard = element.listed.iter().any(|text| text.contains('*'));
        element.is_arn() && has_wildcard && element.matches == element.is_negated()
    }),
    ("negation-of-no-number", |element| {
        let is_other = |text: &&str| text.parse::<f64>().is_err();
        element.operator() == "numericnotequals"
            && element.matches
            && element.given_texts().iter().any(is_other)
    }),
    ("negation-of-no-date", |element| {
        let is_other = |text: &&str| !is_date(text);
        element.operator() == "datenotequals"
            && element.matches
            && element.given_texts().iter().any(is_other)
    }),
    ("long-number", |element| {
        let number = |text: &str| text.parse::<f64>().ok();
        let is_close = |given: &&str| {
            let mut listed = element.listed.iter().filter(|listed| listed != given);
            given.len() > 15 && listed.any(|listed| number(listed) == number(given))
        };
        element.operator().starts_with("numeric") && element.given_texts().iter().any(is_close)
    }),
    ("time-without-offset", |element| {
        let is_local = |text: &&str| {
            text.split_once('T').is_some_and(|(_, time)| !time.contains(['Z', '+', '-']))
        };
        element.is_date() && element.given_texts().iter().any(is_local) && !element.matches
    }),
    ("fraction-of-a-second-since-1970", |element| {
        let is_fraction = |text: &&str| text.contains('.') && text.parse::<f64>().is_ok();
        element.is_date() && element.given_texts().iter().any(is_fraction) && !element.matches
    }),
    ("seconds-after-the-year-9999", |element| {
        let is_late =
            |text: &&str| text.parse::<i64>().is_ok_and(|second| second > 253_402_300_799);
        element.is_date() && element.given_texts().iter().any(is_late)
    }),
];

/// Returns `true` if a principal differs from the caller in the letter case of its name alone.
fn is_in_other_case(principal: &str, caller: &str) -> bool {
    principal != caller && principal.eq_ignore_ascii_case(caller)
}

/// Returns `true` if a principal differs from the caller's role in its path alone.
fn is_on_other_path(principal: &str, caller: &str, role: Option<&str>) -> bool {
    names_role(principal, caller) && role.is_some_and(|role| role != principal)
}

/// Returns `true` if a principal names the caller, or its role on any path: not by the account.
fn names_caller(principal: &str, caller: &str) -> bool {
    principal == "*" || principal == caller || names_role(principal, caller)
}

/// Returns `true` if a principal is a role with the account and name of the caller's.
fn names_role(principal: &str, caller: &str) -> bool {
    let name = principal.rsplit('/').next().unwrap_or_default();
    principal.contains(":role/")
        && field(principal, 4) == field(caller, 4)
        && caller.contains(&format!(":assumed-role/{name}/"))
}

/// Returns `true` for seconds since 1970, and for what begins with a day of the calendar.
fn is_date(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let day = match (number(0..4), number(5..7), number(8..10)) {
        (Some(_), Some(2), Some(day)) => day <= 29,
        (Some(_), Some(4 | 6 | 9 | 11), Some(day)) => day <= 30,
        (Some(_), Some(1..=12), Some(day)) => day <= 31,
        _ => false,
    };
    day || text.parse::<i64>().is_ok()
}

/// Differences in the decision on cases whose elements match alike.
pub(super) const DECISIONS: &[DecisionClass] = &[
    DecisionClass::new("root-has-no-policies", |case| {
        let is_denied = case.ours == Outcome::ExplicitlyDenied;
        case.caller().ends_with(":root")
            && case.theirs == Verdict::Allowed
            && (is_denied || case.is_assume_role() || !case.is_same_account())
    }),
    DecisionClass::new("trust-of-same-account", |case| {
        let is_trusted = case.ours == Outcome::Allowed && case.theirs == Verdict::Denied;
        let is_direct = case.granted().iter().any(|name| names_caller(name, case.caller()));
        is_trusted && is_direct && case.is_assume_role() && case.is_same_account()
    })
    .remove_cause(allow_all),
    DecisionClass::new("everyone-is-the-caller", |case| {
        case.is_limited_grant() && case.granted().iter().any(|name| name == "*")
    })
    .remove_cause(remove_limits),
    DecisionClass::new("similar-principal-beside-account", |case| {
        let account = field(case.caller(), 4);
        let has_both = |statement: &Value| {
            let names = texts(&statement["Principal"]["AWS"]);
            statement["Effect"] == "Allow"
                && names.iter().any(|name| is_similar(name, case.case))
                && names.iter().any(|name| name == account || name.ends_with(":root"))
        };
        case.is_same_account()
            && case.ours == Outcome::ImplicitlyDenied
            && case.theirs == Verdict::Allowed
            && case.statements().any(has_both)
    })
    .remove_cause(remove_similar_principals),
    DecisionClass::new("federated-session-is-the-caller", |case| {
        case.is_limited_grant()
            && case.caller().contains(":federated-user/")
            && case.granted().iter().any(|name| name == case.caller())
    })
    .remove_cause(remove_limits),
    DecisionClass::new("web-identity-and-not-principal", |case| {
        case.is_denied_web_identity() && case.has_deny(|deny| deny.get("NotPrincipal").is_some())
    }),
    DecisionClass::new("web-identity-and-everyone", |case| {
        let names_everyone = |deny: &Value| texts(&deny["Principal"]["AWS"]).contains(&"*".into());
        case.is_denied_web_identity() && case.has_deny(names_everyone)
    }),
    DecisionClass::new("web-identity-allowed-to-everyone", |case| {
        case.is_web_identity()
            && case.ours == Outcome::ImplicitlyDenied
            && case.theirs == Verdict::Allowed
            && case
                .statements()
                .any(|statement| statement["Effect"] == "Allow" && statement["Principal"] == "*")
    }),
];

/// Removes session policies and boundaries. rolecall allowed the case, so none of them denies it.
fn remove_limits(case: &mut Value) {
    let case = case.as_object_mut().unwrap();
    case.retain(|member, _| member != "session_policies" && member != "permission_boundaries");
}

/// Removes the principals of Allow statements that ministack alone takes for the caller.
fn remove_similar_principals(case: &mut Value) {
    let unchanged = case.clone();
    let statement = &mut case["resource_policy"]["Statement"];
    let statements = match statement {
        Value::Array(statements) => statements.iter_mut().collect(),
        single => vec![single],
    };
    for statement in statements.into_iter().filter(|statement| statement["Effect"] == "Allow") {
        if let Some(names) = statement.pointer_mut("/Principal/AWS").and_then(Value::as_array_mut) {
            names.retain(|name| !is_similar(name.as_str().unwrap(), &unchanged));
        }
    }
}

/// Returns `true` for a principal that ministack alone takes for the caller of a case.
fn is_similar(principal: &str, case: &Value) -> bool {
    let request = &case["request"];
    let caller = request["principal"].as_str().unwrap();
    let role = look_up(request, "aws:principalarn").and_then(|role| texts_of(role).next());
    is_in_other_case(principal, caller) || is_on_other_path(principal, caller, role)
}

/// Adds an identity policy that allows everything.
fn allow_all(case: &mut Value) {
    remove_limits(case);
    let policy = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let identity = case.as_object_mut().unwrap().entry("identity_policies").or_insert(json!([]));
    identity.as_array_mut().unwrap().push(policy);
}

impl Element<'_> {
    fn is_principal(&self) -> bool {
        self.name == "principal"
    }

    /// Returns the set operator, in lower case.
    fn set_operator(&self) -> Option<&str> {
        self.name.split_once(':').map(|(set, _)| set)
    }

    /// Returns the operator without set operator and suffix, in lower case.
    fn operator(&self) -> &str {
        let operator = self.name.split_once(':').map_or(self.name.as_str(), |(_, rest)| rest);
        operator.strip_suffix("ifexists").unwrap_or(operator)
    }

    fn is_string(&self) -> bool {
        self.operator().starts_with("string")
    }

    fn is_arn(&self) -> bool {
        self.operator().starts_with("arn")
    }

    fn is_date(&self) -> bool {
        self.operator().starts_with("date")
    }

    fn is_negated(&self) -> bool {
        self.operator().contains("not")
    }

    /// Returns how many values the request lists for the key, if it has a list.
    fn count(&self) -> Option<usize> {
        self.given.and_then(Value::as_array).map(Vec::len)
    }

    fn given_texts(&self) -> Vec<&str> {
        self.given.into_iter().flat_map(texts_of).collect()
    }
}

/// Returns a field of an ARN.
fn field(arn: &str, index: usize) -> &str {
    arn.split(':').nth(index).unwrap_or_default()
}

impl Disagreement<'_> {
    fn caller(&self) -> &str {
        self.case["request"]["principal"].as_str().unwrap()
    }

    fn is_assume_role(&self) -> bool {
        self.case["request"]["action"] == "sts:AssumeRole"
    }

    fn is_web_identity(&self) -> bool {
        self.case["request"]["action"] == "sts:AssumeRoleWithWebIdentity"
    }

    fn is_same_account(&self) -> bool {
        let request = &self.case["request"];
        let owner = match request["resource_account"].as_str() {
            Some(owner) => owner,
            None => field(request["resource"].as_str().unwrap(), 4),
        };
        // A resource without an account, as in Amazon S3, is the caller's.
        owner.is_empty() || owner == field(self.caller(), 4)
    }

    /// A grant of the resource's policy, which a session policy or boundary does not limit.
    fn is_limited_grant(&self) -> bool {
        self.ours == Outcome::Allowed
            && self.theirs == Verdict::ImplicitlyDenied
            && self.is_same_account()
            && ["session_policies", "permission_boundaries"]
                .iter()
                .any(|name| self.case.get(name).is_some())
    }

    /// Returns the names that the resource's policy allows something.
    fn granted(&self) -> Vec<String> {
        let allows = self.statements().filter(|statement| statement["Effect"] == "Allow");
        allows.flat_map(|statement| texts(&statement["Principal"])).collect()
    }

    /// A web identity that a trust policy denies in a way that ministack does not see.
    fn is_denied_web_identity(&self) -> bool {
        self.is_web_identity()
            && self.ours == Outcome::ExplicitlyDenied
            && self.theirs == Verdict::Allowed
    }

    fn has_deny(&self, is_wanted: impl Fn(&Value) -> bool) -> bool {
        self.statements().any(|statement| statement["Effect"] == "Deny" && is_wanted(statement))
    }

    /// Returns the statements of the resource's policy.
    fn statements(&self) -> impl Iterator<Item = &Value> {
        let statement = self.case.get("resource_policy").map(|policy| &policy["Statement"]);
        let many = statement.and_then(Value::as_array).into_iter().flatten();
        many.chain(statement.filter(|statement| statement.is_object()))
    }
}
