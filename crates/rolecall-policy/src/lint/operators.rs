//! The lints of condition operators: whether they fit the type and the number of the key's values.

use super::StatementLint;
use super::catalog::ValueType;
use super::keys::{self, split_issuer};
use super::registry::{
    CONFIRM_AUDIENCE_CLAIM_TYPE, FORALLVALUES_WITH_SINGLE_VALUED_KEY,
    FORALLVALUES_WITHOUT_NULL_CHECK, FORANYVALUE_WITH_AUDIENCE_CLAIM_TYPE, MISSING_QUALIFIER,
    NULL_WITH_QUALIFIER, SET_OPERATOR_ON_SINGLE_VALUED_KEY,
    STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS, STRING_OPERATOR_WITH_ARN_KEY, TYPE_MISMATCH,
};
use super::view::{Report, StatementView};
use crate::condition::{Comparison, Condition, OperatorType, SetOperator};

pub(super) const STATEMENT: &[StatementLint] = &[value_type, set_operator];

fn value_type(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let Some((value, _)) = keys::value_type(condition.key()) else { continue };
        let (operator, place) = (condition.operator(), statement.condition(index));
        let (key, of) = (condition.key(), operator.operator_type());
        if of == OperatorType::String && value == ValueType::Arn {
            let has_wildcard = condition.values().any(|it| it.contains(['*', '?']));
            if operator.comparison() == Comparison::Like && has_wildcard {
                let message =
                    format!("the values of {key} are ARNs, and a wildcard crosses their fields");
                let fix = "write ArnLike or ArnNotLike";
                report.add(STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS, place, message, fix);
            } else {
                let message = format!("the values of {key} are ARNs, and {operator} is for text");
                let fix = "write an operator such as ArnEquals";
                report.add(STRING_OPERATOR_WITH_ARN_KEY, place, message, fix);
            }
        } else if let Some(expected) = mismatch(of, value).filter(|_| !is_arn_in_text(of, key)) {
            let message = format!("{operator} does not fit {key}, whose values are {expected}");
            let fix = format!("use an operator for {expected}");
            report.add(TYPE_MISMATCH, place, message, fix);
        }
    }
}

/// Returns `true` if an operator for ARNs compares a tag or another text whose form the author of
/// the policy knows.
fn is_arn_in_text(operator: OperatorType, key: &str) -> bool {
    let is_free =
        key.contains('/') || key.to_ascii_lowercase().starts_with("kms:encryptioncontext:");
    operator == OperatorType::Arn && is_free
}

/// Returns what the values of a key are, if an operator is not for them.
fn mismatch(operator: OperatorType, value: ValueType) -> Option<&'static str> {
    use OperatorType as Of;
    let (fitting, name): (&[OperatorType], &str) = match value {
        ValueType::String => (&[Of::String, Of::Binary], "text"),
        ValueType::Arn => (&[Of::Arn, Of::String], "ARNs"),
        ValueType::StringOrArn => (&[Of::Arn, Of::String], "text or ARNs"),
        ValueType::Bool => (&[Of::Bool], "Booleans"),
        ValueType::Date => (&[Of::Date], "dates"),
        ValueType::DateOrNumeric => (&[Of::Date, Of::Numeric], "dates"),
        ValueType::Numeric => (&[Of::Numeric], "numbers"),
        ValueType::IpAddress => (&[Of::IpAddress], "addresses"),
        ValueType::Unknown => return None,
    };
    (operator != Of::Null && !fitting.contains(&operator)).then_some(name)
}

