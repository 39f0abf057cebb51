//! What the fuzz targets do with their input. The tests of rolecall-policy run the same functions
//! on the committed corpora.

use rolecall_policy::{
    Condition, Context, Pattern, PermissionPolicy, PolicyKind, ResourcePolicy, Simulation,
    TrustPolicy,
};

/// Parses a document as each kind of policy. What is accepted is written and read again.
pub(crate) fn parse(data: &[u8]) {
    for kind in [PolicyKind::AwsManaged, PolicyKind::Session, PolicyKind::ServiceControl] {
        if let Ok(policy) = PermissionPolicy::from_slice(kind, data) {
            let written = PermissionPolicy::parse_as(kind, &policy.to_compact_json());
            // Escapes can make the written text longer than the limit.
            assert!(written.is_err() || written.as_ref() == Ok(&policy), "{policy:?} {written:?}");
        }
    }
    if let Ok(policy) = TrustPolicy::from_slice(PolicyKind::TrustRaised, data) {
        let written = TrustPolicy::parse_as(PolicyKind::TrustRaised, &policy.to_compact_json());
        assert!(written.is_err() || written.as_ref() == Ok(&policy), "{policy:?} {written:?}");
    }
    for kind in [PolicyKind::Resource, PolicyKind::ResourceControl] {
        if let Ok(policy) = ResourcePolicy::from_slice(kind, data) {
            let written = ResourcePolicy::parse_as(kind, &policy.to_compact_json());
            assert!(written.is_err() || written.as_ref() == Ok(&policy), "{policy:?} {written:?}");
        }
    }
}

/// Matches the first line, a pattern, with the second one, and compares with a table of all
/// prefixes.
pub(crate) fn pattern(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (pattern, text) = text.split_once('\n').unwrap_or((text, ""));
    let matched = Pattern::new(pattern).matches(text);
    if pattern.len() <= 256 && text.len() <= 256 {
        assert_eq!(matched, matches_by_table(pattern, text), "{pattern:?} {text:?}");
    }
    let context = Context::new().with("k:v", text).with("k:w", "");
    let with_variables = Pattern::with_variables(pattern);
    if !pattern.contains('$') {
        assert_eq!(with_variables.matches_in(text, &context), matched, "{pattern:?} {text:?}");
    } else {
        let _ = with_variables.matches_in(text, &context);
    }
}

/// `table[p][t]` is whether the first `p` characters of the pattern match the first `t` of the
/// text.
fn matches_by_table(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for p in pattern.chars() {
        let mut next = vec![p == '*' && row[0]; 1];
        for (index, t) in text.iter().enumerate() {
            let matches = match p {
                '*' => next[index] || row[index + 1],
                '?' => row[index],
                _ => row[index] && p == *t,
            };
            next.push(matches);
        }
        row = next;
    }
    row[text.len()]
}

/// Reads an operator, values and the request's values, each on a line. A negated operator is met
/// where its positive form is not.
pub(crate) fn condition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let operator = lines.next().unwrap_or_default();
    let values = lines.next().unwrap_or_default().split('|');
    let context = Context::new()
        .with("aws:username", "ann")
        .with_values("k:v", lines.next().unwrap_or_default().split('|'));
    let Ok(condition) = Condition::new(operator, "k:v", values.clone()) else { return };
    let met = condition.is_met(&context);
    if condition.operator().is_negated() && condition.operator().set_operator().is_none() {
        let positive = operator.to_lowercase().replacen("not", "", 1);
        if let Ok(positive) = Condition::new(&positive, "k:v", values) {
            assert_ne!(met, positive.is_met(&context), "{operator}");
        }
    }
}

/// Evaluates a simulation. The explanation has the outcome of the decision.
pub(crate) fn evaluate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(simulation) = Simulation::parse(text) else { return };
    let decision = simulation.evaluate();
    let explanation = decision.explain();
    assert_eq!(explanation.outcome, decision.outcome());
    assert_eq!(explanation.decided_by, decision.decided_by());
    let _ = (explanation.to_string(), explanation.table().to_string());
}