fn set_operator(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let (operator, key) = (condition.operator(), condition.key());
        let place = statement.condition(index);
        let is_null = operator.operator_type() == OperatorType::Null;
        let is_multivalued = keys::value_type(key).map(|(_, is_multivalued)| is_multivalued);
        let audience = split_issuer(key).filter(|(_, claim)| claim.eq_ignore_ascii_case("aud"));
        match (operator.set_operator(), is_multivalued) {
            (None, _) if is_null => {}
            (None, Some(true)) => {
                let message = format!("a request may carry several values of {key}");
                let fix = format!("write ForAnyValue:{operator} or ForAllValues:{operator}");
                report.add(MISSING_QUALIFIER, place, message, fix);
            }
            (None, _) => {}
            (Some(set), _) if is_null => {
                let answer = match set {
                    SetOperator::ForAllValues => "met if the key is absent, whatever the value",
                    SetOperator::ForAnyValue => "never met",
                };
                let message = format!("{operator} is {answer}");
                report.add(NULL_WITH_QUALIFIER, place, message, "write Null");
            }
            (Some(SetOperator::ForAnyValue), Some(false)) if audience.is_some() => {
                let issuer = audience.map(|(issuer, _)| issuer).unwrap_or_default();
                any_audience(issuer, place, report);
            }
            // In a Deny the same condition denies more than is meant, and not less, so that the
            // weaker lint below reports it.
            (Some(SetOperator::ForAllValues), Some(false)) if statement.is_allow() => {
                let message = format!(
                    "{key} has one value, and {operator} is also met by requests without the key"
                );
                let fix = format!("remove {}", "ForAllValues:");
                report.add(FORALLVALUES_WITH_SINGLE_VALUED_KEY, place, message, fix);
            }
            (Some(_), Some(false)) => {
                let message = format!("{key} has one value, and {operator} is for several");
                let fix = "remove the set operator";
                report.add(SET_OPERATOR_ON_SINGLE_VALUED_KEY, place, message, fix);
            }
            (Some(SetOperator::ForAllValues), _) if statement.is_allow() => {
                if !is_presence_checked(statement, condition)
                    && !is_absent_by_design(statement, condition)
                {
                    let message = format!("{operator} is also met by requests without {key}");
                    let fix = format!("add \"Null\": {{\"{key}\": \"false\"}}");
                    report.add(FORALLVALUES_WITHOUT_NULL_CHECK, place, message, fix);
                }
            }
            (Some(_), _) => {}
        }
    }
}

/// ForAnyValue before the claim `aud`. STS makes one value of it, but for an issuer that it does
/// not know this is not documented.
fn any_audience(issuer: &str, place: super::location::ElementPath, report: &mut Report) {
    let known = [
        "accounts.google.com",
        "app.terraform.io",
        "cognito-identity.amazonaws.com",
        "gitlab.com",
        "token.actions.githubusercontent.com",
    ];
    let is_eks = issuer.starts_with("oidc.eks.") && issuer.contains(".amazonaws.com");
    let is_known = is_eks || known.iter().any(|known| issuer.eq_ignore_ascii_case(known));
    let message = format!("{issuer}:aud has one value");
    if is_known {
        let fix = "remove ForAnyValue:";
        report.add(FORANYVALUE_WITH_AUDIENCE_CLAIM_TYPE, place, message, fix);
    } else {
        let message = format!("{message} unless the provider issues tokens for several audiences");
        let fix = "remove ForAnyValue: unless the provider documents several audiences";
        report.add(CONFIRM_AUDIENCE_CLAIM_TYPE, place, message, fix);
    }
}

/// Returns `true` if another condition of the statement is met only if the key is there.
fn is_presence_checked(statement: &StatementView<'_>, condition: &Condition) -> bool {
    let key = condition.lower_case_key();
    let mut others = statement.conditions().map(|(_, other)| other);
    others.any(|other| {
        let requires = super::condition_keys::requires_key(other);
        let of_tag = key == "aws:tagkeys" && other.lower_case_key().starts_with("aws:requesttag/");
        requires && (other.lower_case_key() == key || of_tag)
    })
}

/// Returns `true` if a request without the key asks for less than one with it: for a session none
/// of whose tags is transitive, or, where nothing but session tags is allowed, for one without
/// tags. A condition that the key be there would refuse these requests.
fn is_absent_by_design(statement: &StatementView<'_>, condition: &Condition) -> bool {
    let tags_sessions_alone = || {
        let mut matched = statement.actions.iter().map(|action| &action.matched);
        let is_tagging = |name: String| name.eq_ignore_ascii_case("sts:TagSession");
        !statement.has_not_action()
            && matched.all(|all| {
                !all.is_empty() && all.iter().all(|action| is_tagging(action.to_string()))
            })
    };
    match condition.lower_case_key() {
        "sts:transitivetagkeys" => true,
        "aws:tagkeys" => tags_sessions_alone(),
        _ => false,
    }
}
